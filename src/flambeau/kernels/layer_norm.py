"""Layer and root mean square normalization with native kernels on the CPU."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.library import wanted
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["normalized", "normalizes"]

_FEW_ELEMENTS = 4096  # below, XLA's loops, which may be part of others, are as quick


def normalizes(arrays: Sequence[Any]) -> bool:
    """Whether ``normalized`` takes x, and weight and bias if there are any."""
    return all(item.dtype == np.float32 for item in arrays) and arrays[0].size >= _FEW_ELEMENTS and wanted()


def normalized(x: Any, weight: Any | None, bias: Any | None, eps: Any, rank: int, centered: bool) -> Any:
    """Normalize over the last ``rank`` axes, then multiply by the weight and add the bias.

    Args:
        x: float32, (..., axes).
        weight, bias: of the shape of the axes, or None.
        eps: what is added to the variance.
        rank: number of axes.
        centered: whether the mean is taken away; else rows are divided by their root mean square.
    """
    width = prod(x.shape[x.ndim - rank :])
    weight = jnp.ones(width, x.dtype) if weight is None else weight.reshape(width)
    bias = jnp.zeros(width, x.dtype) if bias is None else bias.reshape(width)
    rows = x.reshape(-1, width)
    return _norm(rows, weight, bias, jnp.asarray(eps, x.dtype), centered=centered).reshape(x.shape)


def _formula(x: Any, weight: Any, bias: Any, eps: Any, *, centered: bool) -> Any:
    distance = x - jnp.mean(x, 1, keepdims=True) if centered else x
    variance = jnp.mean(distance * distance, 1, keepdims=True)
    return distance * jax.lax.rsqrt(variance + eps) * weight + bias


def _value(name: str, x: Any, weight: Any, bias: Any, eps: Any, *, centered: bool) -> Any:
    call = jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype))
    return call(x, weight, bias, eps, centered=np.int64(centered))


def _gradients(
    name: str, which: Which, cotangent: Any, x: Any, weight: Any, bias: Any, eps: Any, *, centered: bool
) -> list[Any] | None:
    if max(which) > 2:
        return None
    results = [jax.ShapeDtypeStruct(item.shape, item.dtype) for item in (x, weight, bias)]
    found = jax.ffi.ffi_call(name, results)(x, weight, eps, cotangent, centered=np.int64(centered))
    return [found[index] for index in which]


_norm = NativeFunction(
    "layer_norm", _formula, _value, _gradients, ("flambeau_layer_norm", "flambeau_layer_norm_gradients")
)
