"""Pooling, one axis after the other: the largest value of a window is the largest of its rows' largest.

Windows are strided slices: XLA's CPU fuses them, where its ``reduce_window`` and its gradient do not vectorize.
The gradient goes to the first largest element, as in PyTorch; a NaN receives none.
"""

from collections.abc import Callable
from functools import partial, reduce
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.pooling import halves, spread
from flambeau.primitives.activation import wide
from flambeau.primitives.primitive import Array, Primitive
from flambeau.primitives.refusals import unsupported

__all__ = ["ADAPTIVE_AVG_POOL", "ADAPTIVE_MAX_POOL", "AVG_POOL", "MAX_POOL", "MAX_POOL_WITH_INDICES", "Window"]

# PyTorch pools one dimension as two, and takes the second away again.
_SQUEEZED = "SqueezeBackward1"


def _by_rank(name: str, lower: Callable[..., Any], grad_name: str, **options: Any) -> dict[int, Primitive]:
    """The primitive for each number of pooled axes, under PyTorch's names; ``grad_name`` has a gap for the number."""
    names = {rank: _SQUEEZED if rank == 1 else grad_name.format(rank) for rank in (1, 2, 3)}
    return {rank: Primitive(f"{name}{rank}d", lower, grad_name=names[rank], **options) for rank in (1, 2, 3)}


class Window(NamedTuple):
    """A sliding window along one axis; at ``places`` places."""

    kernel: int
    stride: int
    padding: int
    dilation: int
    places: int


def _slices(x: Array, axis: int, window: Window) -> list[Array]:
    """For every offset inside the window, the elements there at all positions of the window."""
    span = (window.places - 1) * window.stride + 1
    starts = [offset * window.dilation for offset in range(window.kernel)]
    return [jax.lax.slice_in_dim(x, start, start + span, window.stride, axis) for start in starts]


def _padded(x: Array, axis: int, window: Window, value: Any) -> Array:
    """The axis with padding on both sides, as long as the windows reach (they may leave a rest unread)."""
    reach = (window.places - 1) * window.stride + (window.kernel - 1) * window.dilation + 1
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (window.padding, max(0, reach - x.shape[axis] - window.padding), 0)
    return jax.lax.pad(x, jnp.asarray(value, x.dtype), pads)


def _lowest(x: Array) -> Any:
    if jnp.issubdtype(x.dtype, jnp.floating):
        return -np.inf
    return np.iinfo(np.dtype(x.dtype)).min


def _better(x: Array, best: Array) -> Array:
    """Where x is larger than the best so far; NaN is larger than everything."""
    larger = x > best
    return larger | jnp.isnan(x) if jnp.issubdtype(x.dtype, jnp.floating) else larger


def _which(parts: list[Array]) -> Array:
    """Which of the parts is the first largest."""
    best = parts[0]
    which = jnp.zeros(best.shape, jnp.int8 if len(parts) < 128 else jnp.int32)
    for index, part in enumerate(parts[1:], 1):
        which = jnp.where(part > best, jnp.asarray(index, which.dtype), which)
        best = jnp.maximum(best, part)
    return which


def _parts(x: Array, axis: int, window: Window) -> list[Array]:
    return _slices(_padded(x, axis, window, _lowest(x)), axis, window)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_axis(x: Array, axis: int, window: Window, size: int) -> Array:
    return reduce(jnp.maximum, _parts(x, axis, window))


def _max_axis_forward(x: Array, axis: int, window: Window, size: int) -> tuple[Array, tuple[Array]]:
    return _max_axis(x, axis, window, size), (x,)


def _max_axis_backward(axis: int, window: Window, size: int, saved: tuple[Array], gradient: Array) -> tuple[Array]:
    """Each window's gradient at the element it took; windows side by side are laid side by side."""
    which = _which(_parts(saved[0], axis, window))
    zero = jnp.zeros((), gradient.dtype)
    parts = [jnp.where(which == index, gradient, zero) for index in range(window.kernel)]
    shape = list(which.shape)
    length = size + 2 * window.padding
    if window.dilation == 1 and window.stride == window.kernel:
        shape[axis] *= window.kernel
        spread = _cut(jnp.stack(parts, axis + 1).reshape(shape), axis, 0, length)
    else:
        spread = None
        for index, part in enumerate(parts):
            start = index * window.dilation
            span = (window.places - 1) * window.stride + 1
            pads = [(0, 0, 0)] * part.ndim
            pads[axis] = (start, length - start - span, window.stride - 1)
            placed = jax.lax.pad(part, zero, pads)
            spread = placed if spread is None else spread + placed
        assert spread is not None
    return (_cut(spread, axis, window.padding, size),)


