"""Views and shapes against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check

X = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
C = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7
V = np.array([0.5, -1.5, 2.5], np.float32)

CASES: dict[str, tuple[Any, ...]] = {
    "view": (lambda t, x: [x.view(4, 3), x.view(-1), x.view((2, -1)), x.view_as(x.t().reshape(4, 3))], X),
    "reshape": (lambda t, x: [x.reshape(4, 3), x.t().reshape(-1), t.reshape(x, (2, 6)), x.reshape(shape=(6, 2))], X),
    "flatten": (lambda t, x: [x.flatten(), x.flatten(1), t.flatten(x, 0, 1), x.ravel(), t.ravel(x)], C),
    "unflatten": (lambda t, x: [x.unflatten(1, (2, 2)), t.unflatten(x, 0, (1, 3))], X),
    "squeeze": (lambda t, x: [x[None].squeeze(), x[:, None].squeeze(1), x.squeeze(0), t.squeeze(x[None], dim=0)], X),
    "unsqueeze": (lambda t, x: [x.unsqueeze(0), x.unsqueeze(-1), t.unsqueeze(x, dim=1)], X),
    "permute": (lambda t, x: [x.permute(2, 0, 1), x.permute((1, 0, 2)), t.permute(x, dims=(0, 2, 1))], C),
    "transpose": (lambda t, x: [x.transpose(0, 2), t.transpose(x, -1, 1), x.swapaxes(0, 1), t.swapdims(x, 0, 2)], C),
    "T": (lambda t, x, c: [x.T, x.t(), t.t(x), c.mT, x.H, c.mH, c.adjoint()], X, C),
    "movedim": (lambda t, x: [x.movedim(0, 2), t.movedim(x, (0, 1), (-1, 0)), x.moveaxis(2, 0)], C),
    "expand": (lambda t, x: [x.expand(2, 3), x[:, None].expand(-1, 2), x.expand_as(x[None]), x.expand(size=(2, 3))], V),
    "narrow": (lambda t, x: [x.narrow(1, 1, 2), t.narrow(x, 0, -2, 1), x.narrow_copy(0, 1, 1)], X),
    "select": (lambda t, x: [x.select(1, 2), t.select(x, 0, -1)], X),
    "diagonal": (lambda t, x, c: [x.diagonal(), x.diagonal(1), t.diagonal(c, -1, 1, 2)], X, C),
    "unfold": (lambda t, x: [x.unfold(1, 2, 1), x.unfold(0, 2, 2)], X),
    "select_scatter": (lambda t, x, v: [x.select_scatter(v, 1, 0), t.select_scatter(x, v, dim=1, index=-1)], X, V),
    "slice_scatter": (lambda t, x: [x.slice_scatter(x[:1] * 5, 0, 1, 2), x.slice_scatter(x[:, :2] * 5, 1, 0, 4, 2)], X),
    "diagonal_scatter": (lambda t, x, v: [x.diagonal_scatter(v), t.diagonal_scatter(x, v, 1)], X, V),
    "sum_to_size": (lambda t, x: [x.sum_to_size(1, 4), x.sum_to_size((4,)), x.sum_to_size(3, 1)], X),
    "strides": (lambda t, x: [x.t().stride(), x[1:, ::2].storage_offset(), x[:, 1].stride(0), x[0].is_contiguous()], X),
}


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs)


TURNS: dict[str, Any] = {
    "unsqueeze_": lambda x: x.unsqueeze_(1),
    "squeeze_": lambda x: x.unsqueeze_(0).squeeze_(),
    "transpose_": lambda x: x.transpose_(0, 1),
    "swapaxes_": lambda x: x.swapaxes_(0, 1),
    "t_": lambda x: x.t_(),
}


@pytest.mark.parametrize("name", TURNS)
def test_turning_in_place(name: str) -> None:
    def run(t: Any, x: Any) -> Any:
        y = x * 2
        older = y[1]
        shown = TURNS[name](y)
        newer = y[0]
        y += 1
        older *= 3
        newer += 2
        return [y * 1, older * 1, newer * 1, shown * 1]

    check(run, X)


FAILURES: dict[str, Any] = {
    "view": lambda t, x: x.view(5, 3),
    "view of a transpose": lambda t, x: x.t().view(-1),
    "two unknown": lambda t, x: x.view(-1, -1),
    "expand": lambda t, x: x.expand(2, 4),
    "expand leading": lambda t, x: x.expand(-1, 3, 4),
    "permute twice": lambda t, x: x.permute(0, 0),
    "transpose dimension": lambda t, x: x.transpose(0, 2),
    "squeeze dimension": lambda t, x: x.squeeze(3),
    "flatten order": lambda t, x: x.flatten(1, 0),
    "t": lambda t, x: x[None].t(),
    "H": lambda t, x: x[None].H,
    "narrow": lambda t, x: x.narrow(0, 2, 3),
    "select": lambda t, x: x.select(0, 7),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    same_error(FAILURES[name], X)


def test_leaf_cannot_be_turned() -> None:
    x = flambeau.tensor(X, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.t_()
