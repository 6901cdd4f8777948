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
    "kthvalue",
    "linalg_eigh",
    "linalg_lstsq",
    "linalg_qr",
    "linalg_slogdet",
    "linalg_svd",
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
