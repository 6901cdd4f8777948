"""Histograms: how many elements, or what weight, between edges."""

import jax.numpy as jnp

from flambeau.primitives.primitive import Array, primitive

__all__ = ["histogram"]


def _bin(x: Array, edges: Array) -> tuple[Array, Array]:
    """The number of the bin of every element, and whether there is one; the last bin has both its edges."""
    count = edges.shape[0] - 1
    found = jnp.searchsorted(edges, x, side="right") - 1
    found = jnp.where(x == edges[-1], count - 1, found)
    return jnp.clip(found, 0, count - 1), (x >= edges[0]) & (x <= edges[-1])


@primitive(differentiable=False)
def histogram(points: Array, weights: Array, *edges_and_static: Array | bool) -> Array:
    """Weight in each box of a grid, of points in rows; or its density.

    Args:
        points: ``(n, d)``.
        weights: ``(n,)``.
        edges_and_static: d vectors of edges, and whether the density is wanted.
    """
    *edges, density = edges_and_static
    shape = tuple(axis.shape[0] - 1 for axis in edges)  # pyright: ignore[reportAttributeAccessIssue]  # edges come first
    place, inside = jnp.zeros(points.shape[0], jnp.int64), jnp.ones(points.shape[0], bool)
    for column, axis in enumerate(edges):
        found, within = _bin(points[:, column], jnp.asarray(axis))
        place, inside = place * shape[column] + found, inside & within
    total = 1
    for size in shape:
        total *= size
    counts = jnp.zeros(total, points.dtype).at[place].add(jnp.where(inside, weights, 0)).reshape(shape)
    if not density:
        return counts
    volume = jnp.ones((), points.dtype)
    for axis in edges:
        volume = volume[..., None] * jnp.diff(jnp.asarray(axis))
    return counts / counts.sum() / volume
