"""Reductions: methods of ``Tensor`` that combine elements along dimensions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from flambeau.base.shapes import normalize_axes, normalize_axis
from flambeau.dtypes.kinds import dtype
from flambeau.primitives import reduction as p
from flambeau.primitives.reduction import REDUCTIONS
from flambeau.tensors.core import Core, call

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Reduction", "ValuesIndices"]

Axes = int | Sequence[int] | None


class ValuesIndices(NamedTuple):
    """Values along a dimension and where they stand."""

    values: "Tensor"
    indices: "Tensor"

    def __repr__(self) -> str:
        return f"torch.return_types.max(\nvalues={self.values!r},\nindices={self.indices!r})"


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
        """Product over a dimension. Source: https://docs.pytorch.org/docs/stable/generated/torch.prod.html"""
        return self._reduced("prod", dim, keepdim, dtype)

    def amax(self, dim: Axes = (), keepdim: bool = False) -> "Tensor":
        """Largest value. Source: https://docs.pytorch.org/docs/stable/generated/torch.amax.html"""
        return self._reduced("amax", dim, keepdim)

    def amin(self, dim: Axes = (), keepdim: bool = False) -> "Tensor":
        """Smallest value. Source: https://docs.pytorch.org/docs/stable/generated/torch.amin.html"""
        return self._reduced("amin", dim, keepdim)

    def logsumexp(self, dim: Axes, keepdim: bool = False) -> "Tensor":
        """log of the sum of exponentials.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.logsumexp.html
        """
        return self._reduced("logsumexp", dim, keepdim)

    def all(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """Whether all elements are true. Source: https://docs.pytorch.org/docs/stable/generated/torch.all.html"""
        return self._reduced("all", dim, keepdim)

    def any(self, dim: Axes = None, keepdim: bool = False) -> "Tensor":
        """Whether any element is true. Source: https://docs.pytorch.org/docs/stable/generated/torch.any.html"""
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
        return self._extreme(p.max_along, "amax", "maximum", dim, keepdim)

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Smallest element; (values, indices) along a dimension; or the element-wise smaller of two tensors.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.min.html
        """
        return self._extreme(p.min_along, "amin", "minimum", dim, keepdim)

    def _extreme(self, along: Any, whole: str, pair: str, dim: Any, keepdim: bool) -> Any:
        if dim is None:
            return self._reduced(whole, None, keepdim=False)
        if isinstance(dim, Core):
            return getattr(self, pair)(dim)
        return ValuesIndices(*call(along, (self,), (normalize_axis(dim, len(self.shape)), keepdim)))

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

    def var(self, dim: Axes = None, *, correction: float = 1, keepdim: bool = False) -> "Tensor":
        """Variance; ``correction`` is subtracted from the count.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.var.html
        """
        axes = normalize_axes(dim, len(self.shape))
        return call(p.variance, (self,), (axes, float(correction), keepdim))

    def std(self, dim: Axes = None, *, correction: float = 1, keepdim: bool = False) -> "Tensor":
        """Standard deviation; see ``var``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.std.html
        """
        return self.var(dim, correction=correction, keepdim=keepdim).sqrt()

    def cumsum(self, dim: int, *, dtype: dtype | None = None) -> "Tensor":
        """Running sum. Source: https://docs.pytorch.org/docs/stable/generated/torch.cumsum.html"""
        return call(p.cumsum, (self,), (normalize_axis(dim, len(self.shape)), dtype))

    def cumprod(self, dim: int, *, dtype: dtype | None = None) -> "Tensor":
        """Running product. Source: https://docs.pytorch.org/docs/stable/generated/torch.cumprod.html"""
        return call(p.cumprod, (self,), (normalize_axis(dim, len(self.shape)), dtype))
