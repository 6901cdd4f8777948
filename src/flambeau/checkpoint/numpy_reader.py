"""Reading NumPy's files: an array (.npy), or a zip archive of arrays (.npz). Arrays of Python objects are refused.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from flambeau.base.errors import ArraySizeMismatch, BadArrayFile, LimitExceeded, UnsupportedTensor
from flambeau.base.shapes import contiguous_strides
from flambeau.checkpoint.aligned import AlignedBytes, aligned
from flambeau.checkpoint.array_header import HEADER, array_header
from flambeau.checkpoint.elements import Element, element_of
from flambeau.checkpoint.limits import DIMENSIONS
from flambeau.checkpoint.records import ByteArray, StorageRecord, TensorRecord
from flambeau.checkpoint.source import ByteSource
from flambeau.checkpoint.zip_reader import ZipReader, ZipRecord

__all__ = ["read_npy", "read_npz"]

_SUFFIX: Final = ".npy"
_END: Final = 1 << 63


def read_npy(source: ByteSource) -> TensorRecord:
    """Read a file of one array.

    Args:
        source: the file's bytes.

    Raises:
        BadArrayFile: one of its subclasses, by the reason.
        UnsupportedTensor: its elements are no numbers.
    """
    layout = _Layout(source.name, bytes(source.view(0, min(source.size, HEADER + 16))), source.size)
    stretch = AlignedBytes(source, layout.start, source.size - layout.start, layout.element.swap)
    return layout.record("array", stretch.load)


def read_npz(source: ByteSource) -> tuple[dict[str, TensorRecord], ZipReader]:
    """Read an archive of arrays; give them by name, and the archive.

    Args:
        source: the file's bytes.

    Raises:
        BadZip: the archive is malformed.
        BadArrayFile: it holds something else, or an array is malformed.
        UnsupportedTensor: the elements of an array are no numbers.
    """
    archive = ZipReader(source)
    tensors: dict[str, TensorRecord] = {}
    for name, record in archive.records.items():
        if not name.endswith(_SUFFIX):
            raise BadArrayFile(f"{source.name}: record {name!r} of this archive of arrays is no {_SUFFIX} file")
        layout = _Layout(f"{source.name}: record {name!r}", record.head(HEADER + 16), record.size)
        key = name.removesuffix(_SUFFIX)
        tensors[key] = layout.record(key, _member_loader(record, layout.start, layout.element.swap))
    if not source.lasting:
        for record in archive.records.values():
            record.array()
    return tensors, archive


def _member_loader(record: ZipRecord, start: int, unit: int) -> Callable[[], ByteArray]:
    """Give what loads an array out of an archive: checked, and aligned."""
    return cache(lambda: aligned(record.array()[start:], unit))


class _Layout:
    """What an array's header says.

    Attributes:
        start: where the elements begin.
        element: their type.
    """

    def __init__(self, where: str, head: bytes, size: int) -> None:
        header = array_header(where, head)
        self._shape = header.shape
        self._fortran = header.fortran
        self._foreign = not header.dtype.isnative
        self.start = header.start
        self.element = _element(where, header.dtype)
        self._check(where, size)

    def _check(self, where: str, size: int) -> None:
        """Compare the shape with the number of bytes."""
        if len(self._shape) > DIMENSIONS:
            raise LimitExceeded(f"{where}: it has {len(self._shape)} dimensions, the limit is {DIMENSIONS}")
        needed = math.prod(self._shape) * self.element.size
        if needed != size - self.start or math.prod(max(length, 1) for length in self._shape) >= _END:
            raise ArraySizeMismatch(
                f"{where}: an array of shape {self._shape} and type {self.element.name} needs {needed} bytes, but "
                f"{size - self.start} follow its header"
            )

    def record(self, key: str, load: Callable[[], ByteArray]) -> TensorRecord:
        """Describe the array."""
        nbytes = math.prod(self._shape) * self.element.size
        unit = self.element.swap
        if self._foreign and unit > 1:
            load = _swapped(load, unit)
        stride = contiguous_strides(self._shape[::-1])[::-1] if self._fortran else contiguous_strides(self._shape)
        return TensorRecord(
            self.element.name, self._shape, stride, 0, StorageRecord(self.element.name, nbytes, load, key)
        )


def _swapped(load: Callable[[], ByteArray], unit: int) -> Callable[[], ByteArray]:
    """Turn elements into this machine's byte order."""
    return cache(lambda: load().view(f"u{unit}").byteswap().view(np.uint8))


def _element(where: str, dtype: np.dtype[Any]) -> Element:
    """Find the element type; refuse text, dates, objects and compound types."""
    element = element_of(dtype.newbyteorder("="))
    if dtype.hasobject or element is None:
        raise UnsupportedTensor(f"{where}: its elements are of NumPy's type {dtype}, which no tensor has")
    return element
