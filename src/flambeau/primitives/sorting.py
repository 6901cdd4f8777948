"""Order: sorting, ranks, running extremes, and counting by value."""

from collections.abc import Callable
from functools import partial
from math import prod

import jax
import jax.numpy as jnp

from flambeau.kernels.ordering import order
from flambeau.kernels.running import running_extremes
from flambeau.primitives.kinks import interpolated
from flambeau.primitives.primitive import Array, Primitive, as_array, common_dtype, primitive
from flambeau.primitives.refusals import refuse

__all__ = [
    "cummax",
    "cummin",
    "evenly",
    "ghost",
    "histc",
    "isin",
    "kthvalue",
    "median",
    "median_of_all",
    "mode",
    "nanmedian",
    "nanmedian_of_all",
    "quantile",
    "searchsorted",
    "sort",
    "topk",
]


def _order(x: Array, axis: int, descending: bool = False, count: int | None = None) -> Array:
    """Positions of the first ``count`` (or all) in sorted order; ties keep theirs; NaN counts as the largest value."""
    rows = jnp.moveaxis(x, axis, -1)
    return jnp.moveaxis(order(rows, rows.shape[-1] if count is None else count, descending), -1, axis)


def _picked(x: Array, places: Array, axis: int) -> tuple[Array, Array]:
    return jnp.take_along_axis(x, places, axis, mode="promise_in_bounds"), places.astype(jnp.int64)


def _one(x: Array, places: Array, axis: int, keepdim: bool) -> tuple[Array, Array]:
    """The value at one position along an axis, and the position."""
    value, where = _picked(x, places, axis)
    return (value, where) if keepdim else (value.squeeze(axis), where.squeeze(axis))


def _whole(x: Array) -> tuple[Array, Array]:
    """A 0-d tensor in place of its own sorting."""
    return x, jnp.zeros((), jnp.int64)


def _is_nan(x: Array) -> Array:
    return jnp.isnan(x) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.zeros(x.shape, bool)


@primitive(saves=(0,), grad_name="SortBackward0")
def sort(x: Array, axis: int, descending: bool) -> tuple[Array, Array]:
    if jnp.iscomplexobj(x):
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    return _picked(x, _order(x, axis, descending), axis) if x.ndim else _whole(x)


@primitive(saves=(0,), grad_name="TopkBackward0")
def topk(x: Array, k: int, axis: int, largest: bool) -> tuple[Array, Array]:
    if jnp.iscomplexobj(x):
        raise RuntimeError(" topk does not support complex dtypes on CPU")
    if x.dtype == bool:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if x.ndim == 0:
        return _whole(x)
    if k > x.shape[axis]:
        raise RuntimeError("selected index k out of range")
    return _picked(x, _order(x, axis, largest, k), axis)


@primitive(saves=(0,), grad_name="KthvalueBackward0")
def kthvalue(x: Array, k: int, axis: int, keepdim: bool) -> tuple[Array, Array]:
    refuse("kthvalue", common_dtype(x))
    if x.ndim == 0:
        return _whole(x)
    last = jax.lax.slice_in_dim(_order(x, axis, count=k), k - 1, k, axis=axis)
    return _one(x, last, axis, keepdim)


def _median_order(x: Array, axis: int, skip: bool) -> Array:
    """Where the lower median stands along an axis; the first NaN if there is one, unless they are skipped."""
    ranked = _order(x, axis)
    valid = jnp.sum(~_is_nan(x), axis=axis, keepdims=True)
    rank = jnp.maximum(valid - 1, 0) // 2 if skip else jnp.where(valid < x.shape[axis], valid, (valid - 1) // 2)
    return jnp.take_along_axis(ranked, rank, axis)


def _median(name: str, skip: bool) -> Primitive:
    def lower(x: Array, axis: int, keepdim: bool) -> tuple[Array, Array]:
        refuse("median_along", common_dtype(x))
        return _one(x, _median_order(x, axis, skip), axis, keepdim) if x.ndim else _whole(x)

    return Primitive(name, lower, saves=(0,))


