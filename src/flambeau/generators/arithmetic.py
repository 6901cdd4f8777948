"""Arithmetic that rounds where PyTorch's compiled kernels round.

PyTorch's x86 kernels are compiled with fused multiply-add, which rounds once where NumPy rounds twice.
"""

import math

import numpy as np
from numpy.typing import NDArray

_SPLITTER = 134217729.0
"""2**27 + 1, which cuts a double into two halves of 26 bits (Dekker 1971)."""

_LARGE = 2.0**900
"""Beyond this the splitting would overflow."""

Doubles = NDArray[np.float64]


def fused32(values: NDArray[np.float32], factor: np.float32, addend: np.float32) -> NDArray[np.float32]:
    """`values * factor + addend`, rounded once to float32 (the product is exact in float64)."""
    if addend == 0:
        # Adding zero turns -0 into +0, as the fused operation does.
        return values * factor + addend
    wide = values.astype(np.float64)
    wide *= np.float64(factor)
    wide += np.float64(addend)
    return wide.astype(np.float32)


def fused64(values: Doubles, factor: float, addend: float) -> Doubles:
    """`values * factor + addend`, rounded once to float64, by error-free transformations."""
    exact = addend == 0 or abs(math.frexp(factor)[0]) == 0.5  # no addition, or a product by a power of two
    if exact or not (abs(factor) < _LARGE and abs(addend) < _LARGE):
        return values * factor + addend
    product, lost = _exact_product(values, factor)
    total = product + addend
    shadow = total - product
    return total + (((product - (total - shadow)) + (addend - shadow)) + lost)


def _exact_product(values: Doubles, factor: float) -> tuple[Doubles, Doubles]:
    """The rounded product and what rounding lost (Dekker's product)."""
    product = values * factor
    wide = values * _SPLITTER
    high = wide - (wide - values)
    low = values - high
    factor_high = _SPLITTER * factor - (_SPLITTER * factor - factor)
    factor_low = factor - factor_high
    lost = low * factor_low - (((product - high * factor_high) - low * factor_high) - high * factor_low)
    return product, lost


def by_c_library(function: np.ufunc, values: Doubles) -> Doubles:
    """`function` of each double, to the last bit as the C library computes it, which PyTorch's kernels call too.

    For memory in ascending order NumPy may use vectorized versions that differ in the last bit; for reversed memory it
    does not.
    """
    out = np.empty_like(values)
    function(values[::-1], out=out)
    return out[::-1]
