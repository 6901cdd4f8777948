"""Reductions: each function hands over to the method of the same name."""

from collections.abc import Sequence
from typing import Any

from flambeau.dtypes.kinds import dtype
from flambeau.tensors.numpy_names import numpy_names
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import deliver, takes_out
from flambeau.tensors.reduction import cdist, trapezoid_area, trapezoids
from flambeau.tensors.return_types import Results
from flambeau.tensors.tensor import Tensor

__all__ = [
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "argmax",
    "argmin",
    "cdist",
    "corrcoef",
    "count_nonzero",
    "cov",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "diff",
    "dist",
    "hash_tensor",
    "logcumsumexp",
    "logsumexp",
    "max",
    "mean",
    "min",
    "nanmean",
    "nansum",
    "norm",
    "prod",
    "std",
    "std_mean",
    "sum",
    "trace",
    "trapezoid",
    "trapz",
    "var",
    "var_mean",
]

Axes = int | Sequence[int] | None


@numpy_names
@takes_out()
def sum(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """Sum over dimensions (all if None); whole numbers add up as int64; see ``Tensor.sum``."""
    return input.sum(dim, keepdim, dtype=dtype)


@numpy_names
@takes_out()
def mean(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """Mean over dimensions; raises RuntimeError for whole numbers unless ``dtype`` is given; see ``Tensor.mean``."""
    return input.mean(dim, keepdim, dtype=dtype)


@numpy_names
@takes_out()
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """Product over a dimension; see ``Tensor.prod``."""
    return input.prod(dim, keepdim, dtype=dtype)


@numpy_names
@takes_out()
def amax(input: Tensor, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """Largest value; see ``Tensor.amax``."""
    return input.amax(dim, keepdim)


@takes_out()
def hash_tensor(input: Tensor, dim: Axes = (), *, keepdim: bool = False, mode: int = 0) -> Tensor:
    """All elements' bits combined by exclusive or; see ``Tensor.hash_tensor``."""
    return input.hash_tensor(dim, keepdim=keepdim, mode=mode)


@numpy_names
@takes_out()
def amin(input: Tensor, dim: Axes = (), keepdim: bool = False) -> Tensor:
    """Smallest value; see ``Tensor.amin``."""
    return input.amin(dim, keepdim)


@numpy_names
@takes_out()
def logsumexp(input: Tensor, dim: Axes, keepdim: bool = False) -> Tensor:
    """Log of the sum of exponentials; see ``Tensor.logsumexp``."""
    return input.logsumexp(dim, keepdim)


@numpy_names
@takes_out()
def all(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are true; see ``Tensor.all``."""
    return input.all(dim, keepdim)


@numpy_names
@takes_out()
def any(input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
    """Whether any element is true; see ``Tensor.any``."""
    return input.any(dim, keepdim)


@numpy_names
def count_nonzero(input: Tensor, dim: Axes = None) -> Tensor:
    """Number of elements that are not zero; see ``Tensor.count_nonzero``."""
    return input.count_nonzero(dim)


@numpy_names
@takes_out()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the largest element (in the flattened tensor if ``dim`` is None); see ``Tensor.argmax``."""
    return input.argmax(dim, keepdim)


@numpy_names
@takes_out()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Position of the smallest element (in the flattened tensor if ``dim`` is None); see ``Tensor.argmin``."""
    return input.argmin(dim, keepdim)


@numpy_names
@takes_out()
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Results:
    """Smallest and largest element, named ``min`` and ``max``; see ``Tensor.aminmax``."""
    return input.aminmax(dim=dim, keepdim=keepdim)


@numpy_names
@takes_out()
def var(
    input: Tensor,
    dim: Axes = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Variance; ``correction`` (1, or 0 if not ``unbiased``) is subtracted from the count; see ``Tensor.var``."""
    return input.var(dim, unbiased, keepdim, correction=correction)


@numpy_names
@takes_out()
def std(
    input: Tensor,
    dim: Axes = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Standard deviation; see ``var``; see ``Tensor.std``."""
    return input.std(dim, unbiased, keepdim, correction=correction)


@numpy_names
@takes_out()
def nansum(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """Sum of what is not NaN; see ``Tensor.nansum``."""
    return input.nansum(dim, keepdim, dtype=dtype)


@numpy_names
@takes_out()
def nanmean(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """Mean of what is not NaN; see ``Tensor.nanmean``."""
    return input.nanmean(dim, keepdim, dtype=dtype)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Norm of the difference; see ``Tensor.dist``."""
    return input.dist(other, p)


def trace(input: Tensor) -> Tensor:
    """Sum of a matrix's diagonal; see ``Tensor.trace``."""
    return input.trace()


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Covariance of variables (rows) over observations (columns); see ``Tensor.cov``."""
    return input.cov(correction=correction, fweights=fweights, aweights=aweights)


def corrcoef(input: Tensor) -> Tensor:
    """Correlation coefficients of variables (rows); see ``Tensor.corrcoef``."""
    return input.corrcoef()


@numpy_names
@takes_out()
def cumsum(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor:
    """Running sum; see ``Tensor.cumsum``."""
    return tensor_argument("cumsum", 1, input).cumsum(dim, dtype=dtype)


@numpy_names
@takes_out()
def cumprod(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor:
    """Running product; see ``Tensor.cumprod``."""
    return tensor_argument("cumprod", 1, input).cumprod(dim, dtype=dtype)


@numpy_names
@takes_out()
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Log of the running sum of exponentials; see ``Tensor.logcumsumexp``."""
    return input.logcumsumexp(dim)


@numpy_names
@takes_out()
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighboring elements along a dimension, n times; see ``Tensor.diff``."""
    return input.diff(n, dim, prepend, append)


@numpy_names
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None, out: Any = None) -> Any:
    """Largest element, (values, indices) along a dimension, or element-wise of two tensors; see ``Tensor.max``."""
    second = dim if other is None else other
    tensor_argument("max", 1, input)
    if out is None:
        return input.max(second, keepdim)
    name = "maximum" if isinstance(second, Tensor) else "max"
    return deliver(name, Tensor.max, (input, second, keepdim), {}, out)


@numpy_names
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None, out: Any = None) -> Any:
    """Smallest element, (values, indices) along a dimension, or element-wise of two tensors; see ``Tensor.min``."""
    second = dim if other is None else other
    tensor_argument("min", 1, input)
    if out is None:
        return input.min(second, keepdim)
    name = "minimum" if isinstance(second, Tensor) else "min"
    return deliver(name, Tensor.min, (input, second, keepdim), {}, out)


@numpy_names
@takes_out()
def norm(
    input: Tensor, p: Any = "fro", dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None
) -> Tensor:
    """Norm of the elements; see ``Tensor.norm``."""
    return input.norm(p, dim, keepdim, dtype)


def _check_inexact(name: str, input: Tensor) -> None:
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(f"{name} only support floating point and complex dtypes")


@numpy_names
def var_mean(
    input: Tensor,
    dim: Axes = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean; see ``Tensor.var``."""
    _check_inexact("var_mean", input)
    found = input.var(dim, unbiased, keepdim, correction=correction)
    return found, input.mean(None if isinstance(dim, bool) else dim, keepdim)


@numpy_names
def std_mean(
    input: Tensor,
    dim: Axes = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean; see ``Tensor.std``."""
    _check_inexact("std_mean", input)
    found = input.std(dim, unbiased, keepdim, correction=correction)
    return found, input.mean(None if isinstance(dim, bool) else dim, keepdim)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """Running integral by the trapezoidal rule."""
    return trapezoids(y, x, dx, dim).cumsum(dim)


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """Integral by the trapezoidal rule."""
    areas = trapezoids(y, x, dx, dim)
    return areas.sum(dim) if x is not None or not y.shape[dim] else trapezoid_area(y, dx, dim)


trapz = trapezoid
