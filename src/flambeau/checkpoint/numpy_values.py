"""NumPy scalars and arrays of numbers and text, which creep into checkpoints as losses and scores."""

from codecs import utf_32_be_decode, utf_32_le_decode  # found by name, they would be imported for a file
from typing import Any, Final, cast

import numpy as np

from flambeau.base.errors import BadCall, BadPickle
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.limits import DIMENSIONS
from flambeau.checkpoint.narrowing import as_ascii, as_tuple, shown

__all__ = ["SCALARS", "build_array", "build_dtype", "make_array", "make_dtype", "make_filled_array", "make_scalar"]

_NUMBERS: Final = frozenset(
    ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"),
)
_TEXT: Final = ("S", "U")
# Classes of numbers, which files mention.
SCALARS: Final = frozenset(f"numpy.{np.dtype(code).name}" for code in _NUMBERS) | {"numpy.bool_", "numpy.str_"}
_UTF32: Final = utf_32_le_decode if np.little_endian else utf_32_be_decode
_NATIVE: Final = ("|", "=", "<" if np.little_endian else ">")


def make_dtype(context: Context, code: object, align: object = False, copy: object = True) -> object:
    """Make the type of numbers or fixed-length text that a short code names; nothing else."""
    given, code = code, as_ascii(code)
    if code is None or not (code in _NUMBERS or _is_text(code)):
        raise context.error(BadCall, f"numpy.dtype is called with {shown(given)}, which is no number or text type")
    return np.dtype(code)


def _is_text(code: str) -> bool:
    """Tell whether a code is that of fixed-length text, such as `U12`."""
    return code.startswith(_TEXT) and len(code) < 8 and code.isascii() and code[1:].isdigit() and code[1] != "0"


def build_dtype(context: Context, target: object, state: object) -> None:
    """Check the state of a NumPy type, which repeats what its code says."""
    parts = as_tuple(state)
    if parts is None or len(parts) < 2 or as_ascii(parts[1]) not in _NATIVE:
        raise context.error(BadPickle, "NumPy values of the other byte order, or of a compound type, are not read")


def make_scalar(context: Context, dtype: object, data: object) -> object:
    """Make a NumPy scalar of its bytes."""
    data = context.bytes_of(data)
    if not isinstance(dtype, np.dtype) or data is None or len(data) != dtype.itemsize:
        raise context.error(BadCall, "a NumPy scalar is made of something other than a type and its bytes")
    kind = cast("np.dtype[Any]", dtype)
    _check_characters(context, kind, data)
    values: np.ndarray[Any, np.dtype[Any]] = np.frombuffer(data, kind)
    return values[0]


def make_array(context: Context, kind: object, shape: object, code: object) -> object:
    """Make an empty array, whose content comes later as its state."""
    return np.empty(0, np.int8)


def build_array(context: Context, target: object, state: object) -> None:
    """Give an array its shape, type and content."""
    array = cast("np.ndarray[Any, np.dtype[Any]]", target)
    parts = as_tuple(state)
    if array.size or parts is None or len(parts) != 5:
        raise context.error(BadPickle, "the state of a NumPy array is malformed")
    _fill(context, array, *parts[1:])


def make_filled_array(context: Context, data: object, dtype: object, shape: object, order: object) -> object:
    """Make an array of its bytes, as protocol 5 describes it."""
    if not isinstance(order, str) or order not in ("C", "F"):
        raise context.error(BadCall, "a NumPy array has an order other than C or F")
    array = np.empty(0, np.int8)
    _fill(context, array, shape, dtype, order == "F", bytes(data) if isinstance(data, bytearray) else data)
    return array


def _fill(context: Context, array: Any, shape: object, dtype: object, fortran: object, data: object) -> None:
    """Check and set the shape, type and content of an array."""
    data = context.bytes_of(data)
    if not isinstance(dtype, np.dtype) or type(fortran) is not bool or data is None:
        raise context.error(BadPickle, "only NumPy arrays of numbers or text are read")
    kind = cast("np.dtype[Any]", dtype)
    sizes = _sizes(context, shape)
    count = 1
    for size in sizes:
        count *= size
    if count * kind.itemsize != len(data):
        raise context.error(BadPickle, f"a NumPy array of shape {sizes} and type {kind} has {len(data)} bytes")
    _check_characters(context, kind, data)
    array.__setstate__((1, sizes, kind, fortran, data))


def _check_characters(context: Context, dtype: np.dtype[Any], data: bytes) -> None:
    """Refuse numbers that are no characters, on which NumPy itself stumbles as soon as they are looked at."""
    context.budget.charge(len(data))
    if dtype.kind == "U":
        try:
            _UTF32(data, "surrogatepass", True)
        except UnicodeDecodeError:
            raise context.error(BadPickle, "NumPy text holds numbers that are no characters") from None


def _sizes(context: Context, shape: object) -> tuple[int, ...]:
    """Check the shape of an array."""
    sizes = as_tuple(shape)
    if sizes is None or len(sizes) > DIMENSIONS or not all(type(size) is int and 0 <= size < 1 << 62 for size in sizes):
        raise context.error(BadPickle, "the shape of a NumPy array is malformed")
    return cast("tuple[int, ...]", sizes)
