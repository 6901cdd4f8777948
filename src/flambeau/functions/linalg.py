"""Linear algebra: each function hands over to the method of the same name; ``flambeau.linalg`` has the others."""

from flambeau.tensors.norms import norm_except_dim
from flambeau.tensors.norms import weight_norm as _weight_norm
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.tensor import Tensor

__all__ = [
    "_weight_norm",
    "cholesky",
    "det",
    "geqrf",
    "inverse",
    "logdet",
    "matrix_exp",
    "norm_except_dim",
    "orgqr",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
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


def matrix_exp(A: Tensor) -> Tensor:
    """Exponential of square matrices; see ``linalg.matrix_exp``."""
    return A.matrix_exp()


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
