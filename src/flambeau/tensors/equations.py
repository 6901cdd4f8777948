"""Equations of matrices: inverses, solutions, ranks."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, cast

from flambeau.dtypes.limits import finfo
from flambeau.primitives import decompositions
from flambeau.primitives import linalg as primitives
from flambeau.tensors import return_types
from flambeau.tensors.core import Core, call
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.singular import check_info

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "inv",
    "inv_ex",
    "lstsq",
    "matrix_rank",
    "pinv",
    "solve",
    "solve_ex",
    "solve_triangular",
    "tensorinv",
    "tensorsolve",
]

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")
_TELLING = ("gelsd", "gelss")  # those that compute the singular values


@takes_out("linalg.")
def inv(A: "Tensor") -> "Tensor":
    """Inverse of square matrices; waits for them, to see whether they are singular.

    Args:
        A: ``(..., n, n)``.

    Raises:
        LinAlgError: ``A`` is singular.
        RuntimeError: ``A`` has no square matrices, or of another type than 32 or 64 bits, real or complex.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.inv.html
    """
    found, info = call(decompositions.inverse_ex, (A,))
    check_info("linalg.inv", info)
    return found


@takes_out("linalg.")
def inv_ex(A: "Tensor", *, check_errors: bool = False) -> Results:
    """``inverse`` of square matrices, and ``info``: 0, or the number of the zero on the diagonal that stopped it.

    Args:
        A: ``(..., n, n)``.
        check_errors: whether to wait, and raise for singular matrices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.inv_ex.html
    """
    found = return_types.linalg_inv_ex(call(decompositions.inverse_ex, (A,)))
    if check_errors:
        check_info("linalg.inv_ex", found.info)
    return found


@takes_out("linalg.")
def solve(A: "Tensor", B: "Tensor", *, left: bool = True) -> "Tensor":
    """X of the equation ``A X = B``; waits for it, to see whether ``A`` is singular.

    Args:
        A: ``(..., n, n)``.
        B: ``(..., n, k)``; or vectors, ``(n,)`` or the shape of ``A`` without its last dimension.
        left: whether ``A`` stands on the left; otherwise the equation is ``X A = B``, with B ``(..., k, n)``.

    Returns:
        X, with the shape of ``B`` (broadcast with that of ``A``).

    Raises:
        LinAlgError: ``A`` is singular.
        RuntimeError: shapes or types do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 2.0]))
        tensor([1.0000, 0.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.solve.html
    """
    found, info = call(decompositions.solve_ex, (A, B), (left,))
    check_info("torch.linalg.solve", info)
    return found


@takes_out("linalg.")
def solve_ex(A: "Tensor", B: "Tensor", *, left: bool = True, check_errors: bool = False) -> Results:
    """``result``, as ``solve`` gives it, and ``info``: 0, or the number of the zero pivot that stopped it.

    Args:
        A, B, left: as for ``solve``.
        check_errors: whether to wait, and raise for singular matrices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.solve_ex.html
    """
    found = return_types.linalg_solve_ex(call(decompositions.solve_ex, (A, B), (left,)))
    if check_errors:
        check_info("torch.linalg.solve_ex", found.info)
    return found


@takes_out("linalg.")
def tensorinv(A: "Tensor", ind: int = 2) -> "Tensor":
    """The tensor that undoes ``tensordot(A, x, x.ndim)``: the inverse of A as a matrix of its first dimensions.

    Args:
        A: of two parts of dimensions with equal numbers of elements.
        ind: how many dimensions the first part has.

    Returns:
        Of shape ``A.shape[ind:] + A.shape[:ind]``.

    Raises:
        LinAlgError: ``A`` is singular.
        RuntimeError: ``ind`` is not positive, or the parts differ.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.tensorinv.html
    """
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    first, last = A.shape[:ind], A.shape[ind:]
    if prod(first) != prod(last):
        got = f"but got {prod(last)} != {prod(first)}"
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), {got}"
        )
    found, info = call(decompositions.inverse_ex, (A.reshape(prod(first), prod(last)),))
    check_info("inv", info)
    return found.reshape(*last, *first)


@takes_out("linalg.")
def tensorsolve(A: "Tensor", B: "Tensor", dims: Sequence[int] | None = None) -> "Tensor":
    """X of the equation ``tensordot(A, X, X.ndim) = B``.

    Args:
        A: its first dimensions hold as many elements as the others.
        B: of the shape of A's first dimensions.
        dims: dimensions of A that are moved to the end first.

    Raises:
        LinAlgError: ``A`` is singular.
        RuntimeError: the parts of ``A`` differ.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.tensorsolve.html
    """
    moved = A if dims is None else A.movedim(list(dims), list(range(-len(dims), 0)))
    first, last = moved.shape[: len(B.shape)], moved.shape[len(B.shape) :]
    if prod(first) != prod(last):
        got = f"but got {prod(last)} != {prod(first)}"
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"{got}"
        )
    return solve(moved.reshape(prod(first), prod(last)), B.flatten()).reshape(last)


@takes_out("linalg.")
def solve_triangular(
    A: "Tensor", B: "Tensor", *, upper: bool, left: bool = True, unitriangular: bool = False
) -> "Tensor":
    """``solve`` for triangular matrices, of which the other triangle is not read.

    Args:
        A: ``(..., n, n)``.
        B: ``(..., n, k)``, or ``(..., k, n)`` unless ``left``.
        upper: whether to read the upper triangle.
        left: whether ``A`` stands on the left.
        unitriangular: whether to take the diagonal for ones.

    Raises:
        RuntimeError: shapes or types do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.solve_triangular(torch.tensor([[1.0, 1.0], [9.0, 2.0]]), torch.ones(2, 1), upper=True)
        tensor([[0.5000],
                [0.5000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.solve_triangular.html
    """
    return call(primitives.solve_triangular, (A, B), (upper, left, unitriangular))


def _tolerances(name: str, A: "Tensor", atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Both tolerances; the relative one is by default that of the type and the larger size, or 0 beside another."""
    for label, value in (("atol", atol), ("rtol", rtol)):
        if isinstance(value, Core) and value.dtype.is_complex:
            kind = value.dtype.tensor_type.removesuffix("Tensor")
            raise RuntimeError(f"torch.linalg.{name}: {label} tensor of complex type is not supported. Got {kind}")
    if rtol is None:
        inexact = A.is_floating_point() or A.is_complex()
        rtol = max(A.shape[-2:], default=0) * finfo(A.dtype).eps if inexact else 0.0
        if isinstance(atol, Core):
            rtol = (cast("Tensor", atol) <= 0) * rtol
        elif atol is not None and atol > 0:
            rtol = 0.0
    return (0.0 if atol is None else atol), rtol


@takes_out("linalg.")
def pinv(
    A: "Tensor",
    rcond: "float | Tensor | None" = None,
    hermitian: bool = False,
    *,
    atol: "float | Tensor | None" = None,
    rtol: "float | Tensor | None" = None,
) -> "Tensor":
    """Pseudo-inverse (Moore and Penrose), by singular values.

    Args:
        A: ``(..., m, n)``.
        rcond: an older name of ``rtol``.
        hermitian: whether the matrices are Hermitian; then only their lower triangles are read.
        atol: singular values up to this count as zero; 0 if None. A tensor has one for each matrix.
        rtol: singular values up to this share of the largest count as zero; if None, max(m, n) times the type's
            precision, or 0 if ``atol`` is given.

    Returns:
        ``(..., n, m)``.

    Raises:
        RuntimeError: ``A`` has no matrices, or of another type than 32 or 64 bits, real or complex; a
            tolerance is complex, or does not broadcast with the batch.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.pinv(torch.tensor([[2.0], [0.0]]))
        tensor([[0.5000, 0.0000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.pinv.html
    """
    tolerances = _tolerances("pinv", A, atol, rcond if rtol is None else rtol)
    return call(primitives.pseudo_inverse, (A, *tolerances), (hermitian,))


@takes_out("linalg.")
def matrix_rank(
    A: "Tensor",
    tol: "float | Tensor | None" = None,
    hermitian: bool = False,
    *,
    atol: "float | Tensor | None" = None,
    rtol: "float | Tensor | None" = None,
) -> "Tensor":
    """Number of singular values that do not count as zero.

    Args:
        A: ``(..., m, n)``.
        tol: an older name of ``atol``.
        hermitian: whether the matrices are Hermitian; then only their lower triangles are read.
        atol: as in ``pinv``.
        rtol: as in ``pinv``.

    Raises:
        RuntimeError: ``A`` has no matrices, or of another type than 32 or 64 bits, real or complex; a
            tolerance is complex, or does not broadcast with the batch.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.matrix_rank(torch.ones(3, 3))
        tensor(1)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_rank.html
    """
    if tol is not None and rtol is None:
        rtol = 0.0
    tolerances = _tolerances("matrix_rank", A, tol if atol is None else atol, rtol)
    return call(primitives.matrix_rank, (A, *tolerances), (hermitian,))


@takes_out("linalg.")
def lstsq(A: "Tensor", B: "Tensor", rcond: float | None = None, *, driver: str | None = None) -> Results:
    """X that brings ``A X`` nearest to ``B``; of several, the one with the smallest norm.

    Args:
        A: ``(..., m, n)``.
        B: ``(..., m, k)``, or ``(..., m)``.
        rcond: singular values up to this share of the largest count as zero; max(m, n) times the type's precision if
            None.
        driver: which of LAPACK's drivers to answer as: ``"gelsy"`` (the default), ``"gels"`` (takes all matrices for
            such of full rank), ``"gelsd"`` or ``"gelss"``.

    Returns:
        ``solution``, ``residuals`` (sums of squares), ``rank`` and ``singular_values``. As in PyTorch, what a driver
        does not tell is empty: the rank with gels, the singular values with gels and gelsy, the residuals with gelsy,
        unless m > n, and (with gelsd and gelss, which then look at the rank) unless all matrices have rank n.

    Raises:
        RuntimeError: shapes or types do not fit, or there is no such driver.

    Example:
        >>> import flambeau as torch
        >>> torch.linalg.lstsq(torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [3.0]])).solution
        tensor([[2.0000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lstsq.html
    """
    _check_least_squares(A, B, driver)
    vector = len(B.shape) == 1 or (len(B.shape) == len(A.shape) - 1 and B.shape == A.shape[:-1])
    right = B.unsqueeze(-1) if vector else B
    solution = pinv(A, rtol=0.0 if driver == "gels" else rcond).matmul(right)
    rows, columns = A.shape[-2:]
    rank = A.new_empty((0,)).long() if driver == "gels" else matrix_rank(A, rtol=rcond)
    residuals = A.new_empty((0,))
    if rows > columns and (driver == "gels" or (driver in _TELLING and bool((rank == columns).all()))):
        distances = A.matmul(solution) - right
        residuals = (distances * distances.conj()).real.sum(-2) if A.is_complex() else distances.square().sum(-2)
    # As in PyTorch, only the solution and the residuals have gradients.
    sizes = call(primitives.singular_values, (A.detach(),)) if driver in _TELLING else A.new_empty((0,))
    return return_types.linalg_lstsq((solution.squeeze(-1) if vector else solution, residuals, rank, sizes))


def _check_least_squares(A: "Tensor", B: "Tensor", driver: str | None) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the arguments of ``lstsq`` fit."""
    name = "torch.linalg.lstsq"
    if len(A.shape) < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if len(B.shape) < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if A.dtype is not B.dtype:
        kinds = [item.dtype.tensor_type.removesuffix("Tensor") for item in (A, B)]
        got = f"but got input's dtype {kinds[0]} and other's dtype {kinds[1]}"
        raise RuntimeError(f"{name}: Expected input and other to have the same dtype, {got}")
    vector = len(B.shape) == 1 or (len(B.shape) == len(A.shape) - 1 and B.shape == A.shape[:-1])
    axis = -1 if vector else -2
    if A.shape[-2] != B.shape[axis]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({axis})")
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of ({', '.join(_DRIVERS)})")
