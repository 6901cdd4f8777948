"""Putting together, taking apart, repeating: each function hands over to the method of the same name."""

from collections.abc import Sequence
from typing import Any

from flambeau.tensors.joining import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    broadcast_shapes,
    broadcast_tensors,
    cartesian_prod,
    cat,
    column_stack,
    combinations,
    concat,
    concatenate,
    counted,
    dstack,
    hstack,
    meshgrid,
    row_stack,
    stack,
    vstack,
)
from flambeau.tensors.numpy_names import numpy_names, parts_named
from flambeau.tensors.tensor import Tensor

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "cartesian_prod",
    "cat",
    "chunk",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "repeat_interleave",
    "roll",
    "rot90",
    "row_stack",
    "split",
    "split_with_sizes",
    "stack",
    "tensor_split",
    "tile",
    "unbind",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "vsplit",
    "vstack",
]


@numpy_names
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of the sizes given; see ``Tensor.split_with_sizes``."""
    return input.split_with_sizes(split_sizes, dim)


@numpy_names
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many views of equal parts (the last may be smaller); see ``Tensor.chunk``."""
    return input.chunk(chunks, dim)


@numpy_names
@parts_named
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of parts: so many of nearly equal size, or cut at the positions given; see ``Tensor.tensor_split``."""
    return input.tensor_split(indices_or_sections, dim)


@parts_named
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """``tensor_split`` along the columns; see ``Tensor.hsplit``."""
    return input.hsplit(indices_or_sections)


@parts_named
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """``tensor_split`` along the rows; see ``Tensor.vsplit``."""
    return input.vsplit(indices_or_sections)


@parts_named
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """``tensor_split`` in depth; see ``Tensor.dsplit``."""
    return input.dsplit(indices_or_sections)


@numpy_names
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all slices along a dimension, without it; see ``Tensor.unbind``."""
    return input.unbind(dim)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """View in a shape it broadcasts to; see ``Tensor.broadcast_to``."""
    return input.broadcast_to(size)


def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order; see ``Tensor.fliplr``."""
    return input.fliplr()


def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order; see ``Tensor.flipud``."""
    return input.flipud()


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Shifted along dimensions, what leaves at one end enters at the other; see ``Tensor.roll``."""
    return input.roll(shifts, dims)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k quarters in the plane of two dimensions; see ``Tensor.rot90``."""
    return input.rot90(k, dims)


def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Copies side by side; see ``Tensor.tile``."""
    return input.tile(tuple(dims))


def flip(input: Tensor, dims: Sequence[int]) -> Tensor:
    """In reverse order along dimensions; see ``Tensor.flip``."""
    return input.flip(tuple(dims))


@numpy_names
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts along a dimension; see ``Tensor.split``."""
    return tensor.split(split_size_or_sections, dim)


@numpy_names
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Every slice so many times in a row; of counts alone, the positions. See ``Tensor.repeat_interleave``."""
    return counted(input) if repeats is None else input.repeat_interleave(repeats, dim, output_size=output_size)


def unsafe_split(input: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """``split``."""
    return input.split(split_size, dim)


unsafe_split_with_sizes = split_with_sizes
unsafe_chunk = chunk
