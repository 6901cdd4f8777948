"""Sums of a few elements of images for each of many places, with native kernels on the CPU."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.library import wanted
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["sampled"]

_FEW_NUMBERS = 4096  # read in all; below, building the library costs more than it will ever save
_TARGETS = ("flambeau_sampling", "flambeau_sampling_gradients")


def sampled(x: Any, elements: Any, shares: Any) -> Any:
    """For each place the sum of some elements times their shares: (images, channels, places).

    Args:
        x: (images, channels, elements).
        elements: which ones count, (images, taps, places), int32; those below 0 do not.
        shares: how much they count, of the same shape, in x's type.
    """
    serves = x.dtype == np.float32 and elements.size * x.shape[1] >= _FEW_NUMBERS and wanted()
    return (_sampled if serves else _formula)(x, elements, shares)


def _formula(x: Any, elements: Any, shares: Any) -> Any:
    total = jnp.zeros((), x.dtype)
    for tap in range(elements.shape[1]):
        where = elements[:, tap, None]
        found = jnp.take_along_axis(x, jnp.maximum(where, 0), 2, mode="clip")
        total = total + jnp.where(where < 0, 0, found) * shares[:, tap, None]
    return total


def _value(name: str, x: Any, elements: Any, shares: Any) -> Any:
    result = jax.ShapeDtypeStruct((*x.shape[:2], elements.shape[2]), x.dtype)
    return jax.ffi.ffi_call(name, result)(x, elements, shares)


def _gradients(name: str, which: Which, cotangent: Any, x: Any, elements: Any, shares: Any) -> Any:
    results = [jax.ShapeDtypeStruct(item.shape, item.dtype) for item in (x, shares)]
    places = [index // 2 for index in which]  # x and the shares are the first and the third
    call = jax.ffi.ffi_call(name, [results[place] for place in places])
    return call(x, elements, shares, cotangent, wanted=np.int64(sum(1 << place for place in places)))


_sampled = NativeFunction("sampled", _formula, _value, _gradients, _TARGETS)
