"""Resampling of images, and moving channels into space and back."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from flambeau.primitives.activation import wide
from flambeau.primitives.primitive import Array, Primitive, primitive
from flambeau.primitives.refusals import unsupported

__all__ = ["FILTERED", "NEAREST", "NEAREST_EXACT", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


# -- filters: the share of an element at a distance ----------------------------------------------------------------


def _triangle(distance: Any) -> Any:
    return np.maximum(1 - np.abs(distance), 0)


def _cubic(slope: float) -> Callable[[Any], Any]:
    """Keys' cubic convolution, with its free parameter."""

    def share(distance: Any) -> Any:
        x = np.abs(distance)
        near = ((slope + 2) * x - (slope + 3)) * x * x + 1
        far = ((x - 5) * x + 8) * x * slope - 4 * slope
        return np.where(x < 1, near, np.where(x < 2, far, 0))

    return share


def _lanczos(distance: Any) -> Any:
    return np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)


class _Filter(NamedTuple):
    """How a mode weighs its neighbors.

    Attributes:
        share: share of an element at a distance.
        reach: distance from which on shares are zero.
        antialias: whether the filter widens as the image shrinks, and stays inside of it.
    """

    share: Callable[[Any], Any]
    reach: int
    antialias: bool


@lru_cache(maxsize=256)
def _matrix(size: int, count: int, ratio: float, align: bool, mode: _Filter) -> Any:
    """Shares of ``size`` elements in each of ``count`` results; ``ratio`` is what a result stands for."""
    if align:
        ratio = (size - 1) / (count - 1) if count > 1 else 0.0
    matrix = np.zeros((size, count))
    if mode.antialias:
        width = max(ratio, 1.0)
        centers = (np.arange(count) + 0.5) * ratio
        elements = np.arange(size)[:, None]
        low = np.maximum(np.trunc(centers - mode.reach * width + 0.5), 0)
        high = np.minimum(np.trunc(centers + mode.reach * width + 0.5), size)
        inside = (elements >= low) & (elements < high)
        shares = mode.share((elements + 0.5 - centers) / width) * inside
        return shares / shares.sum(0)
    places = np.arange(count) * ratio if align else (np.arange(count) + 0.5) * ratio - 0.5
    for step in range(1 - mode.reach, mode.reach + 1):
        element = np.floor(places) + step
        where = np.clip(element, 0, size - 1).astype(int)
        np.add.at(matrix, (where, np.arange(count)), mode.share(places - element))
    return matrix


def _filtered(kernel: str, mode: _Filter, types: str) -> Callable[..., Array]:
    """A lowering: one product with a matrix of shares along each of the last axes."""

    def lower(x: Array, outputs: tuple[int, ...], ratios: tuple[float, ...], align: bool) -> Array:
        if x.dtype.name not in types.split():
            raise unsupported(kernel, x)
        whole = x.dtype == jnp.uint8
        value = x.astype(jnp.float32) if whole else wide(x)
        for offset, (count, ratio) in enumerate(zip(reversed(outputs), reversed(ratios), strict=True), 1):
            axis = x.ndim - offset
            shares = jnp.asarray(_matrix(x.shape[axis], count, ratio, align, mode), value.dtype)
            value = jnp.moveaxis(jnp.moveaxis(value, axis, -1) @ shares, -1, axis)
            if whole:  # PyTorch keeps bytes between the axes
                value = jnp.clip(jnp.floor(value + 0.5), 0, 255)
        return value.astype(x.dtype)

    return lower


_HALVES = "float16 bfloat16 float32 float64"
_BYTES = "float32 float64 uint8"
_LINEAR = _Filter(_triangle, 1, antialias=False)
_CUBIC = _Filter(_cubic(-0.75), 2, antialias=False)
_SMOOTH_LINEAR = _Filter(_triangle, 1, antialias=True)
_SMOOTH_CUBIC = _Filter(_cubic(-0.5), 2, antialias=True)
_SMOOTH_LANCZOS = _Filter(_lanczos, 3, antialias=True)

