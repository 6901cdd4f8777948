"""Determinants, functions and products of matrices."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from flambeau.primitives import linalg as primitives
from flambeau.tensors import return_types
from flambeau.tensors.arguments import whole
from flambeau.tensors.core import call, operands
from flambeau.tensors.joining import cat
from flambeau.tensors.matmul import chain_matmul
from flambeau.tensors.norms import check_square
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "cross",
    "det",
    "diagonal",
    "logdet",
    "matmul",
    "matrix_exp",
    "matrix_power",
    "multi_dot",
    "slogdet",
    "vander",
    "vecdot",
]


# -- determinants and functions of matrices ------------------------------------------------------------------------


@takes_out("linalg.")
def det(A: "Tensor") -> "Tensor":
    """Determinant of square matrices.

    Args:
        A: ``(..., n, n)``.

    Raises:
        RuntimeError: ``A`` has no square matrices.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.det(torch.tensor([[2.0, 1.0], [0.0, 4.0]]))
        tensor(8.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.det.html
    """
    return call(primitives.determinant, (A,))


@takes_out("linalg.")
def slogdet(A: "Tensor") -> Results:
    """``sign`` and ``logabsdet``: sign of the determinant, and logarithm of its absolute value.

    Args:
        A: ``(..., n, n)``.

    Raises:
        RuntimeError: ``A`` has no square matrices.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.slogdet(torch.eye(2)).logabsdet
        tensor(0.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.slogdet.html
    """
    return return_types.linalg_slogdet(call(primitives.sign_log_determinant, (A,)))


def logdet(input: "Tensor") -> "Tensor":
    """Logarithm of the determinant; NaN where that is negative.

    Raises:
        RuntimeError: the input has no square matrices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.logdet.html
    """
    check_square("logdet", input)
    sign, size = call(primitives.sign_log_determinant, (input,))
    return sign.log() + size if input.is_complex() else size.where(sign != -1, float("nan"))


def matrix_exp(A: "Tensor") -> "Tensor":
    """Exponential of square matrices: ``I + A + A @ A / 2 + ...``.

    Args:
        A: ``(..., n, n)``, floating-point or complex.

    Raises:
        RuntimeError: ``A`` has no square matrices, or holds whole numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
        tensor([[1., 0.],
                [0., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_exp.html
    """
    return call(primitives.matrix_exp, (A,))


@takes_out("linalg.")
def matrix_power(A: "Tensor", n: int) -> "Tensor":
    """Product of n equal matrices; for negative n, of their inverses.

    Raises:
        RuntimeError: ``A`` has no square matrices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_power.html
    """
    check_square("linalg.matrix_power", A)
    return A.matrix_power(whole("linalg_matrix_power", "n", n, 2))


# -- products ------------------------------------------------------------------------------------------------------


@takes_out("linalg.")
def matmul(input: "Tensor", other: "Tensor") -> "Tensor":
    """Matrix product, batched and broadcast; see ``Tensor.matmul``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matmul.html
    """
    return input.matmul(other)


@takes_out("linalg.")
def multi_dot(tensors: "Sequence[Tensor]") -> "Tensor":
    """Product of matrices, multiplied in the order that takes the fewest operations.

    Args:
        tensors: two matrices or more; the first may be a row and the last a column, with one dimension.

    Raises:
        RuntimeError: there are fewer than two, or shapes or types do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.multi_dot.html
    """
    _check_chain(tensors)
    first, last = len(tensors[0].shape) == 1, len(tensors[-1].shape) == 1
    chain = list(tensors)
    if first:
        chain[0] = chain[0].unsqueeze(0)
    if last:
        chain[-1] = chain[-1].unsqueeze(1)
    for position, (one, other) in enumerate(pairwise(chain)):
        if one.shape[1] != other.shape[0]:
            shapes = f"{list(one.shape)} and {list(other.shape)}"
            raise RuntimeError(
                f"multi_dot(): tensors {position} and {position + 1} with shapes {shapes} cannot be multiplied"
            )
    found = chain_matmul(*chain)
    kept = ([] if first else [found.shape[0]]) + ([] if last else [found.shape[1]])
    return found.reshape(kept) if first or last else found


_C_NAMES = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}


def _check_chain(tensors: "Sequence[Tensor]") -> None:
    """Raise RuntimeError, in PyTorch's words, unless these are matrices of one type."""
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for position, tensor in enumerate(tensors):
        rank, ends = len(tensor.shape), {0: "the first tensor", len(tensors) - 1: "the last tensor"}
        if rank != 2 and (rank != 1 or position not in ends):
            wanted = "1D or 2D" if position in ends else "2D"
            label = ends.get(position, f"tensor {position}")
            raise RuntimeError(f"multi_dot(): {label} must be {wanted} but got {rank}D")
        if tensor.dtype is not tensors[0].dtype:
            kinds = [_C_NAMES.get(item.dtype.name, item.dtype.name) for item in (tensors[0], tensor)]
            raise RuntimeError(
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{kinds[0]} and tensor {position} {kinds[1]}"
            )


@takes_out("linalg.")
def vecdot(x: "Tensor", y: "Tensor", *, dim: int = -1) -> "Tensor":
    """Products of vectors, the first conjugated.

    Args:
        x: vectors along a dimension.
        y: vectors, broadcast with ``x``.
        dim: the dimension of the vectors.

    Raises:
        RuntimeError: the shapes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.vecdot.html
    """
    x, y = operands("vecdot", x, y)
    return (x.conj() if x.is_complex() else x).mul(y).sum(dim)


@takes_out("linalg.")
def cross(input: "Tensor", other: "Tensor", *, dim: int = -1) -> "Tensor":
    """Cross product along a dimension of size 3; see ``Tensor.cross``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cross.html
    """
    return input.cross(other, dim)


def diagonal(A: "Tensor", *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> "Tensor":
    """Diagonals of matrices, as a view; see ``Tensor.diagonal``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.diagonal.html
    """
    return tensor_argument("linalg_diagonal", 1, A, "A").diagonal(offset, dim1, dim2)


def vander(x: "Tensor", N: int | None = None) -> "Tensor":
    """Powers 0 to N - 1 of every element, in rows (Vandermonde's matrix).

    Args:
        x: ``(..., n)``.
        N: number of columns; n if None.

    Returns:
        ``(..., n, N)``.

    Raises:
        RuntimeError: N is less than 2.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.vander(torch.tensor([2, 3]), N=3)
        tensor([[1, 2, 4],
                [1, 3, 9]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.vander.html
    """
    x = x if x.shape else x.unsqueeze(0)
    columns = x.shape[-1] if N is None else N
    if columns <= 1:
        raise RuntimeError("N must be greater than 1.")
    powers = x.unsqueeze(-1).expand(*x.shape, columns - 1).cumprod(-1)
    return cat([powers.new_ones((*x.shape, 1)), powers], -1)
