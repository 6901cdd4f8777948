"""Printed tensors, by their golden texts."""

from typing import Any

import pytest

import flambeau as torch
from flambeau.tensors.printing import get_printoptions, printoptions, set_printoptions, tensor_text

GOLDEN: dict[str, tuple[Any, str]] = {
    "whole": ([[1, -2], [30, 4]], "tensor([[ 1, -2],\n        [30,  4]])"),
    "floats": ([1.5, -2.25], "tensor([ 1.5000, -2.2500])"),
    "whole floats": ([1.0, 20.0], "tensor([ 1., 20.])"),
    "exponents": ([1e-5, 1.0], "tensor([1.0000e-05, 1.0000e+00])"),
    "nan and inf": ([float("nan"), float("inf"), 1.5], "tensor([   nan,    inf, 1.5000])"),
    "truth": ([True, False], "tensor([ True, False])"),
    "complex": ([1 + 2j, -0.5j], "tensor([1.+2.0000j, -0.-0.5000j])"),
    "number": (2.5, "tensor(2.5000)"),
    "empty": ([], "tensor([])"),
    "empty rows": ([[], []], "tensor([], size=(2, 0))"),
    "three dimensions": ([[[1]], [[2]]], "tensor([[[1]],\n\n        [[2]]])"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_texts(name: str) -> None:
    values, text = GOLDEN[name]
    assert repr(torch.tensor(values)) == text


def test_long_tensors_are_summarized() -> None:
    assert repr(torch.zeros(1001)) == "tensor([0., 0., 0.,  ..., 0., 0., 0.])"
    assert repr(torch.zeros(2, 600)) == (
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.]])"
    )


def test_suffixes() -> None:
    x = torch.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)"
    assert repr(x + 1) == "tensor([2., 2.], grad_fn=<AddBackward0>)"
    assert repr(x.double().detach()) == "tensor([1., 1.], dtype=torch.float64)"
    assert repr(torch.ones(2, 3, device="meta")) == "tensor(..., device='meta', size=(2, 3))"


def test_options_return_to_what_they_were() -> None:
    with printoptions(precision=2, sci_mode=True):
        assert repr(torch.tensor([1.0])) == "tensor([1.00e+00])"
    assert get_printoptions() == {
        "precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None
    }  # fmt: skip
    set_printoptions(profile="short")
    assert repr(torch.tensor([1.2345])) == "tensor([1.23])"
    set_printoptions(profile="default")
    assert repr(torch.tensor([1.2345])) == "tensor([1.2345])"


def test_one_number_takes_a_format() -> None:
    assert f"{torch.tensor(3.14159):.3f}" == "3.142"
    with pytest.raises(TypeError, match=r"unsupported format string passed to Tensor\.__format__"):
        f"{torch.ones(2):.3f}"


def test_a_subclass_may_name_itself_as_it_likes() -> None:
    assert tensor_text(torch.ones(1), "weights") == "weights([1.])"
