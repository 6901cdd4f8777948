"""Joining, splitting, repeating and turning against PyTorch: a line each."""

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
K = np.array([2, 0, 1])

CASES: dict[str, tuple[Any, ...]] = {
    "cat": (lambda t, x, y: [t.cat([x, y]), t.cat((x, y), dim=1), t.cat([x, y, x], -1)], X, X * 2),
    "cat types": (lambda t, x, i: t.cat([x[0, :3], i]), X, K),
    "cat with empty": (lambda t, x: t.cat([x, t.tensor([])]), X),
    "cat axis": (lambda t, x: t.cat([x, x], axis=1), X),
    "concat": (lambda t, x: [t.concat([x, x]), t.concatenate([x, x])], X),
    "stack": (lambda t, x, y: [t.stack([x, y]), t.stack([x, y], 1), t.stack((x, y), dim=-1)], X, X * 2),
    "hstack": (lambda t, x, v: [t.hstack([x, x]), t.hstack([v, v]), t.hstack([v.sum(), v])], X, V),
    "vstack": (lambda t, x, v: [t.vstack([x, x]), t.vstack([v, v]), t.row_stack([v, v])], X, V),
    "dstack": (lambda t, x, v: [t.dstack([x, x]), t.dstack([v, v])], X, V),
    "column_stack": (lambda t, x, v: t.column_stack([x, v]), X, V),
    "block_diag": (lambda t, x, v: t.block_diag(x, v, x[:1]), X, V),
    "split": (lambda t, x: [*x.split(2), *x.split(3, 1), *x.split([1, 3], 1), *t.split(x, 1)], X),
    "split many": (lambda t, x: [*x.reshape(12).split(2), *t.split(x.reshape(-1), 5)], X),
    "chunk": (lambda t, x: [*x.chunk(2), *x.chunk(3, 1), *t.chunk(x, 5)], X),
    "tensor_split": (lambda t, x: [*x.tensor_split(2, 1), *x.tensor_split([1, 3], 1), *x.tensor_split(5)], X),
    "hsplit": (lambda t, x: [*t.hsplit(x, 2), *t.vsplit(x, 3), *t.dsplit(x[None], 2), *t.hsplit(x, [1])], X),
    "unbind": (lambda t, x: [*t.unbind(x), *x.unbind(-1)], X),
    "broadcast_tensors": (lambda t, x, v: [*t.broadcast_tensors(x[:, :3], v), t.broadcast_to(v, (2, 3))], X, V),
    "atleast": (lambda t, x, v: [*t.atleast_1d(v.sum(), x), t.atleast_2d(v), t.atleast_3d(v), t.atleast_3d(x)], X, V),
    "meshgrid": (lambda t, x, v: [*t.meshgrid(x[0], v, indexing="ij"), *t.meshgrid(x[0], v, indexing="xy")], X, V),
    "cartesian_prod": (lambda t, x, v: [t.cartesian_prod(x[0], v), t.cartesian_prod(v)], X, V),
    "combinations": (lambda t, v: [t.combinations(v), t.combinations(v, 3), t.combinations(v, 2, True)], V),
    "repeat": (lambda t, x: [x.repeat(2, 1), x.repeat((1, 2, 3)), x.repeat(0, 1)], X),
    "tile": (lambda t, x: [x.tile(2), t.tile(x, (2, 1, 1)), x.tile((2, 3))], X),
    "repeat_interleave": (lambda t, x, i: [x.repeat_interleave(2), x.repeat_interleave(i, 0),
                                           t.repeat_interleave(x, 2, dim=1), t.repeat_interleave(i)], X, K),
    "flip": (lambda t, x: [x.flip(0), x.flip(0, 1), t.flip(x, [1]), x.flip(dims=(1,)), x.fliplr(), x.flipud()], X),
    "roll": (lambda t, x: [x.roll(1), x.roll(1, 0), x.roll((1, -2), (0, 1)), t.roll(x, 5, 1)], X),
    "rot90": (lambda t, x: [x.rot90(), x.rot90(2), x.rot90(-1), x.rot90(4), t.rot90(x, 1, [1, 0])], X),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs)


FAILURES: dict[str, Any] = {
    "cat nothing": lambda t, x: t.cat([]),
    "cat ranks": lambda t, x: t.cat([x, x[0]]),
    "cat sizes": lambda t, x: t.cat([x, x[:, :2]]),
    "cat scalar": lambda t, x: t.cat([x, t.tensor(1.0)]),
    "cat tensor": lambda t, x: t.cat(x),
    "cat number": lambda t, x: t.cat([x, 1]),
    "cat dimension": lambda t, x: t.cat([x, x], 2),
    "stack nothing": lambda t, x: t.stack([]),
    "stack sizes": lambda t, x: t.stack([x, x[0]]),
    "split zero": lambda t, x: x.split(0),
    "split negative": lambda t, x: x.split(-1),
    "split sizes": lambda t, x: x.split([1, 1]),
    "chunk zero": lambda t, x: x.chunk(0),
    "tensor_split zero": lambda t, x: x.tensor_split(0),
    "hsplit uneven": lambda t, x: t.hsplit(x, 3),
    "dsplit rank": lambda t, x: t.dsplit(x, 3),
    "broadcast": lambda t, x: t.broadcast_tensors(x, x[:, :3]),
    "broadcast_shapes": lambda t, x: t.broadcast_shapes((2, 3), (4,)),
    "expand": lambda t, x: t.broadcast_to(x, (2, 2)),
    "meshgrid types": lambda t, x: t.meshgrid(x[0], t.tensor([1]), indexing="ij"),
    "repeat": lambda t, x: x.repeat(2),
    "repeat_interleave": lambda t, x: x.repeat_interleave(t.tensor([1, 2]), 0),
    "flip twice": lambda t, x: x.flip(0, 0),
    "flip dimension": lambda t, x: x.flip(3),
    "roll": lambda t, x: x.roll(1, (0, 1)),
    "rot90": lambda t, x: x.rot90(1, (0, 0)),
    "rot90 count": lambda t, x: x.rot90(1, [0]),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    same_error(FAILURES[name], X)


def test_pieces_are_views() -> None:
    x = flambeau.tensor(X) * 1
    first, second = x.split([1, 3], 1)
    first.fill_(9)
    for row in x.unbind():
        row[1] = 8
    assert x[:, 0].tolist() == [9, 9, 9]
    assert second[:, 0].tolist() == [8, 8, 8]


def test_loop_over_batches_compiles_once() -> None:
    batches = (flambeau.tensor(np.ones((40, 3), np.float32)) * 1).split(4)
    with compilations() as seen:
        for batch in batches:
            batch.sum().item()
    assert len(seen) <= 2


def test_shapes() -> None:
    assert flambeau.broadcast_shapes((2, 1), (3,), 1) == (2, 3)
    assert repr(flambeau.broadcast_shapes((2, 1), (3,))) == "torch.Size([2, 3])"
