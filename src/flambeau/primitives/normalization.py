"""Normalization: by batch, layer, group and root mean square."""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.layer_norm import normalized, normalizes
from flambeau.kernels.moments import moments, products, sums_natively
from flambeau.primitives.activation import unsupported, wide
from flambeau.primitives.primitive import Array, Scalar, primitive

__all__ = [
    "batch_norm_eval",
    "batch_norm_train",
    "group_norm",
    "layer_norm",
    "map_sums",
    "moved_average",
    "neighbor_means",
    "rms_norm",
]


def _affine(x: Array, weight: Array | None, bias: Array | None) -> Array:
    if weight is not None:
        x = x * weight
    return x if bias is None else x + bias


def _standardized(x: Array, axes: tuple[int, ...], eps: Any) -> Array:
    """Zero mean, unit variance over the axes."""
    distance = x - jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean(distance * distance, axes, keepdims=True)
    return distance * jax.lax.rsqrt(variance + eps.value.astype(x.dtype))


def _parameters(rest: tuple[Array, ...], present: tuple[bool, bool], dtype: Any) -> list[Array | None]:
    """Weight and bias in the type of the computation; ``present`` says which are there."""
    items = iter(rest)
    return [next(items).astype(dtype) if there else None for there in present]


def _channels(rank: int) -> tuple[int, ...]:
    """The shape of one number per channel against a batch of this rank."""
    return (1, -1) + (1,) * (rank - 2)


def _per_channel(parameters: list[Array | None], rank: int) -> list[Array | None]:
    return [None if item is None else item.reshape(_channels(rank)) for item in parameters]


@primitive(grad_name="NativeBatchNormBackward0", variadic=True)
def batch_norm_train(inputs: tuple[Any, ...], present: tuple[bool, bool]) -> tuple[Array, Array, Array]:
    """Normalize by the batch's own statistics.

    Takes (x, eps, weight and bias if present); returns the result, the mean and the unbiased variance per channel.
    """
    x, eps, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("batch_norm", x)
    value = wide(x)
    count = x.size // max(x.shape[1], 1)
    weight, bias = _parameters(tuple(rest), present, value.dtype)
    if sums_natively(x.shape, x.dtype):
        scale = jnp.ones(x.shape[1:2], value.dtype) if weight is None else weight
        shift = jnp.zeros(x.shape[1:2], value.dtype) if bias is None else bias
        result, mean, variance = _by_batch(x, eps.value.astype(value.dtype), scale, shift)
    else:
        axes = (0, *range(2, x.ndim))
        mean = jnp.mean(value, axes, keepdims=True)
        distance = value - mean
        variance = jnp.mean(distance * distance, axes, keepdims=True)
        scaled = distance * jax.lax.rsqrt(variance + eps.value.astype(value.dtype))
        result = _affine(scaled, *_per_channel([weight, bias], x.ndim)).astype(x.dtype)
    return result, mean.reshape(-1), variance.reshape(-1) * (count / max(count - 1, 1))


@jax.custom_vjp
def _by_batch(x: Array, eps: Array, scale: Array, shift: Array) -> tuple[Array, Array, Array]:
    """Normalized by the batch's own mean and variance, scaled and shifted; and these two of each channel."""
    mean, variance = moments(x)
    shape = _channels(x.ndim)
    factor = scale * jax.lax.rsqrt(variance + eps)
    result = (wide(x) - mean.reshape(shape)) * factor.reshape(shape) + shift.reshape(shape)
    return result.astype(x.dtype), mean, variance


def _by_batch_forward(
    x: Array, eps: Array, scale: Array, shift: Array
) -> tuple[tuple[Array, Array, Array], tuple[Array, ...]]:
    result, mean, variance = _by_batch(x, eps, scale, shift)
    return (result, mean, variance), (x, eps, scale, mean, variance)


def _by_batch_backward(saved: tuple[Array, ...], cotangents: tuple[Array, ...]) -> tuple[Array, ...]:
    """The gradient of x is factor * gradient + slope * (x - mean) + offset: three numbers for each channel."""
    x, eps, scale, mean, variance = saved
    gradient, mean_gradient, variance_gradient = cotangents
    shape, count = _channels(x.ndim), x.size // x.shape[1]
    total, product = products(gradient, x, mean)
    inverse = jax.lax.rsqrt(variance + eps)
    factor = scale * inverse
    pull = variance_gradient - 0.5 * factor * inverse * inverse * product
    slope = 2 / count * pull
    offset = (mean_gradient - factor * total) / count
    distance = wide(x) - mean.reshape(shape)
    back = wide(gradient) * factor.reshape(shape) + distance * slope.reshape(shape) + offset.reshape(shape)
    return back.astype(x.dtype), jnp.sum(pull - variance_gradient), product * inverse, total


