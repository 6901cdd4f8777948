"""Order: sorting, ranks, running extremes, distinct values and counting."""

from math import isfinite
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flambeau.base.shapes import normalize_axis
from flambeau.dtypes.kinds import DTYPES
from flambeau.primitives import sorting as p
from flambeau.tensors import return_types
from flambeau.tensors.arguments import whole
from flambeau.tensors.core import Core, call, operand, operands, wrap_array
from flambeau.tensors.creation import as_tensor
from flambeau.tensors.known import known
from flambeau.tensors.numpy_names import accept_numpy_names
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.subscripts import refuse_dynamic

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Sorting", "bucketize", "isin", "searchsorted"]

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@accept_numpy_names
class Sorting(Core):
    """Methods about the order of elements, and about which values there are."""

    # -- sorting and ranks -------------------------------------------------------------------------------------

    def sort(self, dim: int = -1, descending: bool = False, stable: bool | None = False) -> Results:
        """Elements in order along a dimension, and where they stood; always stable; NaN counts as the largest.

        Returns:
            Named results ``values`` and ``indices``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.sort.html
        """
        return return_types.sort(call(p.sort, (self,), (normalize_axis(dim, len(self.shape)), bool(descending))))

    def argsort(self, dim: int = -1, descending: bool = False, stable: bool = False) -> "Tensor":
        """Positions of the elements in order along a dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.argsort.html
        """
        return self.sort(dim, descending)[1]

    def msort(self) -> "Tensor":
        """Rows in order: sorted along the first dimension."""
        return self.sort(0)[0]

    def topk(self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Results:
        """The k largest (or smallest) elements along a dimension, in order, and where they stood.

        Raises:
            RuntimeError: there are fewer than k elements.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.topk.html
        """
        axis = normalize_axis(dim, len(self.shape))
        k = whole("topk", "k", k)
        if not 0 <= k <= (self.shape[axis] if self.shape else 1):
            raise RuntimeError("selected index k out of range")
        return return_types.topk(call(p.topk, (self,), (k, axis, largest)))

    def kthvalue(self, k: int, dim: int = -1, keepdim: bool = False) -> Results:
        """The k-th smallest element along a dimension (k from 1), and where it stood.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.kthvalue.html
        """
        axis = normalize_axis(dim, len(self.shape))
        k = whole("kthvalue", "k", k)
        if not 1 <= k <= (self.shape[axis] if self.shape else 1):
            raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
        return return_types.kthvalue(call(p.kthvalue, (self,), (k, axis, keepdim)))

    def median(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The middle element, the lower of two; (values, indices) along a dimension.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.median.html
        """
        if dim is None:
            return call(p.median_of_all, (self,))
        return return_types.median(call(p.median, (self,), (_nonempty("median", self, dim), keepdim)))

    def nanmedian(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """``median`` of the elements that are not NaN."""
        if dim is None:
            return call(p.nanmedian_of_all, (self,))
        return return_types.nanmedian(call(p.nanmedian, (self,), (_nonempty("median", self, dim), keepdim)))

    def mode(self, dim: int = -1, keepdim: bool = False) -> Results:
        """The most frequent value along a dimension, and a position of it.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.mode.html
        """
        return return_types.mode(call(p.mode, (self,), (_nonempty("mode", self, dim), keepdim)))

    def quantile(
        self, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
    ) -> "Tensor":
        """Values below which the fractions ``q`` of the elements lie.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.quantile.html
        """
        return _quantile("quantile", cast("Tensor", self), q, dim, keepdim, interpolation)

    def nanquantile(
        self, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
    ) -> "Tensor":
        """``quantile`` of the elements that are not NaN."""
        return _quantile("nanquantile", cast("Tensor", self), q, dim, keepdim, interpolation)

    # -- running extremes --------------------------------------------------------------------------------------

    def cummax(self, dim: int) -> Results:
        """Running maximum and its latest position.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.cummax.html
        """
        return return_types.cummax(call(p.cummax, (self,), (normalize_axis(dim, len(self.shape)),)))

    def cummin(self, dim: int) -> Results:
        """Running minimum and its latest position.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.cummin.html
        """
        return return_types.cummin(call(p.cummin, (self,), (normalize_axis(dim, len(self.shape)),)))

    # -- which values there are --------------------------------------------------------------------------------

    def unique(
        self,
        sorted: bool = True,
        return_inverse: bool = False,
        return_counts: bool = False,
        dim: int | None = None,
    ) -> Any:
        """Distinct values (or slices along ``dim``) in order; waits for the values.

        Args:
            sorted: accepted; the result always is.
            return_inverse: also give, for every element, the position of its value in the result.
            return_counts: also give how often each value occurs.
            dim: compare slices along this dimension; elements if None.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.unique.html
        """
        refuse_dynamic(self, "_unique2")
        array = cast("Tensor", self).host()
        axis = None if dim is None else normalize_axis(dim, len(self.shape))
        found = np.unique(array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
        inverse = found[1].reshape(array.shape if axis is None else -1)
        return _counted(self, found[0], inverse, found[2], return_inverse, return_counts)

    def unique_consecutive(
        self, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
    ) -> Any:
        """Values (or slices along ``dim``) with runs of equal ones replaced by one; waits for the values.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.unique_consecutive.html
        """
        array = cast("Tensor", self).host()
        axis = 0 if dim is None else normalize_axis(dim, len(self.shape))
        rows = array.reshape(-1) if dim is None else np.moveaxis(array, axis, 0)
        differs = (rows[1:] != rows[:-1]).any(tuple(range(1, rows.ndim)))
        starts = np.flatnonzero(np.concatenate([np.ones(min(len(rows), 1), bool), differs]))
        counts = np.diff(np.append(starts, len(rows)))
        inverse = np.repeat(np.arange(len(starts)), counts).reshape(array.shape if dim is None else -1)
        values = np.moveaxis(rows[starts], 0, axis)
        return _counted(self, values, inverse, counts, return_inverse, return_counts)

    def bincount(self, weights: "Tensor | None" = None, minlength: int = 0) -> "Tensor":
        """How often each of 0, 1, 2, ... occurs, or the sum of their weights; waits for the values.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.bincount.html
        """
        if self.dtype.is_floating_point or self.dtype.is_complex or self.dtype.name == "bool":
            kind = self.dtype.tensor_type.removesuffix("Tensor")
            raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{kind}'")
        array = cast("Tensor", self).host()
        if array.ndim != 1 or (array.size and array.min() < 0):
            raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
        if weights is None:
            return wrap_array(np.bincount(array, minlength=minlength).astype(np.int64), DTYPES["int64"], self.device)
        if weights.shape != self.shape:
            raise RuntimeError("weights should be 1-d and have the same length as input")
        kind = weights.dtype if weights.dtype.name == "float32" else DTYPES["float64"]
        found = np.bincount(array, weights.host(), minlength).astype(kind.numpy)
        return wrap_array(found, kind, self.device)

    def histc(self, bins: int = 100, min: float = 0, max: float = 0) -> "Tensor":
        """Number of elements in each of ``bins`` equal parts of [min, max] (of the values' own range if both are 0).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.histc.html
        """
        if not self.dtype.is_floating_point:
            kind = self.dtype.tensor_type.removesuffix("Tensor")
            raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{kind}'")
        if bins <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
        if max < min:
            raise RuntimeError("torch.histc: max must be larger than min")
        values = known(cast("Tensor", self).detach()) if min == max and self.shape.numel() else None
        low, high = (min, max) if values is None else (values.min().item(), values.max().item())
        if min != max or values is not None:
            _check_finite(low, high)
        return call(p.histc, (self,), (int(bins), float(min), float(max)))


# -- what the methods share ---------------------------------------------------------------------------------------


def _check_finite(low: float, high: float) -> None:
    """Raise RuntimeError, in PyTorch's words, unless these are the ends of a range."""
    if not isfinite(low) or not isfinite(high):
        raise RuntimeError(f"torch.histc: range of [{low:g}, {high:g}] is not finite")


def _nonempty(name: str, tensor: Core, dim: int) -> int:
    """A dimension that must have elements."""
    axis = normalize_axis(dim, len(tensor.shape))
    if tensor.shape and tensor.shape[axis] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    return axis


def _quantile(name: str, tensor: "Tensor", q: Any, dim: int | None, keepdim: bool, interpolation: str) -> "Tensor":
    (tensor,) = operands("quantile", tensor)
    if not tensor.numel():
        raise RuntimeError("quantile() input tensor must be non-empty")
    if tensor.dtype.name not in ("float32", "float64"):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
        names = "linear, lower, higher, midpoint or nearest"
        raise RuntimeError(f"{name}() interpolation must be one of {names}, but got {interpolation}")
    if not isinstance(q, Core):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        q = as_tensor(float(q), dtype=tensor.dtype, device=tensor.device)
    elif q.dtype is not tensor.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    fractions = known(q.alias())
    if fractions is not None and not ((fractions >= 0) & (fractions <= 1)).all():
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    axis = None if dim is None else normalize_axis(dim, len(tensor.shape))
    return call(p.quantile, (tensor, q), (axis, keepdim, interpolation, name == "nanquantile"))


def _counted(like: Core, values: Any, inverse: Any, counts: Any, with_inverse: bool, with_counts: bool) -> Any:
    """Distinct values as tensors, with what else was asked for."""
    results = [wrap_array(np.ascontiguousarray(values), like.dtype, like.device)]
    for part, wanted in ((inverse, with_inverse), (counts, with_counts)):
        if wanted:
            results.append(wrap_array(part.astype(np.int64), DTYPES["int64"], like.device))
    return results[0] if len(results) == 1 else tuple(results)


# -- functions of two tensors -------------------------------------------------------------------------------------


@takes_out()
def searchsorted(
    sorted_sequence: "Tensor",
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: "Tensor | None" = None,
) -> "Tensor":
    """Where each value of ``input`` would be inserted to keep the last dimension of ``sorted_sequence`` sorted.

    Args:
        sorted_sequence: ``(..., n)``; the leading sizes are those of ``input``, or there are none.
        input: values, or a number.
        out_int32: give positions as int32.
        right: behind equal elements instead of before them.
        side: ``"left"`` or ``"right"``, another way to say it.
        sorter: positions that would sort ``sorted_sequence``.

    Raises:
        RuntimeError: shapes do not fit, or ``side`` contradicts ``right``.

    Example:
        >>> import flambeau as torch
        >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
        tensor([1, 3])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.searchsorted.html
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    values = input if isinstance(input, Core) else as_tensor(operand(input), device=sorted_sequence.device)
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    shape = sorted_sequence.shape
    if len(shape) != 1 and shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(shape)} and input value "
            f"tensor {list(values.shape)}"
        )
    return call(p.searchsorted, (sorted_sequence, values), (right or side == "right", out_int32))


@takes_out()
def bucketize(input: Any, boundaries: "Tensor", *, out_int32: bool = False, right: bool = False) -> "Tensor":
    """Which bucket each value belongs to.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.bucketize.html
    """
    if len(boundaries.shape) != 1:
        message = f"boundaries tensor must be 1 dimension, but got dim({len(boundaries.shape)})"
        raise RuntimeError(message)
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@takes_out()
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> "Tensor":
    """Whether each element is among the test elements.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.isin.html
    """
    first, second = [item if isinstance(item, Core) else as_tensor(operand(item)) for item in (elements, test_elements)]
    return call(p.isin, (first, second), (invert,))
