"""``Calls``: calling a module runs its hooks around ``forward``; without hooks it costs next to nothing."""

import warnings
from typing import TYPE_CHECKING, Any, cast

from flambeau.nn.modules.backward_hooks import BackwardHooks, hook_last_operation, warning_of
from flambeau.nn.modules.hooks import GLOBAL, Hooks
from flambeau.replay.settings import compiled
from flambeau.tensors.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Calls"]

_PRE, _FORWARD, _BACKWARD_PRE, _BACKWARD = GLOBAL.forward_pre, GLOBAL.forward, GLOBAL.backward_pre, GLOBAL.backward
_COMPILED: list[bool] = []  # not empty once a module of the process has been compiled in place
_WITH_KWARGS, _ALWAYS = GLOBAL.forward_with_kwargs, GLOBAL.forward_always_called

_NO_TENSORS = "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received {}"
_SILENCED = (
    "{} with ``always_call=True`` raised an exception that was silenced as another error was raised in forward: {}"
)


def _forward_unimplemented(self: Any, *input: Any) -> None:
    """What the module computes; every subclass has its own.

    Raises:
        NotImplementedError: the subclass has none.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.forward
    """
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Calls(Hooks):
    """What calling a module does."""

    forward: "Callable[..., Any]" = _forward_unimplemented
    _compiled_call_impl: "Callable[..., Any] | None" = None

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """Run the pre-hooks, ``forward`` and the hooks."""
        fields = self.__dict__
        try:
            hooked = (
                fields["_backward_hooks"]
                or fields["_backward_pre_hooks"]
                or fields["_forward_hooks"]
                or fields["_forward_pre_hooks"]
                or _FORWARD
                or _PRE
                or _BACKWARD
                or _BACKWARD_PRE
                or _COMPILED
            )
        except KeyError as missing:
            hooked = getattr(self, missing.args[0])
        if not hooked:
            return self.forward(*args, **kwargs)
        if _COMPILED and self._compiled_call_impl is not None:
            return self._compiled_call_impl(*args, **kwargs)
        return self._hooked_call(args, kwargs)

    def _hooked_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the pre-hooks, ``forward`` and the hooks of a module that may have some."""
        fields = self.__dict__
        if (
            fields["_backward_hooks"]
            or fields["_backward_pre_hooks"]
            or fields["_forward_hooks_always_called"]
            or _BACKWARD
            or _BACKWARD_PRE
            or _ALWAYS
        ):
            return _Call(self, args, kwargs).run()
        if _PRE or fields["_forward_pre_hooks"]:
            args, kwargs = _after_pre_hooks(self, args, kwargs)
        result = self.forward(*args, **kwargs)
        for number, hook in [*_FORWARD.items(), *fields["_forward_hooks"].items()]:
            if number in fields["_forward_hooks_with_kwargs"] or number in _WITH_KWARGS:
                replaced = hook(self, args, kwargs, result)
            else:
                replaced = hook(self, args, result)
            if replaced is not None:
                result = replaced
        return result

    _wrapped_call_impl = _call_impl
    __call__ = _call_impl

    def _slow_forward(self, *input: Any, **kwargs: Any) -> Any:
        return self.forward(*input, **kwargs)

    def _uncompiled_call(self, *args: Any, **kwargs: Any) -> Any:
        return self._hooked_call(args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Have calls of the module recorded once and replayed; keys of its ``state_dict`` do not change.

        Args:
            args: none; settings have names.
            kwargs: settings of ``torch.compile``.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 2)
            >>> layer.compile()
            >>> list(layer.state_dict())
            ['weight', 'bias']

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.compile
        """
        self.__dict__["_compiled_call_impl"] = compiled(self._uncompiled_call, *args, **kwargs)
        _COMPILED[:] = [True]

    def _maybe_warn_non_full_backward_hook(self, inputs: Any, result: Any, grad_fn: Any) -> None:
        """Warn where a backward hook of the older form misses gradients."""
        text = warning_of(inputs, result, grad_fn)
        if text is not None:
            warnings.warn(text, FutureWarning, stacklevel=2)


def _after_pre_hooks(module: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """A call's arguments after the hooks that are called before ``forward``."""
    for number, hook in (*_PRE.items(), *module._forward_pre_hooks.items()):
        if number not in module._forward_pre_hooks_with_kwargs:
            replaced = hook(module, args)
            if replaced is not None:
                args = cast("Any", replaced if isinstance(replaced, tuple) else (replaced,))
            continue
        replaced = hook(module, args, kwargs)
        if replaced is None:
            continue
        if not (isinstance(replaced, tuple) and len(cast("Any", replaced)) == 2):
            raise RuntimeError(
                f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
            )
        args, kwargs = cast("Any", replaced)
    return args, kwargs


class _Call:
    """One call of a module that has backward hooks, or hooks that are called even after an error."""

    def __init__(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.called: set[int] = set()

    def run(self) -> Any:
        """Hooks and ``forward``; the hooks that are always called are called even if one of these raises."""
        try:
            self._run()
        except Exception:
            self._call_the_always_called()
            raise
        return self.result

    def _run(self) -> None:
        module = self.module
        full, older = module._get_backward_hooks()
        pre = module._get_backward_pre_hooks()
        self.args, self.kwargs = _after_pre_hooks(module, self.args, self.kwargs)
        backward = BackwardHooks(module, full, pre) if full or pre else None
        if backward is not None:
            self.args = backward.around_inputs(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        if backward is not None:
            backward.check_inputs()
        self._call_hooks()
        if backward is not None:
            if isinstance(self.result, (Tensor, tuple)):
                self.result = backward.around_outputs(self.result)
            else:
                warnings.warn(_NO_TENSORS.format(cast("Any", type(self.result))), UserWarning, stacklevel=4)
        if older:
            hook_last_operation(module, older, self.args, self.result)

    def _call_hooks(self) -> None:
        module = self.module
        for number, hook in (*_FORWARD.items(), *module._forward_hooks.items()):
            self.called.add(number)
            self._call_hook(number, hook)

    def _call_hook(self, number: int, hook: Any) -> None:
        module = self.module
        if number in module._forward_hooks_with_kwargs or number in _WITH_KWARGS:
            replaced = hook(module, self.args, self.kwargs, self.result)
        else:
            replaced = hook(module, self.args, self.result)
        if replaced is not None:
            self.result = replaced

    def _call_the_always_called(self) -> None:
        """After an error: call the hooks that asked for it; their own errors become warnings."""
        module = self.module
        for label, hooks, always in (
            ("global module forward hook", _FORWARD, _ALWAYS),
            ("module forward hook", module._forward_hooks, module._forward_hooks_always_called),
        ):
            for number, hook in hooks.items():
                if number not in always or number in self.called:
                    continue
                try:
                    self._call_hook(number, hook)
                except Exception as error:  # noqa: BLE001  (the first error is the one to report)
                    warnings.warn(_SILENCED.format(label, error), UserWarning, stacklevel=5)
