"""Normally distributed numbers by the native library, for the host: `generators.boxmuller` says what they are."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flambeau.generators.mt19937 import MersenneTwister
from flambeau.kernels.library import function

__all__ = ["write_normals"]

_FEW_NUMBERS = 1 << 15  # below, loading the library takes longer than NumPy


def write_normals(twister: MersenneTwister, out: NDArray[np.float32], mean: float, std: float) -> bool:
    """Fill an array of whole groups of 16 with normal values; False if the library is not there, or not worth it."""
    native: Any = function("flambeau_normals") if out.size >= _FEW_NUMBERS else None
    if native is None:
        return False
    native.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_float, ctypes.c_float, ctypes.c_void_p]
    native.restype = ctypes.c_int64
    twister.move(lambda key, position: native(key.ctypes.data, position, out.size, mean, std, out.ctypes.data))
    return True