def _cut(x: Array, axis: int, start: int, size: int) -> Array:
    """``size`` elements of an axis from ``start`` on; zeros where it has fewer."""
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (-start, size - (x.shape[axis] - start), 0)
    return jax.lax.pad(x, jnp.zeros((), x.dtype), pads)


_max_axis.defvjp(_max_axis_forward, _max_axis_backward)


def _check_max_type(x: Array) -> None:
    if x.dtype == jnp.bool_ or jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise unsupported("max_pool2d", x)


def _max_axes(x: Array, windows: tuple[Window, ...]) -> Array:
    """Largest value of each window, one axis after the other."""
    for offset, window in enumerate(reversed(windows), 1):
        axis = x.ndim - offset
        x = _max_axis(x, axis, window, x.shape[axis])
    return x


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_halves(x: Array, windows: tuple[Window, ...]) -> Array:
    """The same by 2 x 2, whose gradient has a kernel."""
    return _max_axes(x, windows)


def _max_halves_forward(x: Array, windows: tuple[Window, ...]) -> tuple[Array, tuple[Array]]:
    return _max_axes(x, windows), (x,)


def _max_halves_backward(windows: tuple[Window, ...], saved: tuple[Array], gradient: Array) -> tuple[Array]:
    return (spread(saved[0], gradient, partial(_max_axes_backward, windows)),)


def _max_axes_backward(windows: tuple[Window, ...], x: Array, gradient: Array) -> Array:
    return jax.vjp(lambda x: _max_axes(x, windows), x)[1](gradient)[0]


_max_halves.defvjp(_max_halves_forward, _max_halves_backward)


