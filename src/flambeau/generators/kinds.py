"""Facts about dtypes that the draws need, and the checks built on them."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray

FLOAT16 = np.dtype(np.float16)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)

LARGEST = {
    FLOAT16: 65504.0,
    BFLOAT16: (2.0 - 2.0**-7) * 2.0**127,
    FLOAT32: (2.0 - 2.0**-23) * 2.0**127,
    FLOAT64: (2.0 - 2.0**-52) * 2.0**1023,
}
"""The largest finite value of each floating dtype."""

HALVES = frozenset({FLOAT16, BFLOAT16})
FLOATS = frozenset({FLOAT16, BFLOAT16, FLOAT32, FLOAT64})
COMPLEX_PARTS: dict[np.dtype[Any], np.dtype[Any]] = {np.dtype(np.complex64): FLOAT32, np.dtype(np.complex128): FLOAT64}
REALS_AND_COMPLEX = FLOATS | COMPLEX_PARTS.keys()


class Kind(NamedTuple):
    """How PyTorch's messages call a dtype, its C++ name, and its significant bits (without a sign)."""

    scalar_name: str
    cpp_name: str
    digits: int


KINDS: dict[np.dtype[Any], Kind] = {
    BOOL: Kind("Bool", "bool", 1),
    np.dtype(np.uint8): Kind("Byte", "unsigned char", 8),
    np.dtype(np.int8): Kind("Char", "signed char", 7),
    np.dtype(np.int16): Kind("Short", "short int", 15),
    np.dtype(np.int32): Kind("Int", "int", 31),
    INT64: Kind("Long", "long int", 63),
    np.dtype(np.uint16): Kind("UInt16", "short unsigned int", 16),
    np.dtype(np.uint32): Kind("UInt32", "unsigned int", 32),
    np.dtype(np.uint64): Kind("UInt64", "long unsigned int", 64),
    FLOAT16: Kind("Half", "c10::Half", 11),
    BFLOAT16: Kind("BFloat16", "c10::BFloat16", 8),
    FLOAT32: Kind("Float", "float", 24),
    FLOAT64: Kind("Double", "double", 53),
    np.dtype(np.complex64): Kind("ComplexFloat", "c10::complex<float>", 24),
    np.dtype(np.complex128): Kind("ComplexDouble", "c10::complex<double>", 53),
}
SIGNED = frozenset(np.dtype(name) for name in ("int8", "int16", "int32", "int64"))
UNSIGNED = frozenset(np.dtype(name) for name in ("uint16", "uint32", "uint64"))
"""The unsigned dtypes of more than one byte, which fewer of PyTorch's draws accept."""
INTEGERS = SIGNED | {np.dtype(np.uint8)}
EVERY_REAL = FLOATS | INTEGERS | UNSIGNED | {BOOL}


def element_count(shape: Sequence[int]) -> int:
    """The number of elements of `shape`.

    Raises:
        RuntimeError: if a dimension is negative.
    """
    for size in shape:
        if size < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {size}: {list(shape)}")
    return math.prod(shape)


def supported(dtype: DTypeLike, allowed: frozenset[np.dtype[Any]], kernel: str) -> np.dtype[Any]:
    """`dtype` as a NumPy dtype, if it is one of `allowed`.

    Raises:
        NotImplementedError: in PyTorch's words, with what is allowed.
    """
    wanted = np.dtype(dtype)
    if wanted not in allowed:
        name = KINDS[wanted].scalar_name if wanted in KINDS else wanted.name
        remedy = ", ".join(sorted(str(each) for each in allowed))
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{name}'; use one of {remedy}")
    return wanted


def narrow(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Round doubles to `dtype`; half types go through float32, as PyTorch's conversions do."""
    if dtype in HALVES:
        return values.astype(np.float32).astype(dtype)
    return values.astype(dtype, copy=False)
