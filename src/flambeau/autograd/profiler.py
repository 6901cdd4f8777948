"""PyTorch's ``torch.autograd.profiler``, as far as model code names its parts with it.

Source: https://docs.pytorch.org/docs/stable/autograd.html#profiler
"""

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = ["record_function"]

Function = TypeVar("Function", bound=Callable[..., Any])


class record_function:  # noqa: N801  (PyTorch's name)
    """Accepted, as a context manager and as a decorator: operations are recorded here and run elsewhere.

    What was compiled and run is told by ``flambeau.testing.compilations`` and by JAX's own profiler.

    Args:
        name: what the part would be called.
        args: what the profile would say about it.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.profiler.record_function.html
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __call__(self, func: Function) -> Function:
        """The function itself, wrapped."""

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return wrapper  # pyright: ignore[reportReturnType]  # wraps keeps the signature
