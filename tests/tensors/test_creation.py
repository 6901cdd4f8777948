"""Making tensors, without PyTorch at hand."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.dtypes.limits import finfo, iinfo
from flambeau.tensors import creation, legacy, ranges
from flambeau.testing import compilations

VALUES: dict[str, tuple[Callable[[], Any], str]] = {
    "arange": (lambda: ranges.arange(1, 2.5, 0.5), "tensor([1.0000, 1.5000, 2.0000])"),
    "linspace": (lambda: ranges.linspace(0, 1, 3), "tensor([0.0000, 0.5000, 1.0000])"),
    "eye": (lambda: ranges.eye(2), "tensor([[1., 0.],\n        [0., 1.]])"),
    "full": (lambda: torch.full((2,), True), "tensor([True, True])"),
    "legacy": (lambda: legacy.LongTensor([1.5, 2]), "tensor([1, 2])"),
    "from numpy": (lambda: torch.from_numpy(np.ones(1)), "tensor([1.], dtype=torch.float64)"),
    "mixed": (lambda: torch.tensor([1, 2.5, True]), "tensor([1.0000, 2.5000, 1.0000])"),
    "new": (lambda: torch.ones(1, dtype=torch.float64).new_zeros(2), "tensor([0., 0.], dtype=torch.float64)"),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    make, text = VALUES[name]
    assert repr(make()) == text


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected sequence of length 2 at dim 1 \(got 1\)"):
        torch.tensor([[1, 2], [3]])


def test_a_range_inside_a_program_compiles_once() -> None:
    def masked(limit: float) -> Any:
        return (ranges.arange(5) < torch.tensor(limit)).sum().item()

    masked(2.0)
    with compilations() as compiled:
        assert [masked(3.0), masked(4.0)] == [3, 4]
    assert list(compiled) == []


def test_the_default_type() -> None:
    creation.set_default_dtype(torch.float64)
    try:
        assert str(torch.tensor(1.5).dtype) == "torch.float64"
    finally:
        creation.set_default_dtype(torch.float32)
    with pytest.raises(TypeError, match="only floating-point types are supported as the default type"):
        creation.set_default_dtype(torch.int64)


def test_limits() -> None:
    assert finfo(torch.float16).max == 65504.0
    assert iinfo(torch.int16).min == -32768


def test_copies_and_pickles() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert repr(twin) == repr(x)
    assert pickle.loads(pickle.dumps(torch.ones(2, dtype=torch.bfloat16))).dtype is torch.bfloat16
