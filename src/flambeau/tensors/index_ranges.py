"""Positions of triangles, and tensors whose elements lie in another order."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np

from flambeau.dtypes.kinds import DTYPES
from flambeau.tensors.creation import empty
from flambeau.tensors.options import Options, settings

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["empty_permuted", "tril_indices", "triu_indices"]


def _positions(name: str, row: int, col: int, inside: "np.ndarray", options: Options) -> "Tensor":
    for label, size in (("row", row), ("col", col)):
        if size < 0:
            raise RuntimeError(f"{label} must be non-negative, got{size}")
    chosen = settings(name, options, DTYPES["int64"])
    return chosen.wrap(np.stack(np.nonzero(inside)).astype(chosen.dtype.numpy))


def tril_indices(row: int, col: int, offset: int = 0, **options: Unpack[Options]) -> "Tensor":
    """Rows and columns of the lower triangle of a matrix, two rows of positions.

    Args:
        row, col: the matrix's sizes.
        offset: which diagonal is the last of the triangle.
        options: ``dtype`` (int64), ``device`` and their like.

    Raises:
        RuntimeError: a size is negative.

    Example:
        >>> import flambeau as torch
        >>> torch.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.tril_indices.html
    """
    return _positions("tril_indices", row, col, np.tri(max(row, 0), max(col, 0), offset, bool), options)


def triu_indices(row: int, col: int, offset: int = 0, **options: Unpack[Options]) -> "Tensor":
    """Rows and columns of the upper triangle of a matrix; see ``tril_indices``.

    Raises:
        RuntimeError: a size is negative.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.triu_indices.html
    """
    return _positions("triu_indices", row, col, ~np.tri(max(row, 0), max(col, 0), offset - 1, bool), options)


def empty_permuted(size: Sequence[int], physical_layout: Sequence[int], **options: Unpack[Options]) -> "Tensor":
    """Values that are not specified (zeros here), whose dimensions lie in memory in the order given.

    Raises:
        RuntimeError: the order is none of the dimensions.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.empty_permuted.html
    """
    if len(size) != len(physical_layout):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(size)} is not equal to len(physical_layout) = {len(physical_layout)}"
        )
    for position, axis in enumerate(physical_layout):
        if not 0 <= axis < len(size):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got {axis} at index "
                f"{position}).  NB: negative dims not currently supported; file an issue if you want it."
            )
    if len(set(physical_layout)) != len(physical_layout):
        raise RuntimeError("Duplicate dim not allowed")
    dense = empty(tuple([size[axis] for axis in physical_layout]), **options)
    return dense.permute([list(physical_layout).index(axis) for axis in range(len(size))])
