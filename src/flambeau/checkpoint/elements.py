"""The element types a checkpoint can hold, one row each."""

from dataclasses import dataclass
from typing import Any, Final

import ml_dtypes
import numpy as np

__all__ = ["ELEMENTS", "STORAGES", "Element", "element_of"]


@dataclass(frozen=True, slots=True)
class Element:
    """An element type.

    Attributes:
        name: PyTorch's name without the module, such as ``"float32"``.
        numpy: NumPy's type of the same bits.
        swap: bytes that change places when the byte order changes: those of one half for a complex number.
        storage: name of the storage class in files, or None where the type has none (the storage is then untyped and
            the tensor names its type itself).
    """

    name: str
    numpy: np.dtype[Any]
    swap: int
    storage: str | None

    @property
    def size(self) -> int:
        """Bytes that one element takes."""
        return self.numpy.itemsize


# Half-precision complex numbers have no NumPy type of their own: a pair of named halves has the same bits.
_COMPLEX32 = np.dtype([("real", np.float16), ("imag", np.float16)])

ELEMENTS: Final[dict[str, Element]] = {
    name: Element(name, np.dtype(numpy), swap, storage)
    for name, numpy, swap, storage in (
        ("float16", np.float16, 2, "HalfStorage"),
        ("float32", np.float32, 4, "FloatStorage"),
        ("float64", np.float64, 8, "DoubleStorage"),
        ("bfloat16", ml_dtypes.bfloat16, 2, "BFloat16Storage"),
        ("complex32", _COMPLEX32, 2, None),
        ("complex64", np.complex64, 4, "ComplexFloatStorage"),
        ("complex128", np.complex128, 8, "ComplexDoubleStorage"),
        ("bool", np.bool_, 1, "BoolStorage"),
        ("int8", np.int8, 1, "CharStorage"),
        ("int16", np.int16, 2, "ShortStorage"),
        ("int32", np.int32, 4, "IntStorage"),
        ("int64", np.int64, 8, "LongStorage"),
        ("uint8", np.uint8, 1, "ByteStorage"),
        ("uint16", np.uint16, 2, None),
        ("uint32", np.uint32, 4, None),
        ("uint64", np.uint64, 8, None),
        ("float8_e4m3fn", ml_dtypes.float8_e4m3fn, 1, None),
        ("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, 1, None),
        ("float8_e5m2", ml_dtypes.float8_e5m2, 1, None),
        ("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, 1, None),
        ("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, 1, None),
        # Packed or untyped bits: given as the bytes they are.
        ("float4_e2m1fn_x2", np.uint8, 1, None),
        ("bits8", np.uint8, 1, None),
        ("bits16", np.uint16, 2, None),
        ("bits1x8", np.uint8, 1, None),
        ("bits2x4", np.uint8, 1, None),
        ("bits4x2", np.uint8, 1, None),
        # Whole numbers that stand for real ones; what they stand for is told by the tensor.
        ("qint8", np.int8, 1, "QInt8Storage"),
        ("quint8", np.uint8, 1, "QUInt8Storage"),
        ("qint32", np.int32, 4, "QInt32Storage"),
        ("quint4x2", np.uint8, 1, "QUInt4x2Storage"),
        ("quint2x4", np.uint8, 1, "QUInt2x4Storage"),
    )
}

# Storage class in a file -> element type.
STORAGES: Final[dict[str, str]] = {row.storage: row.name for row in ELEMENTS.values() if row.storage is not None}

_BY_NUMPY: Final[dict[np.dtype[Any], str]] = {}
for _row in ELEMENTS.values():
    _BY_NUMPY.setdefault(_row.numpy, _row.name)


def element_of(numpy: np.dtype[Any]) -> Element | None:
    """Element type with the same values as a NumPy type in this machine's byte order, or None."""
    name = _BY_NUMPY.get(numpy)
    return None if name is None else ELEMENTS[name]
