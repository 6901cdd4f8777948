"""NumPy's argument names: ``axis`` for ``dim`` and ``keepdims`` for ``keepdim``, which PyTorch accepts too."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

__all__ = ["accept_numpy_names", "numpy_names"]

_NAMES = {"axis": "dim", "keepdims": "keepdim"}

Function = TypeVar("Function", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type[Any])


def numpy_names(function: Function) -> Function:
    """Let a function that takes ``dim`` and ``keepdim`` be called with NumPy's names for them."""

    @wraps(function)
    def translating(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for name in _NAMES.keys() & kwargs.keys():
                kwargs[_NAMES[name]] = kwargs.pop(name)
        return function(*args, **kwargs)

    return translating  # pyright: ignore[reportReturnType]  # the same function, but for the names


def accept_numpy_names(family: Class) -> Class:
    """Apply ``numpy_names`` to every method of a class that takes ``dim``."""
    for name, method in list(vars(family).items()):
        code = getattr(method, "__code__", None)
        if code is not None and not name.startswith("__") and "dim" in code.co_varnames:
            setattr(family, name, numpy_names(method))
    return family
