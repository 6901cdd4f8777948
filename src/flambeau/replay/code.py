"""What a function's code names: the globals and attributes that it, and functions inside it, may read."""

import sys
from functools import cache
from types import CodeType

__all__ = ["belongs_to_library", "names_of"]

_OWN = frozenset(("flambeau", "numpy", "jax", "jaxlib", "ml_dtypes"))
_INSTALLED = ("site-packages", "dist-packages")


@cache
def names_of(code: CodeType) -> frozenset[str]:
    """Names of globals and attributes in a function's code and in that of functions inside it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= names_of(constant)
    return frozenset(found)


@cache
def belongs_to_library(module: str | None) -> bool:
    """Whether code of this module is taken to read nothing that changes: Python's own, ours, what is installed."""
    if module is None:
        return True
    top = module.partition(".")[0]
    if top in _OWN or top in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return any(folder in file for folder in _INSTALLED)
