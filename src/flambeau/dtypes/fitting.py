"""Whether a Python number fits a data type, as PyTorch converts numbers."""

from typing import Any

from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.dtypes.limits import finfo, iinfo

__all__ = ["check_fits", "fits", "too_large"]


def _range(kind: dtype) -> tuple[float, float]:
    """The least and the largest number of a type; negative whole numbers wrap around in unsigned ones."""
    if kind.is_floating_point or kind.is_complex:
        facts = finfo(kind)
        return facts.min, facts.max
    limits = iinfo(kind)
    return (limits.min if kind.is_signed else -limits.max), limits.max


_RANGES = {name: _range(kind) for name, kind in DTYPES.items() if name != "bool"}


def fits(value: Any, kind: dtype) -> bool:
    """Whether a number is one of a data type's, but for its fraction."""
    if kind.name == "bool":
        return True
    if isinstance(value, complex):
        return fits(value.real, kind) and (fits(value.imag, kind) if kind.is_complex else not value.imag)
    low, high = _RANGES[kind.name]
    if low <= value <= high:
        return value >= 0 or kind.is_signed or not isinstance(value, float)
    return (kind.is_floating_point or kind.is_complex) and value - value != 0  # an infinity or NaN


def check_fits(value: Any, kind: dtype) -> None:
    """Raise RuntimeError, in PyTorch's words, unless a number fits a data type."""
    if not fits(value, kind):
        raise too_large(kind)


def too_large(kind: dtype) -> RuntimeError:
    """The error for a number that does not fit a data type, in PyTorch's words."""
    name = f"{kind.name}_t" if "int" in kind.name and kind.name != "int32" else kind.cpp_name
    return RuntimeError(f"value cannot be converted to type {name} without overflow")
