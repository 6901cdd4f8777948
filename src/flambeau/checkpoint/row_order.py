"""A tensor's bytes in row order, piece by piece: how the containers without strides hold it."""

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.records import TensorRecord

__all__ = ["row_bytes", "row_chunks"]

_PIECE: Final = 16 << 20  # bytes of a piece that is only looked at
_GATHERED: Final = 1 << 20  # bytes of a piece that has to be put together


def row_bytes(record: TensorRecord) -> int:
    """Number of bytes of a tensor's elements.

    Example:
        >>> import numpy as np
        >>> row_bytes(TensorRecord.from_array(np.zeros((2, 3), np.float32)))
        24
    """
    return math.prod(record.shape) * ELEMENTS[record.dtype].size


def row_chunks(record: TensorRecord) -> Iterator[np.ndarray[Any, np.dtype[Any]]]:
    """Yield a tensor's elements in row order, in flat arrays; each is valid until the next is asked for.

    Example:
        >>> import numpy as np
        >>> [piece.tolist() for piece in row_chunks(TensorRecord.from_array(np.arange(4).reshape(2, 2).T))]
        [[0, 2, 1, 3]]
    """
    array = record.array()
    size = ELEMENTS[record.dtype].size
    if array.size == 0:
        return
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        for at in range(0, flat.size, _PIECE // size):
            yield flat[at : at + _PIECE // size]
        return
    # NumPy's iterator knows no types from outside NumPy: it moves the elements as opaque bytes.
    opaque = array.view(np.dtype((np.void, size)))
    pieces = np.nditer(opaque, flags=["external_loop", "buffered"], order="C", buffersize=_GATHERED // size)
    for piece in pieces:
        yield np.ascontiguousarray(piece).view(array.dtype)
