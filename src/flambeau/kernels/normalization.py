"""Normalization of channels by the batch's statistics, or by those of each image's groups of channels.

On the CPU the sums are native (``moments``). The rest is left to XLA, written so that an element costs a subtraction, a
multiplication and an addition, which fuse with what comes before and after.
"""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.kernels.moments import moments, products, sums_natively
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["normalized"]


def normalized(x: Any, eps: Any, scale: Any, shift: Any, groups: int | None) -> list[Any]:
    """(x - mean) / sqrt(variance + eps) * scale + shift; and mean and variance, (batch, groups) or (1, channels).

    Args:
        x: floating-point numbers, (batch, channels, ...).
        eps: what is added to the variance.
        scale, shift: (channels,).
        groups: number of groups of channels, each of which has statistics of its own in each image; None if each
            channel has one mean and variance for all images.
    """
    if sums_natively(x.shape, x.dtype, groups is not None):
        return [_normalized(x, eps, scale, shift, groups=groups), *_statistics(x, groups)]
    return [_formula(x, eps, scale, shift, groups=groups), *_plain_statistics(x, groups)]


def _parts(x: Any, groups: int | None) -> tuple[Any, tuple[int, ...]]:
    """The array with the elements of a group on the last axis, and the axes that a mean is taken over."""
    if groups is None:
        return x.reshape(*x.shape[:2], prod(x.shape[2:])), (0, 2)
    return x.reshape(x.shape[0], groups, prod(x.shape[1:]) // groups), (2,)


def _plain_statistics(x: Any, groups: int | None) -> list[Any]:
    parts, axes = _parts(x, groups)
    mean = jnp.mean(parts, axes, keepdims=True)
    distance = parts - mean
    return [item.reshape(-1, parts.shape[1]) for item in (mean, jnp.mean(distance * distance, axes, keepdims=True))]


def _formula(x: Any, eps: Any, scale: Any, shift: Any, *, groups: int | None) -> Any:
    parts, _ = _parts(x, groups)
    mean, variance = _plain_statistics(x, groups)
    scaled = (parts - mean[..., None]) * jax.lax.rsqrt(variance + eps)[..., None]
    return scaled.reshape(x.shape) * _spread(scale, x) + _spread(shift, x)


def _spread(numbers: Any, x: Any) -> Any:
    """Numbers for the channels of x, of all images or of each, against the array itself."""
    return numbers.reshape(-1, x.shape[1], *(1,) * (x.ndim - 2))


def _statistics(x: Any, groups: int | None) -> list[Any]:
    """Mean and variance of each group, from those of its channels, whose planes are of one size."""
    if groups is None:
        return [item[None] for item in moments(x)]
    means, variances = (item.reshape(x.shape[0], groups, -1) for item in moments(x, apart=True))
    mean = jnp.mean(means, 2, keepdims=True)
    distance = means - mean
    return [mean[..., 0], jnp.mean(variances + distance * distance, 2)]


def _of_channels(numbers: Any, x: Any) -> Any:
    """One number a group, (batch or 1, groups), repeated for the group's channels: (batch or 1, channels)."""
    return jnp.repeat(numbers, x.shape[1] // numbers.shape[1], 1)


def _value(_: str, x: Any, eps: Any, scale: Any, shift: Any, *, groups: int | None) -> Any:
    mean, variance = (_of_channels(item, x) for item in _statistics(x, groups))
    factor = scale * jax.lax.rsqrt(variance + eps)
    return (x - _spread(mean, x)) * _spread(factor, x) + _spread(shift, x)


def _gradients(
    _: str, which: Which, cotangent: Any, x: Any, eps: Any, scale: Any, shift: Any, *, groups: int | None
) -> list[Any] | None:
    """The gradient of x is factor * gradient + slope * (x - mean) + offset: three numbers for each channel."""
    if 1 in which:
        return None
    mean, variance = _statistics(x, groups)
    means, inverse = _of_channels(mean, x), _of_channels(jax.lax.rsqrt(variance + eps), x)
    apart = groups is not None
    sums = products(cotangent, x, means if apart else means[0], apart)
    total, product = (item.reshape(means.shape) for item in sums)
    factor = scale * inverse
    count = x.size // mean.size

    def share(numbers: Any) -> Any:
        """The sum over a group's channels, divided by the number of its elements."""
        whole = jnp.sum(numbers.reshape(*mean.shape, -1), 2) / count
        return _of_channels(whole, x)

    slope, offset = -inverse * inverse * share(factor * product), -share(factor * total)
    back = cotangent * _spread(factor, x) + (x - _spread(means, x)) * _spread(slope, x) + _spread(offset, x)
    found = {0: back, 2: jnp.sum(product * inverse, 0), 3: jnp.sum(total, 0)}
    return [found[index] for index in which]


_normalized = NativeFunction(
    "normalized", _formula, _value, _gradients, ("flambeau_moments", "flambeau_products"), cacheable=False
)
