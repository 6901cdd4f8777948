"""Linear algebra: each function hands over to the method of the same name; ``flambeau.linalg`` has the others."""

from typing import Any

from flambeau.tensors.eigenpairs import lobpcg
from flambeau.tensors.lowrank import pca_lowrank, svd_lowrank
from flambeau.tensors.norms import norm_except_dim
from flambeau.tensors.norms import weight_norm as _weight_norm
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.tensor import Tensor
from flambeau.tensors.triangular import lu_unpack

__all__ = [
    "_weight_norm",
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "det",
    "geqrf",
    "inverse",
    "lobpcg",
    "logdet",
    "lu",
    "lu_solve",
    "lu_unpack",
    "matrix_exp",
    "norm_except_dim",
    "orgqr",
    "ormqr",
    "pca_lowrank",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "svd_lowrank",
    "triangular_solve",
]


@takes_out()
def det(input: Tensor) -> Tensor:
    """Determinant; see ``linalg.det``."""
    return input.det()


def logdet(input: Tensor) -> Tensor:
    """Logarithm of the determinant; NaN where that is negative; see ``Tensor.logdet``."""
    return input.logdet()


@takes_out()
def slogdet(input: Tensor) -> Results:
    """Sign of the determinant, and logarithm of its absolute value; see ``linalg.slogdet``."""
    return input.slogdet()


@takes_out()
def inverse(input: Tensor) -> Tensor:
    """Inverse of square matrices; see ``linalg.inv``."""
    return input.inverse()


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Pseudo-inverse; see ``linalg.pinv``."""
    return input.pinverse(rcond)


def matrix_exp(input: Tensor) -> Tensor:
    """Exponential of square matrices; see ``linalg.matrix_exp``."""
    return input.matrix_exp()


@takes_out()
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """Cholesky's factor; an older form of ``linalg.cholesky``."""
    return input.cholesky(upper)


@takes_out()
def qr(input: Tensor, some: bool = True) -> Results:
    """``Q`` and ``R``; an older form of ``linalg.qr``; see ``Tensor.qr``."""
    return input.qr(some)


@takes_out()
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Results:
    """``U``, ``S`` and ``V``; an older form of ``linalg.svd``; see ``Tensor.svd``."""
    return input.svd(some, compute_uv)


@takes_out()
def geqrf(input: Tensor) -> Results:
    """Reflections and R of ``qr``; see ``Tensor.geqrf``."""
    return input.geqrf()


@takes_out()
def orgqr(input: Tensor, input2: Tensor) -> Tensor:
    """Product of reflections; an older name of ``linalg.householder_product``."""
    return input.orgqr(input2)


@takes_out()
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """Inverse of the matrix whose Cholesky factor this is; see ``Tensor.cholesky_inverse``."""
    return input.cholesky_inverse(upper)


@takes_out()
def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """X of ``A X = input``, from the Cholesky factor of A; see ``Tensor.cholesky_solve``."""
    return input.cholesky_solve(input2, upper)


@takes_out()
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Results:
    """X of ``A X = input`` for triangular A, and a copy of A; see ``Tensor.triangular_solve``."""
    return input.triangular_solve(A, upper, transpose, unitriangular)


@takes_out()
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """``LU`` and ``pivots``, with a report if asked for; see ``Tensor.lu``."""
    return A.lu(pivot, get_infos)


@takes_out()
def lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X of ``A X = input``, from the LU factors of A; see ``Tensor.lu_solve``."""
    return input.lu_solve(LU_data, LU_pivots)


@takes_out()
def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """Product of reflections times a matrix; see ``Tensor.ormqr``."""
    return input.ormqr(tau, other, left, transpose)
