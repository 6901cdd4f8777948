"""Numbers combined by groups: runs of neighbors, or whatever belongs to one place."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, as_array, primitive
from flambeau.primitives.sorting import ghost

__all__ = ["NEUTRAL", "group_products", "segment_reduce"]

NEUTRAL = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}


# -- products ------------------------------------------------------------------------------------------------------


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def group_products(factors: Array, places: Array, count: int) -> Array:
    """Products of the factors (n,) of each place, 1 where there are none; right derivatives of every order."""
    return jnp.ones(count, factors.dtype).at[places].mul(factors, mode="drop")


@group_products.defjvp
def _group_products_derivative(
    count: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    factors, places = primals
    if not factors.size:
        return group_products(factors, places, count), jnp.zeros(count, factors.dtype)
    return jax.jvp(lambda x: _scanned_products(x, places, count), (factors,), (tangents[0],))


def _scanned_products(factors: Array, places: Array, count: int) -> Array:
    """The same by a scan over sorted places, whose derivative divides by nothing."""
    order = jnp.argsort(places, stable=True)
    sorted_places = places[order]
    changes = sorted_places[1:] != sorted_places[:-1]
    edge = jnp.ones(1, bool)

    def combine(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return jnp.where(second[1], second[0], first[0] * second[0]), first[1] | second[1]

    products, _ = jax.lax.associative_scan(combine, (factors[order], jnp.concatenate([edge, changes])))
    ends = jnp.where(jnp.concatenate([changes, edge]), sorted_places, count)
    return jnp.ones(count, factors.dtype).at[ends].set(products, mode="drop")


# -- runs of neighbors ---------------------------------------------------------------------------------------------


def _sums(x: Array, runs: Array, start: Array, count: int) -> Array:
    return jnp.broadcast_to(start, (count, *x.shape[1:])).at[runs].add(x, mode="drop")


def _products(x: Array, runs: Array, start: Array, count: int) -> Array:
    columns = x.reshape(x.shape[0], -1).T
    found = jax.vmap(lambda column: group_products(column, runs, count))(columns)
    return start * found.T.reshape(count, *x.shape[1:])


def _extremes(largest: bool) -> Callable[..., Array]:
    """Largest or smallest; the gradient is shared equally among ties."""

    def reduce(x: Array, runs: Array, start: Array, count: int) -> Array:
        fixed = jax.lax.stop_gradient(x)
        first = jnp.broadcast_to(start, (count, *x.shape[1:])).at[runs]
        best = (first.max if largest else first.min)(fixed, mode="drop")
        hits = ((fixed == best.at[runs].get(mode="fill")) | jnp.isnan(fixed)).astype(x.dtype)
        nothing = jnp.zeros((), x.dtype)
        ties = jnp.maximum(_sums(hits, runs, nothing, count), 1)
        return best + _sums(hits * ghost(x), runs, nothing, count) / ties

    return reduce


_REDUCTIONS: dict[str, Callable[..., Array]] = {
    "sum": _sums,
    "mean": _sums,
    "prod": _products,
    "max": _extremes(largest=True),
    "min": _extremes(largest=False),
}


def _one(x: Array, offsets: Array, start: Array, reduce: str, empty: Any) -> Array:
    """Runs along the first axis; what is before the first or after the last offset counts nowhere."""
    count = offsets.shape[0] - 1
    runs = jnp.searchsorted(offsets, jnp.arange(x.shape[0]), side="right") - 1
    found = _REDUCTIONS[reduce](x, jnp.where(runs < 0, count, runs), start, count)
    if reduce != "mean":
        return found
    lengths = jnp.diff(offsets).reshape(count, *[1] * (x.ndim - 1))
    return jnp.where(lengths == 0, found if empty is None else empty, found / jnp.maximum(lengths, 1).astype(x.dtype))


@primitive(saves=(0, 1, 2))
def segment_reduce(x: Array, bounds: Array, start: Any, reduce: str, lengths: bool, empty: float | None) -> Array:
    """Runs along the axis of the bounds' last dimension, reduced to one element each.

    Args:
        x: floating-point numbers.
        bounds: lengths of the runs, or where each begins and where the last ends.
        start: what each run is combined with.
        reduce: a key of ``NEUTRAL``.
        lengths: whether the bounds are lengths.
        empty: the mean of nothing; None for ``start``.
    """
    if not jnp.issubdtype(x.dtype, jnp.floating):
        kind = from_numpy_dtype(x.dtype).tensor_type.removesuffix("Tensor")
        raise NotImplementedError(f"\"_segment_reduce_cpu\" not implemented for '{kind}'")
    offsets = jnp.pad(jnp.cumsum(bounds, -1), [(0, 0)] * (bounds.ndim - 1) + [(1, 0)]) if lengths else bounds
    function = partial(_one, start=as_array(start, from_numpy_dtype(x.dtype)), reduce=reduce, empty=empty)
    for _ in bounds.shape[:-1]:
        function = jax.vmap(function)
    return function(x, offsets)
