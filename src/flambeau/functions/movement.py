"""Views and shapes: each function hands over to the method of the same name."""

from collections.abc import Sequence

from flambeau.tensors.numpy_names import numpy_names
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.tensor import Tensor

__all__ = [
    "adjoint",
    "as_strided",
    "diagonal",
    "diagonal_scatter",
    "flatten",
    "moveaxis",
    "movedim",
    "narrow",
    "narrow_copy",
    "permute",
    "ravel",
    "reshape",
    "select",
    "select_scatter",
    "slice_scatter",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
]


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join dimensions ``start_dim`` to ``end_dim`` into one; see ``Tensor.flatten``."""
    return input.flatten(start_dim, end_dim)


@numpy_names
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split one dimension into several; see ``Tensor.unflatten``."""
    return input.unflatten(dim, sizes)


@numpy_names
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without dimensions of size 1 (all of them, or those named); see ``Tensor.squeeze``."""
    return tensor_argument("squeeze", 1, input).squeeze(dim)


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 inserted at ``dim``; see ``Tensor.unsqueeze``."""
    return input.unsqueeze(dim)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """With two dimensions exchanged; see ``Tensor.transpose``."""
    return input.transpose(dim0, dim1)


def t(input: Tensor) -> Tensor:
    """Transpose of a matrix; a vector stays itself; see ``Tensor.t``."""
    return input.t()


def adjoint(input: Tensor) -> Tensor:
    """Conjugate with the last two dimensions exchanged; see ``Tensor.adjoint``."""
    return input.adjoint()


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension; see ``Tensor.ravel``."""
    return input.ravel()


@numpy_names
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with one slice replaced; see ``Tensor.select_scatter``."""
    return input.select_scatter(src, dim, index)


@numpy_names
@takes_out()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy with a range of slices replaced; see ``Tensor.slice_scatter``."""
    return input.slice_scatter(src, dim, start, end, step)


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy with a diagonal replaced; see ``Tensor.diagonal_scatter``."""
    return input.diagonal_scatter(src, offset, dim1, dim2)


@numpy_names
@takes_out()
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of ``narrow``; see ``Tensor.narrow_copy``."""
    return input.narrow_copy(dim, start, length)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """With dimensions moved from ``source`` to ``destination``; see ``Tensor.movedim``."""
    return input.movedim(source, destination)


@numpy_names
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Elements ``start`` to ``start + length`` along a dimension; see ``Tensor.narrow``."""
    return input.narrow(dim, start, length)


@numpy_names
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at one index of a dimension, without that dimension; see ``Tensor.select``."""
    return input.select(dim, index)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Diagonal of two dimensions, as the last dimension; see ``Tensor.diagonal``."""
    return input.diagonal(offset, dim1, dim2)


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view of the storage with the given sizes and strides, in elements; see ``Tensor.as_strided``."""
    return input.as_strided(size, stride, storage_offset)


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """With the dimensions in another order; see ``Tensor.permute``."""
    return input.permute(tuple(dims))


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The same elements in another shape; see ``Tensor.reshape``."""
    return input.reshape(tuple(shape))


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """With two dimensions exchanged; see ``Tensor.swapaxes``."""
    return input.transpose(axis0, axis1)


swapdims = transpose
moveaxis = movedim
