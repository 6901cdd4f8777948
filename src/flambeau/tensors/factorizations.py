"""Factorizations of matrices, and what undoes them."""

from typing import TYPE_CHECKING

from flambeau.primitives import decompositions
from flambeau.primitives import linalg as primitives
from flambeau.tensors import return_types
from flambeau.tensors.core import call
from flambeau.tensors.norms import check_square
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.singular import check_info

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "checked_cholesky",
    "cholesky",
    "cholesky_ex",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "geqrf",
    "householder_product",
    "qr",
    "svd",
    "svdvals",
]

_MODES = ("reduced", "complete", "r")


@takes_out("linalg.")
def cholesky(A: "Tensor", *, upper: bool = False) -> "Tensor":
    """The lower triangular L of ``A = L @ L.mH``, for Hermitian positive-definite matrices.

    Waits for it, to see whether they are positive-definite; ``cholesky_ex`` does not.

    Args:
        A: ``(..., n, n)``; only the lower triangle is read (only the upper if ``upper``).
        upper: whether to return ``L.mH``.

    Raises:
        LinAlgError: ``A`` is not positive-definite.
        RuntimeError: ``A`` has no square matrices.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.cholesky(torch.tensor([[4.0, 0.0], [0.0, 9.0]]))
        tensor([[2., 0.],
                [0., 3.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cholesky.html
    """
    return checked_cholesky("linalg.cholesky", A, upper)


def checked_cholesky(name: str, A: "Tensor", upper: bool) -> "Tensor":
    """Cholesky's factor, once it is known to exist."""
    found, info = call(decompositions.cholesky_ex, (A,), (upper,))
    check_info(name, info)
    return found


@takes_out("linalg.")
def cholesky_ex(A: "Tensor", *, upper: bool = False, check_errors: bool = False) -> Results:
    """``L``, as ``cholesky`` gives it, and ``info``: 0, or the order of the first minor that is not positive.

    Args:
        A, upper: as for ``cholesky``.
        check_errors: whether to wait, and raise for matrices that are not positive-definite.

    Returns:
        L is NaN where there is no such factor.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cholesky_ex.html
    """
    found = return_types.linalg_cholesky_ex(call(decompositions.cholesky_ex, (A,), (upper,)))
    if check_errors:
        check_info("linalg.cholesky_ex", found.info)
    return found


@takes_out("linalg.")
def qr(A: "Tensor", mode: str = "reduced") -> Results:
    """``Q`` with orthonormal columns and ``R``, upper triangular, of ``A = Q @ R``.

    Args:
        A: ``(..., m, n)``.
        mode: ``"reduced"`` (Q has min(m, n) columns), ``"complete"`` (m columns; without a gradient if m > n), or
            ``"r"`` (Q is empty).

    Raises:
        RuntimeError: ``A`` has no matrices, or there is no such mode.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.qr(torch.tensor([[3.0], [4.0]])).R.abs()
        tensor([[5.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.qr.html
    """
    if mode not in _MODES:
        expected = "expected one of 'reduced' (default), 'r', or 'complete'"
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but {expected}")
    if mode == "complete" and len(A.shape) > 1 and A.shape[-2] > A.shape[-1]:
        return return_types.linalg_qr(call(primitives.complete_qr, (A,)))
    return return_types.linalg_qr(call(primitives.qr, (A,), (mode == "r",)))


def geqrf(input: "Tensor") -> Results:
    """``a`` and ``tau``: the factor R in the upper triangle, the reflections whose product is Q below it.

    Neither has a gradient.

    Args:
        input: ``(..., m, n)``.

    Returns:
        ``a`` of the input's shape, and ``tau``, ``(..., min(m, n))``; see ``linalg.householder_product``.

    Raises:
        RuntimeError: the input has no matrices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.geqrf.html
    """
    return return_types.geqrf(call(primitives.geqrf, (input,)))


