"""Reductions against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

from tests.parity.failures import same_error
from tests.parity.oracle import check

X = np.array([[0.5, -1.25, 2.0, 0.1], [3.0, -0.7, 0.2, 5.0], [-2.0, 4.0, 1.5, -3.0]], np.float32)
C = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7 - 1
N = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 2.0]], np.float32)
T = np.array([2.0, 1.0, 2.0, 1.0], np.float32)
Z = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 1.0]], np.float32)
K = np.array([[3, 1, 2, 1], [0, 0, 5, 3]])
B = np.array([[True, False], [True, True]])

CASES: dict[str, tuple[Any, ...]] = {
    "sum": (lambda t, x: [x.sum(), x.sum(1), x.sum((0, 2), True), x.sum(-1, keepdim=True), t.sum(x, dim=0)], C),
    "sum types": (lambda t, i, b: [i.sum(), b.sum(1), i.sum(dtype=t.float32), i.int().sum()], K, B),
    "sum by NumPy's names": (lambda t, x: [x.sum(axis=1, keepdims=True), t.mean(x, axis=0), x.max(axis=1)[0]], C),
    "mean": (lambda t, x, i: [x.mean(), x.mean((0, 1)), i.mean(dtype=t.float64), t.mean(x, 1, True)], C, K),
    "prod": (lambda t, x: [x.prod(), x.prod(1), t.prod(x, 0, True)], X),
    "prod with zeros": (lambda t, x: [x.prod(1), x.prod(0)], Z),
    "max": (lambda t, x: [x.max(), *x.max(0), *x.max(1, True), x.max(x * 0), t.max(x, other=-x)], X),
    "min": (lambda t, x: [x.min(), *x.min(0), *t.min(x, dim=1, keepdim=True), t.min(x, -x)], X),
    "max of ties": (lambda t, x: [x.max(), x.min(), x.amax(), *x.max(0)], T),
    "amax": (lambda t, x: [x.amax(), x.amax(0), x.amin((0, 1)), t.amin(x, 1, True)], X),
    "aminmax": (lambda t, x: [*x.aminmax(), *t.aminmax(x, dim=0, keepdim=True)], X),
    "nan wins": (lambda t, x: [x.max(), *x.max(1), x.min(), x.argmax(), x.argmin(0)], np.nan_to_num(N, nan=9.0)),
    "argmax": (lambda t, x: [x.argmax(), x.argmax(0), x.argmin(1, True), t.argmin(x), t.argmax(x, dim=-1)], X),
    "logsumexp": (lambda t, x: [x.logsumexp(0), x.logsumexp((0, 1)), t.logsumexp(x, 1, True)], X),
    "all any": (lambda t, x, b: [b.all(), b.any(0), x.all(1), t.any(x), b.byte().all(0), t.all(b, 1, True)], X, B),
    "count_nonzero": (lambda t, x: [x.count_nonzero(), t.count_nonzero(x, 0)], Z),
    "var": (lambda t, x: [x.var(), x.var(0), x.var(1, False), x.var(False), x.var(1, correction=2, keepdim=True)], X),
    "std": (lambda t, x: [x.std(), x.std(0, unbiased=False), x.std((0, 1)), t.std(x, 1, True, True)], X),
    "std of equals": (lambda t, x: (x * 0 + 1).std(1), X),
    "var_mean": (lambda t, x: [*t.var_mean(x), *t.var_mean(x, 0), *t.std_mean(x, 1, correction=0, keepdim=True)], X),
    "nansum": (lambda t, x: [x.nansum(), x.nansum(0), x.nanmean(), t.nanmean(x, 1), t.nansum(x, 1, True)], N),
    "norm": (lambda t, x: [x.norm(), x.norm(1), x.norm(2, 1), x.norm(3, 0), x.norm(float("inf"), 1, True)], X),
    "norm more": (lambda t, x: [x.norm(0), x.norm(float("-inf"), 0), t.norm(x, 2.5, 1), t.norm(x, "fro", (0, 1))], X),
    "norm of zeros": (lambda t, x: [(x * 0).norm(), (x * 0).norm(1), (x * 0).norm(3)], X),
    "norm type": (lambda t, x: x.norm(dtype=t.float64), X),
    "nuclear norm": (lambda t, x: x.norm("nuc"), X),
    "dist": (lambda t, x: [x.dist(x * 2), t.dist(x, x[:1], 1)], X),
    "cdist": (lambda t, x: [t.cdist(x, x[:2] + 1), t.cdist(x[None], x[None] * 2, p=1.0)], X),
    "trace": (lambda t, x, i: [x.trace(), t.trace(i)], X, K),
    "cov": (lambda t, x: [x.cov(), t.cov(x[0]), x.cov(correction=0), x.corrcoef()], X),
    "cumsum": (lambda t, x, i: [x.cumsum(0), t.cumsum(x, dim=1), i.cumsum(1), x.cumsum(0, dtype=t.float64)], X, K),
    "cumprod": (lambda t, x: [x.cumprod(0), t.cumprod(x, -1)], X),
    "cumprod with zeros": (lambda t, x: x.cumprod(1), Z),
    "logcumsumexp": (lambda t, x: [x.logcumsumexp(0), t.logcumsumexp(x, 1)], X),
    "diff": (lambda t, x: [x.diff(), x.diff(2, 0), t.diff(x, prepend=x[:, :1]), t.diff(x > 0)], X),
    "trapezoid": (lambda t, x: [t.trapezoid(x), t.trapz(x, dx=2.0, dim=0), t.cumulative_trapezoid(x),
                                t.trapezoid(x, x * x), t.trapezoid(x, x[:, 0], dim=0)], X),
    "scalars": (lambda t, x: [x.sum().sum(), x.sum().max(), *x.sum().max(0), x.sum().cumsum(0), x.sum().mean(0)], X),
    "empty": (lambda t, x: [x[:0].sum(), x[:0].sum(0), x[:0].prod(), x[:0].all(), x[:0].any(), x[:, :0].sum(1)], X),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs)


FAILURES: dict[str, Any] = {
    "sum dimension": lambda t, x: x.sum(5),
    "sum twice": lambda t, x: x.sum((0, 0)),
    "mean whole": lambda t, x: t.tensor([1]).mean(),
    "mean bool": lambda t, x: (x > 0).mean(),
    "nanmean whole": lambda t, x: t.tensor([1]).nanmean(),
    "std whole": lambda t, x: t.tensor([1, 2]).std(),
    "norm whole": lambda t, x: t.tensor([1, 2]).norm(),
    "norm name": lambda t, x: x.norm("foo"),
    "empty max": lambda t, x: x[:0].max(),
    "empty max along": lambda t, x: x[:0].max(0),
    "empty min": lambda t, x: x[:0].min(),
    "empty amax": lambda t, x: x[:0].amax(),
    "empty amax along": lambda t, x: x[:0].amax(0),
    "empty argmax": lambda t, x: x[:0].argmax(),
    "empty argmax along": lambda t, x: x[:0].argmax(0),
    "max dimension": lambda t, x: x.max(5),
    "cumsum dimension": lambda t, x: x.cumsum(5),
    "trace": lambda t, x: x[0].trace(),
    "cdist": lambda t, x: t.cdist(x, x[0]),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    same_error(FAILURES[name], X)
