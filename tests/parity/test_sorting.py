"""Sorting, ranks, distinct values and counting against PyTorch: a line each."""

from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.failures import same_error
from tests.parity.oracle import check, torch

X = np.array([[0.5, -1.25, 2.0, 0.1], [3.0, -0.7, 0.2, 5.0], [-2.0, 4.0, 1.5, -3.0]], np.float32)
N = np.array([1.0, np.nan, 3.0, -2.0], np.float32)
T = np.array([2.0, 1.0, 2.0, 1.0, 3.0], np.float32)
K = np.array([[3, 1, 2, 1], [0, 0, 5, 3]])
B = np.array([True, False, True])

CASES: dict[str, tuple[Any, ...]] = {
    "sort": (lambda t, x: [*x.sort(), *x.sort(0), *t.sort(x, descending=True), *x.sort(stable=True)], X),
    "sort ties": (lambda t, x: [*x.sort(stable=True), *x.sort(descending=True, stable=True)], T),
    "sort nan": (lambda t, x: [*x.sort(), *x.sort(descending=True)], N),
    "sort whole and bool": (lambda t, i, b: [*i.sort(stable=True), *b.sort(stable=True)], K, B),
    "sort scalar": (lambda t, x: [*x.sum().sort(), *x.sum().topk(1), *x.sum().kthvalue(1)], X),
    "argsort": (lambda t, x: [x.argsort(), x.argsort(0, True), t.argsort(x, dim=1)], X),
    "msort": (lambda t, x: [x.msort(), t.msort(x)], X),
    "topk": (lambda t, x: [*x.topk(2), *x.topk(3, 0), *x.topk(2, largest=False), *t.topk(x, 1, dim=0)], X),
    "topk whole": (lambda t, i: [i.topk(2).values, i.topk(2, largest=False)[0]], K),
    "topk nan": (lambda t, x: [*x.topk(2)], N),
    "kthvalue": (lambda t, x: [*x.kthvalue(2), *x.kthvalue(1, 0, True), *t.kthvalue(x, 3)], X),
    "median": (lambda t, x: [x.median(), *x.median(0), *x.median(1, True), t.median(x)], X),
    "median ties": (lambda t, x: x.median(), T),
    "median nan": (lambda t, x: [x.median(), *x.median(0), x.nanmedian(), *x.nanmedian(0)], N),
    "mode": (lambda t, x, i: [*x.mode(), *i.mode(), *t.mode(i, 0, True)], T, K),
    "quantile": (lambda t, x: [x.quantile(0.3), x.quantile(0.5, 0), t.quantile(x, t.tensor([0.2, 0.7]), 1, True)], X),
    "quantile rounded": (lambda t, x: [x.quantile(0.3, 1, interpolation=name)
                                       for name in ("lower", "higher", "nearest", "midpoint")], X),
    "quantile nan": (lambda t, x: [x.quantile(0.3), x.nanquantile(0.3)], N),
    "cummax": (lambda t, x: [*x.cummax(0), *x.cummin(1), *t.cummax(x, dim=1)], X),
    "cummax ties and nan": (lambda t, x, y: [*x.cummax(0), *x.cummin(0), *y.cummax(0), *y.cummin(0)], T, N),
    "unique": (lambda t, i: [i.unique(), *t.unique(i, return_inverse=True, return_counts=True)], K),
    "unique rows": (lambda t, i: [*t.unique(t.cat([i, i]), dim=0, return_inverse=True, return_counts=True)], K),
    "unique_consecutive": (lambda t, i: [*i.unique_consecutive(True, True), t.unique_consecutive(i, dim=0)], K),
    "bincount": (lambda t, i: [i[0].bincount(), i[1].bincount(minlength=8), i[0].bincount(i[1])], K),
    "histc": (lambda t, x: [x.histc(4), x.histc(3, -1, 2), t.histc(x, 5, min=0, max=0)], X),
    "searchsorted": (lambda t, x: [t.searchsorted(x.sort()[0], x), t.searchsorted(x[0].sort()[0], x, right=True),
                                   t.searchsorted(x[0].sort()[0], 0.2), t.bucketize(x, x[0].sort()[0])], X),
    "searchsorted types": (lambda t, i: t.searchsorted(i[0].sort()[0], i + 0.5, out_int32=True, side="right"), K),
    "isin": (lambda t, i: [t.isin(i, t.tensor([1, 5])), t.isin(i, 3, invert=True), t.isin(3, i)], K),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs)


FAILURES: dict[str, Any] = {
    "sort dimension": lambda t, x: x.sort(5),
    "topk": lambda t, x: x.topk(9),
    "topk negative": lambda t, x: x.topk(-1),
    "kthvalue": lambda t, x: x.kthvalue(0),
    "quantile": lambda t, x: x.quantile(1.5),
    "quantile 2": lambda t, x: x.quantile(2.0),
    "quantile of a tensor": lambda t, x: x.quantile(t.tensor([0.5, -0.1], requires_grad=True)),
    "quantile nan": lambda t, x: x.nanquantile(t.tensor(float("nan"))),
    "bincount": lambda t, x: x.bincount(),
    "bincount negative": lambda t, x: t.tensor([-1]).bincount(),
    "histc": lambda t, x: t.tensor([1]).histc(),
    "histc bins": lambda t, x: x.histc(0),
    "histc range": lambda t, x: x.histc(2, 3, 1),
    "searchsorted": lambda t, x: t.searchsorted(x, x[0]),
    "searchsorted side": lambda t, x: t.searchsorted(x[0], x, right=True, side="left"),
    "empty mode": lambda t, x: x[:0].mode(0),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_are_pytorchs(name: str) -> None:
    same_error(FAILURES[name], X)


RESULTS = {
    "sort": lambda t, x: x.sort(),
    "topk": lambda t, x: x.topk(1, 0),
    "kthvalue": lambda t, x: x.kthvalue(1),
    "median": lambda t, x: x.median(0),
    "mode": lambda t, x: x.mode(),
    "cummin": lambda t, x: x.cummin(0),
    "max": lambda t, x: x.max(0),
    "min": lambda t, x: x.min(1),
    "aminmax": lambda t, x: x.aminmax(dim=1),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_print_as_pytorchs(name: str) -> None:
    found, expected = RESULTS[name](flambeau, flambeau.tensor(X)), RESULTS[name](torch, torch.tensor(X))
    assert repr(found) == repr(expected)
    assert isinstance(found, tuple)


def test_names_of_results() -> None:
    found = flambeau.tensor(X).max(1)
    values, indices = found
    assert found.values is values
    assert found.indices is indices
    with pytest.raises(AttributeError, match=r"'torch\.return_types\.max' object has no attribute 'other'"):
        found.other
