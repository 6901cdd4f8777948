"""Positions and slices: those combined at positions, those shortened, those counted."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, cast

from flambeau.base.shapes import normalize_axis
from flambeau.primitives.indexing import nonzero_static
from flambeau.tensors.binning import histogram
from flambeau.tensors.core import Core, call
from flambeau.tensors.index_checks import check_slices
from flambeau.tensors.return_types import Results

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Selection", "unravel_index"]


class Selection(Core):
    """Methods that combine, shorten or count slices and elements."""

    def index_reduce(
        self, dim: int, index: "Tensor", source: "Tensor", reduce: str, *, include_self: bool = True
    ) -> "Tensor":
        """A copy with slices of ``source`` combined by prod, mean, amax or amin at positions along a dimension.

        Args:
            dim: the dimension.
            index: positions along it, one for each slice of ``source``.
            source: of this tensor's shape, but along ``dim``.
            reduce: ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
            include_self: whether what stood there is combined, too.

        Raises:
            RuntimeError: there is no such way to combine.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_reduce_.html
        """
        if reduce not in ("prod", "mean", "amax", "amin"):
            raise RuntimeError(
                f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
            )
        own = cast("Tensor", self)
        axis = check_slices("index_reduce_", self, dim, index, source)
        if not self.shape:
            own, source = own.reshape(1), source.reshape(1)
            return own.index_reduce(0, index, source, reduce, include_self=include_self).reshape(())
        shape = [1] * len(self.shape)
        shape[axis] = -1
        places = index.long().reshape(shape).expand(source.shape)
        return own.scatter_reduce(axis, places, source, reduce, include_self=include_self)

    def index_reduce_(
        self, dim: int, index: "Tensor", source: "Tensor", reduce: str, *, include_self: bool = True
    ) -> "Tensor":
        """In-place ``index_reduce``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_reduce_.html
        """
        return cast("Tensor", self).copy_(self.index_reduce(dim, index, source, reduce, include_self=include_self))

    def renorm(self, p: float, dim: int, maxnorm: float) -> "Tensor":
        """Slices along a dimension, those with a larger norm shortened to ``maxnorm``.

        Args:
            p: order of the norm.
            dim: the dimension.
            maxnorm: the largest norm.

        Raises:
            RuntimeError: the tensor has fewer than two dimensions, ``p`` is not positive, or ``maxnorm`` negative.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.renorm.html
        """
        if p <= 0:
            raise RuntimeError("renorm: non-positive-norm not supported")
        if maxnorm < 0:
            raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
        rank = len(self.shape)
        if rank < 2:
            raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {rank} dimensions")
        own, axis = cast("Tensor", self), normalize_axis(dim, rank)
        norms = own.norm(p, [other for other in range(rank) if other != axis], keepdim=True)
        factors = (maxnorm / (norms + 1e-7)).where(norms > maxnorm, 1.0)
        return own * factors.to(self.dtype)

    def renorm_(self, p: float, dim: int, maxnorm: float) -> "Tensor":
        """In-place ``renorm``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.renorm_.html
        """
        return cast("Tensor", self).copy_(self.renorm(p, dim, maxnorm))

    def nonzero_static(self, *, size: int, fill_value: int = -1) -> "Tensor":
        """Positions of the first ``size`` elements that are not zero, a row each; rows of ``fill_value`` follow.

        Unlike ``nonzero``, it does not wait: its shape does not depend on the values.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.nonzero_static.html
        """
        if size < 0:
            raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
        return call(nonzero_static, (self,), (size, fill_value))

    def histogram(
        self,
        bins: Any,
        *,
        range: Sequence[float] | None = None,
        weight: "Tensor | None" = None,
        density: bool = False,
    ) -> Results:
        """How many elements lie between edges.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.histogram.html
        """
        return histogram(cast("Tensor", self), bins, range=range, weight=weight, density=density)


def unravel_index(indices: "Tensor", shape: Any) -> "tuple[Tensor, ...]":
    """Positions in a tensor of this shape, a tensor a dimension, of positions in the flattened tensor.

    Args:
        indices: whole numbers from 0, below the number of elements.
        shape: the sizes, or one number.

    Raises:
        TypeError: the indices are no whole numbers.
        ValueError: a size is negative.

    Example:
        >>> import flambeau as torch
        >>> torch.unravel_index(torch.tensor([4, 5]), (2, 3))
        (tensor([1, 1]), tensor([1, 2]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.unravel_index.html
    """
    sizes: Sequence[int] = [shape] if isinstance(shape, int) else list(shape)
    if indices.is_floating_point() or indices.is_complex() or indices.dtype.name == "bool":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if any(size < 0 for size in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    steps = [prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
    indices = indices.long()
    return tuple(
        [indices.div(step, rounding_mode="floor").remainder(size) for step, size in zip(steps, sizes, strict=True)]
    )
