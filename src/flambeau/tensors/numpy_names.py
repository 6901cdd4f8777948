"""Other names of arguments, which PyTorch accepts too: NumPy's (``axis``, ``keepdims``), and those of its overloads."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flambeau.tensors.arguments import misfit

__all__ = ["accept_numpy_names", "also_named", "numpy_names", "parts_named"]

Function = TypeVar("Function", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type[Any])


def also_named(**names: str) -> Callable[[Function], Function]:
    """Let a function be called with other names of its arguments: ``also_named(axis="dim")``."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def translating(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                for name in names.keys() & kwargs.keys():
                    kwargs[names[name]] = kwargs.pop(name)
            try:
                return function(*args, **kwargs)
            except (AttributeError, TypeError) as error:
                raise misfit(function.__name__, function, args, kwargs, error) from error.__cause__

        return translating  # pyright: ignore[reportReturnType]  # the same function, but for the names

    return decorate


def numpy_names(function: Function) -> Function:
    """Let a function that takes ``dim`` and ``keepdim`` be called with NumPy's names for them."""
    return _NUMPY(function)


def parts_named(function: Function) -> Function:
    """Let a function that takes ``indices_or_sections`` be called with the names of PyTorch's overloads."""
    return _PARTS(function)


_NUMPY = also_named(axis="dim", keepdims="keepdim")
_PARTS = also_named(
    sections="indices_or_sections",
    indices="indices_or_sections",
    tensor_indices_or_sections="indices_or_sections",
)


def accept_numpy_names(family: Class) -> Class:
    """Apply ``numpy_names`` to every method of a class that takes ``dim``."""
    for name, method in list(vars(family).items()):
        code = getattr(method, "__code__", None)
        if code is not None and not name.startswith("__") and "dim" in code.co_varnames:
            setattr(family, name, numpy_names(method))
    return family
