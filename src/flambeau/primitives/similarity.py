"""Similarities of vectors."""

from typing import Any

import jax
import jax.numpy as jnp

from flambeau.base.shapes import broadcast, normalize_axis
from flambeau.primitives.primitive import Array, primitive, promoted

__all__ = ["cosine_similarity"]


def _unit(x: Array, axis: int, least: Array) -> Array:
    """Vectors divided by their norm, or by ``least``, through which no gradient flows."""
    squares = jnp.sum(x * x, axis, keepdims=True)
    norm = jnp.sqrt(jnp.where(squares > 0, squares, 1)) * (squares > 0)
    return x / jnp.where(norm < least, jax.lax.stop_gradient(least), norm)


@primitive(grad_name="SumBackward1")
def cosine_similarity(x: Array, y: Array, eps: Any, axis: int) -> Array:
    """Cosine of the angle between vectors along an axis of the common shape."""
    first, second = promoted(x, y)
    shape = broadcast(x.shape, y.shape)
    where = normalize_axis(axis, len(shape))
    first, second = jnp.broadcast_to(first, shape), jnp.broadcast_to(second, shape)
    least = eps.value.astype(first.dtype)
    return jnp.sum(_unit(first, where, least) * _unit(second, where, least), where)
