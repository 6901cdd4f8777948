"""Logarithm of the gamma function, its derivatives, and the zeta function they are made of, for all real numbers.

JAX's zeta and polygamma functions are those of positive numbers: here what is negative is first moved up, by
``zeta(s, q) = q^-s + zeta(s, q + 1)``.
"""

from math import factorial

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.primitives.primitive import Array

__all__ = ["digamma", "lgamma", "polygamma", "zeta"]


@jax.custom_jvp
def zeta(s: Array, q: Array) -> Array:
    """``sum over k >= 0 of (q + k)^-s``; infinite at its poles, NaN where it is not real. No gradient of s."""
    s, q = jnp.broadcast_arrays(s, q)
    count = jnp.where(q < 0, jnp.ceil(-q), 0)

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        index, total = state
        return index + 1, total + jnp.where(index < count, jnp.power(q + index, -s), 0)

    start = (jnp.zeros((), q.dtype), jnp.zeros_like(q))
    below = jax.lax.while_loop(lambda state: jnp.any(state[0] < count), step, start)[1]
    found = below + special.zeta(s, q + count)
    outside = jnp.where(q == jnp.floor(q), jnp.inf, jnp.where(s == jnp.floor(s), found, jnp.nan))
    return jnp.where(s == 1, jnp.inf, jnp.where(s < 1, jnp.nan, jnp.where(q <= 0, outside, found)))


@zeta.defjvp
def _zeta_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    s, q = primals
    return zeta(s, q), -s * zeta(s + 1, q) * tangents[1]


def polygamma(order: int, x: Array) -> Array:
    """Derivative of this order of ``digamma``: ``(-1)^(order + 1) order! zeta(order + 1, x)``."""
    if order == 0:
        return digamma(x)
    scale = jnp.asarray((-1.0) ** (order + 1) * factorial(order), x.dtype)
    return scale * zeta(jnp.asarray(order + 1, x.dtype), x)


@jax.custom_jvp
def digamma(x: Array) -> Array:
    return special.digamma(x)


@digamma.defjvp
def _digamma_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return digamma(*primals), polygamma(1, primals[0]) * tangents[0]


@jax.custom_jvp
def lgamma(x: Array) -> Array:
    return special.gammaln(x)


@lgamma.defjvp
def _lgamma_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return lgamma(*primals), digamma(primals[0]) * tangents[0]