_by_batch.defvjp(_by_batch_forward, _by_batch_backward)


@primitive(grad_name="NativeBatchNormBackward0", variadic=True)
def batch_norm_eval(inputs: tuple[Any, ...], present: tuple[bool, bool]) -> Array:
    """Normalize by given statistics: takes (x, eps, mean, variance, weight and bias if present)."""
    x, eps, mean, variance, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("batch_norm", x)
    value = wide(x)
    shape = _channels(x.ndim)
    inverse = jax.lax.rsqrt(variance.astype(value.dtype) + eps.value.astype(value.dtype)).reshape(shape)
    weight, bias = _per_channel(_parameters(tuple(rest), present, value.dtype), x.ndim)
    return _affine((value - mean.astype(value.dtype).reshape(shape)) * inverse, weight, bias).astype(x.dtype)


@primitive(differentiable=False)
def moved_average(old: Array, new: Array, momentum: Any) -> Array:
    """(1 - momentum) * old + momentum * new, for a number or a 0-d array."""
    share = (momentum.value if isinstance(momentum, Scalar) else momentum).astype(old.dtype)
    return (1 - share) * old + share * new.astype(old.dtype)


@primitive(grad_name="NativeLayerNormBackward0", variadic=True)
def layer_norm(inputs: tuple[Any, ...], rank: int, present: tuple[bool, bool]) -> Array:
    """Normalize over the last ``rank`` axes: takes (x, eps, weight and bias if present)."""
    x, eps, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("LayerNormKernelImpl", x)
    if normalizes((x, *rest)):
        weight, bias = _parameters(tuple(rest), present, x.dtype)
        return normalized(x, weight, bias, eps.value, rank, centered=True)
    value = wide(x)
    scaled = _standardized(value, tuple(range(x.ndim - rank, x.ndim)), eps)
    return _affine(scaled, *_parameters(tuple(rest), present, value.dtype)).astype(x.dtype)


@primitive(grad_name="NativeGroupNormBackward0", variadic=True)
def group_norm(inputs: tuple[Any, ...], groups: int, present: tuple[bool, bool]) -> Array:
    """Normalize over each group of channels: takes (x, eps, weight and bias if present)."""
    x, eps, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("GroupNormKernelImpl", x)
    value = wide(x)
    grouped = value.reshape(x.shape[0], groups, prod(x.shape[1:]) // groups)
    scaled = _standardized(grouped, (2,), eps).reshape(x.shape)
    parameters = _per_channel(_parameters(tuple(rest), present, value.dtype), x.ndim)
    return _affine(scaled, *parameters).astype(x.dtype)


@primitive(grad_name="MulBackward0", variadic=True)
def rms_norm(inputs: tuple[Any, ...], rank: int, present: tuple[bool, bool]) -> Array:
    """Divide by the root mean square over the last ``rank`` axes: takes (x, eps, weight if present)."""
    x, eps, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("rms_norm", x)
    if normalizes((x, *rest)):
        weight, bias = _parameters(tuple(rest), present, x.dtype)
        return normalized(x, weight, bias, eps.value, rank, centered=False)
    value = wide(x)
    squares = jnp.mean(value * value, tuple(range(x.ndim - rank, x.ndim)), keepdims=True)
    scaled = value * jax.lax.rsqrt(squares + eps.value.astype(value.dtype))
    return _affine(scaled, *_parameters(tuple(rest), present, value.dtype)).astype(x.dtype)


@primitive(saves=(), grad_name="SqueezeBackward1")
def neighbor_means(x: Array, size: int) -> Array:
    """Mean over ``size`` neighboring channels (dimension 1), zeros beyond the ends."""
    pads = [(0, 0)] * x.ndim
    pads[1] = (size // 2, (size - 1) // 2)
    padded = jnp.pad(x, pads)
    parts = [jax.lax.slice_in_dim(padded, start, start + x.shape[1], 1, 1) for start in range(size)]
    return sum(parts[1:], parts[0]) / size


@primitive(saves=(), grad_name="CrossMapLRN2dBackward")
def map_sums(x: Array, size: int) -> Array:
    """Sums over ``size`` neighboring channels (dimension 1), in which PyTorch leaves the first channel once it is in.

    Its running sum drops the channel that leaves the window, but never the first one.
    """
    reach = int((size - 1) / 2 + 1)
    channels = np.arange(x.shape[1])
    distance = channels[:, None] - channels
    near = (np.abs(distance) < reach) | ((channels[:, None] == 0) & (distance <= -reach))
    return jnp.einsum("nchw,cd->ndhw", x, jnp.asarray(near, x.dtype))
