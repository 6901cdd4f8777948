"""Matrix products: each function hands over to the method of the same name."""

from typing import Any

from flambeau.tensors.arguments import whole
from flambeau.tensors.matmul import chain_matmul, einsum, tensordot
from flambeau.tensors.numpy_names import numpy_names
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.tensor import Tensor

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addmv_",
    "addr",
    "baddbmm",
    "bmm",
    "chain_matmul",
    "cross",
    "dot",
    "einsum",
    "ger",
    "inner",
    "kron",
    "matmul",
    "matrix_power",
    "mm",
    "mv",
    "outer",
    "tensordot",
    "vdot",
]


@takes_out()
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product, batched and broadcast; see ``Tensor.matmul``."""
    return input.matmul(other)


@takes_out()
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices; see ``Tensor.mm``."""
    return input.mm(mat2)


@takes_out()
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Batched product of matrices; see ``Tensor.bmm``."""
    return input.bmm(mat2)


@takes_out()
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector; see ``Tensor.mv``."""
    return input.mv(vec)


@takes_out()
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Product of two vectors; see ``Tensor.dot``."""
    return tensor_argument("dot", 1, input).dot(tensor)


@takes_out()
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """``dot`` with the conjugate of the first; see ``Tensor.vdot``."""
    return input.vdot(other)


@takes_out()
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products summed over the last dimensions; see ``Tensor.inner``."""
    return input.inner(other)


@takes_out()
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' elements; see ``Tensor.outer``."""
    return input.outer(vec2)


@takes_out()
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product; see ``Tensor.kron``."""
    return input.kron(other)


@numpy_names
@takes_out()
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Cross product along a dimension of size 3 (the first such dimension by default); see ``Tensor.cross``."""
    return input.cross(other, dim)


@takes_out()
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Beta * input + alpha * (mat1 @ mat2); see ``Tensor.addmm``."""
    return input.addmm(mat1, mat2, beta=beta, alpha=alpha)


@takes_out()
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Beta * input + alpha * (mat @ vec); see ``Tensor.addmv``."""
    return input.addmv(mat, vec, beta=beta, alpha=alpha)


def addmv_(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """In-place ``addmv``; see ``Tensor.addmv_``."""
    return input.addmv_(mat, vec, beta=beta, alpha=alpha)


@takes_out()
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Beta * input + alpha * outer(vec1, vec2); see ``Tensor.addr``."""
    return input.addr(vec1, vec2, beta=beta, alpha=alpha)


@takes_out()
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Beta * input + alpha * (batch1 @ batch2); see ``Tensor.baddbmm``."""
    return input.baddbmm(batch1, batch2, beta=beta, alpha=alpha)


@takes_out()
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Beta * input + alpha * (the sum over the batch of batch1 @ batch2); see ``Tensor.addbmm``."""
    return input.addbmm(batch1, batch2, beta=beta, alpha=alpha)


@takes_out()
def matrix_power(input: Tensor, n: int) -> Tensor:
    """Product of n equal matrices; see ``Tensor.matrix_power``."""
    return input.matrix_power(whole("matrix_power", "n", n, 2))


ger = outer
