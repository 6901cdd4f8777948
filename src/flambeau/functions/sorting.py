"""Order and counting: each function hands over to the method of the same name."""

from typing import Any

from flambeau.tensors.arguments import whole
from flambeau.tensors.numpy_names import numpy_names
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.sorting import bucketize, isin, searchsorted
from flambeau.tensors.tensor import Tensor

__all__ = [
    "argsort",
    "bincount",
    "bucketize",
    "cummax",
    "cummin",
    "histc",
    "isin",
    "kthvalue",
    "median",
    "mode",
    "msort",
    "nanmedian",
    "nanquantile",
    "quantile",
    "searchsorted",
    "sort",
    "topk",
    "unique",
    "unique_consecutive",
]


@numpy_names
@takes_out()
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = False) -> Results:
    """Elements in order along a dimension, and where they stood; always stable; NaN counts as the largest.

    See ``Tensor.sort``.
    """
    return input.sort(dim, descending, stable)


@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Positions of the elements in order along a dimension; see ``Tensor.argsort``."""
    return input.argsort(dim, descending, stable)


@takes_out()
def msort(input: Tensor) -> Tensor:
    """Rows in order: sorted along the first dimension; see ``Tensor.msort``."""
    return input.msort()


@numpy_names
@takes_out()
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Results:
    """The k largest (or smallest) elements along a dimension, in order, and where they stood; see ``Tensor.topk``."""
    return input.topk(whole("topk", "k", k, 2), dim, largest, sorted)


@numpy_names
@takes_out()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Results:
    """The k-th smallest element along a dimension (k from 1), and where it stood; see ``Tensor.kthvalue``."""
    return input.kthvalue(whole("kthvalue", "k", k, 2), dim, keepdim)


@numpy_names
@takes_out()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, the lower of two; (values, indices) along a dimension; see ``Tensor.median``."""
    return input.median(dim, keepdim)


@numpy_names
@takes_out()
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """``median`` of the elements that are not NaN; see ``Tensor.nanmedian``."""
    return input.nanmedian(dim, keepdim)


@numpy_names
@takes_out()
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Results:
    """The most frequent value along a dimension, and a position of it; see ``Tensor.mode``."""
    return input.mode(dim, keepdim)


@numpy_names
@takes_out()
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Values below which the fractions ``q`` of the elements lie; see ``Tensor.quantile``."""
    return input.quantile(q, dim, keepdim, interpolation=interpolation)


@numpy_names
@takes_out()
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """``quantile`` of the elements that are not NaN; see ``Tensor.nanquantile``."""
    return input.nanquantile(q, dim, keepdim, interpolation=interpolation)


@numpy_names
@takes_out()
def cummax(input: Tensor, dim: int) -> Results:
    """Running maximum and its latest position; see ``Tensor.cummax``."""
    return input.cummax(dim)


@numpy_names
@takes_out()
def cummin(input: Tensor, dim: int) -> Results:
    """Running minimum and its latest position; see ``Tensor.cummin``."""
    return input.cummin(dim)


@numpy_names
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Distinct values (or slices along ``dim``) in order; waits for the values; see ``Tensor.unique``."""
    return input.unique(sorted, return_inverse, return_counts, dim)


@numpy_names
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Values (or slices along ``dim``) with runs of equal ones replaced by one; waits for the values.

    See ``Tensor.unique_consecutive``.
    """
    return input.unique_consecutive(return_inverse, return_counts, dim)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... occurs, or the sum of their weights; waits for the values.

    See ``Tensor.bincount``.
    """
    return input.bincount(weights, minlength)


@takes_out()
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Number of elements in each of ``bins`` equal parts of [min, max] (of the values' own range if both are 0).

    See ``Tensor.histc``.
    """
    return input.histc(bins, min, max)
