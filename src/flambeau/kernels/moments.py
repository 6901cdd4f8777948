"""Sums over all axes but the channels, as JAX primitives that have native kernels on the CPU.

They are what batch, group and instance normalization reduce; what these do element by element is left to XLA, which
fuses it with what comes before and after.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad, mlir

from flambeau.kernels.layout import channels_last, comes_channels_last, layout
from flambeau.kernels.library import target, wanted
from flambeau.kernels.native_function import defined

__all__ = ["moments", "products", "sums_natively"]

_SHORT = 16  # elements of a plane; sums of fewer, one for each plane, are not worth a loop


def sums_natively(shape: Sequence[int], dtype: Any, apart: bool = False) -> bool:
    """Whether these functions serve arrays of this shape, (batch, channels, ...), and data type."""
    long = not apart or prod(shape[2:]) >= _SHORT
    return dtype == np.float32 and len(shape) > 1 and 0 not in shape and long and wanted()


def moments(x: Any, apart: bool = False) -> list[Any]:
    """Mean and variance of each channel; the variance is divided by the number of elements.

    Args:
        x: (batch, channels, ...).
        apart: whether each image has its own, (batch, channels); else all images together, (channels,).
    """
    return _moments_p.bind(x, apart=apart)


def products(y: Any, x: Any, mean: Any, apart: bool = False) -> list[Any]:
    """For each channel (of each image, if ``apart``) the sum of y, and of y * (x - mean)."""
    return _products_p.bind(y, x, mean, apart=apart)


def _axes(x: Any, apart: bool) -> tuple[int, ...]:
    inner = tuple(range(2, x.ndim))
    return inner if apart else (0, *inner)


def _distance(x: Any, mean: Any) -> Any:
    return x - mean.reshape(-1, x.shape[1], *(1,) * (x.ndim - 2))


def _plain_moments(x: Any, *, apart: bool = False) -> list[Any]:
    axes = _axes(x, apart)
    mean = jnp.mean(x, axes)
    distance = _distance(x, mean)
    return [mean, jnp.mean(distance * distance, axes)]


def _plain_products(y: Any, x: Any, mean: Any, *, apart: bool = False) -> list[Any]:
    axes = _axes(x, apart)
    return [jnp.sum(y, axes), jnp.sum(y * _distance(x, mean), axes)]


def _native(name: str, formula: Callable[..., Any], last: bool) -> Callable[..., Any]:
    """What a program for the CPU computes: the native function of this name, or the formula."""

    def lowered(*arrays: Any, apart: bool) -> Any:
        known = target(name)
        if known is None:
            return formula(*arrays, apart=apart)
        x = arrays[0]
        order = layout(x.shape, last)
        result = jax.ShapeDtypeStruct(x.shape[not apart : 2], np.float32)
        layouts = [order if array.ndim == x.ndim and index < 2 else None for index, array in enumerate(arrays)]
        call = jax.ffi.ffi_call(known, [result, result], input_layouts=layouts, output_layouts=[None, None])
        numbers = {"last": last, "apart": apart, "products": 2 * x.size}  # four operations an element
        return call(*arrays, **{key: np.int64(value) for key, value in numbers.items()})

    return lowered


def _jvp(
    formula: Callable[..., Any], made: Any, primals: Sequence[Any], tangents: Sequence[Any], **options: Any
) -> Any:
    """Values stay native; derivatives are the formula's."""
    filled = tuple(map(ad.instantiate_zeros, tangents))
    return made.bind(*primals, **options), jax.jvp(partial(formula, **options), tuple(primals), filled)[1]


def _defined(name: str, formula: Callable[..., Any], decides: int) -> Any:
    """The JAX primitive; the argument at the place ``decides`` says how images lie in memory."""

    def lowering(context: Any, *values: Any, **options: Any) -> Any:
        last = channels_last(context.avals_in[decides].shape) and comes_channels_last(values[decides])
        return mlir.lower_fun(_native(f"flambeau_{name}", formula, last))(context, *values, **options)

    made = defined(name, formula)
    ad.primitive_jvps[made] = partial(_jvp, formula, made)
    mlir.register_lowering(made, lowering, platform="cpu", cacheable=False)
    return made


_moments_p = _defined("moments", _plain_moments, 0)
_products_p = _defined("products", _plain_products, 1)
