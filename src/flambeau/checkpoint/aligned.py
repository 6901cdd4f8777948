"""A stretch of a file without a checksum, as aligned bytes."""

import numpy as np

from flambeau.checkpoint.records import ByteArray
from flambeau.checkpoint.source import ByteSource

__all__ = ["AlignedBytes", "aligned"]


class AlignedBytes:
    """A stretch of a file that carries no checksum.

    Args:
        source: the file's bytes. Where they do not last, they are read now.
        start: first byte.
        length: number of bytes.
        unit: size of an element, or of one half of a complex number: elements that do not begin at a multiple of it are
            copied to where they do.
    """

    __slots__ = ("_array", "_length", "_source", "_start", "_unit")

    def __init__(self, source: ByteSource, start: int, length: int, unit: int) -> None:
        self._source = source
        self._start = start
        self._length = length
        self._unit = unit
        self._array: ByteArray | None = None
        if not source.lasting:
            self.load()

    def load(self) -> ByteArray:
        """Give the bytes, read-only; the same array every time."""
        if self._array is None:
            self._array = aligned(np.frombuffer(self._source.view(self._start, self._length), np.uint8), self._unit)
        return self._array


def aligned(array: ByteArray, unit: int) -> ByteArray:
    """Give bytes whose first lies at a multiple of a size: these, or a read-only copy."""
    if array.size and array.ctypes.data % unit:
        array = array.copy()
        array.flags.writeable = False
    return array
