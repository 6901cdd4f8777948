"""Products of groups of rows with a matrix for each group."""

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array, primitive

__all__ = ["grouped_matmul"]


@primitive(grad_name="GroupedMmBackward0")
def grouped_matmul(x: Array, y: Array, ends: Array) -> Array:
    """Products of groups, which end at ``ends``; what lies past the last end gives zeros.

    (rows, K) and (groups, K, N): groups of rows; the result is (rows, N).
    (groups, M, K) and (K, columns): groups of columns; the result is (M, columns).
    (M, K) and (K, N): groups of K; the result is (groups, M, N).
    """
    sizes = jnp.diff(ends, prepend=0).astype(jnp.int32)
    if y.ndim == 3:
        return jax.lax.ragged_dot(x, y, sizes)
    if x.ndim == 3:
        return jax.lax.ragged_dot(y.T, x.swapaxes(1, 2), sizes).T
    group = jnp.searchsorted(ends, jnp.arange(x.shape[1], dtype=ends.dtype), side="right")
    mine = group == jnp.arange(ends.shape[0])[:, None]
    return jnp.einsum("mk,gk,kn->gmn", x, mine.astype(x.dtype), y)
