"""``Members``: the fields of a module, and the rules by which attributes become parameters, buffers and children."""

from collections import OrderedDict
from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from flambeau.nn.parameter import Buffer, Parameter
from flambeau.tensors.tensor import Tensor

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

__all__ = ["BUFFER_HOOKS", "MODULE_HOOKS", "PARAMETER_HOOKS", "Members", "typename"]

# Hooks on the registration of any module's members, called with (module, name, member); see ``hooks``.
PARAMETER_HOOKS: "OrderedDict[int, Callable[..., Any]]" = OrderedDict()
BUFFER_HOOKS: "OrderedDict[int, Callable[..., Any]]" = OrderedDict()
MODULE_HOOKS: "OrderedDict[int, Callable[..., Any]]" = OrderedDict()


def typename(obj: Any) -> str:
    """Name of a thing, or of its class, as PyTorch's error messages spell it: ``"torch.FloatTensor"``, ``"int"``."""
    if isinstance(obj, Tensor):
        return obj.type()
    named = cast("Any", obj if hasattr(obj, "__qualname__") else type(obj))
    module = getattr(named, "__module__", None) or ""
    return named.__qualname__ if module in ("", "builtins") else f"{module}.{named.__qualname__}"


def _passed_through(hooks: "OrderedDict[int, Callable[..., Any]]", module: Any, name: str, member: Any) -> Any:
    """A member after the registration hooks; what a hook returns takes its place."""
    for hook in hooks.values():
        replaced = hook(module, name, member)
        if replaced is not None:
            member = replaced
    return member


def _check_name(module: "Members", name: Any, kind: str, own: dict[str, Any]) -> None:
    """Raise TypeError or KeyError, in PyTorch's words, where a member may not have this name."""
    if not isinstance(name, str):
        raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
    if kind == "module" and hasattr(module, name) and name not in own:
        raise KeyError(f"attribute '{name}' already exists")
    if "." in name:
        raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
    if name == "":
        raise KeyError(f'{kind} name can\'t be empty string ""')
    if kind != "module" and hasattr(module, name) and name not in own:
        raise KeyError(f"attribute '{name}' already exists")


