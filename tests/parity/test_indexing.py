"""Subscripts, gather and scatter against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.testing import compilations
from tests.parity.failures import same_error
from tests.parity.oracle import check

X = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
C = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7
V = np.array([0.5, -1.5, 2.5], np.float32)
K = np.array([0, 2])
J = np.array([[0, 1, 2, 0], [2, 0, 1, 1]])
M = X > 0.8
OTHER = X[:0:-1] * 0.9 + 0.05

READS: dict[str, tuple[Any, ...]] = {
    "int": (lambda t, x: [x[1], x[-1], x[0, 3], x[2][1]], X),
    "slices": (lambda t, x: [x[1:], x[:2], x[:, ::2], x[0:0], x[-2:, 1:3], x[5:]], X),
    "slice with a large step": (lambda t, x: [x[1::5], x[:, 1::2], x[::3, ::3]], X),
    "none": (lambda t, x: [x[None], x[:, None], x[..., None], x[0, None, 1:]], X),
    "ellipsis": (lambda t, x: [x[...], x[..., 1], x[0, ...], x[..., 0, :]], C),
    "bool": (lambda t, x: [x[True], x[False], x[None, True]], X),
    "zero-dimensional": (lambda t, x: [x.sum()[...], x.sum()[None], x.sum()[()]], X),
    "list": (lambda t, x: [x[[0, 2]], x[[True, False, True]], x[[]]], X),
    "range and numpy": (lambda t, x: [x[range(2)], x[np.array([2, 0])], x[np.int64(1)]], X),
    "index": (lambda t, x, i: [x[i], x[:, i], x[i, i], x[-i]], X, K),
    "index matrix": (lambda t, x, j: [x[j], x[j, 0], x[..., j]], X, J % 3),
    "index with int": (lambda t, x, i: [x[0, :, i], x[i, :, 1], x[:, i, 0]], C, K % 2),
    "index apart": (lambda t, x, i: [x[i, :, i], x[i, None, i], x[:, i, i]], C, K % 2),
    "index with slice": (lambda t, x, i: [x[1:, i], x[i, ::2], x[..., i, 1:]], C, K % 2),
    "indexes broadcast": (lambda t, x, i: [x[i[:, None], i], x[i, 0], x[i, [1]]], X, K),
    "repeated index": (lambda t, x: x[[0, 0, 1, 0]], X),
    "mask": (lambda t, x, m: [x[m], x[~m], x[x > 0]], X, M),
    "mask of rows": (lambda t, x, m: [x[m[:, 3]], x[:, m[1]], x[m[:, 3], 1:]], X, M),
    "mask and index": (lambda t, x, m: x[m[:, 3], [1]], X, M),
    "list as a tuple": (lambda t, x: [x[[t.tensor([0, 1]), t.tensor([2, 0])]], x[[slice(0, 1), 1]]], X),
    "tensor of one": (lambda t, x: [x[t.tensor(1)], x[t.tensor(True)]], X),
    "iterate": (lambda t, x: [row * 2 for row in x], X),
    "unpack": (lambda t, x: [sum([*x]), [*x][1]], X),
    "unbind": (lambda t, x: [*x.unbind(), *x.unbind(1)], X),
    "index_select": (lambda t, x, i: [x.index_select(0, i), x.index_select(-1, i)], X, K),
    "gather": (lambda t, x, j: [x.gather(0, j), x.gather(1, j)], X, J % 3),
    "gather fewer": (lambda t, x, j: x.gather(1, j[:, :2]), X, J),
    "take": (lambda t, x, j: [x.take(j), x.take(-1 - j)], X, J),
    "take_along_dim": (lambda t, x, j: [t.take_along_dim(x, j[:1], 0), x.take_along_dim(j)], X, J),
    "masked_select": (lambda t, x, m: [x.masked_select(m), x.masked_select(m[:1])], X, M),
    "nonzero": (lambda t, x, m: [m.nonzero(), *m.nonzero(as_tuple=True), x.argwhere(), *t.where(m)], X, M),
    "tril triu": (lambda t, x: [x.tril(), x.tril(1), x.triu(-1), t.triu(x)], C),
    "diag": (lambda t, x, v: [x.diag(), x.diag(1), v.diag(), v.diag(-2), t.diagflat(x)], X, V),
    "diag_embed": (lambda t, x: [t.diag_embed(x), x.diag_embed(1, 0, 2), x.diag_embed(-1, 2, 1)], X),
    "where": (lambda t, x, m: [t.where(m, x, 0.0), t.where(m, 1.5, x), t.where(m, 1, 2), x.where(m, x * 2)], X, M),
}  # fmt: skip


def written(function: Any) -> Any:
    """A copy of the operand after ``function`` wrote into it."""

    def run(t: Any, x: Any, *rest: Any) -> Any:
        copy = x * 1
        function(t, copy, *rest)
        return copy

    return run


WRITES: dict[str, tuple[Any, ...]] = {
    "int": (lambda t, x: x.__setitem__(1, 5), X),
    "element": (lambda t, x: x.__setitem__((1, 2), 5.5), X),
    "chained": (lambda t, x: x[0].__setitem__(1, 5), X),
    "slice": (lambda t, x, v: x.__setitem__((slice(1, 3), slice(0, 3)), v), X, V),
    "slice with step": (lambda t, x, v: x.__setitem__((slice(None), slice(0, None, 2)), v[:2]), X, V),
    "everything": (lambda t, x: x.__setitem__(Ellipsis, 1.5), X),
    "in place on a view": (lambda t, x: x[:, 1].add_(2), X),
    "augmented": (lambda t, x: x.__setitem__((slice(None), 1), x[:, 1] + 2), X),
    "leading ones": (lambda t, x, v: x.__setitem__((0, slice(3)), v.reshape(1, 1, 3)), X, V),
    "index": (lambda t, x, i: x.__setitem__(i, 2.0), X, K),
    "index and value": (lambda t, x, i, y: x.__setitem__(i, y[:2] * 2), X, K, X),
    "index and broadcast": (lambda t, x, i, v: x.__setitem__((i, slice(0, 3)), v), X, K, V),
    "index of a slice": (lambda t, x, i: x.__setitem__((slice(1, None), i), 3), X, K),
    "pair of indexes": (lambda t, x, i, v: x.__setitem__((i, i), v[:2]), X, K, V),
    "mask and number": (lambda t, x, m: x.__setitem__(m, -1), X, M),
    "mask of rows": (lambda t, x, m: x.__setitem__(m[:, 3], -1), X, M),
    "mask and values": (lambda t, x, m, y: x.__setitem__(m, y[m] * 2), X, M, X),
    "mask of other type": (lambda t, x, m: x.__setitem__(m, t.tensor(2)), X, M),
    "copy converts": (lambda t, x: x.__setitem__(0, t.tensor([0, 1, 2, 3])), X),
    "whole target": (lambda t, x: x.__setitem__((slice(1, 2), [0, 1]), 2.9), np.arange(12).reshape(3, 4)),
    "scatter": (lambda t, x, j: x.scatter_(0, j, 2.5), X, J),
    "scatter source": (lambda t, x, y: x.scatter_(1, t.tensor([[1, 0, 3], [2, 1, 0]]), y), X, X[:2, :3] * 2),
    "scatter_add": (lambda t, x, j, y: x.scatter_add_(0, j, y), X, J, X[:2]),
    "index_add": (lambda t, x, y: x.index_add_(0, t.tensor([0, 2, 0]), y, alpha=2), X, X),
    "index_copy": (lambda t, x, i, y: x.index_copy_(1, i, y[:, :2]), X, K, X * 3),
    "index_fill": (lambda t, x, i: x.index_fill_(1, i, 2), X, K),
    "index_fill of a tensor": (lambda t, x, v: x.index_fill_(0, t.tensor([1, 1, 0]), v[0]), X, V),
    "index_put": (lambda t, x, i, v: x.index_put_((i, i), v[:2]), X, K, V),
    "index_put accumulate": (lambda t, x, v: x.index_put_((t.tensor([0, 0, 1]),), v[:, None], accumulate=True), X, V),
    "put": (lambda t, x, v: x.put_(t.tensor([0, 5, 11]), v), X, V),
    "masked_scatter": (lambda t, x, m, y: x.masked_scatter_(m, y), X, M, X * 2),
    "tril": (lambda t, x: x.tril_(-1), X),
    "fill_diagonal": (lambda t, x: x.fill_diagonal_(7), X),
}

REDUCED: dict[str, tuple[Any, ...]] = {
    f"{name} {'with' if own else 'without'} self": (
        lambda t, x, j, y, name=name, own=own: x.scatter_reduce(0, j, y, name, include_self=own), X, J, OTHER
    )
    for name in ("sum", "prod", "mean", "amax", "amin")
    for own in (True, False)
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")
@pytest.mark.parametrize("name", READS)
def test_reading(name: str) -> None:
    function, *inputs = READS[name]
    check(function, *inputs)


@pytest.mark.parametrize("name", WRITES)
def test_writing(name: str) -> None:
    function, *inputs = WRITES[name]
    check(written(function), *inputs)


@pytest.mark.parametrize("name", REDUCED)
def test_scatter_reduce(name: str) -> None:
    function, *inputs = REDUCED[name]
    check(function, *inputs)


FAILURES: dict[str, Any] = {
    "out of bounds": lambda t, x: x[5],
    "negative": lambda t, x: x[-4],
    "second dimension": lambda t, x: x[:, 7],
    "too many": lambda t, x: x[0, 0, 0],
    "negative step": lambda t, x: x[::-1],
    "zero step": lambda t, x: x[::0],
    "float": lambda t, x: x[1.5],
    "float tensor": lambda t, x: x[t.tensor([0.5])],
    "float slice": lambda t, x: x[0:2.5],
    "list out of bounds": lambda t, x: x[[0, 5]],
    "second list": lambda t, x: x[[0, 1], [0, 9]],
    "indexes do not broadcast": lambda t, x: x[[0, 1], [0, 1, 2]],
    "mask shape": lambda t, x: x[t.tensor([True, False])],
    "mask shape 2": lambda t, x: x[(x > 0)[:2]],
    "scalar": lambda t, x: x.sum()[0],
    "iterate scalar": lambda t, x: iter(x.sum()),
    "copy shape": lambda t, x: x.__setitem__(0, t.ones(5)),
    "put shape": lambda t, x: x.__setitem__([0, 1], t.ones(8)),
    "put type": lambda t, x: x.__setitem__([0, 1], t.tensor(1)),
    "put list": lambda t, x: x.__setitem__(0, [1.0]),
    "index_select bounds": lambda t, x: x.index_select(0, t.tensor([5])),
    "index_select rank": lambda t, x: x.index_select(0, t.tensor([[1]])),
    "gather bounds": lambda t, x: x.gather(0, t.tensor([[5, 0]])),
    "gather rank": lambda t, x: x.gather(0, t.tensor([0])),
    "gather shape": lambda t, x: x.gather(1, t.tensor([[0]] * 4)),
    "gather type": lambda t, x: x.gather(1, t.ones(2, 1)),
    "scatter bounds": lambda t, x: x.scatter(1, t.tensor([[9]]), 1.0),
    "scatter shape": lambda t, x: x.scatter(1, t.tensor([[0]] * 4), x),
    "scatter type": lambda t, x: x.scatter(1, t.tensor([[0]]), t.tensor([[1]])),
    "index_add count": lambda t, x: x.index_add(0, t.tensor([0]), x),
    "index_copy count": lambda t, x: x.index_copy(0, t.tensor([0]), x),
    "index_fill bounds": lambda t, x: x.index_fill(0, t.tensor([9]), 1),
    "take bounds": lambda t, x: x.take(t.tensor([99])),
    "masked_scatter count": lambda t, x: x.masked_scatter(x > 0, t.ones(2)),
    "reduce name": lambda t, x: x.scatter_reduce(0, t.tensor([[0]]), x, "foo"),
    "tril": lambda t, x: x[0].tril(),
    "diag": lambda t, x: x[None].diag(),
    "where": lambda t, x: t.where(x, x, x),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    same_error(FAILURES[name], X)


def test_loop_over_positions_compiles_once() -> None:
    x = flambeau.tensor(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), requires_grad=True)
    with compilations() as seen:
        for position in range(20):
            (x[position] * 2).sum().backward()
            (x[2 * position : 2 * position + 2]).sum().item()
    assert len(seen) <= 4


def test_writes_reach_every_view() -> None:
    x = flambeau.tensor(X)
    row, block = x[1], x[1:, 1:3]
    x[1, 2] = 7
    block[0] = -1
    assert row.tolist()[1:3] == [-1, -1]
    row += 1
    assert x[1, 1].item() == 0
    x[:, 1] += 2
    assert block[0, 0].item() == 2


def test_view_of_a_leaf_cannot_be_written() -> None:
    x = flambeau.tensor(X, requires_grad=True)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad is being used"):
        x[0] = 1
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used"):
        x[[0]] = 1


def test_filling_by_mask_does_not_wait() -> None:
    x = flambeau.tensor(X) * 1
    with compilations() as seen:
        x[x > 1] = 0
    assert not seen
