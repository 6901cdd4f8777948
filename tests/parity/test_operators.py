"""What may stand beside a tensor in an operator, against PyTorch: arrays of NumPy, objects with their own operators."""

import operator
import warnings
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import flambeau

pytorch = pytest.importorskip("torch")

OPERATORS = (
    "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift eq ne lt ge "
    "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor"
).split()


class Apple:
    """An object with operators of its own."""

    def __rmul__(self, other: Any) -> str:
        return "multiplied"

    def __rpow__(self, other: Any) -> str:
        return "raised"

    def __rand__(self, other: Any) -> str:
        return "met"

    def __rmatmul__(self, other: Any) -> str:
        return "matched"

    def __eq__(self, other: object) -> Any:
        return "compared"

    __hash__ = None  # pyright: ignore[reportAssignmentType]


OTHERS: dict[str, Any] = {
    "array": np.array([3.0, 2.0]),
    "whole array": np.array([3, 2]),
    "array of one": np.array(2.0),
    "texts": np.array(["a", "b"]),
    "scalar": np.int64(2),
    "list": [1, 2],
    "text": "a",
    "nothing": None,
    "fraction": Fraction(1, 2),
    "apple": Apple(),
}


def outcome(torch: ModuleType, name: str, other: Any, *, swapped: bool, whole: bool) -> str:
    tensor = torch.tensor([1, 2]) if whole else torch.tensor([1.0, 2.0])
    one, two = (other, tensor) if swapped else (tensor, other)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's ``__array_wrap__`` has not the arguments that NumPy asks for
        try:
            return str(getattr(operator, name)(one, two))
        except (TypeError, ValueError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", OPERATORS)
def test_beside_a_tensor(name: str, other: str) -> None:
    for whole in (False, True):
        for swapped in (False,) if name.startswith("i") else (False, True):
            arguments: Any = {"swapped": swapped, "whole": whole}
            expected = outcome(pytorch, name, OTHERS[other], **arguments)
            assert outcome(flambeau, name, OTHERS[other], **arguments) == expected


def test_an_array_stops_gradients() -> None:
    tensor = flambeau.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        tensor * np.ones(2)
