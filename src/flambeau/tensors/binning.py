"""Histograms with edges, in one dimension and in several."""

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from flambeau.primitives import binning as p
from flambeau.tensors import return_types
from flambeau.tensors.core import Core, call
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.ranges import linspace
from flambeau.tensors.return_types import Results

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["histogram", "histogramdd"]


def _edges(name: str, values: "Tensor", bins: int, limits: Sequence[float] | None) -> "Tensor":
    """Edges at equal distances, of the limits given or of the values' own; these it waits for."""
    if bins <= 0:
        raise RuntimeError(f"{name}(): bins must be > 0, but got {bins} for dimension 0")
    if limits is not None:
        low, high = map(float, limits)
    elif values.numel():
        low, high = (found.item() for found in values.detach().aminmax())
    else:
        low, high = 0.0, 1.0
    if low > high:
        raise RuntimeError(f"{name}: min should not exceed max, but got min {low:g} max {high:g} for dimension 0")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, bins + 1, dtype=values.dtype, device=values.device)


def _counted(points: "Tensor", weight: "Tensor | None", edges: "Sequence[Tensor]", density: bool) -> "Tensor":
    weights = points.new_ones(points.shape[0]) if weight is None else weight.reshape(-1)
    return call(p.histogram, (points.detach(), weights.detach(), *edges), (density,))


@takes_out()
def histogram(
    input: "Tensor",
    bins: Any = 100,
    *,
    range: Sequence[float] | None = None,
    weight: "Tensor | None" = None,
    density: bool = False,
) -> Results:
    """``hist`` and ``bin_edges``: how many elements lie between neighboring edges; without a gradient.

    Args:
        input: floating-point numbers, of any shape.
        bins: the edges, ascending; or the number of bins of equal width.
        range: the outermost edges; by default the least and the largest element, which it waits for.
        weight: what each element counts; of the input's shape.
        density: whether the bins' areas sum to 1.

    Raises:
        RuntimeError: ``bins`` is no number and no vector, or the weights do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 4.0)).hist
        tensor([2., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.histogram.html
    """
    if weight is not None and weight.shape != input.shape:
        raise RuntimeError(
            "torch.histogram: if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(input.shape)} and weight with shape "
            f"{list(weight.shape)}"
        )
    edges: Tensor = bins if isinstance(bins, Core) else _edges("histogram", input, int(bins), range)  # pyright: ignore[reportAssignmentType]
    return return_types.histogram((_counted(input.reshape(-1, 1), weight, [edges], density), edges.clone()))


def histogramdd(
    input: "Tensor",
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: "Tensor | None" = None,
    density: bool = False,
) -> Results:
    """``hist`` and ``bin_edges``: how many points lie in each box of a grid; without a gradient.

    Args:
        input: points, ``(..., d)``.
        bins: d vectors of edges, or d numbers of bins, or one number for all.
        range: d pairs of outermost edges, in one sequence; by default the points' own, which it waits for.
        weight: what each point counts, of the input's shape without its last dimension.
        density: whether the boxes' volumes sum to 1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.histogramdd.html
    """
    points = input.reshape(-1, input.shape[-1])
    count = points.shape[1]
    given: list[Any] = [bins] * count if isinstance(bins, int) else list(bins)
    if len(given) != count:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    limits = [None] * count if range is None else [range[2 * axis : 2 * axis + 2] for axis in builtins.range(count)]
    edges = [
        item if isinstance(item, Core) else _edges("histogramdd", points[:, axis], int(item), limits[axis])
        for axis, item in enumerate(given)
    ]
    found = _counted(points, weight, cast("list[Tensor]", edges), density)
    return return_types.histogramdd((found, tuple(edges)))
