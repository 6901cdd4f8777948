"""``gradient``: slopes of values at places."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from flambeau.base.shapes import normalize_axis
from flambeau.tensors.core import Core
from flambeau.tensors.joining import cat

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["gradient"]


def gradient(
    input: "Tensor", *, spacing: Any = 1, dim: int | Sequence[int] | None = None, edge_order: int = 1
) -> "list[Tensor]":
    """Slopes along dimensions, by second-order differences inside and one-sided ones at the ends.

    Args:
        input: the values, at places on a grid.
        spacing: distance of neighboring places: one number, or one for each dimension; or the places, a vector for
            each dimension.
        dim: the dimensions; all if None.
        edge_order: 1 or 2, the order of the differences at the ends.

    Returns:
        A tensor of the input's shape for each dimension.

    Raises:
        RuntimeError: ``edge_order`` is another number, or the input is too short.

    Example:
        >>> import flambeau as torch
        >>> torch.gradient(torch.tensor([1.0, 4.0, 9.0]))[0]
        tensor([3., 4., 5.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.gradient.html
    """
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    rank = len(input.shape)
    axes = list(range(rank)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    axes = [normalize_axis(axis, rank) for axis in axes]
    for axis in axes:
        if axes.count(axis) > 1:
            raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    spacing = 1 if spacing is None else spacing
    several = isinstance(spacing, (tuple, list))
    steps: list[Any] = list(cast("Sequence[Any]", spacing)) if several else [spacing] * len(axes)
    if len(steps) != len(axes):
        raise RuntimeError(_mismatch(len(steps), len(axes), rank, dim is None))
    for step in steps:
        if isinstance(step, Core) and step.device != input.device:
            places = f"{input.device} and {step.device}"
            raise RuntimeError(
                f"torch.gradient expected each tensor to be on the same device, but got devices {places}!"
            )
    for axis in axes:
        if input.shape[axis] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    if input.dtype.name == "uint8":
        raise RuntimeError("torch.gradient does not support uint8 input.")
    values = input if input.is_floating_point() or input.is_complex() else input.float()
    return [_slope(values, axis, step, edge_order) for axis, step in zip(axes, steps, strict=True)]


def _mismatch(steps: int, axes: int, rank: int, whole: bool) -> str:
    """PyTorch's words for as many distances as there are not dimensions."""
    start = "torch.gradient expected spacing to be unspecified, a scalar"
    if whole:
        wanted = f"or a list of length equal to 'self.dim() = {rank}', since dim argument was not given"
        return f"{start}, {wanted}, but got a list of length {steps}"
    wanted = "or it's spacing and dim arguments to have the same length"
    return f"{start} {wanted}, but got a spacing argument of length {steps} and a dim argument of length {axes}."


def _slope(values: "Tensor", axis: int, step: Any, order: int) -> "Tensor":
    """Slopes along one dimension."""
    rows: Tensor = values.movedim(axis, -1)
    count = rows.shape[-1]
    places: Tensor | None = step if isinstance(step, Core) and step.shape else None  # pyright: ignore[reportAssignmentType]  # Tensor is the class of all
    gaps = values.new_ones(count - 1) * (step if places is None else 1)
    if places is not None:
        gaps = (places[1:] - places[:-1]).to(values.dtype)
    rises = (rows[..., 1:] - rows[..., :-1]) / gaps
    before, after = gaps[:-1], gaps[1:]
    if places is None:
        inner = (rows[..., 2:] - rows[..., :-2]) / (gaps[1:] * 2)
    else:
        inner = (rises[..., :-1] * after + rises[..., 1:] * before) / (before + after)
    first, last = rises[..., :1], rises[..., -1:]
    if order == 2:
        bend = (rises[..., 1:2] - first) / (gaps[0] + gaps[1])
        first = first - bend * gaps[0]
        bend = (last - rises[..., -2:-1]) / (gaps[-1] + gaps[-2])
        last = last + bend * gaps[-1]
    return cat([first, inner, last], -1).movedim(-1, axis)