@takes_out("linalg.")
def householder_product(input: "Tensor", tau: "Tensor") -> "Tensor":
    """First columns of a product of Householder reflections, such as ``geqrf`` gives.

    Args:
        input: ``(..., m, n)``, m >= n; below the diagonal of column i stands the vector of reflection i.
        tau: ``(..., k)``, k <= n, the factors of the reflections.

    Returns:
        ``(..., m, n)``.

    Raises:
        RuntimeError: shapes or types do not fit.

    Example:
        >>> import flambeau as torch
        >>> A = torch.tensor([[3.0, 0.0], [4.0, 5.0]])
        >>> Q = torch.linalg.householder_product(*torch.geqrf(A))
        >>> torch.testing.assert_close(Q @ Q.T, torch.eye(2))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.householder_product.html
    """
    return call(primitives.householder_product, (input, tau))


def _lower(UPLO: str) -> bool:
    """Whether the lower triangle is meant; raises RuntimeError in PyTorch's words."""
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper() == "L"


@takes_out("linalg.")
def eigh(A: "Tensor", UPLO: str = "L") -> Results:
    """``eigenvalues``, ascending, and ``eigenvectors`` of Hermitian matrices: ``A = V @ diag(values) @ V.mH``.

    The vectors are told up to a factor of absolute value 1 each.

    Args:
        A: ``(..., n, n)``.
        UPLO: which triangle to read, ``"L"`` or ``"U"``.

    Raises:
        RuntimeError: ``A`` has no square matrices, or there is no such triangle.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.eigh(torch.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        tensor([1., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.eigh.html
    """
    check_square("linalg.eigh", A)
    return return_types.linalg_eigh(call(primitives.hermitian_eigen, (A,), (_lower(UPLO),)))


@takes_out("linalg.")
def eigvalsh(A: "Tensor", UPLO: str = "L") -> "Tensor":
    """Eigenvalues of Hermitian matrices, ascending; see ``eigh``.

    Raises:
        RuntimeError: ``A`` has no square matrices, or there is no such triangle.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.eigvalsh.html
    """
    check_square("linalg.eigh", A)
    return call(primitives.hermitian_eigenvalues, (A,), (_lower(UPLO),))


@takes_out("linalg.")
def eig(A: "Tensor") -> Results:
    """Complex ``eigenvalues`` and ``eigenvectors`` of any square matrices: ``A = V @ diag(values) @ inv(V)``.

    The values have no certain order, and the vectors are told up to a complex factor of absolute value 1 each. Their
    gradients are finite only where the eigenvalues differ. Of XLA's platforms, the CPU alone has it.

    Args:
        A: ``(..., n, n)``.

    Raises:
        RuntimeError: ``A`` has no square matrices.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.eig(torch.tensor([[0.0, -1.0], [1.0, 0.0]])).eigenvalues.abs()
        tensor([1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.eig.html
    """
    return return_types.linalg_eig(call(decompositions.eigen, (A,)))


@takes_out("linalg.")
def eigvals(A: "Tensor") -> "Tensor":
    """Complex eigenvalues of any square matrices; see ``eig``.

    Raises:
        RuntimeError: ``A`` has no square matrices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.eigvals.html
    """
    return call(decompositions.eigenvalues, (A,))


@takes_out("linalg.")
def svd(A: "Tensor", full_matrices: bool = True) -> Results:
    """``U``, ``S`` and ``Vh`` of ``A = U @ diag(S) @ Vh``; the singular values S are descending.

    The vectors are told up to a factor of absolute value 1 for each pair.

    Args:
        A: ``(..., m, n)``.
        full_matrices: whether U and Vh are square; otherwise they have min(m, n) columns and rows.

    Raises:
        RuntimeError: ``A`` has no matrices.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.svd(torch.tensor([[3.0, 0.0], [0.0, 4.0]])).S
        tensor([4., 3.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.svd.html
    """
    return return_types.linalg_svd(call(primitives.svd, (A,), (full_matrices,)))


@takes_out("linalg.")
def svdvals(A: "Tensor") -> "Tensor":
    """Singular values of matrices, descending; see ``svd``.

    Raises:
        RuntimeError: ``A`` has no matrices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.svdvals.html
    """
    return call(primitives.singular_values, (A,))
