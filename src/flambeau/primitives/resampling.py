"""Resampling of images, and moving channels into space and back."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from flambeau.primitives.activation import wide
from flambeau.primitives.primitive import Array, Primitive, primitive

__all__ = ["LINEAR", "NEAREST", "NEAREST_EXACT", "pixel_shuffle", "pixel_unshuffle"]


def _sources(size: int, outputs: int, ratio: float, align: bool) -> Any:
    """Where each element of the result lies among the input's, for linear interpolation."""
    if align:
        return np.arange(outputs) * ((size - 1) / (outputs - 1) if outputs > 1 else 0.0)
    return np.maximum((np.arange(outputs) + 0.5) * ratio - 0.5, 0)


def _linear(x: Array, outputs: tuple[int, ...], ratios: tuple[float, ...], align: bool) -> Array:
    """Linear interpolation along each of the last axes, as a product with a matrix of two shares a row."""
    value = wide(x)
    for index, (count, ratio) in enumerate(zip(outputs, ratios, strict=True)):
        axis = x.ndim - len(outputs) + index
        size = x.shape[axis]
        places = _sources(size, count, ratio, align)
        low = np.minimum(places.astype(int), size - 1)
        high = np.minimum(low + 1, size - 1)
        share = np.clip(places - low, 0, 1)
        matrix = np.zeros((size, count))
        np.add.at(matrix, (low, np.arange(count)), 1 - share)
        np.add.at(matrix, (high, np.arange(count)), share)
        moved = jnp.moveaxis(value, axis, -1) @ jnp.asarray(matrix, value.dtype)
        value = jnp.moveaxis(moved, -1, axis)
    return value.astype(x.dtype)


def _nearest(x: Array, outputs: tuple[int, ...], ratios: tuple[float, ...], shift: float) -> Array:
    """The nearest element along each of the last axes: below (shift 0), or around the middle (shift 0.5)."""
    for index, (count, ratio) in enumerate(zip(outputs, ratios, strict=True)):
        axis = x.ndim - len(outputs) + index
        scaled = (np.arange(count, dtype=np.float32) + np.float32(shift)) * np.float32(ratio)
        x = jnp.take(x, np.minimum(np.floor(scaled).astype(int), x.shape[axis] - 1), axis)
    return x


_LINEAR_NAMES = {1: "UpsampleLinear1DBackward0", 2: "UpsampleBilinear2DBackward0", 3: "UpsampleTrilinear3DBackward0"}

LINEAR = {
    rank: Primitive(f"upsample_linear{rank}d", _linear, saves=(), grad_name=name)
    for rank, name in _LINEAR_NAMES.items()
}
NEAREST = {
    rank: Primitive(f"upsample_nearest{rank}d", _nearest, saves=(), grad_name=f"UpsampleNearest{rank}DBackward0")
    for rank in (1, 2, 3)
}
NEAREST_EXACT = {
    rank: Primitive(f"upsample_exact{rank}d", _nearest, saves=(), grad_name=f"UpsampleNearestExact{rank}DBackward0")
    for rank in (1, 2, 3)
}


@primitive(saves=(), grad_name="PixelShuffleBackward0")
def pixel_shuffle(x: Array, factor: int) -> Array:
    """(..., C r^2, H, W) to (..., C, H r, W r)."""
    *batch, channels, height, width = x.shape
    split = x.reshape(*batch, channels // factor**2, factor, factor, height, width)
    start = len(batch)
    order = (*range(start), start, start + 3, start + 1, start + 4, start + 2)
    return split.transpose(order).reshape(*batch, channels // factor**2, height * factor, width * factor)


@primitive(saves=(), grad_name="PixelUnshuffleBackward0")
def pixel_unshuffle(x: Array, factor: int) -> Array:
    """(..., C, H r, W r) to (..., C r^2, H, W)."""
    *batch, channels, height, width = x.shape
    split = x.reshape(*batch, channels, height // factor, factor, width // factor, factor)
    start = len(batch)
    order = (*range(start), start, start + 2, start + 4, start + 1, start + 3)
    return split.transpose(order).reshape(*batch, channels * factor**2, height // factor, width // factor)
