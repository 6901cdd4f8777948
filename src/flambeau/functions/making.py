"""How functions are made of methods: by name, for functions of one value and of two."""

from collections.abc import Callable
from typing import Any

from flambeau.tensors.creation import as_tensor
from flambeau.tensors.tensor import Tensor

__all__ = ["binary", "lifted", "unary"]


def lifted(value: Any) -> Tensor:
    """The first operand of an operator: a number becomes a tensor without dimensions."""
    return value if isinstance(value, Tensor) else as_tensor(value)


def _described(function: Any, name: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "flambeau"  # where everybody finds it: it is pickled by this name
    function.__doc__ = f"Function of ``Tensor.{name}``."
    return function


def unary(name: str) -> Callable[[Tensor], Tensor]:
    """The function of a method without arguments."""
    method = getattr(Tensor, name)

    def function(input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return method(input)

    return _described(function, name)


def binary(name: str) -> Callable[[Any, Any], Tensor]:
    """The function of a method with one argument."""
    method = getattr(Tensor, name)

    def function(input: Any, other: Any) -> Tensor:
        return method(lifted(input), other)

    return _described(function, name)