median = _median("median", skip=False)
nanmedian = _median("nanmedian", skip=True)


@jax.custom_vjp
def _ghost(x: Array) -> Array:
    nothing = jnp.zeros((), x.dtype)
    return jnp.where(x == 0, nothing, nothing)  # says that it depends on x: vmap would add up the examples' gradients


def _ghost_forward(x: Array) -> tuple[Array, None]:
    return _ghost(x), None


def _ghost_backward(_: None, gradient: Array) -> tuple[Array]:
    return (gradient,)


_ghost.defvjp(_ghost_forward, _ghost_backward)


def ghost(x: Array) -> Array:
    """Zeros, with the gradient of ``x`` itself: what is added to a value to send its gradient elsewhere."""
    return jnp.asarray(_ghost(x))


def evenly(x: Array, value: Array) -> Array:
    """``value``, a 0-d array of an element of ``x``, with its gradient shared equally among the equal elements."""
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return value
    fixed, value = jax.lax.stop_gradient(x), jax.lax.stop_gradient(value)
    chosen = (fixed == value) | (_is_nan(fixed) & _is_nan(value))
    return value + jnp.sum(jnp.where(chosen, ghost(x), 0)) / jnp.maximum(jnp.sum(chosen), 1).astype(x.dtype)


def _median_of_all(name: str, skip: bool) -> Primitive:
    def lower(x: Array) -> Array:
        refuse("median", common_dtype(x))
        flat = x.reshape(-1)
        if not flat.size:
            floating = jnp.issubdtype(x.dtype, jnp.inexact)
            return jnp.full((), jnp.nan if floating else jnp.iinfo(x.dtype).min, x.dtype)
        return evenly(flat, jnp.take_along_axis(flat, _median_order(flat, 0, skip), 0)[0])

    return Primitive(name, lower, saves=(0,), grad_name=f"{name.capitalize()}Backward0")


median_of_all = _median_of_all("median", skip=False)
nanmedian_of_all = _median_of_all("nanmedian", skip=True)


@primitive(saves=(0,), grad_name="ModeBackward0")
def mode(x: Array, axis: int, keepdim: bool) -> tuple[Array, Array]:
    """Most frequent value (the smallest of them), and its last position."""
    refuse("mode", common_dtype(x))
    if x.ndim == 0:
        return _whole(x)
    places = _order(x, axis)
    ranked = jnp.moveaxis(jnp.take_along_axis(jax.lax.stop_gradient(x), places, axis), axis, -1)
    starts = jnp.concatenate([jnp.ones((*ranked.shape[:-1], 1), bool), ranked[..., 1:] != ranked[..., :-1]], -1)
    place = jnp.arange(ranked.shape[-1])
    first = jax.lax.cummax(jnp.where(starts, place, 0), axis=ranked.ndim - 1)
    end = jnp.argmax(place - first, axis=-1, keepdims=True)
    return _one(x, jnp.take_along_axis(places, jnp.moveaxis(end, -1, axis), axis), axis, keepdim)


def _running(name: str, largest: bool) -> Primitive:
    """Running maximum or minimum and its latest position."""

    def lower(x: Array, axis: int) -> tuple[Array, Array]:
        refuse(name, common_dtype(x))
        if x.ndim == 0:
            return _whole(x)
        fixed = jax.lax.stop_gradient(x)
        fixed = fixed.astype(jnp.int8) if fixed.dtype == bool else fixed
        best = running_extremes(fixed, axis, largest)
        hit = (fixed == best) | (_is_nan(fixed) & _is_nan(best))
        place = jax.lax.broadcasted_iota(jnp.int64, x.shape, axis)
        return _picked(x, running_extremes(jnp.where(hit, place, 0), axis, largest=True), axis)

    return Primitive(name, lower, saves=(0,), grad_name=f"{name.capitalize()}Backward0")


cummax = _running("cummax", largest=True)
cummin = _running("cummin", largest=False)


