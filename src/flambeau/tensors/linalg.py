"""Linear algebra: the methods of ``Tensor``; the functions are in ``equations``, ``factorizations`` and their like."""

from typing import TYPE_CHECKING, cast

from flambeau.primitives import linalg as primitives
from flambeau.tensors import equations, factorizations, matrices, return_types
from flambeau.tensors.core import Core, call
from flambeau.tensors.norms import check_square
from flambeau.tensors.return_types import Results

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Linalg"]


class Linalg(Core):
    """Methods of linear algebra."""

    def det(self) -> "Tensor":
        """Determinant. Source: https://docs.pytorch.org/docs/stable/generated/torch.det.html."""
        return matrices.det(cast("Tensor", self))

    def logdet(self) -> "Tensor":
        """Logarithm of the determinant. Source: https://docs.pytorch.org/docs/stable/generated/torch.logdet.html."""
        return matrices.logdet(cast("Tensor", self))

    def slogdet(self) -> Results:
        """Sign of the determinant, and logarithm of its absolute value.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.slogdet.html
        """
        return return_types.slogdet(matrices.slogdet(cast("Tensor", self)))

    def inverse(self) -> "Tensor":
        """Inverse matrix. Source: https://docs.pytorch.org/docs/stable/generated/torch.inverse.html."""
        return equations.inv(cast("Tensor", self))

    def pinverse(self, rcond: float = 1e-15) -> "Tensor":
        """Pseudo-inverse. Source: https://docs.pytorch.org/docs/stable/generated/torch.pinverse.html."""
        return equations.pinv(cast("Tensor", self), rcond)

    def matrix_exp(self) -> "Tensor":
        """Exponential of a matrix. Source: https://docs.pytorch.org/docs/stable/generated/torch.matrix_exp.html."""
        return matrices.matrix_exp(cast("Tensor", self))

    def cholesky(self, upper: bool = False) -> "Tensor":
        """Cholesky's factor; an older form of ``linalg.cholesky``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.cholesky.html
        """
        if len(self.shape) > 1:
            check_square("cholesky", self)
        return factorizations.cholesky(cast("Tensor", self), upper=upper)

    def qr(self, some: bool = True) -> Results:
        """``Q`` and ``R``; an older form of ``linalg.qr``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.qr.html
        """
        return return_types.qr(factorizations.qr(cast("Tensor", self), "reduced" if some else "complete"))

    def svd(self, some: bool = True, compute_uv: bool = True) -> Results:
        """``U``, ``S`` and ``V`` (not its adjoint); an older form of ``linalg.svd``.

        Args:
            some: whether U and V have as few columns as there are singular values.
            compute_uv: if False, U and V are zeros.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.svd.html
        """
        tensor = cast("Tensor", self)
        if len(self.shape) < 2:
            rank = f"but has {len(self.shape)} dimensions instead"
            raise RuntimeError(f"linalg.svd: input should have at least 2 dimensions, {rank}")
        if compute_uv:
            u, s, vh = factorizations.svd(tensor, not some)
            return return_types.svd((u, s, vh.mH))
        *batch, rows, columns = self.shape
        zeros = [tensor.new_zeros((*batch, size, size)) for size in (rows, columns)]
        return return_types.svd((zeros[0], factorizations.svdvals(tensor), zeros[1]))

    def geqrf(self) -> Results:
        """Reflections and R of ``qr``. Source: https://docs.pytorch.org/docs/stable/generated/torch.geqrf.html."""
        return factorizations.geqrf(cast("Tensor", self))

    def orgqr(self, input2: "Tensor") -> "Tensor":
        """Product of reflections; an older name of ``linalg.householder_product``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.orgqr.html
        """
        return call(primitives.householder_product, (self, input2))
