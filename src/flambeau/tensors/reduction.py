"""Reductions: methods of ``Tensor`` that combine elements along dimensions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from flambeau.base.shapes import normalize_axes, normalize_axis
from flambeau.dtypes.kinds import dtype, python_dtype
from flambeau.primitives import reduction as p
from flambeau.primitives.reduction import REDUCTIONS, distances, matrix_norm, vector_norm
from flambeau.tensors import return_types
from flambeau.tensors.core import Core, call, call_in_place
from flambeau.tensors.joining import cat
from flambeau.tensors.norms import check_has_norm
from flambeau.tensors.numpy_names import accept_numpy_names
from flambeau.tensors.return_types import Results

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Reduction", "cdist", "chosen_correction", "trapezoid_area", "trapezoids"]

Axes = int | Sequence[int] | None


@accept_numpy_names
class Reduction(Core):
    """Methods that combine elements along dimensions."""

    def _reduced(self, name: str, dim: Axes, keepdim: bool, kind: dtype | None = None) -> "Tensor":
        return call(REDUCTIONS[name], (self,), (normalize_axes(dim, len(self.shape)), keepdim, kind))

    def sum(self, dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None) -> "Tensor":
        """Sum over dimensions (all if None); whole numbers add up as int64.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.sum.html
        """
        return self._reduced("sum", dim, keepdim, dtype)

    def mean(self, dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None) -> "Tensor":
        """Mean over dimensions; raises RuntimeError for whole numbers unless ``dtype`` is given.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.mean.html
        """
        return self._reduced("mean", dim, keepdim, dtype)

    def prod(self, dim: int | None = None, keepdim: bool = False, *, dtype: dtype | None = None) -> "Tensor":
        """Product over a dimension. Source: https://docs.pytorch.org/docs/stable/generated/torch.prod.html."""
        return self._reduced("prod", dim, keepdim, dtype)

    def amax(self, dim: Axes = (), keepdim: bool = False) -> "Tensor":
        """Largest value. Source: https://docs.pytorch.org/docs/stable/generated/torch.amax.html."""
        return self._reduced("amax", _with_elements("amax", self, dim), keepdim)

    def amin(self, dim: Axes = (), keepdim: bool = False) -> "Tensor":
        """Smallest value. Source: https://docs.pytorch.org/docs/stable/generated/torch.amin.html."""
        return self._reduced("amin", _with_elements("amin", self, dim), keepdim)

    def hash_tensor(self, dim: Axes = (), *, keepdim: bool = False, mode: int = 0) -> "Tensor":
        """A number of 64 bits: all elements as such numbers, combined by exclusive or.

        Args:
            dim: over which dimensions; over all of them if there are none.
            keepdim: whether they stay, with size 1.
            mode: 0; PyTorch knows no other.

        Raises:
            RuntimeError: there is no such mode, or nothing to combine.

        Example:
            >>> import flambeau as torch
            >>> torch.tensor([6, 3]).hash_tensor()
            tensor(5, dtype=torch.uint64)

        Source: https://docs.pytorch.org/docs/stable/generated/torch.hash_tensor.html
        """
        if mode != 0:
            raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
        return self._reduced("hash_tensor", dim, keepdim)

    def logsumexp(self, dim: Axes, keepdim: bool = False) -> "Tensor":
        """Log of the sum of exponentials.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.logsumexp.html
        """
        return self._reduced("logsumexp", dim, keepdim)

    def all(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """Whether all elements are true. Source: https://docs.pytorch.org/docs/stable/generated/torch.all.html."""
        return self._reduced("all", dim, keepdim)

    def any(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """Whether any element is true. Source: https://docs.pytorch.org/docs/stable/generated/torch.any.html."""
        return self._reduced("any", dim, keepdim)

    def count_nonzero(self, dim: Axes = None) -> "Tensor":
        """Number of elements that are not zero.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.count_nonzero.html
        """
        return self._reduced("count_nonzero", dim, keepdim=False)

    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Largest element; (values, indices) along a dimension; or the element-wise larger of two tensors.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.max.html
        """
        return self._extreme(p.max_along, "maximum", dim, keepdim)

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Smallest element; (values, indices) along a dimension; or the element-wise smaller of two tensors.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.min.html
        """
        return self._extreme(p.min_along, "minimum", dim, keepdim)

    def _extreme(self, along: Any, pair: str, dim: Any, keepdim: bool) -> Any:
        if dim is None:
            return self._reduced(along.name, None, keepdim=False)
        if isinstance(dim, Core):
            return getattr(self, pair)(dim)
        found = call(along, (self,), (normalize_axis(dim, len(self.shape)), keepdim))
        return getattr(return_types, along.name)(found)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """Position of the largest element (in the flattened tensor if ``dim`` is None).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.argmax.html
        """
        return call(p.argmax, (self,), (None if dim is None else normalize_axis(dim, len(self.shape)), keepdim))

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """Position of the smallest element (in the flattened tensor if ``dim`` is None).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.argmin.html
        """
        return call(p.argmin, (self,), (None if dim is None else normalize_axis(dim, len(self.shape)), keepdim))

    def aminmax(self, *, dim: int | None = None, keepdim: bool = False) -> Results:
        """Smallest and largest element, named ``min`` and ``max``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.aminmax.html
        """
        if self.dtype.is_complex:
            kind = self.dtype.tensor_type.removesuffix("Tensor")
            raise NotImplementedError(f"\"aminmax_cpu\" not implemented for '{kind}'")
        axes = () if dim is None else normalize_axis(dim, len(self.shape))
        if dim is None and not self.shape.numel():
            raise RuntimeError(
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            )
        if isinstance(axes, int) and self.shape and self.shape[axes] == 0:
            raise IndexError(f"aminmax: Expected reduction dim {axes} to have non-zero size.")
        return return_types.aminmax((self.amin(axes, keepdim), self.amax(axes, keepdim)))

    def var(
        self, dim: Axes = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
    ) -> "Tensor":
        """Variance; ``correction`` (1, or 0 if not ``unbiased``) is subtracted from the count.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.var.html
        """
        dim, less = chosen_correction(dim, unbiased, correction)
        return call(p.variance, (self,), (normalize_axes(dim, len(self.shape)), less, keepdim))

    def std(
        self, dim: Axes = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
    ) -> "Tensor":
        """Standard deviation; see ``var``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.std.html
        """
        dim, less = chosen_correction(dim, unbiased, correction)
        return call(p.deviation, (self,), (normalize_axes(dim, len(self.shape)), less, keepdim))

    def nansum(self, dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None) -> "Tensor":
        """Sum of what is not NaN. Source: https://docs.pytorch.org/docs/stable/generated/torch.nansum.html."""
        return self._reduced("nansum", dim, keepdim, dtype)

    def nanmean(self, dim: Axes = None, keepdim: bool = False, *, dtype: dtype | None = None) -> "Tensor":
        """Mean of what is not NaN. Source: https://docs.pytorch.org/docs/stable/generated/torch.nanmean.html."""
        return self._reduced("nanmean", dim, keepdim, dtype)

    def norm(self, p: Any = "fro", dim: Axes = None, keepdim: bool = False, dtype: dtype | None = None) -> "Tensor":
        """Norm of the elements: ``p`` a number, ``"fro"`` (2), or ``"nuc"`` for the sum of a matrix's singular values.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.norm.html
        """
        axes = normalize_axes(dim, len(self.shape))
        if isinstance(p, str) and p not in ("fro", "nuc"):
            raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
        if p == "nuc":
            if len(axes) != 2:
                raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {list(axes)}")
            return call(matrix_norm, (self,), ("nuc", axes, keepdim))
        order = 2.0 if p is None or p == "fro" else float(p)
        check_has_norm(self, order, dim)
        return call(vector_norm, (self,), (order, axes, keepdim, dtype))

    def dist(self, other: "Tensor", p: float = 2) -> "Tensor":
        """Norm of the difference. Source: https://docs.pytorch.org/docs/stable/generated/torch.dist.html."""
        found = cast("Tensor", self).sub(other)
        if not (found.dtype.is_floating_point or found.dtype.is_complex):
            kind = found.dtype.tensor_type.removesuffix("Tensor")
            raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {kind} instead.")
        return found.norm(p)

    def trace(self) -> "Tensor":
        """Sum of a matrix's diagonal. Source: https://docs.pytorch.org/docs/stable/generated/torch.trace.html."""
        return call(p.trace, (self,))

    def cov(
        self, *, correction: int = 1, fweights: "Tensor | None" = None, aweights: "Tensor | None" = None
    ) -> "Tensor":
        """Covariance of variables (rows) over observations (columns).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.cov.html
        """
        if len(self.shape) > 2:
            message = "cov(): expected input to have two or fewer dimensions but got an input with "
            raise RuntimeError(f"{message}{len(self.shape)} dimensions")
        if self.dtype.name == "bool":
            raise RuntimeError("cov(): bool dtype is not supported for input")
        own = cast("Tensor", self)
        own = own if own.dtype.is_floating_point or own.dtype.is_complex else own.to(python_dtype(float))
        rows = own.reshape(1, -1) if len(self.shape) < 2 else own
        weights = _observation_weights(rows, fweights, aweights)
        if weights is None:
            centered = rows - rows.mean(1, keepdim=True)
            found = centered.matmul(centered.conj().t()) / max(rows.shape[1] - correction, 0)
        else:
            total = weights.sum()
            centered = rows - (rows * weights).sum(1, keepdim=True) / total
            lost = correction * ((weights * aweights).sum() / total if aweights is not None else 1)
            found = centered.matmul((centered * weights).conj().t()) / (total - lost).clamp(min=0)
        return found if rows.shape[0] != 1 else found.reshape(())

    def corrcoef(self) -> "Tensor":
        """Correlation coefficients of variables (rows).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.corrcoef.html
        """
        found = self.cov()
        if not found.shape:
            return found / found
        deviation = found.diagonal().sqrt()
        return (found / deviation[:, None] / deviation[None, :]).clamp(-1, 1)

    def cumsum(self, dim: int, *, dtype: dtype | None = None) -> "Tensor":
        """Running sum. Source: https://docs.pytorch.org/docs/stable/generated/torch.cumsum.html."""
        return call(p.cumsum, (self,), (normalize_axis(dim, len(self.shape)), dtype))

    def cumprod(self, dim: int, *, dtype: dtype | None = None) -> "Tensor":
        """Running product. Source: https://docs.pytorch.org/docs/stable/generated/torch.cumprod.html."""
        return call(p.cumprod, (self,), (normalize_axis(dim, len(self.shape)), dtype))

    def cumsum_(self, dim: int, *, dtype: dtype | None = None) -> "Tensor":
        """In-place ``cumsum``."""
        return call_in_place(self, p.cumsum, (self,), (normalize_axis(dim, len(self.shape)), dtype or self.dtype))

    def cumprod_(self, dim: int, *, dtype: dtype | None = None) -> "Tensor":
        """In-place ``cumprod``."""
        return call_in_place(self, p.cumprod, (self,), (normalize_axis(dim, len(self.shape)), dtype or self.dtype))

    def logcumsumexp(self, dim: int) -> "Tensor":
        """Log of the running sum of exponentials.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.logcumsumexp.html
        """
        return call(p.logcumsumexp, (self,), (normalize_axis(dim, len(self.shape)),))

    def diff(
        self, n: int = 1, dim: int = -1, prepend: "Tensor | None" = None, append: "Tensor | None" = None
    ) -> "Tensor":
        """Differences of neighboring elements along a dimension, n times.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.diff.html
        """
        if n < 0:
            raise RuntimeError(f"order must be non-negative but got {n}")
        axis = normalize_axis(dim, len(self.shape))
        if not self.shape:
            raise RuntimeError("diff expects input to be at least one-dimensional")
        if n == 0:
            return cast("Tensor", self).clone()
        parts = [item for item in (prepend, cast("Tensor", self), append) if item is not None]
        found = parts[0] if len(parts) == 1 else cat(parts, axis)
        for _ in range(min(n, found.shape[axis])):
            size = found.shape[axis]
            later, earlier = found.narrow(axis, 1, size - 1), found.narrow(axis, 0, size - 1)
            found = later.ne(earlier) if found.dtype.name == "bool" else later - earlier
        return found


def _with_elements(name: str, tensor: Core, dim: Axes) -> Axes:
    """Dimensions to reduce, none of which may be empty if they are given."""
    for axis in () if dim is None or dim == () else normalize_axes(dim, len(tensor.shape)):
        if tensor.shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    return dim


def _observation_weights(rows: "Tensor", fweights: "Tensor | None", aweights: "Tensor | None") -> "Tensor | None":
    """How much each column counts in ``cov``; None where all count once.

    Raises:
        RuntimeError: weights are no vector, not one for each column, or of the wrong kind of type.
    """
    for name, item in (("fweights", fweights), ("aweights", aweights)):
        if item is None:
            continue
        if len(item.shape) > 1:
            message = f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
            raise RuntimeError(f"{message}{len(item.shape)} dimensions")
        kind = item.dtype.tensor_type.removesuffix("Tensor")
        whole = not (item.dtype.is_floating_point or item.dtype.is_complex or item.dtype.name == "bool")
        if name == "fweights" and not whole:
            raise RuntimeError(f"cov(): expected fweights to have integral dtype but got fweights with {kind} dtype")
        if name == "aweights" and not item.dtype.is_floating_point:
            raise RuntimeError(
                f"cov(): expected aweights to have floating point dtype but got aweights with {kind} dtype"
            )
        if item.numel() != rows.shape[1]:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got "
                f"{item.numel()} != {rows.shape[1]}"
            )
        if bool((item < 0).any()):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    given = [item for item in (fweights, aweights) if item is not None]
    return None if not given else given[0] if len(given) == 1 else given[0] * given[1]


def chosen_correction(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Any, float]:
    """Dimensions and correction of ``var`` and ``std``; a bool in the place of the dimensions says ``unbiased``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1.0 if unbiased is None else float(unbiased)
    return dim, float(correction)


def trapezoids(y: "Tensor", x: "Tensor | None", dx: float, dim: int) -> "Tensor":
    """Areas between neighboring points of a curve."""
    if y.dtype.name == "bool":
        raise RuntimeError("trapezoid: received a bool input for `y`, but bool is not supported")
    if not y.shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    axis = normalize_axis(dim, len(y.shape))
    size = max(y.shape[axis], 1)
    if not y.shape[axis]:
        return y.narrow(axis, 0, 0) * dx
    heights = (y.narrow(axis, 1, size - 1) + y.narrow(axis, 0, size - 1)) / 2
    if x is None:
        return heights * dx
    steps = x.diff(dim=axis if len(x.shape) == len(y.shape) else -1)
    if len(x.shape) == 1 and axis != len(y.shape) - 1:
        steps = steps.reshape([-1 if other == axis else 1 for other in range(len(y.shape))])
    return heights * steps


def trapezoid_area(y: "Tensor", dx: float, dim: int) -> "Tensor":
    """Area under a curve of equal steps: the sum of its heights, the first and the last halved."""
    axis = normalize_axis(dim, len(y.shape))
    return (y.sum(axis) - (y.select(axis, 0) + y.select(axis, -1)) * 0.5) * dx


def cdist(
    x1: "Tensor", x2: "Tensor", p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> "Tensor":
    """Distances between all pairs of rows of two (batches of) matrices.

    Args:
        x1: ``(..., rows1, columns)``.
        x2: ``(..., rows2, columns)``.
        p: order of the norm.
        compute_mode: accepted; the differences themselves are always used, which is exact.

    Returns:
        ``(..., rows1, rows2)``.

    Raises:
        RuntimeError: the shapes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cdist.html
    """
    for name, item in (("X1", x1), ("X2", x2)):
        if len(item.shape) < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {len(item.shape)}D")
    if x1.shape[-1] != x2.shape[-1]:
        sizes = f"X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        raise RuntimeError(f"X1 and X2 must have the same number of columns. {sizes}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    # Rows without columns are all alike, whatever the norm.
    return call(distances, (x1, x2), (float(p) if x1.shape[-1] else 2.0,))
