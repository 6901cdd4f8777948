"""Factors of symmetric and Hermitian matrices that need not be definite, and what is solved with them."""

from typing import TYPE_CHECKING

from flambeau.primitives import ldl as primitives
from flambeau.tensors import return_types
from flambeau.tensors.core import call
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.singular import check_info

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["ldl_factor", "ldl_factor_ex", "ldl_solve"]


@takes_out("linalg.")
def ldl_factor(A: "Tensor", *, hermitian: bool = False) -> Results:
    """``LD`` and ``pivots`` of ``A = P @ L @ D @ L.mT @ P.mT``, as LAPACK's ``sytrf`` has them.

    L is lower triangular with ones on its diagonal, D has blocks of one row or two. Neither result has a gradient.
    Waits for them, to see whether D is singular; ``ldl_factor_ex`` does not.

    Args:
        A: ``(..., n, n)``; only the lower triangle is read.
        hermitian: whether complex matrices are Hermitian; otherwise they are symmetric.

    Returns:
        ``LD``, ``(..., n, n)``: D on and L below the diagonal; and ``pivots``, ``(..., n)``, int32: with which row each
        was exchanged, counted from 1; both numbers of a block of two are negative.

    Raises:
        LinAlgError: there is a zero on D's diagonal.
        RuntimeError: ``A`` has no square matrices, or holds whole numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.ldl_factor(torch.tensor([[4.0, 0.0], [2.0, 3.0]])).LD
        tensor([[4.0000, 0.0000],
                [0.5000, 2.0000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.ldl_factor.html
    """
    packed, pivots, info = call(primitives.ldl_factor, (A,), (hermitian,))
    check_info("torch.linalg.ldl_factor", info)
    return return_types.linalg_ldl_factor((packed, pivots))


@takes_out("linalg.")
def ldl_factor_ex(A: "Tensor", *, hermitian: bool = False, check_errors: bool = False) -> Results:
    """``ldl_factor``, and ``info``: 0, or the number of the first zero on D's diagonal.

    Args:
        A, hermitian: as for ``ldl_factor``.
        check_errors: whether to wait, and raise where there is a zero.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.ldl_factor_ex.html
    """
    found = return_types.linalg_ldl_factor_ex(call(primitives.ldl_factor, (A,), (hermitian,)))
    if check_errors:
        check_info("torch.linalg.ldl_factor_ex", found.info)
    return found


@takes_out("linalg.")
def ldl_solve(LD: "Tensor", pivots: "Tensor", B: "Tensor", *, hermitian: bool = False) -> "Tensor":
    """X of ``A X = B``, from the factors of A that ``ldl_factor`` gives; without a gradient.

    Args:
        LD: ``(..., n, n)``.
        pivots: ``(..., n)``, whole numbers.
        B: ``(..., n, k)``.
        hermitian: as for ``ldl_factor``.

    Raises:
        RuntimeError: shapes or types do not fit.
        IndexError: ``B`` has no matrices.

    Example:
        >>> import flambeau as torch
        >>> A = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
        >>> torch.linalg.ldl_solve(*torch.linalg.ldl_factor(A), torch.tensor([[2.0], [4.0]]))
        tensor([[2.],
                [1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.ldl_solve.html
    """
    return call(primitives.ldl_solve, (LD, pivots, B), (hermitian,))
