"""Matrix products: methods of ``Tensor``."""

from typing import TYPE_CHECKING, Any

from flambeau.primitives import matmul as p
from flambeau.tensors.core import Core, call

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Matmul"]


def _expect_rank(name: str, rank: int, **tensors: Core) -> None:
    for label, tensor in tensors.items():
        if len(tensor.shape) != rank:
            kind = {1: "1D", 2: "matrix", 3: "3D"}[rank]
            raise RuntimeError(f"{name}: {label} must be a {kind}, got {len(tensor.shape)}-D tensor")


class Matmul(Core):
    """Products of vectors and matrices."""

    def matmul(self, other: "Tensor") -> "Tensor":
        """Matrix product, batched and broadcast.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html
        """
        return call(p.matmul, (self, other))

    def __matmul__(self, other: "Tensor") -> "Tensor":
        return call(p.matmul, (self, other))

    def mm(self, mat2: "Tensor") -> "Tensor":
        """Product of two matrices. Source: https://docs.pytorch.org/docs/stable/generated/torch.mm.html"""
        _expect_rank("mm", 2, self=self, mat2=mat2)
        return call(p.matmul, (self, mat2))

    def bmm(self, mat2: "Tensor") -> "Tensor":
        """Batched product of matrices. Source: https://docs.pytorch.org/docs/stable/generated/torch.bmm.html"""
        _expect_rank("bmm", 3, batch1=self, batch2=mat2)
        return call(p.matmul, (self, mat2))

    def mv(self, vec: "Tensor") -> "Tensor":
        """Product of a matrix and a vector."""
        return call(p.matmul, (self, vec))

    def dot(self, tensor: "Tensor") -> "Tensor":
        """Product of two vectors. Source: https://docs.pytorch.org/docs/stable/generated/torch.dot.html"""
        if len(self.shape) != 1 or len(tensor.shape) != 1:
            shapes = f"{len(self.shape)}D and {len(tensor.shape)}D tensors"
            raise RuntimeError(f"1D tensors expected, but got {shapes}")
        return call(p.matmul, (self, tensor))

    def outer(self, vec2: "Tensor") -> "Tensor":
        """All products of two vectors' elements."""
        return call(p.einsum, (self, vec2), ("i,j->ij",))

    def addmm(self, mat1: "Tensor", mat2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """beta * self + alpha * (mat1 @ mat2).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.addmm.html
        """
        return call(p.addmm, (self, mat1, mat2, beta, alpha))
