"""Reductions and normalizations of masked elements against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 4)).astype(np.float32)
WHOLE = RANDOM.integers(-5, 6, (3, 4))
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
HOLLOW = np.array([[True, False, True, True], [False, False, False, False], [True, True, False, True]])
ROW = np.array([True, False, True, True])
INF = float("inf")

REDUCTIONS = ("sum", "prod", "amax", "amin", "mean", "var", "std", "logsumexp", "norm")
POSITIONS = ("argmax", "argmin")
SAME = ("softmax", "log_softmax", "softmin", "cumsum", "cumprod")


def reduced(name: str) -> Any:
    """Reductions of one kind, of several dimensions."""

    def run(t: Any, x: Any, m: Any, row: Any) -> list[Any]:
        function = getattr(t.masked, name)
        if name == "norm":
            return [function(x, 2.0, 1, mask=m), function(x, 1, (0, 1), mask=m), function(x, 3, mask=row),
                    function(x, INF, 1, mask=m), function(x, -INF, 1, keepdim=True, mask=m), function(x),
                    function(x, 2, 1, dtype=t.float64, mask=m)]  # fmt: skip
        return [function(x), function(x, mask=m), function(x, 1, mask=m), function(x, (0, 1), mask=row),
                function(x, 0, keepdim=True, mask=m), function(x, 1, dtype=t.float64, mask=m), function(x, (), mask=m),
                function(x[0, 0]), function(x, -1, mask=m.long())]  # fmt: skip

    return run


CASES: dict[str, tuple[Any, ...]] = {
    **{name: (reduced(name), X, MASK, ROW) for name in REDUCTIONS},
    **{name: (lambda t, x, m, row, name=name: [
        getattr(t.masked, name)(x, 1, mask=m), getattr(t.masked, name)(x, 0), getattr(t.masked, name)(x, -1, mask=row),
        getattr(t.masked, name)(x, 1, dtype=t.float64, mask=m)], X, MASK, ROW) for name in SAME},
    **{name: (lambda t, x, m, name=name: [
        getattr(t.masked, name)(x), getattr(t.masked, name)(x, mask=m), getattr(t.masked, name)(x, 1, mask=m),
        getattr(t.masked, name)(x, 0, keepdim=True, mask=m)], X, MASK) for name in POSITIONS},
    "median": (lambda t, x, m: [t.masked.median(x, 1, mask=m), t.masked.median(x), t.masked.median(x, 0, keepdim=True)],
               X, MASK),
    "normalize": (lambda t, x, m: [t.masked.normalize(x, 2.0, 1, mask=m), t.masked.normalize(x, 1, 0, eps=2.0, mask=m),
                                   t.masked.normalize(x, 3, 1)], X, MASK),
    "logaddexp": (lambda t, x, m: [t.masked.logaddexp(x, x * 2), t.masked.logaddexp(x, x * 2, input_mask=m),
                                   t.masked.logaddexp(x, x * 2, other_mask=m)], X, MASK),
    "corrections": (lambda t, x, m: [t.masked.var(x, 1, True, mask=m), t.masked.std(x, 1, False, mask=m),
                                     t.masked.var(x, 1, correction=0, mask=m)], X, MASK),
    "complex": (lambda t, x, m: [t.masked.sum(x + 1j * x, 1, mask=m), t.masked.mean(x + 2j * x, 0, mask=m),
                                 t.masked.var(x + 2j * x, 1, mask=m)], X, MASK),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    run, *inputs = CASES[name]
    check(run, *inputs)


PLAIN: dict[str, tuple[Any, ...]] = {
    **{f"{name} of nothing": (lambda t, x, m, name=name: [getattr(t.masked, name)(x, dim=1, mask=m),
                                                          getattr(t.masked, name)(x, dim=0, mask=m)], X, HOLLOW)
       for name in (*REDUCTIONS, *POSITIONS, *SAME, "median")},
    **{f"{name} of whole numbers": (lambda t, i, m, name=name: [getattr(t.masked, name)(i, 1, mask=m),
                                                                getattr(t.masked, name)(i, 1)], WHOLE, MASK)
       for name in ("sum", "prod", "amax", "amin", "var", "argmax", "cumsum", "cumprod", "median")},
    "amax of no whole numbers": (lambda t, i, m: [t.masked.amax(i, 1, mask=m), t.masked.amin(i, 1, mask=m)],
                                 WHOLE, HOLLOW),
    "logsumexp of whole numbers": (lambda t, i: t.masked.logsumexp(i, 1), WHOLE),
    "truth values": (lambda t, m: [t.masked.sum(m, 1, mask=m), t.masked.prod(m, 1)], MASK),
    "half": (lambda t, x, m: [t.masked.amax(x.half(), 1, mask=m), t.masked.sum(x.half(), 1, mask=m)], X, MASK),
    "negative norm": (lambda t, x, m: t.masked.norm(x, -1, 1, mask=m), X, MASK),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_value_shape_type_and_compilations(name: str) -> None:
    run, *inputs = PLAIN[name]
    check(run, *inputs, gradients=False, atol=2e-3 if name == "half" else None)


FAILURES: dict[str, tuple[Any, ...]] = {
    **{f"{name} dimension": (lambda t, x, name=name: getattr(t.masked, name)(x, dim=5), X)
       for name in (*REDUCTIONS, *POSITIONS, *SAME, "median")},
    **{f"{name} twice": (lambda t, x, name=name: getattr(t.masked, name)(x, dim=(0, 0)), X) for name in REDUCTIONS},
    **{f"{name} rank of the mask": (lambda t, x, m, name=name: getattr(t.masked, name)(x, dim=1, mask=m[None]), X, MASK)
       for name in (*REDUCTIONS, *SAME)},
    **{f"{name} size of the mask": (lambda t, x, m, name=name: getattr(t.masked, name)(x, dim=1, mask=m[0, :2]),
                                       X, MASK)
       for name in (*REDUCTIONS, *SAME)},
    **{f"{name} of truth values": (lambda t, m, name=name: getattr(t.masked, name)(m, 1, mask=m), MASK)
       for name in ("amax", "amin", "mean", "var", "logsumexp")},
    "mean of whole numbers": (lambda t, i: t.masked.mean(i, 1), WHOLE),
    "norm of whole numbers": (lambda t, i: t.masked.norm(i, 2, 1), WHOLE),
    "median of nothing": (lambda t, i, m: t.masked.median(i, 1, mask=m), WHOLE, HOLLOW),
    "var": (lambda t, x: t.masked.var(x, 1, True, correction=1), X),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    run, *inputs = FAILURES[name]
    same_error(run, *inputs)


def test_masked_tensors_are_refused_by_name() -> None:
    masked = flambeau.masked
    assert not masked.is_masked_tensor(flambeau.ones(2))
    for make in (masked.masked_tensor, masked.as_masked_tensor):
        with pytest.raises(
            NotImplementedError, match=r"^MaskedTensor is not supported: pass mask=... to the functions"
        ):
            make(flambeau.ones(2), flambeau.ones(2, dtype=flambeau.bool))
