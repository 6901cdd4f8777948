"""CRC-32 of many bytes on several threads: each takes a part, and the parts' checksums make up the whole's."""

import os
import zlib
from functools import lru_cache
from itertools import pairwise
from threading import Thread
from typing import Final

from flambeau.checkpoint.records import ByteArray

__all__ = ["crc32"]

_POLYNOMIAL: Final = 0xEDB88320  # of CRC-32, with the coefficient of x**0 in the highest of 32 bits
_ONE: Final = 1 << 31
_X_TO_THE_8: Final = 1 << 23
_LEAST: Final = 1 << 21  # bytes a thread is worth starting for
_THREADS: Final = 4  # more of them wait for the memory


def crc32(array: ByteArray) -> int:
    """The CRC-32 of the bytes, as `zlib.crc32` has it.

    Two checksums give that of both parts together: the first times ``x ** (8 * length of the second)``, modulo CRC-32's
    polynomial over GF(2), plus the second.

    Args:
        array: bytes of shape ``(N,)``.
    """
    count = min(len(array) // _LEAST, _THREADS, os.cpu_count() or 1)
    if count < 2:
        return zlib.crc32(array.data)
    bounds = [len(array) * part // count for part in range(count + 1)]
    parts = [array[start:end] for start, end in pairwise(bounds)]
    sums = [0] * count

    def work(index: int) -> None:
        sums[index] = zlib.crc32(parts[index].data)

    threads = [Thread(target=work, args=(index,), name="flambeau-checksum") for index in range(1, count)]
    for thread in threads:
        thread.start()
    work(0)
    for thread in threads:
        thread.join()
    found = sums[0]
    for part, other in zip(parts[1:], sums[1:], strict=True):
        found = _product(found, _power(len(part))) ^ other
    return found


def _product(one: int, other: int) -> int:
    """The product of two polynomials over GF(2), modulo CRC-32's."""
    found = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            found ^= other
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return found


@lru_cache(maxsize=64)
def _power(length: int) -> int:
    """``x ** (8 * length)``, by squaring."""
    found, square = _ONE, _X_TO_THE_8
    while length:
        if length & 1:
            found = _product(found, square)
        square = _product(square, square)
        length >>= 1
    return found
