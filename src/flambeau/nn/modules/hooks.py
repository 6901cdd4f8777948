"""``Hooks``: functions to be called around a module's ``forward`` and ``backward``, of one module or of all."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from flambeau.base.hooks import RemovableHandle
from flambeau.nn.modules.members import BUFFER_HOOKS, MODULE_HOOKS, PARAMETER_HOOKS, Members

__all__ = [
    "GLOBAL",
    "Hooks",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

Hook = Callable[..., Any]


class _Global:
    """Hooks of all modules of the process; they run before a module's own."""

    def __init__(self) -> None:
        self.forward_pre: OrderedDict[int, Hook] = OrderedDict()
        self.forward: OrderedDict[int, Hook] = OrderedDict()
        self.forward_with_kwargs: OrderedDict[int, bool] = OrderedDict()
        self.forward_always_called: OrderedDict[int, bool] = OrderedDict()
        self.backward_pre: OrderedDict[int, Hook] = OrderedDict()
        self.backward: OrderedDict[int, Hook] = OrderedDict()
        self.is_full_backward: bool | None = None


GLOBAL = _Global()


def _added(hooks: "OrderedDict[int, Hook]", hook: Hook, *marks: "OrderedDict[int, bool]", prepend: bool = False) -> Any:
    """Add a hook and mark its number; returns its handle."""
    handle = RemovableHandle(hooks, extra_dict=list(marks))
    hooks[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


# -- hooks of all modules --------------------------------------------------------------------------------------


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, args)`` before the ``forward`` of every module; what it returns replaces the arguments.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_forward_pre_hook.html
    """
    return _added(GLOBAL.forward_pre, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the ``forward`` of every module; what it returns replaces the output.

    Args:
        hook: the function.
        with_kwargs: whether it is called as ``hook(module, args, kwargs, output)``.
        always_call: whether it is called even if ``forward`` raises.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_forward_hook.html
    """
    marks = [GLOBAL.forward_with_kwargs] * with_kwargs + [GLOBAL.forward_always_called] * always_call
    return _added(GLOBAL.forward, hook, *marks)


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """The older form of ``register_module_full_backward_hook``; it sees the last taped operation only.

    Raises:
        RuntimeError: hooks of the other form are registered.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_backward_hook.html
    """
    _check_global_form(False)
    return _added(GLOBAL.backward, hook)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the gradients of every module's inputs are computed.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_full_backward_pre_hook.html
    """
    return _added(GLOBAL.backward_pre, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` once the gradients of a module's inputs are there.

    Raises:
        RuntimeError: hooks of the older form are registered.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_full_backward_hook.html
    """
    _check_global_form(True)
    return _added(GLOBAL.backward, hook)


def _check_global_form(full: bool) -> None:
    if GLOBAL.is_full_backward is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only "
            "one of them."
        )
    GLOBAL.is_full_backward = full


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` whenever a buffer is registered; what it returns takes the buffer's place.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_buffer_registration_hook.html
    """
    return _added(BUFFER_HOOKS, hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, child)`` whenever a child is registered; what it returns takes the child's place.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_module_registration_hook.html
    """
    return _added(MODULE_HOOKS, hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` whenever a parameter is registered; what it returns takes its place.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.module.register_module_parameter_registration_hook.html
    """
    return _added(PARAMETER_HOOKS, hook)


# -- hooks of one module ---------------------------------------------------------------------------------------


class Hooks(Members):
    """Methods that register hooks."""

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; a value it returns replaces the arguments.

        Args:
            hook: the function.
            prepend: whether it runs before the hooks that are there already.
            with_kwargs: whether it is called as ``hook(module, args, kwargs)``, and then returns None or a pair
                (args, kwargs).

        Returns:
            A handle whose ``remove()`` takes the hook away.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_forward_pre_hook
        """
        hooks = self._forward_pre_hooks
        marks = [self._forward_pre_hooks_with_kwargs] * with_kwargs
        return _added(hooks, hook, *marks, prepend=prepend)

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; a value it returns replaces the output.

        Args:
            hook: the function.
            prepend: whether it runs before the hooks that are there already.
            with_kwargs: whether it is called as ``hook(module, args, kwargs, output)``.
            always_call: whether it is called even if ``forward`` raises.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Sequential()
            >>> handle = layer.register_forward_hook(lambda module, args, output: output * 2)
            >>> layer(torch.ones(2))
            tensor([2., 2.])
            >>> handle.remove()

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_forward_hook
        """
        hooks = self._forward_hooks
        marks = [self._forward_hooks_with_kwargs] * with_kwargs + [self._forward_hooks_always_called] * always_call
        return _added(hooks, hook, *marks, prepend=prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the gradients of the inputs are computed.

        A tuple it returns takes the place of ``grad_output``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_pre_hook
        """
        return _added(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once the gradients of the inputs are there.

        A tuple it returns takes the place of ``grad_input``. Only positional arguments count as inputs.

        Raises:
            RuntimeError: hooks of the older form are registered.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook
        """
        self._check_form(True)
        return _added(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """The older form of ``register_full_backward_hook``; it sees the last taped operation only.

        Raises:
            RuntimeError: hooks of the other form are registered.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_backward_hook
        """
        self._check_form(False)
        return _added(self._backward_hooks, hook)

    def _check_form(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only "
                "one of them."
            )
        self._is_full_backward_hook = full

    def _get_backward_hooks(self) -> tuple[list[Hook], list[Hook]]:
        """The backward hooks to call, all modules' first: those of the full form, and those of the older one."""
        full: list[Hook] = []
        older: list[Hook] = []
        for form, hooks in (
            (GLOBAL.is_full_backward, GLOBAL.backward),
            (self._is_full_backward_hook, self._backward_hooks),
        ):
            if form is not None:
                (full if form else older).extend(hooks.values())
        return full, older

    def _get_backward_pre_hooks(self) -> list[Hook]:
        """The backward pre-hooks to call, all modules' first."""
        return [*GLOBAL.backward_pre.values(), *self._backward_pre_hooks.values()]
