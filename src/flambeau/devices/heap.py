"""How the C library keeps memory: XLA's arrays and temporary blocks come and go with every step.

By default glibc takes a large block from the system and gives it back as soon as it is freed; the next step's block is
fresh pages, which the system fills with zeros one by one. That cost a sixth of an LSTM's step, and more of a ResNet's.
Here freed blocks stay with the process, for the next step, and what is left over is given back whenever a program has
been compiled: work that repeats itself compiles nothing, and work that changes needs other blocks.
"""

import ctypes
import os
import sys
from functools import cache
from typing import Any

from flambeau.base.config import config

__all__ = ["give_back", "keep"]

# glibc's numbers of what ``mallopt`` sets.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_MOST = 2**30  # free bytes kept at the end of the heap; a C int
_PAD = 2**26


@cache
def _library() -> Any:
    """The C library, if it is glibc and may be set; else None."""
    if not config.keep_memory or sys.platform != "linux":
        return None
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # another C library does not know the name
        return None
    return ctypes.CDLL(None) if version.startswith("glibc") else None


def keep() -> None:
    """Have freed blocks stay with the process.

    Blocks larger than 64 MB, of a thread with a heap of its own, come from the system whatever is set. One heap for all
    threads (M_ARENA_MAX) would keep those, too, and quickens a ResNet by 6 %, but threads then wait for each other:
    small steps took 10 to 50 % longer.
    """
    library = _library()
    if library is None:
        return
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: min(_MOST, _memory() // 8), _TOP_PAD: _PAD}
    for setting, value in settings.items():
        library.mallopt(setting, value)


def give_back() -> None:
    """Give free memory back to the system."""
    library = _library()
    if library is not None:
        library.malloc_trim(ctypes.c_size_t(_PAD))


def _memory() -> int:
    """Bytes of memory the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
