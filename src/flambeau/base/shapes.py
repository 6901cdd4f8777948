"""Shapes: ``Size``, broadcasting, and the arithmetic of strides."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, SupportsIndex, cast, overload

__all__ = ["Size", "broadcast", "contiguous_strides", "hashable", "infer_shape", "normalize_axes", "normalize_axis"]


class Size(tuple[int, ...]):
    """Shape of a tensor: a tuple of integers that prints as ``torch.Size([2, 3])``.

    Example:
        >>> import flambeau as torch
        >>> torch.zeros(2, 3).shape.numel()
        6

    Source: https://docs.pytorch.org/docs/stable/size.html
    """

    __module__ = "flambeau"  # where everybody finds it

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements of a tensor of this shape."""
        return prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, index: "slice[Any, Any, Any]", /) -> "Size": ...
    def __getitem__(self, index: "SupportsIndex | slice[Any, Any, Any]", /) -> "int | Size":
        if isinstance(index, slice):
            return Size(super().__getitem__(index))
        return super().__getitem__(index)

    def __add__(self, other: tuple[Any, ...]) -> "Size":  # pyright: ignore[reportIncompatibleMethodOverride]
        return Size(super().__add__(other))

    def __reduce__(self) -> tuple[type["Size"], tuple[tuple[int, ...]]]:
        return Size, (tuple(self),)


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    """Common shape of operands under broadcasting; raises RuntimeError in PyTorch's words."""
    rank = max((len(shape) for shape in shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        offset = rank - len(shape)
        for axis in range(rank - 1, offset - 1, -1):
            size = shape[axis - offset]
            if size == 1 or size == result[axis]:
                continue
            if result[axis] != 1:
                message = (
                    f"The size of tensor a ({result[axis]}) must match the size of tensor b ({size}) "
                    f"at non-singleton dimension {axis}"
                )
                raise RuntimeError(message)
            result[axis] = size
    return tuple(result)


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of a row-major tensor of this shape."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def hashable(sizes: Any) -> Any:
    """Sizes as something a cache can look up: lists become tuples."""
    return tuple(cast("list[Any]", sizes)) if isinstance(sizes, list) else sizes


def check_spread(shape: Sequence[int], other: Sequence[int]) -> None:
    """Raise RuntimeError, in PyTorch's words of operations in place, unless ``other`` broadcasts to ``shape``."""
    both = broadcast(tuple(shape), tuple(other))
    if both != tuple(shape):
        raise RuntimeError(f"output with shape {list(shape)} doesn't match the broadcast shape {list(both)}")


def infer_shape(shape: Iterable[int], numel: int) -> tuple[int, ...]:
    """Replace one -1 by the size that fits ``numel`` elements; raises RuntimeError in PyTorch's words."""
    wanted = list(shape)
    unknown = [axis for axis, size in enumerate(wanted) if size == -1]
    if len(unknown) > 1:
        raise RuntimeError("only one dimension can be inferred")
    for size in wanted:
        if size < -1:
            raise RuntimeError(f"invalid shape dimension {size} at index {wanted.index(size)} of shape {wanted}")
    known = prod(size for size in wanted if size != -1)
    if unknown and known == 0 and numel == 0:
        message = f"cannot reshape tensor of 0 elements into shape {wanted} because the unspecified dimension size -1"
        raise RuntimeError(message + " can be any value and is ambiguous")
    if unknown and known and numel % known == 0:
        wanted[unknown[0]] = numel // known
    elif unknown or known != numel:
        raise RuntimeError(f"shape '{wanted}' is invalid for input of size {numel}")
    return tuple(wanted)


def normalize_axis(axis: int, rank: int) -> int:
    """Non-negative form of ``axis``; a 0-d tensor accepts 0 and -1. Raises IndexError in PyTorch's words."""
    span = max(rank, 1)
    if not -span <= axis < span:
        message = f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {axis})"
        raise IndexError(message)
    return axis % span


def normalize_axes(axes: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """Sorted non-negative axes; None and an empty sequence mean all of them. Raises on repeats."""
    if axes is None:
        return tuple(range(rank))
    if isinstance(axes, int):
        return (normalize_axis(axes, rank),) if rank else (normalize_axis(axes, rank),)[:0]
    if len(axes) == 0:
        return tuple(range(rank))
    found = [normalize_axis(axis, rank) for axis in axes]
    for axis in found:
        if found.count(axis) > 1:
            raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    return tuple(sorted(found))[: rank or 0]