# -- ranks between elements ---------------------------------------------------------------------------------------

_ROUNDED: dict[str, Callable[[Array], Array]] = {
    "lower": jnp.floor,
    "higher": jnp.ceil,
    "nearest": jnp.round,
}


@primitive(grad_name="QuantileBackward0")
def quantile(x: Array, q: Array, axis: int | None, keepdim: bool, interpolation: str, skip: bool) -> Array:
    """Value below which the fraction ``q`` of the elements lies; a vector ``q`` gives a leading axis."""
    rank = x.ndim
    values = x.reshape(-1) if axis is None else jnp.moveaxis(x, axis, -1) if rank else x.reshape(1)
    ordered = _picked(values, _order(values, -1), -1)[0]
    valid = jnp.sum(~jnp.isnan(values), -1, keepdims=True)
    size = values.shape[-1]
    last = jnp.maximum(valid - 1, 0) if skip else jnp.full_like(valid, size - 1)
    place = jnp.reshape(q, (-1,)).astype(x.dtype) * last.astype(x.dtype)
    place = place if skip else jnp.where(valid < size, size - 1, place)
    if interpolation in _ROUNDED:
        place = _ROUNDED[interpolation](place)
    low = jnp.clip(jnp.floor(place), 0, size - 1).astype(jnp.int64)
    below = jnp.take_along_axis(ordered, low, -1)
    above = jnp.take_along_axis(ordered, jnp.minimum(low + 1, last), -1)
    share = 0.5 * (place > low) if interpolation == "midpoint" else place - low
    found = jnp.where(share > 0, interpolated(below, above, share.astype(x.dtype)), below)
    found = jnp.moveaxis(found, -1, 0)
    if keepdim or not rank:
        found = (
            found.reshape((found.shape[0], *[1] * rank))
            if axis is None or not rank
            else jnp.expand_dims(found, axis + 1)
        )
    return found if jnp.ndim(q) else found[0]


# -- counting by value --------------------------------------------------------------------------------------------


@primitive(differentiable=False)
def histc(x: Array, bins: int, low: float, high: float) -> Array:
    """Number of elements in each of ``bins`` equal parts of [low, high]; of the values' own range if both are 0."""
    values = x.reshape(-1)
    first = jnp.asarray(low, x.dtype)
    last = jnp.asarray(high, x.dtype)
    if low == high and values.size:
        first, last = (jnp.min(values), jnp.max(values)) if low == 0 else (first, last)
        first, last = jnp.where(first == last, first - 1, first), jnp.where(first == last, last + 1, last)
    place = jnp.floor((values - first) * (bins / (last - first))).astype(jnp.int64)
    inside = (values >= first) & (values <= last)
    place = jnp.where(values == last, bins - 1, jnp.minimum(place, bins - 1))
    return jnp.zeros(bins, x.dtype).at[place].add(inside.astype(x.dtype))


@primitive(differentiable=False)
def searchsorted(boundaries: Array, values: Array, right: bool, small: bool) -> Array:
    """Where each value would be inserted to keep the boundaries (their last axis) sorted."""
    kind = common_dtype(boundaries, values)
    first = as_array(boundaries.reshape(boundaries.shape or (1,)), kind)
    second = as_array(values.reshape(values.shape or (1,)), kind)
    find = partial(jnp.searchsorted, side="right" if right else "left")
    shape = values.shape
    if first.ndim > 1:
        count = prod(first.shape[:-1])
        rows = first.reshape(count, first.shape[-1]), second.reshape(count, second.shape[-1])
        found = jax.vmap(find)(*rows)
    else:
        found = find(first, second)
    return found.reshape(shape).astype(jnp.int32 if small else jnp.int64)


@primitive(differentiable=False)
def isin(elements: Array, tests: Array, invert: bool) -> Array:
    kind = common_dtype(elements, tests)
    return jnp.isin(as_array(elements, kind), as_array(tests.reshape(-1), kind), invert=invert)
