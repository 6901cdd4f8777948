"""Singular values of the matrix of low rank that is nearly a given one, found by random projections."""

from typing import TYPE_CHECKING

from flambeau.tensors.factorizations import qr, svd
from flambeau.tensors.random import randn

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["pca_lowrank", "svd_lowrank"]


def _basis(A: "Tensor", q: int, niter: int, M: "Tensor | None") -> "Tensor":
    """Orthonormal columns that nearly span those of ``A - M`` (Halko et al., 2009, algorithm 4.4)."""

    def forth(x: "Tensor") -> "Tensor":
        return A @ x if M is None else A @ x - M @ x

    def back(x: "Tensor") -> "Tensor":
        return A.mH @ x if M is None else A.mH @ x - M.mH @ x

    basis = qr(forth(randn(A.shape[-1], q, dtype=A.dtype, device=A.device))).Q
    for _ in range(niter):
        basis = qr(forth(qr(back(basis)).Q)).Q
    return basis


def svd_lowrank(
    A: "Tensor", q: int | None = 6, niter: int | None = 2, M: "Tensor | None" = None
) -> "tuple[Tensor, Tensor, Tensor]":
    """``U, S, V`` with ``A`` (or ``A - M``) nearly ``U @ diag(S) @ V.mH``.

    Args:
        A: ``(..., m, n)``.
        q: the rank, a little more than that of ``A``.
        niter: how often the projection is improved.
        M: subtracted from ``A``; its shape broadcasts to that of ``A``.

    Raises:
        ValueError: ``q`` is not from 0 to min(m, n), or ``niter`` is negative.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.svd_lowrank.html
    """
    rank, rows, columns = 6 if q is None else q, *A.shape[-2:]
    shift = None if M is None else M.broadcast_to(A.shape)
    wide = rows < columns
    matrix = A.mH if wide else A
    shift = shift.mH if shift is not None and wide else shift
    basis = _basis(matrix, rank, 2 if niter is None else niter, shift)
    inner = basis.mH @ matrix if shift is None else basis.mH @ (matrix - shift)
    u, s, vh = svd(inner, full_matrices=False)
    u, v = basis @ u, vh.mH
    return (v, s, u) if wide else (u, s, v)


def pca_lowrank(
    A: "Tensor", q: int | None = None, center: bool = True, niter: int = 2
) -> "tuple[Tensor, Tensor, Tensor]":
    """Principal components: ``svd_lowrank`` of ``A`` less the mean of its rows.

    Args:
        A: ``(..., m, n)``.
        q: the rank; min(6, m, n) if None.
        center: whether to subtract the mean.
        niter: how often the projection is improved.

    Raises:
        ValueError: ``q`` is not from 0 to min(m, n), or ``niter`` is negative.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.pca_lowrank.html
    """
    rows, columns = A.shape[-2:]
    rank = min(6, rows, columns) if q is None else q
    if not 0 <= rank <= min(rows, columns):
        limits = f"must be non-negative integer and not greater than min(m, n)={min(rows, columns)}"
        raise ValueError(f"q(={rank}) {limits}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, rank, niter)
