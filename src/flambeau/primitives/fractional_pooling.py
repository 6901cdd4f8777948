"""Fractional max pooling: windows at random places, as far apart as the wanted size asks.

Source: https://arxiv.org/abs/1412.6071
"""

from itertools import product
from math import prod

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array, Primitive
from flambeau.primitives.refusals import unsupported

__all__ = ["FRACTIONAL_MAX_POOL"]

# Which of the random numbers is whose: PyTorch reads them from the width on in two dimensions, but not in three.
_SAMPLES = {2: (1, 0), 3: (0, 1, 2)}


def _starts(sample: Array, size: int, outputs: int, kernel: int) -> Array:
    """Where the windows of an axis begin: (N, C, outputs)."""
    last = jnp.full((*sample.shape, 1), size - kernel, jnp.int64)
    if outputs < 2:
        return last[..., :outputs]
    step = jnp.asarray(size - kernel, sample.dtype) / jnp.asarray(outputs - 1, sample.dtype)
    share = sample[..., None]
    places = ((jnp.arange(outputs - 1, dtype=sample.dtype) + share) * step).astype(jnp.int64)
    return jnp.concatenate([places - (share * step).astype(jnp.int64), last], -1)


def _positions(starts: list[Array], offsets: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """Flattened positions of the elements at these offsets inside every window: (N, C, *outputs)."""
    rank = len(sizes)
    total = jnp.zeros((), jnp.int64)
    for axis, (start, offset, size) in enumerate(zip(starts, offsets, sizes, strict=True)):
        shape = [1] * rank
        shape[axis] = start.shape[-1]
        total = total * size + (start + offset).reshape(*start.shape[:2], *shape)
    return total


def _fractional_max_pool(
    x: Array, samples: Array, kernels: tuple[int, ...], outputs: tuple[int, ...]
) -> tuple[Array, Array]:
    """Largest values of (N, C, ...), and where they stand in the flattened last axes."""
    rank = len(kernels)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported(f"fractional_max_pool{rank}d_out_frame", x)
    sizes = x.shape[2:]
    starts = [
        _starts(samples[: x.shape[0], :, which], *numbers)
        for which, numbers in zip(_SAMPLES[rank], zip(sizes, outputs, kernels, strict=True), strict=True)
    ]
    flat = x.reshape(*x.shape[:2], prod(sizes))
    shape = (*x.shape[:2], *outputs)
    best = found = None
    for offsets in product(*map(range, kernels)):
        place = jnp.broadcast_to(_positions(starts, offsets, sizes), shape).reshape(*x.shape[:2], prod(outputs))
        value = jnp.take_along_axis(jax.lax.stop_gradient(flat), place, 2)
        if best is None or found is None:
            best, found = value, place
            continue
        better = (value > best) | jnp.isnan(value)
        best, found = jnp.where(better, value, best), jnp.where(better, place, found)
    if found is None:  # a kernel of no elements takes the element where it begins
        found = jnp.broadcast_to(_positions(starts, (0,) * rank, sizes), shape).reshape(*x.shape[:2], prod(outputs))
    return jnp.take_along_axis(flat, found, 2).reshape(shape), found.reshape(shape)


FRACTIONAL_MAX_POOL = {
    rank: Primitive(f"fractional_max_pool{rank}d", _fractional_max_pool, grad_name=f"FractionalMaxPool{rank}DBackward0")
    for rank in (2, 3)
}
