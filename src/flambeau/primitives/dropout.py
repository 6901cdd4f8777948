"""Dropout: random zeros, drawn on the device from a key that is an input of the program."""

from typing import Any

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, primitive

__all__ = ["alpha_dropout", "dropout"]

# What a dropped element of a SELU network becomes: -scale * alpha.
_SATURATION = -1.7580993408473766


def _kept(key: Array, probability: Any, shape: tuple[int, ...]) -> Array:
    """True with probability ``1 - probability``."""
    keep = (1 - probability.value).astype(jnp.float32)
    return jax.random.bernoulli(jax.random.wrap_key_data(key, impl="threefry2x32"), keep, shape)


def _mask_shape(shape: tuple[int, ...], by_channel: bool) -> tuple[int, ...]:
    return (*shape[:2], *(1,) * (len(shape) - 2)) if by_channel else shape


def _check_type(x: Array) -> None:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        name = from_numpy_dtype(x.dtype).tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"result type Float can't be cast to the desired output type {name}")


@primitive(saves=(1,), grad_name="MulBackward0")
def dropout(x: Array, key: Array, probability: Any, by_channel: bool) -> Array:
    """Elements (or whole channels) zero with a probability, the others divided by the chance to stay."""
    _check_type(x)
    kept = _kept(key, probability, _mask_shape(x.shape, by_channel))
    stays = 1 - probability.value
    scale = jnp.where(stays > 0, 1 / jnp.where(stays > 0, stays, 1), 0)
    return jnp.where(kept, x * scale.astype(x.dtype), jnp.zeros((), x.dtype))


@primitive(saves=(1,), grad_name="AddBackward0")
def alpha_dropout(x: Array, key: Array, probability: Any, by_channel: bool) -> Array:
    """Dropout to SELU's negative saturation, then scaled and shifted back to zero mean and unit variance."""
    _check_type(x)
    kept = _kept(key, probability, _mask_shape(x.shape, by_channel))
    p = probability.value
    stays = 1 - p
    scale = jnp.where(stays > 0, jax.lax.rsqrt(jnp.where(stays > 0, stays + _SATURATION**2 * p * stays, 1)), 0)
    shift = -scale * p * _SATURATION
    dropped = jnp.where(kept, x, jnp.asarray(_SATURATION, x.dtype))
    return dropped * scale.astype(x.dtype) + shift.astype(x.dtype)
