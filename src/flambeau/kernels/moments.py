"""Sums over all axes but the channels, as JAX primitives that have native kernels on the CPU.

They are what batch normalization reduces; what it does element by element is left to XLA, which fuses it with what
comes before and after.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad

from flambeau.kernels.layout import channels_last, layout
from flambeau.kernels.library import computes, target
from flambeau.kernels.native_function import defined

__all__ = ["moments", "products", "sums_natively"]


def sums_natively(shape: Sequence[int], dtype: Any) -> bool:
    """Whether these functions take arrays of this shape, (batch, channels, ...), and data type."""
    return len(shape) > 1 and 0 not in shape and computes(dtype)


def moments(x: Any) -> list[Any]:
    """Mean and variance of each channel, in float32; the variance is divided by the number of elements."""
    return _moments_p.bind(x)


def products(y: Any, x: Any, mean: Any) -> list[Any]:
    """For each channel the sum of y, and of y * (x - mean), in float32; y and x are of one type."""
    return _products_p.bind(y, x, mean)


def _axes(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _distance(x: Any, mean: Any) -> Any:
    return x.astype(np.float32) - mean.reshape(-1, *(1,) * (x.ndim - 2))


def _plain_moments(x: Any) -> list[Any]:
    mean = jnp.mean(x.astype(np.float32), _axes(x))
    distance = _distance(x, mean)
    return [mean, jnp.mean(distance * distance, _axes(x))]


def _plain_products(y: Any, x: Any, mean: Any) -> list[Any]:
    y = y.astype(np.float32)
    return [jnp.sum(y, _axes(y)), jnp.sum(y * _distance(x, mean), _axes(y))]


def _native(name: str, formula: Callable[..., Any]) -> Callable[..., Any]:
    """What a program for the CPU computes: the native function of this name, or the formula."""

    def lowered(*arrays: Any) -> Any:
        known = target(name, arrays[0].dtype)
        if known is None:
            return formula(*arrays)
        x = arrays[0]
        last = channels_last(x.shape)
        order = layout(x.shape, last)
        result = jax.ShapeDtypeStruct(x.shape[1:2], np.float32)
        layouts = [order if array.ndim == x.ndim else None for array in arrays]
        call = jax.ffi.ffi_call(known, [result, result], input_layouts=layouts, output_layouts=[None, None])
        return call(*arrays, last=np.int64(last), products=np.int64(2 * x.size))  # four operations an element

    return lowered


def _jvp(formula: Callable[..., Any], made: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Values stay native; derivatives are the formula's."""
    filled = tuple(map(ad.instantiate_zeros, tangents))
    return made.bind(*primals), jax.jvp(formula, tuple(primals), filled)[1]


_moments_p = defined("moments", _plain_moments, _native("flambeau_moments", _plain_moments))
_products_p = defined("products", _plain_products, _native("flambeau_products", _plain_products))
ad.primitive_jvps[_moments_p] = partial(_jvp, _plain_moments, _moments_p)
ad.primitive_jvps[_products_p] = partial(_jvp, _plain_products, _products_p)
