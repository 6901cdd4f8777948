"""Linear algebra: the methods of ``Tensor``; the functions are in ``equations``, ``factorizations`` and their like."""

from typing import TYPE_CHECKING, Any, cast

from flambeau.primitives import decompositions
from flambeau.primitives import linalg as primitives
from flambeau.tensors import equations, factorizations, matrices, return_types, triangular
from flambeau.tensors.core import Core, call
from flambeau.tensors.norms import check_square
from flambeau.tensors.return_types import Results
from flambeau.tensors.singular import check_info

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
        return factorizations.checked_cholesky("cholesky", cast("Tensor", self), upper)

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

    def cholesky_inverse(self, upper: bool = False) -> "Tensor":
        """Inverse of the matrix whose Cholesky factor this is.

        Raises:
            LinAlgError: there is a zero on the diagonal.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.cholesky_inverse.html
        """
        found, info = call(decompositions.cholesky_inverse, (self,), (upper,))
        check_info("cholesky_inverse", info)
        return found

    def cholesky_solve(self, input2: "Tensor", upper: bool = False) -> "Tensor":
        """X of ``A X = self``, from the Cholesky factor of A.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.cholesky_solve.html
        """
        return call(decompositions.cholesky_solve, (self, input2), (upper,))

    def triangular_solve(
        self, A: "Tensor", upper: bool = True, transpose: bool = False, unitriangular: bool = False
    ) -> Results:
        """``solution`` X of ``A X = self`` for triangular A; an older form of ``linalg.solve_triangular``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.triangular_solve.html
        """
        return triangular.triangular_solve(cast("Tensor", self), A, upper, transpose, unitriangular)

    def lu(self, pivot: bool = True, get_infos: bool = False) -> Any:
        """``LU`` and ``pivots``; an older form of ``linalg.lu_factor``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.lu.html
        """
        return triangular.lu_of(cast("Tensor", self), pivot, get_infos)

    def lu_solve(self, LU_data: "Tensor", LU_pivots: "Tensor") -> "Tensor":
        """X of ``A X = self``, from the LU factors of A; an older form of ``linalg.lu_solve``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.lu_solve.html
        """
        return triangular.lu_solve(LU_data, LU_pivots, cast("Tensor", self))

    def ormqr(self, input2: "Tensor", input3: "Tensor", left: bool = True, transpose: bool = False) -> "Tensor":
        """Product of reflections times a matrix.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.ormqr.html
        """
        return call(decompositions.reflect, (self, input2, input3), (left, transpose))

    def geqrf(self) -> Results:
        """Reflections and R of ``qr``. Source: https://docs.pytorch.org/docs/stable/generated/torch.geqrf.html."""
        return factorizations.geqrf(cast("Tensor", self))

    def orgqr(self, input2: "Tensor") -> "Tensor":
        """Product of reflections; an older name of ``linalg.householder_product``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.orgqr.html
        """
        return call(primitives.householder_product, (self, input2))
