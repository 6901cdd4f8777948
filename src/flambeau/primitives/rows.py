"""Rows or single numbers at positions along an axis: taken from there, and added there."""

from math import prod

import jax.numpy as jnp

from flambeau.kernels.rows import added, moves, taken
from flambeau.primitives.primitive import Array

__all__ = ["add_each", "add_rows", "along", "take_each", "take_rows"]


def take_rows(x: Array, where: Array, axis: int) -> Array:
    """X at positions (n,) along an axis; NaN where there is none such."""
    if moves(x, where, where.size * prod(_without(x, axis))):
        return taken(_planes(x, axis), where).reshape(*x.shape[:axis], where.size, *x.shape[axis + 1 :])
    return jnp.take(x, where, axis, mode="fill")


def add_rows(x: Array, where: Array, values: Array, axis: int) -> Array:
    """X with values added at positions (n,) along an axis; those out of range are left out."""
    if moves(x, where, values.size) and values.dtype == x.dtype and values.shape == _sized(x, axis, where.size):
        return added(_planes(x, axis), where, _planes(values, axis)).reshape(x.shape)
    return x.at[(slice(None),) * axis + (where,)].add(values)


def take_each(x: Array, where: Array, axis: int) -> Array:
    """X at positions along an axis, given for every number of the result; NaN where there is none such."""
    if moves(x, where, where.size) and where.shape == _sized(x, axis, where.shape[axis]):
        return taken(_planes(x, axis), _planes(where, axis)).reshape(where.shape)
    return x.at[along(x, axis, where)].get(mode="fill")


def add_each(x: Array, where: Array, values: Array, axis: int) -> Array:
    """X with values added at positions along an axis, given for each of them; those out of range are left out."""
    if moves(x, where, where.size) and values.dtype == x.dtype and where.shape == _sized(x, axis, where.shape[axis]):
        return added(_planes(x, axis), _planes(where, axis), _planes(values, axis)).reshape(x.shape)
    return x.at[along(x, axis, where)].add(values)


def along(x: Array, axis: int, index: Array) -> tuple[Array, ...]:
    """Positions of ``x``, one array an axis, that an index of the same rank names along one axis."""
    grid = list(jnp.meshgrid(*[jnp.arange(size) for size in index.shape], indexing="ij", sparse=True))
    size = x.shape[axis]
    # counted from the start, as a subscript would count those from the end a second time
    grid[axis] = jnp.where(index < -size, size, jnp.where(index < 0, index + size, index))
    return tuple(jnp.broadcast_arrays(*grid))


def _without(x: Array, axis: int) -> tuple[int, ...]:
    """The shape of x without an axis."""
    return (*x.shape[:axis], *x.shape[axis + 1 :])


def _sized(x: Array, axis: int, size: int) -> tuple[int, ...]:
    """The shape of x with another size along an axis."""
    return (*x.shape[:axis], size, *x.shape[axis + 1 :])


def _planes(x: Array, axis: int) -> Array:
    """The axis between two others."""
    return x.reshape(prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :]))
