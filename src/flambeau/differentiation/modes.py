"""Whether operations are being taped: ``no_grad``, ``enable_grad``, ``inference_mode``, ``set_grad_enabled``."""

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

Function = TypeVar("Function", bound=Callable[..., Any])


class _Mode(threading.local):
    """The calling thread's switches."""

    grad = True
    inference = False


MODE = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations of this thread are taped for backward.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_grad_enabled.html
    """
    return MODE.grad


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside ``inference_mode``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_inference_mode_enabled.html
    """
    return MODE.inference


class _Switch:
    """A context manager that sets both switches and puts them back; it also decorates functions."""

    _grad: bool
    _inference: bool | None = None

    def __enter__(self) -> Self:
        self.__dict__.setdefault("_before", []).append((MODE.grad, MODE.inference))
        MODE.grad = self._grad
        if self._inference is not None:
            MODE.inference = self._inference
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        MODE.grad, MODE.inference = self.__dict__["_before"].pop()

    def __call__(self, function: Function) -> Function:
        switch = _Switch()
        switch._grad, switch._inference = self._grad, self._inference

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with switch:
                return function(*args, **kwargs)

        return wrapper  # pyright: ignore[reportReturnType]  # wraps keeps the signature


class _Decorator(_Switch):
    """A switch that may decorate a function with or without parentheses."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        return made if function is None else made(function)


class no_grad(_Decorator):  # noqa: N801  (PyTorch's name)
    """Operations inside are not taped; usable as a context manager and as a decorator.

    Example:
        >>> import flambeau as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> with torch.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False

    Source: https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html
    """

    _grad = False


class enable_grad(_Decorator):  # noqa: N801  (PyTorch's name)
    """Operations inside are taped, even inside ``no_grad``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.enable_grad.html
    """

    _grad = True


class inference_mode(_Switch):  # noqa: N801  (PyTorch's name)
    """Like ``no_grad``, and tensors made inside can never be part of a taped computation.

    Args:
        mode: whether to switch it on.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.inference_mode.html
    """

    def __new__(cls, mode: Any = True) -> Any:  # noqa: D102  (the class says it)
        made = super().__new__(cls)
        on = mode if isinstance(mode, bool) else True
        made._grad, made._inference = not on and MODE.grad, on
        return made if isinstance(mode, bool) else made(mode)


class set_grad_enabled(_Switch):  # noqa: N801  (PyTorch's name)
    """Switch taping on or off, at once and until the end of the ``with`` block if there is one.

    Args:
        mode: whether operations are taped.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.set_grad_enabled.html
    """

    def __init__(self, mode: bool) -> None:
        self._grad = mode
        self.prev = MODE.grad
        MODE.grad = mode

    def __enter__(self) -> Self:
        MODE.grad = self.prev
        return super().__enter__()

    def __call__(self, function: Function) -> Function:  # noqa: D102  (as a decorator it does not act at once)
        MODE.grad = self.prev
        return super().__call__(function)
