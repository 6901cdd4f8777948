"""Segments reduced to one element each, against PyTorch: values, gradients, and the texts of errors."""

from typing import Any

import numpy as np
import pytest

from tests.parity.failures import same_error
from tests.parity.oracle import check

X = np.random.default_rng(0).normal(size=(2, 4, 3))
LENGTHS = np.array([[1, 3], [0, 4]])


@pytest.mark.parametrize("initial", [None, 0.5])
def test_reductions(initial: float | None) -> None:
    def function(t: Any, x: Any, lengths: Any) -> list[Any]:
        offsets = t.cat([lengths[:, :1] * 0, lengths.cumsum(1)], 1)
        kinds = ("sum", "prod", "max", "min") if initial is None else ("sum", "mean", "prod", "amax", "amin")
        return [
            *(t.segment_reduce(x, kind, lengths=lengths, axis=1, initial=initial) for kind in kinds),
            *(t.segment_reduce(x, kind, offsets=offsets, axis=-2, initial=initial) for kind in kinds),
        ]

    check(function, X if initial else X[:1], LENGTHS if initial else LENGTHS[:1])


def test_a_hash() -> None:
    check(lambda t, x: [t.hash_tensor(x), x.float().hash_tensor(1, keepdim=True), (x < 0).hash_tensor((0, 1))], X)


FAILURES: dict[str, Any] = {
    "neither": lambda t, x, n: t.segment_reduce(x, "sum", axis=1),
    "indices": lambda t, x, n: t.segment_reduce(x, "sum", indices=n),
    "reduction": lambda t, x, n: t.segment_reduce(x, "median", lengths=n, axis=1),
    "axis": lambda t, x, n: t.segment_reduce(x, "sum", lengths=n),
    "sum": lambda t, x, n: t.segment_reduce(x, "sum", lengths=n * 2, axis=1),
    "negative": lambda t, x, n: t.segment_reduce(x, "sum", lengths=n - 1, axis=1),
    "type": lambda t, x, n: t.segment_reduce(x, "sum", lengths=n.float(), axis=1),
    "whole": lambda t, x, n: t.segment_reduce(x.long(), "sum", lengths=n, axis=1),
    "hash mode": lambda t, x, n: t.hash_tensor(x, mode=1),
    "hash of nothing": lambda t, x, n: t.hash_tensor(x[:0]),
    "hash complex": lambda t, x, n: t.hash_tensor(x * 1j),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors(name: str) -> None:
    same_error(FAILURES[name], X, LENGTHS)
