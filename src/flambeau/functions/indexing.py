"""Reading and writing at positions: each function hands over to the method of the same name."""

from collections.abc import Sequence
from typing import Any

from flambeau.tensors.indexing import where
from flambeau.tensors.numpy_names import numpy_names
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.tensor import Tensor

__all__ = [
    "argwhere",
    "diag",
    "diag_embed",
    "diagflat",
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_put_",
    "index_select",
    "masked_scatter",
    "masked_select",
    "nonzero",
    "put",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "take",
    "take_along_dim",
    "tril",
    "triu",
    "where",
]


@numpy_names
@takes_out()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices at the positions in ``index`` along a dimension; see ``Tensor.index_select``."""
    return input.index_select(dim, index)


@numpy_names
@takes_out()
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Elements at positions along a dimension: ``out[i][j] = input[index[i][j]][j]`` for dim 0.

    See ``Tensor.gather``.
    """
    return input.gather(dim, index, sparse_grad=sparse_grad)


@numpy_names
@takes_out()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Elements at positions along a dimension, where the other dimensions broadcast; see ``Tensor.take_along_dim``."""
    return input.take_along_dim(indices, dim)


@numpy_names
@takes_out()
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, reduce: Any = None, value: Any = None
) -> Tensor:
    """A copy with elements of ``src`` (or a number) written to positions along a dimension; see ``Tensor.scatter``."""
    return input.scatter(dim, index, src, reduce=reduce, value=value)


@numpy_names
@takes_out()
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with elements of ``src`` added at positions along a dimension; see ``Tensor.scatter_add``."""
    return input.scatter_add(dim, index, src)


@numpy_names
@takes_out()
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy with elements of ``src`` combined by sum, prod, mean, amax or amin at positions along a dimension.

    See ``Tensor.scatter_reduce``.
    """
    return input.scatter_reduce(dim, index, src, reduce, include_self=include_self)


@numpy_names
@takes_out()
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy with ``alpha * source`` added to the slices at positions along a dimension; see ``Tensor.index_add``."""
    return input.index_add(dim, index, source, alpha=alpha)


@numpy_names
@takes_out()
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices at positions along a dimension replaced; see ``Tensor.index_copy``."""
    return input.index_copy(dim, index, source)


@numpy_names
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with the slices at positions along a dimension filled with a number; see ``Tensor.index_fill``."""
    return input.index_fill(dim, index, value)


def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with ``values`` written to, or added at, positions given by one tensor a dimension.

    See ``Tensor.index_put``.
    """
    return input.index_put(indices, values, accumulate)


def index_put_(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """In-place ``index_put``; see ``Tensor.index_put_``."""
    return input.index_put_(indices, values, accumulate)


@takes_out()
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements at positions of the flattened tensor; see ``Tensor.take``."""
    return tensor_argument("take", 1, input).take(index)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with elements written to positions of the flattened tensor; see ``Tensor.put``."""
    return input.put(index, source, accumulate)


@takes_out()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Elements where the mask is true, in one row; waits for the mask; see ``Tensor.masked_select``."""
    return input.masked_select(mask)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy with consecutive elements of ``source`` where the mask is true; see ``Tensor.masked_scatter``."""
    return input.masked_scatter(mask, source)


@takes_out()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Positions of the elements that are not zero, a row each; or a tensor for each dimension.

    See ``Tensor.nonzero``.
    """
    return input.nonzero(as_tuple=as_tuple)


def argwhere(input: Tensor) -> Tensor:
    """Positions of the elements that are not zero, a row each; see ``Tensor.argwhere``."""
    return input.argwhere()


@takes_out()
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Matrices with zeros above a diagonal; see ``Tensor.tril``."""
    return input.tril(diagonal)


@takes_out()
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Matrices with zeros below a diagonal; see ``Tensor.triu``."""
    return input.triu(diagonal)


@takes_out()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with this vector on a diagonal, or a matrix's diagonal; see ``Tensor.diag``."""
    return input.diag(diagonal)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension on a diagonal; see ``Tensor.diag_embed``."""
    return input.diag_embed(offset, dim1, dim2)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on a diagonal; see ``Tensor.diagflat``."""
    return input.diagflat(offset)
