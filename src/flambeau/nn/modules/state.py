"""``State``: ``state_dict`` and ``load_state_dict``; a failing load leaves the module as it was."""

import warnings
import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from flambeau.base.hooks import RemovableHandle
from flambeau.differentiation.modes import no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.nn.modules.members import Members
from flambeau.nn.parameter import Parameter
from flambeau.tensors.tensor import Tensor

if TYPE_CHECKING:
    from flambeau.graph.node import Node
    from flambeau.nn.modules.module import Module

__all__ = ["State", "T_destination"]

T_destination = TypeVar("T_destination", bound=dict[str, Any])

_EXTRA_STATE = "_extra_state"
_POSITIONAL = (
    "Positional args are being deprecated, use kwargs instead. Refer to https://pytorch.org/docs/main/generated/"
    "torch.nn.Module.html#torch.nn.Module.state_dict for details."
)
_UNREACHABLE = (
    "Reached a code path in Module.{}() that should never be called. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug."
)
_NO_VALUES = (
    "for {}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, which is a "
    "no-op. (Did you mean to pass `assign=True` to assign items in the state dictionary to their corresponding key in "
    "the module instead of copying them in place?)"
)


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):  # pyright: ignore[reportUntypedNamedTuple]
    """What ``load_state_dict`` returns: the names it missed and the names it could not place."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"

    __str__ = __repr__


class _BoundHook:
    """A hook called with its module first; it keeps the module no longer alive than others do."""

    def __init__(self, hook: Callable[..., Any], module: "State | None") -> None:
        self.hook = hook
        self.module = None if module is None else weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.module is None:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {"hook": self.hook, "module": None if self.module is None else self.module()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["hook"], state["module"])


class _PublicHook:
    """A state-dict hook that cannot carry the mark of the public way to register it, such as a bound method."""

    _from_public_api = True

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook

    def __call__(self, *args: Any) -> Any:
        return self.hook(*args)


def _hooked(hooks: "OrderedDict[int, Callable[..., Any]]", hook: Callable[..., Any]) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


class State(Members):
    """Methods that give and take a module's state."""

    # -- extra state -------------------------------------------------------------------------------------------

    def get_extra_state(self) -> Any:
        """What else belongs in ``state_dict``; a class that defines this defines ``set_extra_state``, too.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.get_extra_state
        """
        raise RuntimeError(_UNREACHABLE.format("get_extra_state"))

    def set_extra_state(self, state: Any) -> None:
        """Take what ``get_extra_state`` gave.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.set_extra_state
        """
        raise RuntimeError(_UNREACHABLE.format("set_extra_state"))

    # -- giving ------------------------------------------------------------------------------------------------

    @overload
    def state_dict(self, *, destination: T_destination, prefix: str = ..., keep_vars: bool = ...) -> T_destination: ...

    @overload
    def state_dict(self, *, prefix: str = ..., keep_vars: bool = ...) -> dict[str, Any]: ...

    @overload
    def state_dict(self, *args: Any, destination: Any = ..., prefix: str = ..., keep_vars: bool = ...) -> Any: ...

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """All parameters and persistent buffers by their paths, as references: they follow the module.

        Args:
            args: deprecated: destination, prefix and keep_vars by position.
            destination: dictionary to fill; a new one if None.
            prefix: what to put before every path.
            keep_vars: whether the values are the parameters themselves, rather than tensors that share their elements.

        Returns:
            An ``OrderedDict``; its attribute ``_metadata`` holds the version of every module.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.weight = torch.nn.Parameter(torch.ones(2))
            >>> module.state_dict()["weight"]
            tensor([1., 1.])

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict
        """
        if args:
            warnings.warn(_POSITIONAL, FutureWarning, stacklevel=2)
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = cast("Any", OrderedDict())
            destination._metadata = OrderedDict()
        own = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = own
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, own)
            if replaced is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = replaced
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own parameters and buffers into a dictionary; classes may override it."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        if self._buffers:
            temporary = self._non_persistent_buffers_set
            for name, buffer in self._buffers.items():
                if buffer is not None and name not in temporary:
                    destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not State.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict`` is made.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_state_dict_pre_hook
        """
        return _hooked(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` once ``state_dict`` is made, to change it in place.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_state_dict_post_hook
        """
        try:
            cast("Any", hook)._from_public_api = True
        except AttributeError:
            hook = _PublicHook(hook)
        return _hooked(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Like ``register_state_dict_post_hook``, but what the hook returns takes the dictionary's place."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return _hooked(self._state_dict_hooks, hook)

    # -- taking ------------------------------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Take parameters and buffers from a dictionary such as ``state_dict`` gives.

        The values get the module's data types and devices; the parameters stay the same objects. If anything is wrong,
        all that is wrong is reported and every parameter and buffer keeps its value.

        Args:
            state_dict: the values by their paths.
            strict: whether the paths must be exactly those of the module.
            assign: whether to put the dictionary's own tensors into the module, with their data types and devices.

        Returns:
            A pair of lists ``missing_keys`` and ``unexpected_keys``.

        Raises:
            TypeError: ``state_dict`` is no mapping.
            RuntimeError: paths (if ``strict``), shapes or values do not fit; the text lists all of them.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.weight = torch.nn.Parameter(torch.ones(2))
            >>> module.load_state_dict({"weight": torch.zeros(2)})
            <All keys matched successfully>

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        loading = _Loading(getattr(state_dict, "_metadata", None), assign)
        state: Any = OrderedDict(state_dict)
        if loading.metadata is not None:
            state._metadata = loading.metadata
        try:
            loading.load(self, state, "")
            errors = [*(loading.key_errors() if strict else ()), *loading.errors]
            if errors:
                lines = "\n\t".join(errors)
                raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{lines}")
        except BaseException:
            loading.undo()
            raise
        return _IncompatibleKeys(loading.missing, loading.unexpected)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own parameters and buffers from a dictionary; classes may override it."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        temporary = self._non_persistent_buffers_set
        buffers = self._buffers.items()
        kept = [item for item in buffers if item[0] not in temporary] if temporary else buffers
        own: dict[str, Any] = {
            name: member for name, member in chain(self._parameters.items(), kept) if member is not None
        }
        with no_grad():
            for name, member in own.items():
                path = prefix + name
                if path in state_dict:
                    self._take(name, path, member, state_dict[path], assign, error_msgs)
                elif strict:
                    missing_keys.append(path)
        self._take_extra_state(state_dict, prefix + _EXTRA_STATE, strict, missing_keys, unexpected_keys)
        if strict:
            unexpected_keys.extend(self._strangers(state_dict, prefix, own))

    def _take(self, name: str, path: str, member: Any, value: Any, assign: bool, errors: list[str]) -> None:
        """Take one parameter or buffer, or say why it cannot be."""
        if not isinstance(value, Tensor):
            errors.append(
                f'While copying the parameter named "{path}", expected torch.Tensor or Tensor-like object from '
                f"checkpoint but received {type(value)}"
            )
            return
        shape = member.shape
        if not shape and value.shape == (1,):  # a number as PyTorch wrote it before version 0.4
            value = value[0]
        if value.shape != shape:
            errors.append(
                f"size mismatch for {path}: copying a param with shape {value.shape} from checkpoint, the shape in "
                f"current model is {shape}."
            )
            return
        if member.is_meta and not value.is_meta and not assign:
            warnings.warn(_NO_VALUES.format(path), UserWarning, stacklevel=5)
            return
        try:
            if assign:
                setattr(self, name, _assignable(member, value))
            else:
                _copy(member, value)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is reported with all others)
            errors.append(
                f'While copying the parameter named "{path}", whose dimensions in the model are {shape} and whose '
                f"dimensions in the checkpoint are {value.shape}, an exception occurred : {error.args}."
            )

    def _take_extra_state(
        self, state_dict: Any, path: str, strict: bool, missing: list[str], unexpected: list[str]
    ) -> None:
        if type(self).set_extra_state is not State.set_extra_state:
            if path in state_dict:
                self.set_extra_state(state_dict[path])
            elif strict:
                missing.append(path)
        elif strict and path in state_dict:
            unexpected.append(path)

    def _strangers(self, state_dict: Any, prefix: str, own: dict[str, Any]) -> list[str]:
        """Paths below the prefix that lead to nothing of this module's."""
        found: list[str] = []
        start = len(prefix)
        extra = prefix + _EXTRA_STATE
        for path in state_dict:
            if path.startswith(prefix) and path != extra:
                name, dot, _ = path[start:].partition(".")
                if name not in (self._modules if dot else own):
                    found.append(path)
        return found

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook`` before this module takes its own state.

        It is called with (module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs), and may change the dictionary and the lists.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_load_state_dict_pre_hook
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """The older form: the hook is called without the module unless told."""
        return _hooked(self._load_state_dict_pre_hooks, _BoundHook(hook, self if with_module else None))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` once this module and its children have taken their state.

        The two lists may be changed in place; what is left in them is what ``strict`` looks at.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_load_state_dict_post_hook
        """
        return _hooked(self._load_state_dict_post_hooks, hook)


def _copy(target: Tensor, source: Tensor) -> None:
    """Give a tensor another's value; where type and device agree nothing is computed, both show one value."""
    if source.dtype is not target.dtype or source.device != target.device:
        source = source.detach().to(device=target.device, dtype=target.dtype)
    target.write(Tracked(source.read(), None))


def _assignable(member: Any, value: Tensor) -> Tensor:
    """A checkpoint's tensor as it takes a member's place."""
    if not isinstance(member, Parameter):
        return value
    if isinstance(value, Parameter):
        value.requires_grad_(member.requires_grad)
        return value
    return Parameter(value, requires_grad=member.requires_grad)


class _Loading:
    """One ``load_state_dict``: what it found wrong, and how to undo what it did."""

    def __init__(self, metadata: Any, assign: bool) -> None:
        self.metadata = metadata
        self.assign = assign
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self._before: list[tuple[dict[str, Any], str, Tensor, Node]] = []

    def load(self, module: Any, state: Any, prefix: str) -> None:
        """Have a module and all inside it take their state."""
        metadata: dict[str, Any] = {} if self.metadata is None else self.metadata.get(prefix[:-1], {})
        if self.assign:
            metadata = {**metadata, "assign_to_params_buffers": True}
        fields = module.__dict__
        self._remember(fields.get("_parameters", {}))
        self._remember(fields.get("_buffers", {}))
        lists = (self.missing, self.unexpected, self.errors)
        module._load_from_state_dict(state, prefix, metadata, True, *lists)
        children = module._modules
        if children:
            parts = _parts(state, prefix, children)
            for name, child in children.items():
                if child is not None:
                    self.load(child, parts.get(name, {}), f"{prefix}{name}.")
        if module._load_state_dict_post_hooks:
            self._call_post_hooks(module)

    def _call_post_hooks(self, module: Any) -> None:
        keys = _IncompatibleKeys(self.missing, self.unexpected)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                    "values, if incompatible_keys need to be modified, it should be done inplace."
                )

    def key_errors(self) -> list[str]:
        """The lines about missing and unexpected paths."""
        kinds = (("Missing", self.missing), ("Unexpected", self.unexpected))
        return [
            "{} key(s) in state_dict: {}. ".format(kind, ", ".join(f'"{path}"' for path in paths))
            for kind, paths in kinds
            if paths
        ]

    def _remember(self, members: dict[str, Any]) -> None:
        """Note the tensors of a module and their values; a value is a node, so noting it copies nothing."""
        for name, member in members.items():
            if member is not None:
                self._before.append((members, name, member, member.read()))

    def undo(self) -> None:
        """Give back every tensor its place and its value."""
        with no_grad():
            for members, name, member, node in self._before:
                members[name] = member
                if member.read() is not node:
                    member.write(Tracked(node, None))


def _parts(state: Any, prefix: str, children: "dict[str, Module | None]") -> dict[str, dict[str, Any]]:
    """What of a dictionary is below each child, found in one pass."""
    parts: dict[str, dict[str, Any]] = {}
    start = len(prefix)
    for path, value in state.items():
        end = path.find(".", start)
        if end < 0 or not path.startswith(prefix):
            continue
        name = path[start:end]
        part = parts.get(name)
        if part is None:
            part = parts[name] = {}
        part[path] = value
    for name in children:
        if "." in name:  # only put there by hand, past add_module
            below = f"{prefix}{name}."
            parts[name] = {path: value for path, value in state.items() if path.startswith(below)}
    return parts
