"""Python's and NumPy's values as arrays of our own, by PyTorch's rules of inference, and with its errors."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

import numpy as np

from flambeau.dtypes.fitting import fits
from flambeau.dtypes.kinds import dtype, from_numpy_dtype, get_default_dtype, python_dtype
from flambeau.dtypes.promotion import promote_types
from flambeau.tensors.core import Core

__all__ = ["array_of"]


def array_of(data: Any, wanted: dtype | None) -> tuple[Any, dtype]:
    """Values as a new array, and its data type.

    Args:
        data: an array of NumPy, a number, or nested sequences of numbers, arrays and one-element tensors.
        wanted: data type of the result; None means that of the values.

    Raises:
        ValueError: the sequences have no regular shape, or a number does not fit 64 bits.
        TypeError: text is given, or a tensor of several elements inside a sequence.
        RuntimeError: something is given that is no number, or a number that does not fit the data type.
    """
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if isinstance(data, (np.ndarray, np.generic)):
        given = cast("Any", data)
        kind = wanted or from_numpy_dtype(given.dtype)
        return converted(np.asarray(given), kind), kind
    if _is_sequence(data) and len(data) and all(type(item) is np.ndarray for item in data):
        if len({item.shape for item in data}) == 1:
            return array_of(np.stack(data), wanted)
    shape, items = _flattened(data)
    kind = wanted or _inferred(items, hollow=0 in shape)
    if 0 in shape:
        return np.empty(shape, kind.numpy), kind
    return _stored(items, kind).reshape(shape), kind


def converted(array: Any, kind: dtype) -> Any:
    """A copy of an array in a data type, in row-major order and the machine's byte order."""
    with np.errstate(all="ignore"):
        if kind.is_floating_point and kind.itemsize < 4 and array.dtype == np.float64:
            array = array.astype(np.float32)  # doubles become half types by way of float32 in PyTorch
        if array.dtype.kind == "c" and not kind.is_complex:
            array = array.real
        return np.array(array, dtype=kind.numpy, order="C")


# -- sequences -----------------------------------------------------------------------------------------------------


def _is_sequence(value: Any) -> bool:
    """Whether PyTorch would look inside."""
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, (str, bytes, dict, set, np.generic, Core)) or not hasattr(value, "__getitem__"):
        return False
    return hasattr(value, "__len__") and getattr(value, "ndim", 1) > 0


