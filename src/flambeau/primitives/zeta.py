"""The zeta function of Hurwitz.

JAX's is that of positive numbers: here what is negative is first moved up, by ``zeta(s, q) = q^-s + zeta(s, q + 1)``.
"""

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.primitives.primitive import Array

__all__ = ["zeta"]


@jax.custom_jvp
def zeta(s: Array, q: Array) -> Array:
    """``sum over k >= 0 of (q + k)^-s``; infinite at its poles, NaN where it is not real. No gradient of s."""
    s, q = jnp.broadcast_arrays(s, q)
    count = jnp.where((q < 0) & (q != jnp.floor(q)), jnp.ceil(-q), 0)

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        index, total = state
        return index + 1, total + jnp.where(index < count, jnp.power(q + index, -s), 0)

    start = (jnp.zeros((), q.dtype), jnp.zeros_like(q))
    below = jax.lax.while_loop(lambda state: jnp.any(state[0] < count), step, start)[1]
    found = below + special.zeta(s, q + count)
    outside = jnp.where(q == jnp.floor(q), jnp.inf, jnp.where(s == jnp.floor(s), found, jnp.nan))
    found = jnp.where(s == 1, jnp.inf, jnp.where(s < 1, jnp.nan, jnp.where(q <= 0, outside, found)))
    return jnp.where((s == jnp.inf) & (q > 0) & (q <= 1), jnp.where(q == 1, 1, jnp.inf), found).astype(q.dtype)


@zeta.defjvp
def _zeta_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    s, q = primals
    return zeta(s, q), -s * zeta(s + 1, q) * tangents[1]
