"""How data types combine: PyTorch's promotion rules as one table and two functions."""

from collections.abc import Iterable
from typing import Literal

from flambeau.dtypes.kinds import DTYPES, dtype, get_default_dtype, python_dtype

__all__ = ["Category", "can_cast", "promote_types", "result_type"]

Category = Literal["tensor", "scalar", "number"]

_EXCEPTIONS: dict[frozenset[str], str] = {
    frozenset(("uint8", "int8")): "int16",
    frozenset(("float16", "bfloat16")): "float32",
    frozenset(("float64", "complex64")): "complex128",
}


def _class_of(kind: dtype) -> int:
    """Position in the chain bool 0, integer 1, floating 2, complex 3."""
    if kind.is_complex:
        return 3
    if kind.is_floating_point:
        return 2
    return 0 if kind.name == "bool" else 1


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Smallest type that both convert to without losing their class.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.promote_types.html
    """
    if type1 is type2:
        return type1
    pair = frozenset((type1.name, type2.name))
    if pair in _EXCEPTIONS:
        return DTYPES[_EXCEPTIONS[pair]]
    for kind in (type1, type2):
        if kind.name.startswith("float8"):
            message = f"Promotion for Float8 Types is not supported, attempted to promote {type1!r} and {type2!r}"
            raise RuntimeError(message)
    low, high = sorted((type1, type2), key=lambda kind: kind.rank)
    wide_unsigned = {"uint16", "uint32", "uint64"}
    if low.rank and high.rank < 5 and pair & wide_unsigned and type1.is_signed != type2.is_signed:
        signed = type1 if type1.is_signed else type2
        unsigned = type2 if type1.is_signed else type1
        if signed.itemsize <= unsigned.itemsize:
            message = f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {type1!r}"
            raise RuntimeError(f"{message} and {type2!r}")
    return high


def result_type(operands: Iterable[tuple[dtype | type, Category]]) -> dtype:
    """Type of the result of an arithmetic operation.

    Tensors with dimensions decide; 0-d tensors count only where they have a higher class (bool, integer, floating,
    complex), and Python numbers only where they have a higher class than both.

    Args:
        operands: for each operand its data type (the Python class for a number) and its category.

    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
    """
    best: dict[Category, dtype | None] = {"tensor": None, "scalar": None, "number": None}
    for kind, category in operands:
        entry = kind if isinstance(kind, dtype) else python_dtype(kind)
        held = best[category]
        best[category] = entry if held is None else promote_types(held, entry)
    present: list[tuple[Category, dtype]] = [(category, entry) for category, entry in best.items() if entry is not None]
    if not present:
        return get_default_dtype()
    result = present[0][1]
    for category, entry in present[1:]:
        if _class_of(entry) > _class_of(result):
            result = _raised(result, entry, category)
    return result


def _raised(result: dtype, entry: dtype, category: Category) -> dtype:
    """Type once an operand of a higher class has its say."""
    if category == "number" and entry.is_floating_point:
        return get_default_dtype()
    if entry.is_complex and result.is_floating_point:
        return result.to_complex() if category == "number" else promote_types(result, entry)
    return entry


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether an in-place result of type ``from_`` may be stored in a tensor of type ``to``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.can_cast.html
    """
    return _class_of(from_) <= _class_of(to)
