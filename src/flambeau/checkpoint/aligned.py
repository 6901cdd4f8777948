"""A stretch of a file without a checksum, as aligned bytes."""

from collections.abc import Callable
from functools import cache

import numpy as np

from flambeau.checkpoint.records import ByteArray
from flambeau.checkpoint.source import ByteSource

__all__ = ["aligned_loader"]


def aligned_loader(source: ByteSource, start: int, length: int, unit: int) -> Callable[[], ByteArray]:
    """Give what loads a stretch of a file that carries no checksum.

    Elements that do not begin at a multiple of their size are copied to where they do.

    Args:
        source: the file's bytes. Where they do not last, they are read now.
        start: first byte.
        length: number of bytes.
        unit: size of an element, or of one half of a complex number.
    """

    @cache
    def load() -> ByteArray:
        array = np.frombuffer(source.view(start, length), np.uint8)
        if length and array.ctypes.data % unit:
            array = array.copy()
            array.flags.writeable = False
        return array

    if not source.lasting:
        load()
    return load