# (mode, antialias): name of the backward node; PyTorch's kernel, named where it refuses a type; filter; types.
_MODES = {
    ("linear", False): ("UpsampleLinear1D", "compute_indices_weights_linear", _LINEAR, _HALVES),
    ("bilinear", False): ("UpsampleBilinear2D", "upsample_bilinear2d_channels_last", _LINEAR, _HALVES + " uint8"),
    ("trilinear", False): ("UpsampleTrilinear3D", "compute_indices_weights_linear", _LINEAR, _HALVES),
    ("bicubic", False): ("UpsampleBicubic2D", "compute_indices_weights_cubic", _CUBIC, _HALVES + " uint8"),
    ("bilinear", True): ("UpsampleBilinear2DAa", "compute_index_ranges_weights", _SMOOTH_LINEAR, _BYTES),
    ("bicubic", True): ("UpsampleBicubic2DAa", "compute_index_ranges_weights", _SMOOTH_CUBIC, _BYTES),
    ("lanczos", True): ("UpsampleLanczos2DAa", "compute_index_ranges_weights", _SMOOTH_LANCZOS, _BYTES),
}

FILTERED = {
    key: Primitive(
        f"upsample_{key[0]}{'_smooth' * key[1]}",
        _filtered(kernel, mode, types),
        saves=(),
        grad_name=f"{grad_name}Backward0",
    )
    for key, (grad_name, kernel, mode, types) in _MODES.items()
}


# -- the nearest element -------------------------------------------------------------------------------------------


def _nearest(x: Array, outputs: tuple[int, ...], ratios: tuple[float, ...], shift: float) -> Array:
    """The nearest element along each of the last axes: below (shift 0), or around the middle (shift 0.5)."""
    rank = len(outputs)
    if x.dtype.name not in (_HALVES + " uint8").split():
        raise unsupported("upsample_nearest2d_channels_last" if rank == 2 else "compute_indices_weights_nearest", x)
    for index, (count, ratio) in enumerate(zip(outputs, ratios, strict=True)):
        axis = x.ndim - rank + index
        scaled = (np.arange(count, dtype=np.float32) + np.float32(shift)) * np.float32(ratio)
        positions = np.minimum(np.floor(scaled).astype(int), x.shape[axis] - 1)
        times = count // x.shape[axis]
        if np.array_equal(positions, np.arange(x.shape[axis]).repeat(times)):
            x = _repeated(x, times, axis)
        else:
            x = jnp.take(x, positions, axis)
    return x


def _repeated(x: Array, times: int, axis: int) -> Array:
    """Each element several times; its gradient is a sum, where that of taking elements by position scatters them."""
    before, after = x.shape[: axis + 1], x.shape[axis + 1 :]
    spread = jnp.broadcast_to(jnp.expand_dims(x, axis + 1), (*before, times, *after))
    return spread.reshape(*before[:-1], before[-1] * times, *after)


NEAREST = {
    rank: Primitive(f"upsample_nearest{rank}d", _nearest, saves=(), grad_name=f"UpsampleNearest{rank}DBackward0")
    for rank in (1, 2, 3)
}
NEAREST_EXACT = {
    rank: Primitive(f"upsample_exact{rank}d", _nearest, saves=(), grad_name=f"UpsampleNearestExact{rank}DBackward0")
    for rank in (1, 2, 3)
}


# -- channels ------------------------------------------------------------------------------------------------------


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


@primitive(saves=(), grad_name="ChannelShuffleBackward0")
def channel_shuffle(x: Array, groups: int) -> Array:
    """(N, C, ...): the channels of all groups in turn."""
    batch, channels, *sizes = x.shape
    split = x.reshape(batch, groups, channels // groups, *sizes)
    return jnp.swapaxes(split, 1, 2).reshape(x.shape)
