"""Several results with names, which print as PyTorch's ``torch.return_types`` do."""

from typing import Any, ClassVar

__all__ = [
    "Results",
    "aminmax",
    "cummax",
    "cummin",
    "frexp",
    "geqrf",
    "histogram",
    "histogramdd",
    "kthvalue",
    "linalg_cholesky_ex",
    "linalg_eig",
    "linalg_eigh",
    "linalg_inv_ex",
    "linalg_ldl_factor",
    "linalg_ldl_factor_ex",
    "linalg_lstsq",
    "linalg_lu",
    "linalg_lu_factor",
    "linalg_lu_factor_ex",
    "linalg_qr",
    "linalg_slogdet",
    "linalg_solve_ex",
    "linalg_svd",
    "lu_unpack",
    "max",
    "median",
    "min",
    "mode",
    "nanmedian",
    "qr",
    "slogdet",
    "sort",
    "svd",
    "topk",
    "triangular_solve",
]


class Results(tuple[Any, ...]):
    """A tuple whose items also have names.

    Example:
        >>> import flambeau as torch
        >>> torch.tensor([3, 1]).sort()
        torch.return_types.sort(
        values=tensor([1, 3]),
        indices=tensor([1, 0]))
    """

    __slots__ = ()

    fields: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, items: Any) -> "Results":
        """Made of the items in order."""
        return tuple.__new__(cls, items)

    def __getattr__(self, name: str) -> Any:
        if name in self.fields:
            return self[self.fields.index(name)]
        raise AttributeError(f"'torch.return_types.{type(self).__name__}' object has no attribute '{name}'")

    def __repr__(self) -> str:
        shown = ",\n".join([f"{name}={item!r}" for name, item in zip(self.fields, self, strict=True)])
        return f"torch.return_types.{type(self).__name__}(\n{shown})"

    def __reduce__(self) -> Any:
        return type(self), (tuple(self),)


def _named(name: str, fields: str = "values indices") -> type[Results]:
    return type(name, (Results,), {"fields": tuple(fields.split()), "__slots__": (), "__module__": __name__})


max = _named("max")
min = _named("min")
sort = _named("sort")
topk = _named("topk")
kthvalue = _named("kthvalue")
median = _named("median")
nanmedian = _named("nanmedian")
mode = _named("mode")
cummax = _named("cummax")
cummin = _named("cummin")
aminmax = _named("aminmax", "min max")
frexp = _named("frexp", "mantissa exponent")
histogram = _named("histogram", "hist bin_edges")
geqrf = _named("geqrf", "a tau")
qr = _named("qr", "Q R")
slogdet = _named("slogdet", "sign logabsdet")
svd = _named("svd", "U S V")
linalg_eigh = _named("linalg_eigh", "eigenvalues eigenvectors")
linalg_lstsq = _named("linalg_lstsq", "solution residuals rank singular_values")
linalg_qr = _named("linalg_qr", "Q R")
linalg_slogdet = _named("linalg_slogdet", "sign logabsdet")
linalg_svd = _named("linalg_svd", "U S Vh")
linalg_cholesky_ex = _named("linalg_cholesky_ex", "L info")
linalg_inv_ex = _named("linalg_inv_ex", "inverse info")
linalg_solve_ex = _named("linalg_solve_ex", "result info")
linalg_eig = _named("linalg_eig", "eigenvalues eigenvectors")
linalg_lu = _named("linalg_lu", "P L U")
linalg_lu_factor = _named("linalg_lu_factor", "LU pivots")
linalg_lu_factor_ex = _named("linalg_lu_factor_ex", "LU pivots info")
linalg_ldl_factor = _named("linalg_ldl_factor", "LD pivots")
linalg_ldl_factor_ex = _named("linalg_ldl_factor_ex", "LD pivots info")
lu_unpack = _named("lu_unpack", "P L U")
triangular_solve = _named("triangular_solve", "solution cloned_coefficient")
histogramdd = _named("histogramdd", "hist bin_edges")
_lu_with_info = _named("_lu_with_info", "LU pivots info")