def _flattened(data: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Shape of nested sequences, and their numbers in order."""
    shape: list[int] = []
    items: list[Any] = [data]
    while items and _is_sequence(items[0]):
        items = [item if isinstance(item, (list, tuple)) else _listed(item) for item in items]
        size = len(items[0])
        _of_equal_length(items, len(shape))
        shape.append(size)
        items = list(chain.from_iterable(items))
    return tuple(shape), items


def _listed(item: Any) -> list[Any]:
    if not _is_sequence(item):
        raise TypeError("not a sequence")
    return list(item)


def _of_equal_length(items: Sequence[Any], dim: int) -> Sequence[Any]:
    """The items; raises ValueError in PyTorch's words unless they are equally long."""
    size = len(items[0])
    if size:
        for item in items:
            if len(item) != size:
                raise ValueError(f"expected sequence of length {size} at dim {dim} (got {len(item)})")
    return items


# -- numbers -------------------------------------------------------------------------------------------------------


def _inferred(items: Sequence[Any], hollow: bool) -> dtype:
    """Data type of numbers: the widest of theirs; what is empty has the default one."""
    found: dtype | None = get_default_dtype() if hollow else None
    classes: set[Any] = set(map(type, items))
    kinds = {_kind_of(kind) for kind in classes if issubclass(kind, (bool, int, float, complex, np.generic))}
    if len(kinds) < len(classes):
        kinds |= {_kind_inside(item) for item in items}
    for kind in kinds:
        found = kind if found is None else promote_types(found, kind)
    return found or get_default_dtype()


def _kind_inside(item: Any) -> dtype:
    """Data type of a number, a tensor, or what a sequence holds."""
    if isinstance(item, (Core, np.ndarray)):
        return item.dtype if isinstance(item, Core) else from_numpy_dtype(item.dtype)
    return _inferred(list(item), hollow=not len(item)) if _is_sequence(item) else _kind_of(item.__class__)


def _kind_of(kind: Any) -> dtype:
    """Data type of numbers of a class; raises where there is none."""
    if issubclass(kind, str):
        raise ValueError(f"too many dimensions '{kind.__name__}'")
    if issubclass(kind, np.generic):
        return from_numpy_dtype(kind)
    for base in (bool, int, float, complex):
        if issubclass(kind, base):
            return python_dtype(base)
    raise RuntimeError(f"Could not infer dtype of {kind.__name__}")


def _number(item: Any) -> Any:
    """A number inside a sequence as Python's own."""
    if isinstance(item, Core):
        if item.aval.shape.numel() != 1:
            whole = not (item.dtype.is_floating_point or item.dtype.is_complex)
            if whole:
                raise TypeError("only integer tensors of a single element can be converted to an index")
            raise ValueError("only one element tensors can be converted to Python scalars")
        return cast("Any", item).item()
    return item


def _stored(items: list[Any], kind: dtype) -> Any:
    """Numbers in one row, converted one by one as PyTorch does."""
    if any(not issubclass(found, (bool, int, float, complex, np.generic)) for found in set(map(type, items))):
        items = [_number(item) for item in items]
        for item in items:
            if _is_sequence(item):
                raise _misplaced(item, kind)
    if kind.name == "bool":
        return np.array([bool(item) for item in items], np.bool_)
    if kind.is_floating_point or kind.is_complex:
        return converted(_reals(items, kind), kind)
    return _wholes(items, kind)


def _misplaced(item: Any, kind: dtype) -> TypeError:
    """The error for a sequence where a number is expected."""
    name = type(item).__name__
    real = kind.is_floating_point or kind.is_complex
    return TypeError(
        f"must be real number, not {name}" if real else f"'{name}' object cannot be interpreted as an integer"
    )


def _reals(items: list[Any], kind: dtype) -> Any:
    """Numbers as doubles."""
    try:
        return np.array(items, np.complex128 if kind.is_complex else np.float64)
    except TypeError as error:
        wrong = next(type(item).__name__ for item in items if not isinstance(item, (int, float, np.generic)))
        raise TypeError(f"must be real number, not {wrong}") from error


def _wholes(items: list[Any], kind: dtype) -> Any:
    """Numbers as whole numbers of a type; fractions are cut off."""
    try:
        array = np.array(items, np.int64)
    except OverflowError as error:
        if any(isinstance(item, float) for item in items):
            raise _too_large(kind) from error
        try:
            array = np.array(items, np.uint64)
        except OverflowError:
            array = None
        if array is None or kind.name != "uint64":
            raise ValueError("Overflow when unpacking long long") from error
        return array
    except ValueError as error:
        raise _too_large(kind) from error
    _check_range(items, array, kind)
    return array.astype(kind.numpy)


def _check_range(items: list[Any], array: Any, kind: dtype) -> None:
    """Raise RuntimeError unless numbers fit a type of whole ones; for unsigned ones, negative whole numbers wrap."""
    if float in set(map(type, items)) and not all(fits(item, kind) for item in items if type(item) is float):
        raise _too_large(kind)
    if not array.size or kind.name == "int64":
        return
    limits = np.iinfo(kind.numpy)
    low = limits.min if kind.is_signed else -int(limits.max)
    if int(array.max()) > limits.max or int(array.min()) < low:
        raise _too_large(kind)


def _too_large(kind: dtype) -> RuntimeError:
    return RuntimeError(f"value cannot be converted to type {kind.name} without overflow")
