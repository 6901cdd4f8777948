"""Similarities of vectors."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.base.shapes import broadcast, normalize_axis
from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, primitive, promoted
from flambeau.primitives.reduction import vector_norm
from flambeau.primitives.refusals import unsupported

__all__ = ["cosine_similarity", "pdist"]


def _unit(x: Array, axis: int, least: Array) -> Array:
    """Vectors divided by their norm, or by ``least``, through which no gradient flows."""
    squares = jnp.sum(x * x, axis, keepdims=True)
    there = squares != 0
    norm = jnp.sqrt(jnp.where(there, squares, 1)) * there
    return x / jnp.where(norm < least, jax.lax.stop_gradient(least), norm)


@primitive(grad_name="SumBackward1")
def cosine_similarity(x: Array, y: Array, eps: Any, axis: int) -> Array:
    """Cosine of the angle between vectors along an axis of the common shape."""
    first, second = promoted(x, y)
    if not jnp.issubdtype(first.dtype, jnp.floating):
        name = from_numpy_dtype(first.dtype).tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {name}")
    shape = broadcast(x.shape, y.shape) or (1,)
    where = normalize_axis(axis, len(shape))
    first, second = jnp.broadcast_to(first, shape), jnp.broadcast_to(second, shape)
    least = eps.value.astype(first.dtype)
    return jnp.sum(_unit(first, where, least) * _unit(second, where, least), where)


@primitive(grad_name="PdistBackward0")
def pdist(x: Array, order: float) -> Array:
    """Distances between the rows of a matrix, each pair once: of row 0 to all others, of row 1 to those after it..."""
    if x.dtype not in (jnp.float32, jnp.float64):
        raise unsupported("pdist", x)
    first, second = np.triu_indices(x.shape[0], 1)
    return vector_norm.lower(x[first] - x[second], order, (1,), False, None)