def _max_pool(x: Array, windows: tuple[Window, ...]) -> Array:
    """Largest value of each window over the last ``len(windows)`` axes."""
    _check_max_type(x)
    by_two = tuple(Window(2, 2, 0, 1, size // 2) for size in x.shape[-2:])
    if windows == by_two and halves(x.shape, x.dtype):
        return _max_halves(x, windows)
    return _max_axes(x, windows)


def _max_positions(x: Array, windows: tuple[Window, ...]) -> Array:
    """Position, in the flattened last axes, of the element each window takes."""
    sizes = x.shape[x.ndim - len(windows) :]
    positions = jnp.broadcast_to(jnp.arange(prod(sizes), dtype=jnp.int64).reshape(sizes), x.shape)
    for offset, window in enumerate(reversed(windows), 1):
        axis = x.ndim - offset
        parts = _slices(_padded(x, axis, window, _lowest(x)), axis, window)
        places = _slices(_padded(positions, axis, window, -1), axis, window)
        best, found = parts[0], places[0]
        for part, place in zip(parts[1:], places[1:], strict=True):
            better = _better(part, best) | ((found < 0) & (place >= 0))
            best, found = jnp.where(better, part, best), jnp.where(better, place, found)
        x, positions = best, found
    return positions


def _max_pool_with_indices(x: Array, windows: tuple[Window, ...]) -> tuple[Array, Array]:
    """Largest values, and where they stand in the flattened last axes."""
    return _max_pool(x, windows), _max_positions(jax.lax.stop_gradient(x), windows)


MAX_POOL = _by_rank("max_pool", _max_pool, "MaxPool{}DWithIndicesBackward0")
MAX_POOL_WITH_INDICES = _by_rank("max_pool_with_indices", _max_pool_with_indices, "MaxPool{}DWithIndicesBackward0")


# -- averages -------------------------------------------------------------------------------------------------------


def _sum_axis(x: Array, axis: int, window: Window) -> Array:
    """Sum of each window along an axis."""
    if window.padding == 0 and window.stride == window.kernel and window.places * window.kernel <= x.shape[axis]:
        used = jax.lax.slice_in_dim(x, 0, window.places * window.kernel, 1, axis)
        return used.reshape(*x.shape[:axis], window.places, window.kernel, *x.shape[axis + 1 :]).sum(axis + 1)
    parts = _slices(_padded(x, axis, window, 0), axis, window)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _lengths(size: int, window: Window, include_pad: bool) -> Any:
    """How many elements each window counts; a window past the padding (ceil_mode) counts what is left of it."""
    starts = np.arange(window.places) * window.stride - window.padding
    if include_pad:
        return np.minimum(starts + window.kernel, size + window.padding) - starts
    return np.minimum(starts + window.kernel, size) - np.maximum(starts, 0)


def _avg_pool(x: Array, windows: tuple[Window, ...], include_pad: bool, divisor: int) -> Array:
    """Mean of each window over the last axes; ``divisor`` 0 means the number of elements counted."""
    if x.dtype == jnp.bool_:
        raise unsupported("avg_pool2d_out_frame", x)
    value = wide(x)
    counts: Any = np.ones((), np.int64)
    rank = len(windows)
    for index, window in enumerate(windows):
        axis = x.ndim - rank + index
        counts = counts[..., None] * _lengths(x.shape[axis], window, include_pad)
        value = _sum_axis(value, axis, window)
    if divisor:
        counts = np.array(divisor)
    elif (counts == counts.flat[0]).all():
        counts = counts.flat[0]
    if jnp.issubdtype(x.dtype, jnp.integer):
        return jax.lax.div(value.astype(x.dtype), jnp.broadcast_to(jnp.asarray(counts, x.dtype), value.shape))
    return (value / jnp.asarray(counts, value.dtype)).astype(x.dtype)


def _bounds(size: int, outputs: int) -> list[tuple[int, int]]:
    """First and one past the last element of each adaptive window."""
    return [(index * size // outputs, -((-(index + 1) * size) // outputs)) for index in range(outputs)]


def _adaptive_avg_pool(x: Array, outputs: tuple[int, ...]) -> Array:
    """Means of windows that split the last axes as evenly as possible."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("adaptive_avg_pool2d", x)
    value = wide(x)
    for index, count in enumerate(outputs):
        axis = x.ndim - len(outputs) + index
        size = x.shape[axis]
        if count and size % count == 0:
            value = value.reshape(*value.shape[:axis], count, size // count, *value.shape[axis + 1 :]).mean(axis + 1)
            continue
        shares = np.zeros((size, count))
        for place, (start, stop) in enumerate(_bounds(size, count)):
            shares[start:stop, place] = 1 / (stop - start)
        moved = jnp.moveaxis(value, axis, -1) @ jnp.asarray(shares, value.dtype)
        value = jnp.moveaxis(moved, -1, axis)
    return value.astype(x.dtype)


def _adaptive_max_pool(x: Array, outputs: tuple[int, ...]) -> tuple[Array, Array]:
    """Largest values of windows that split the last axes as evenly as possible, and their flattened positions."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("adaptive_max_pool2d", x)
    sizes = x.shape[x.ndim - len(outputs) :]
    positions = jnp.broadcast_to(jnp.arange(prod(sizes), dtype=jnp.int64).reshape(sizes), x.shape)
    value = jax.lax.stop_gradient(x)
    for offset, count in enumerate(reversed(outputs), 1):
        axis = x.ndim - offset
        bounds = _bounds(x.shape[axis], count)
        length = max((stop - start for start, stop in bounds), default=1)
        places = [np.array([min(start + step, stop - 1) for start, stop in bounds]) for step in range(length)]
        parts = [jnp.take(value, place, axis) for place in places]
        found = [jnp.take(positions, place, axis) for place in places]
        value, positions = parts[0], found[0]
        for part, place in zip(parts[1:], found[1:], strict=True):
            better = _better(part, value)
            value, positions = jnp.where(better, part, value), jnp.where(better, place, positions)
    flat = x.reshape(*x.shape[: x.ndim - len(outputs)], -1)
    where = positions.reshape(*flat.shape[:-1], -1)
    return jnp.take_along_axis(flat, where, -1).reshape(value.shape), positions


AVG_POOL = _by_rank("avg_pool", _avg_pool, "AvgPool{}DBackward0", saves=())
ADAPTIVE_AVG_POOL = _by_rank("adaptive_avg_pool", _adaptive_avg_pool, "AdaptiveAvgPool{}DBackward0", saves=())
ADAPTIVE_MAX_POOL = _by_rank("adaptive_max_pool", _adaptive_max_pool, "AdaptiveMaxPool{}DBackward0")
