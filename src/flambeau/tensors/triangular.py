"""LU factors, and what is solved with triangular ones."""

from typing import TYPE_CHECKING, Any

from flambeau.primitives import decompositions as p
from flambeau.tensors import return_types
from flambeau.tensors.core import call
from flambeau.tensors.equations import solve_triangular
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.singular import check_info

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["lu", "lu_factor", "lu_factor_ex", "lu_of", "lu_solve", "lu_unpack", "triangular_solve"]


def _check_pivot(pivot: bool) -> None:
    """Raise RuntimeError, in PyTorch's words of the CPU, where rows may not be exchanged."""
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")


@takes_out("linalg.")
def lu(A: "Tensor", *, pivot: bool = True) -> Results:
    """``P``, ``L`` and ``U`` of ``A = P @ L @ U``: a permutation, a lower and an upper triangular matrix.

    Args:
        A: ``(..., m, n)``.
        pivot: whether rows may be exchanged; otherwise there is an error, as on PyTorch's CPU.

    Returns:
        ``(..., m, m)``, ``(..., m, k)`` with ones on the diagonal, and ``(..., k, n)``, for k = min(m, n).

    Raises:
        RuntimeError: ``A`` has no matrices, or ``pivot`` is False.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.lu(torch.tensor([[1.0, 2.0], [2.0, 8.0]])).U
        tensor([[ 2.,  8.],
                [ 0., -2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu.html
    """
    _check_pivot(pivot)
    order, lower, upper = call(p.lu, (A,))
    return return_types.linalg_lu((order.detach(), lower, upper))


@takes_out("linalg.")
def lu_factor(A: "Tensor", *, pivot: bool = True) -> Results:
    """``LU``: both triangles in one matrix; and ``pivots``: with which row each was exchanged, counted from 1.

    Waits for them, to see whether a pivot is zero; ``lu_factor_ex`` does not.

    Args:
        A: ``(..., m, n)``.
        pivot: whether rows may be exchanged; otherwise there is an error, as on PyTorch's CPU.

    Raises:
        RuntimeError: a pivot is zero, ``A`` has no matrices, or ``pivot`` is False.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu_factor.html
    """
    _check_pivot(pivot)
    packed, pivots, info = call(p.lu_factor, (A,))
    check_info("torch.linalg.lu_factor", info)
    return return_types.linalg_lu_factor((packed, pivots))


@takes_out("linalg.")
def lu_factor_ex(A: "Tensor", *, pivot: bool = True, check_errors: bool = False) -> Results:
    """``lu_factor``, and ``info``: 0, or the number of the first pivot that is zero.

    Args:
        A, pivot: as for ``lu_factor``.
        check_errors: whether to wait, and raise where a pivot is zero.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu_factor_ex.html
    """
    _check_pivot(pivot)
    found = return_types.linalg_lu_factor_ex(call(p.lu_factor, (A,)))
    if check_errors:
        check_info("torch.linalg.lu_factor_ex", found.info)
    return found


@takes_out("linalg.")
def lu_solve(LU: "Tensor", pivots: "Tensor", B: "Tensor", *, left: bool = True, adjoint: bool = False) -> "Tensor":
    """X of ``A X = B``, from the factors of A that ``lu_factor`` gives.

    Args:
        LU: ``(..., n, n)``.
        pivots: ``(..., n)``, int32.
        B: ``(..., n, k)``, or ``(..., k, n)`` unless ``left``.
        left: whether A stands on the left.
        adjoint: whether A's adjoint is meant.

    Raises:
        RuntimeError: shapes or types do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu_solve.html
    """
    return call(p.lu_solve, (LU, pivots, B), (left, adjoint))


@takes_out()
def lu_unpack(LU_data: "Tensor", LU_pivots: "Tensor", unpack_data: bool = True, unpack_pivots: bool = True) -> Results:
    """``P``, ``L`` and ``U`` from what ``linalg.lu_factor`` gives.

    Args:
        LU_data: ``(..., m, n)``.
        LU_pivots: ``(..., min(m, n))``, int32.
        unpack_data: whether L and U are wanted; otherwise they are empty.
        unpack_pivots: whether P is wanted; otherwise it is empty.

    Raises:
        RuntimeError: the pivots are not int32.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.lu_unpack.html
    """
    order, lower, upper = call(p.lu_unpack, (LU_data, LU_pivots), (unpack_data, unpack_pivots))
    return return_types.lu_unpack((order.detach(), lower, upper))


def lu_of(input: "Tensor", pivot: bool, get_infos: bool) -> Any:
    """``torch.lu``: the factors, and a report if it is asked for; without it, a zero pivot is an error."""
    _check_pivot(pivot)
    found = return_types._lu_with_info(call(p.lu_factor, (input,)))
    if get_infos:
        return found
    check_info("torch.linalg.lu_factor_ex", found.info)
    return tuple(found[:2])


def triangular_solve(b: "Tensor", A: "Tensor", upper: bool, transpose: bool, unitriangular: bool) -> Results:
    """``torch.triangular_solve``: the solution, and a copy of ``A``."""
    if len(b.shape) < 2:
        ranks = f"Expected b to have at least 2 dimensions, but it has {len(b.shape)} dimensions instead"
        raise RuntimeError(f"torch.triangular_solve: {ranks}")
    if len(A.shape) < 2:
        ranks = f"Expected A to have at least 2 dimensions, but it has {len(A.shape)} dimensions instead"
        raise RuntimeError(f"torch.triangular_solve: {ranks}")
    (rows, columns), (others, right) = A.shape[-2:], b.shape[-2:]
    if rows != columns:
        raise RuntimeError(f"A must be batches of square matrices, but they are {rows} by {columns} matrices")
    if columns != others:
        sizes = f"each A matrix is {columns} by {columns} but each b matrix is {others} by {right}"
        raise RuntimeError(f"Incompatible matrix sizes for triangular_solve: {sizes}")
    matrix = A.mT if transpose else A
    solution = solve_triangular(matrix, b, upper=upper is not transpose, unitriangular=unitriangular)
    copies = A.expand(*solution.shape[:-2], rows, columns).clone()
    return return_types.triangular_solve((solution, copies))
