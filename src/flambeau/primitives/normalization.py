"""Normalization: by batch, layer, group and root mean square."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.layer_norm import normalized as rows_normalized
from flambeau.kernels.layer_norm import normalizes
from flambeau.kernels.normalization import normalized
from flambeau.primitives.activation import wide
from flambeau.primitives.primitive import Array, Scalar, primitive
from flambeau.primitives.refusals import unsupported

__all__ = [
    "batch_norm_eval",
    "batch_norm_train",
    "group_norm",
    "instance_norm",
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


def _by_statistics(
    kernel: str, inputs: tuple[Any, ...], present: tuple[bool, bool], groups: int | None
) -> tuple[Array, Array, Array]:
    """Normalized by the array's own statistics; and the mean and the unbiased variance of each channel or group."""
    x, eps, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported(kernel, x)
    value = wide(x)
    weight, bias = _parameters(tuple(rest), present, value.dtype)
    scale = jnp.ones(x.shape[1:2], value.dtype) if weight is None else weight
    shift = jnp.zeros(x.shape[1:2], value.dtype) if bias is None else bias
    result, mean, variance = normalized(value, eps.value.astype(value.dtype), scale, shift, groups)
    count = x.size // max(mean.size, 1)
    return result.astype(x.dtype), mean, variance * (count / max(count - 1, 1))


@primitive(grad_name="NativeBatchNormBackward0", variadic=True)
def batch_norm_train(inputs: tuple[Any, ...], present: tuple[bool, bool]) -> tuple[Array, Array, Array]:
    """Normalize by the batch's own statistics.

    Takes (x, eps, weight and bias if present); returns the result, the mean and the unbiased variance per channel.
    """
    result, mean, variance = _by_statistics("batch_norm", inputs, present, None)
    return result, mean[0], variance[0]


@primitive(grad_name="ViewBackward0", variadic=True)
def instance_norm(inputs: tuple[Any, ...], present: tuple[bool, bool]) -> tuple[Array, Array, Array]:
    """``batch_norm_train`` for each image by itself: mean and variance are (batch, channels)."""
    return _by_statistics("batch_norm", inputs, present, inputs[0].shape[1])


@primitive(grad_name="NativeBatchNormBackward0", variadic=True)
def batch_norm_eval(inputs: tuple[Any, ...], present: tuple[bool, bool]) -> Array:
    """Normalize by given statistics: takes (x, eps, mean, variance, weight and bias if present)."""
    x, eps, mean, variance, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("batch_norm", x)
    value = wide(x)
    shape = _channels(x.ndim)
    factor = jax.lax.rsqrt(variance.astype(value.dtype) + eps.value.astype(value.dtype))
    weight, bias = _parameters(tuple(rest), present, value.dtype)
    factor = factor if weight is None else factor * weight
    distance = value - mean.astype(value.dtype).reshape(shape)
    return _affine(distance, *_per_channel([factor, bias], x.ndim)).astype(x.dtype)


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
        return rows_normalized(x, weight, bias, eps.value, rank, centered=True)
    value = wide(x)
    scaled = _standardized(value, tuple(range(x.ndim - rank, x.ndim)), eps)
    return _affine(scaled, *_parameters(tuple(rest), present, value.dtype)).astype(x.dtype)


@primitive(grad_name="NativeGroupNormBackward0", variadic=True)
def group_norm(inputs: tuple[Any, ...], groups: int, present: tuple[bool, bool]) -> Array:
    """Normalize over each group of channels: takes (x, eps, weight and bias if present)."""
    return _by_statistics("GroupNormKernelImpl", inputs, present, groups)[0]


@primitive(grad_name="MulBackward0", variadic=True)
def rms_norm(inputs: tuple[Any, ...], rank: int, present: tuple[bool, bool]) -> Array:
    """Divide by the root mean square over the last ``rank`` axes: takes (x, eps, weight if present)."""
    x, eps, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("rms_norm", x)
    if normalizes((x, *rest)):
        weight, bias = _parameters(tuple(rest), present, x.dtype)
        return rows_normalized(x, weight, bias, eps.value, rank, centered=False)
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