class Members:
    """State of a module and the rules of its attributes; what people call is in the families beside this file."""

    dump_patches: bool = False
    _version: int = 1
    call_super_init: bool = False

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _backward_pre_hooks: "OrderedDict[int, Callable[..., Any]]"
    _backward_hooks: "OrderedDict[int, Callable[..., Any]]"
    _is_full_backward_hook: bool | None
    _forward_hooks: "OrderedDict[int, Callable[..., Any]]"
    _forward_hooks_with_kwargs: "OrderedDict[int, bool]"
    _forward_hooks_always_called: "OrderedDict[int, bool]"
    _forward_pre_hooks: "OrderedDict[int, Callable[..., Any]]"
    _forward_pre_hooks_with_kwargs: "OrderedDict[int, bool]"
    _state_dict_hooks: "OrderedDict[int, Callable[..., Any]]"
    _state_dict_pre_hooks: "OrderedDict[int, Callable[..., Any]]"
    _load_state_dict_pre_hooks: "OrderedDict[int, Callable[..., Any]]"
    _load_state_dict_post_hooks: "OrderedDict[int, Callable[..., Any]]"
    _modules: "dict[str, Module | None]"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            name = f"{type(self).__name__}.__init__()"
            if kwargs:
                raise TypeError(f"{name} got an unexpected keyword argument '{next(iter(kwargs))}'")
            if args:
                raise TypeError(f"{name} takes 1 positional argument but {len(args) + 1} were given")
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _is_full_backward_hook=None,
            _forward_hooks=OrderedDict(),
            _forward_hooks_with_kwargs=OrderedDict(),
            _forward_hooks_always_called=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _forward_pre_hooks_with_kwargs=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # -- attributes --------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__
        if "_parameters" in fields and name in fields["_parameters"]:
            return fields["_parameters"][name]
        if "_buffers" in fields and name in fields["_buffers"]:
            return fields["_buffers"][name]
        if "_modules" in fields and name in fields["_modules"]:
            return fields["_modules"][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        fields = self.__dict__
        parameters = fields.get("_parameters")
        modules = fields.get("_modules")
        buffers = fields.get("_buffers")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, fields, self._buffers, self._modules)
            self.register_parameter(name, value)
        elif parameters is not None and name in parameters:
            _refuse(value, name, "parameter", "torch.nn.Parameter or None expected")
            self.register_parameter(name, None)
        elif isinstance(value, Members):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, fields, self._parameters, self._buffers)
            modules[name] = _passed_through(MODULE_HOOKS, self, name, value)
        elif modules is not None and name in modules:
            _refuse(value, name, "child module", "torch.nn.Module or None expected")
            modules[name] = _passed_through(MODULE_HOOKS, self, name, None)
        elif isinstance(value, Buffer) or (buffers is not None and name in buffers):
            if not isinstance(value, Tensor):
                _refuse(value, name, "buffer", "torch.nn.Buffer, torch.Tensor or None expected")
            self._set_buffer(name, value)
        else:
            super().__setattr__(name, value)

    def _forget(self, name: str, *places: dict[str, Any]) -> None:
        """Remove what had this name before, so that a member of another kind can take it."""
        for place in places:
            place.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _set_buffer(self, name: str, value: Any) -> None:
        """Assign a buffer, through a ``register_buffer`` of the user's own if there is one."""
        if isinstance(value, Buffer):
            persistent = getattr(value, "persistent", True)
        else:
            persistent = name not in self.__dict__.get("_non_persistent_buffers_set", ())
        register = self.register_buffer
        own = getattr(register, "__func__", None) is Members.register_buffer
        if own or "persistent" in signature(register).parameters:
            register(name, value, persistent)
            return
        if not persistent:
            raise RuntimeError(
                "Registering a non-persistent buffer on a Module subclass that implements register_buffer() without "
                "the persistent argument is not allowed."
            )
        register(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted(name for name in names if not name[:1].isdigit())

    # -- registration ------------------------------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a buffer: a tensor that is part of the state without being learnt.

        Args:
            name: attribute under which it is found.
            tensor: the buffer; None reserves the name, and stays out of ``state_dict``.
            persistent: whether it is part of ``state_dict``.

        Raises:
            AttributeError: ``Module.__init__`` has not run.
            TypeError: the name is no string, or the buffer no tensor.
            KeyError: the name is empty, contains a dot, or is taken.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.register_buffer("mean", torch.zeros(2))
            >>> module.mean
            tensor([0., 0.])

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_buffer
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        _check_name(self, name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = _passed_through(BUFFER_HOOKS, self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter.

        Args:
            name: attribute under which it is found.
            param: the parameter; None reserves the name, and stays out of ``state_dict``.

        Raises:
            AttributeError: ``Module.__init__`` has not run.
            TypeError: the name is no string, or ``param`` no ``Parameter``.
            KeyError: the name is empty, contains a dot, or is taken.
            ValueError: the parameter is the result of a taped operation.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_parameter
        """
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        _check_name(self, name, "parameter", self._parameters)
        if param is None:
            self._parameters[name] = None
            return
        if not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. To "
                f"express '{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        self._parameters[name] = _passed_through(PARAMETER_HOOKS, self, name, param)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Add a child module; None reserves the name.

        Raises:
            TypeError: ``module`` is no ``Module``, or the name no string.
            KeyError: the name is empty, contains a dot, or is taken.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.add_module
        """
        if module is not None and not isinstance(module, Members):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        _check_name(self, name, "module", self.__dict__.get("_modules", {}))
        self._modules[name] = _passed_through(MODULE_HOOKS, self, name, module)

    def register_module(self, name: str, module: "Module | None") -> None:
        """Another name of ``add_module``."""
        self.add_module(name, module)

    # -- finding members by path -------------------------------------------------------------------------------

    def _reached(self, path: list[str]) -> Any:
        """The module at a path of names; raises AttributeError in PyTorch's words."""
        found: Any = self
        for name in path:
            if not hasattr(found, name):
                raise AttributeError(f"{found._get_name()} has no attribute `{name}`")
            found = getattr(found, name)
            if not isinstance(found, Members):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return found

    def get_submodule(self, target: str) -> "Module":
        """The module at a dotted path, such as ``"encoder.layers.0"``; the empty path is the module itself.

        Raises:
            AttributeError: the path leads nowhere, or to something that is no module.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.get_submodule
        """
        return self._reached(target.split(".") if target else [])

    def set_submodule(self, target: str, module: "Module", strict: bool = False) -> None:
        """Put a module at a dotted path.

        Args:
            target: the path; everything but its last name must exist.
            module: the module to put there.
            strict: whether the last name, too, must exist.

        Raises:
            ValueError: the path is empty, or ``module`` is no module.
            AttributeError: the path leads nowhere, or its last name is taken by something that is no module.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.set_submodule
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Members):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        *path, last = target.split(".")
        parent = self._reached(path)
        if strict and not hasattr(parent, last):
            raise AttributeError(f"{parent._get_name()} has no attribute `{last}`")
        if hasattr(parent, last) and not isinstance(getattr(parent, last), Members):
            raise AttributeError(f"`{last}` is not an nn.Module")
        setattr(parent, last, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path, such as ``"encoder.weight"``.

        Raises:
            AttributeError: the path leads nowhere, or to something that is no parameter.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.get_parameter
        """
        path, _, name = target.rpartition(".")
        module: Any = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        found = getattr(module, name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path, such as ``"norm.running_mean"``.

        Raises:
            AttributeError: the path leads nowhere, or to something that is no buffer.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.get_buffer
        """
        path, _, name = target.rpartition(".")
        module: Any = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return getattr(module, name)


def _refuse(value: Any, name: str, kind: str, expected: str) -> None:
    """Raise TypeError unless the value is None."""
    if value is not None:
        raise TypeError(f"cannot assign '{typename(value)}' as {kind} '{name}' ({expected})")
