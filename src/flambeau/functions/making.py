"""How functions are made of methods: by name, for functions of one value and of two."""

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau.tensors.core import operand
from flambeau.tensors.creation import as_tensor
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import deliver
from flambeau.tensors.tensor import Tensor

__all__ = ["binary", "described", "lifted", "unary"]

# What functions of two values take, as PyTorch's do: two tensors; a tensor and a number, too; any two numbers; of all
# others, a number may stand on either side, but not on both.
_TENSORS = frozenset(
    "atan2 hypot maximum minimum fmax fmin logaddexp logaddexp2 ldexp nextafter igamma igammac gcd lcm logical_and "
    "logical_or logical_xor heaviside".split()
)
_TENSOR_FIRST = frozenset("eq ne lt le gt ge copysign fmod".split())
_ANY = frozenset({"floor_divide"})
_OPERANDS = (Tensor, int, float, complex, np.generic)
_SECOND = {"heaviside": "values"}  # names of second arguments that are not called "other"


def lifted(value: Any) -> Tensor:
    """The first operand of an operator: a number becomes a tensor without dimensions."""
    return value if isinstance(value, Tensor) else as_tensor(operand(value))


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
        return method(tensor_argument(name, 1, input))

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):  # not every call is worth another one
            tensor_argument(name, 1, input)
        return method(input) if out is None else deliver(name, method, (input,), {}, out)

    return described(in_place if name.endswith("_") else function, name)


def binary(name: str) -> Callable[..., Tensor]:
    """The function of a method with one argument; it takes ``out``, unless it works in place."""
    method = getattr(Tensor, name)

    check = _refusal(name)

    def in_place(input: Any, other: Any) -> Tensor:
        check(input, other)
        return method(lifted(input), other)

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        check(input, other)
        own = lifted(input)
        return method(own, other) if out is None else deliver(name, method, (own, other), {}, out)

    return described(in_place if name.endswith("_") else function, name)


def _refusal(name: str) -> Callable[[Any, Any], None]:
    """A check of the operands' types that raises TypeError, in PyTorch's words where they are about one argument."""
    kind = name.removesuffix("_")
    second = _SECOND.get(kind, "other")

    def both(input: Any, other: Any, kinds: Any = Tensor) -> None:
        for position, (argument, value) in enumerate((("input", input), (second, other)), 1):
            if not isinstance(value, kinds):
                tensor_argument(name, position, value, argument)

    def first(input: Any, other: Any) -> None:
        if not isinstance(input, Tensor):
            taken = "\n * (Tensor input, {} other, *, Tensor out = None)"
            kinds = ", ".join("Tensor" if isinstance(item, Tensor) else type(item).__name__ for item in (input, other))
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got ({kinds}), but expected one of:"
                f"{taken.format('Tensor')}{taken.format('Number')}\n"
            )

    def either(input: Any, other: Any) -> None:
        both(input, other, _OPERANDS if isinstance(input, Tensor) or isinstance(other, Tensor) else Tensor)

    def neither(input: Any, other: Any) -> None:
        """Nothing is refused."""

    if kind in _ANY:
        return neither
    return both if kind in _TENSORS else first if kind in _TENSOR_FIRST else either
