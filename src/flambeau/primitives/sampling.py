"""Images sampled at any places, and the places of an affine map."""

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.kernels.sampling import sampled
from flambeau.primitives.activation import wide
from flambeau.primitives.primitive import Array, Primitive, primitive
from flambeau.primitives.refusals import unsupported

__all__ = ["GRID_SAMPLE", "affine_grid"]


def _line(count: int, align: bool) -> Any:
    """``count`` places from -1 to 1: of the elements' centers (the first and last at the ends if ``align``)."""
    if count <= 1:
        return np.zeros(count)
    places = np.linspace(-1, 1, count)
    return places if align else places * (count - 1) / count


@primitive(saves=(), grad_name="AffineGridGeneratorBackward0")
def affine_grid(theta: Array, sizes: tuple[int, ...], align: bool) -> Array:
    """Affine maps (N, rank, rank + 1) of the places of an image: (N, *sizes, rank), the last axis first."""
    axes = np.meshgrid(*[_line(count, align) for count in sizes], indexing="ij")
    places = np.stack([*reversed(axes), np.ones(sizes)], -1)
    return jnp.einsum("...j,nij->n...i", jnp.asarray(places, theta.dtype), theta)


# -- what lies outside ---------------------------------------------------------------------------------------------


def _clipped(place: Array, size: int) -> Array:
    """Into the image; no gradient flows at its edges, and NaN is the first element."""
    inside = jnp.where(place < size - 1, place, size - 1)
    return jnp.where(place > 0, inside, 0).astype(place.dtype)


def _reflected(place: Array, size: int, align: bool) -> Array:
    """Back into the image as often as needed, at its elements' centers (``align``) or edges."""
    low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
    span = high - low
    if span == 0:
        return jnp.zeros_like(place)
    away = jnp.where(place < low, low - place, place - low)
    flips = jax.lax.stop_gradient(jnp.floor(away / span))
    rest = away - flips * span
    return _clipped(jnp.where(flips % 2 == 0, rest + low, span - rest + low), size)


def _inside(place: Array, size: int, padding: str, align: bool) -> Array:
    """Places with the padding mode applied; ``"zeros"`` leaves them."""
    if padding == "border":
        return _clipped(place, size)
    return _reflected(place, size, align) if padding == "reflection" else place


# -- which elements count, along one axis --------------------------------------------------------------------------

# (element, its share) for each neighbor of the places.
Taps = list[tuple[Array, Array]]


def _nearest(place: Array, size: int, padding: str, align: bool) -> Taps:
    return [(jnp.round(_inside(place, size, padding, align)), jnp.ones_like(place))]


def _bilinear(place: Array, size: int, padding: str, align: bool) -> Taps:
    where = _inside(place, size, padding, align)
    low = jax.lax.stop_gradient(jnp.floor(where))
    return [(low, low + 1 - where), (low + 1, where - low)]


def _bicubic(place: Array, size: int, padding: str, align: bool) -> Taps:
    low = jax.lax.stop_gradient(jnp.floor(place))
    share = place - low
    slope = -0.75

    def far(x: Array) -> Array:
        return ((slope * x - 5 * slope) * x + 8 * slope) * x - 4 * slope

    def near(x: Array) -> Array:
        return ((slope + 2) * x - (slope + 3)) * x * x + 1

    shares = (far(share + 1), near(share), near(1 - share), far(2 - share))
    return [(_inside(low + step, size, padding, align), part) for step, part in zip(range(-1, 3), shares, strict=True)]


_MODES: dict[str, Callable[[Array, int, str, bool], Taps]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
}


def _grid_sample(x: Array, grid: Array, mode: str, padding: str, align: bool) -> Array:
    """(N, C, *sizes) at the places (N, *outputs, rank) from -1 to 1, the last axis first: (N, C, *outputs)."""
    rank = x.ndim - 2
    if x.dtype != grid.dtype:
        raise RuntimeError(f"expected scalar type {_name(x)} but found {_name(grid)}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("grid_sampler_2d_cpu_kernel_impl" if rank == 2 else "grid_sampler3d_cpu", x)
    batch, channels, *sizes = x.shape
    outputs = grid.shape[1:-1]
    places = wide(grid).reshape(batch, prod(outputs), rank)
    taps: list[Taps] = []
    for axis, size in enumerate(sizes):
        place = places[..., rank - 1 - axis] + 1
        pixel = place / 2 * (size - 1) if align else (place * size - 1) / 2
        taps.append(_MODES[mode](pixel, size, padding, align))
    elements, shares = _corners(taps, sizes)
    found = sampled(wide(x).reshape(batch, channels, prod(sizes)), elements, shares)
    return found.reshape(batch, channels, *outputs).astype(x.dtype)


def _corners(taps: list[Taps], sizes: list[int]) -> tuple[Array, Array]:
    """Elements of the image as one row, -1 outside of it, and their shares: (N, corners, places) each."""
    elements: list[Array] = []
    shares: list[Array] = []
    for corner in product(*taps):
        place, share, inside = 0, 1, True
        for (element, part), size in zip(corner, sizes, strict=True):
            there = (element >= 0) & (element <= size - 1)
            place = place * size + jnp.where(there, element, 0).astype(jnp.int32)
            share, inside = share * part, inside & there
        elements.append(jnp.where(inside, place, -1))
        shares.append(jnp.where(inside, share, 0))
    return jnp.stack(elements, 1), jnp.stack(shares, 1)


def _name(x: Array) -> str:
    return from_numpy_dtype(x.dtype).tensor_type.removesuffix("Tensor")


GRID_SAMPLE = {
    rank: Primitive(f"grid_sampler_{rank}d", _grid_sample, grad_name=f"GridSampler{rank}DBackward0") for rank in (2, 3)
}
