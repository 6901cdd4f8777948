"""``State``: ``state_dict``, which gives a module's parameters and buffers by their paths."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from flambeau.base.hooks import RemovableHandle
from flambeau.nn.modules.members import Members

__all__ = ["EXTRA_STATE", "UNREACHABLE", "State", "T_destination", "hooked"]

T_destination = TypeVar("T_destination", bound=dict[str, Any])

EXTRA_STATE = "_extra_state"
_POSITIONAL = (
    "Positional args are being deprecated, use kwargs instead. Refer to https://pytorch.org/docs/main/generated/"
    "torch.nn.Module.html#torch.nn.Module.state_dict for details."
)
UNREACHABLE = (
    "Reached a code path in Module.{}() that should never be called. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug."
)


class _PublicHook:
    """A state-dict hook that cannot carry the mark of the public way to register it, such as a bound method."""

    _from_public_api = True

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook

    def __call__(self, *args: Any) -> Any:
        return self.hook(*args)


def hooked(hooks: "OrderedDict[int, Callable[..., Any]]", hook: Callable[..., Any]) -> RemovableHandle:
    """Register a hook; returns its handle."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


class State(Members):
    """Methods that give a module's state; those that take it are in ``loading``."""

    # -- extra state -------------------------------------------------------------------------------------------

    def get_extra_state(self) -> Any:
        """What else belongs in ``state_dict``; a class that defines this defines ``set_extra_state``, too.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.get_extra_state
        """
        raise RuntimeError(UNREACHABLE.format("get_extra_state"))

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
        _give_children(self._modules, destination, prefix, keep_vars)
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
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict`` is made.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_state_dict_pre_hook
        """
        return hooked(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` once ``state_dict`` is made, to change it in place.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_state_dict_post_hook
        """
        try:
            cast("Any", hook)._from_public_api = True
        except AttributeError:
            hook = _PublicHook(hook)
        return hooked(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Like ``register_state_dict_post_hook``, but what the hook returns takes the dictionary's place."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return hooked(self._state_dict_hooks, hook)


_OWN = State._save_to_state_dict  # pyright: ignore[reportPrivateUsage]  # this file's


def _give_children(children: dict[str, Any], destination: Any, prefix: str, keep_vars: bool) -> None:
    """Have modules put their state into a dictionary; those without code of their own for it are not even called."""
    versions = getattr(destination, "_metadata", None)
    for name, child in children.items():
        if child is None:
            continue
        path = f"{prefix}{name}"
        fields = child.__dict__
        kind: Any = child.__class__
        if (
            kind.state_dict is not State.state_dict
            or kind._save_to_state_dict is not _OWN
            or kind.get_extra_state is not State.get_extra_state
            or fields.get("_state_dict_pre_hooks", True)
            or fields["_state_dict_hooks"]
            or "state_dict" in fields
            or "_save_to_state_dict" in fields
        ):
            child.state_dict(destination=destination, prefix=path + ".", keep_vars=keep_vars)
            continue
        if versions is not None:
            versions[path] = {"version": child._version}
        path += "."
        for key, parameter in fields["_parameters"].items():
            if parameter is not None:
                destination[path + key] = parameter if keep_vars else parameter.detach()
        if fields["_buffers"]:
            temporary = fields["_non_persistent_buffers_set"]
            for key, buffer in fields["_buffers"].items():
                if buffer is not None and key not in temporary:
                    destination[path + key] = buffer if keep_vars else buffer.detach()
        if fields["_modules"]:
            _give_children(fields["_modules"], destination, path, keep_vars)
