"""How functions are made of methods: by name, for functions of one value and of two."""

from collections.abc import Callable
from typing import Any

from flambeau.tensors.creation import as_tensor
from flambeau.tensors.outputs import deliver
from flambeau.tensors.tensor import Tensor

__all__ = ["binary", "described", "lifted", "unary"]


def lifted(value: Any) -> Tensor:
    """The first operand of an operator: a number becomes a tensor without dimensions."""
    return value if isinstance(value, Tensor) else as_tensor(value)


def described(function: Any, name: str) -> Any:
    """The function with the name, and a description, of the method it hands over to."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = "flambeau"  # where everybody finds it: it is pickled by this name
    function.__doc__ = f"Function of ``Tensor.{name}``."
    return function


def unary(name: str) -> Callable[..., Tensor]:
    """The function of a method without arguments; it takes ``out``, unless it works in place."""
    method = getattr(Tensor, name)

    def in_place(input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return method(input)

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return method(input) if out is None else deliver(name, method, (input,), {}, out)

    return described(in_place if name.endswith("_") else function, name)


def binary(name: str) -> Callable[..., Tensor]:
    """The function of a method with one argument; it takes ``out``, unless it works in place."""
    method = getattr(Tensor, name)

    def in_place(input: Any, other: Any) -> Tensor:
        return method(lifted(input), other)

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        own = lifted(input)
        return method(own, other) if out is None else deliver(name, method, (own, other), {}, out)

    return described(in_place if name.endswith("_") else function, name)
