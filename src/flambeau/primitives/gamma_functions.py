"""The gamma function's logarithm and its derivatives, and Bessel's I0, differentiable wherever they are defined.

JAX's own derivatives hold for positive arguments only, and I0's is 1 at zero.
"""

from functools import partial
from math import pi
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.primitives.primitive import Array

__all__ = ["i0", "lgamma", "polygamma"]


@jax.custom_jvp
def lgamma(x: Array) -> Array:
    """Logarithm of the absolute value of the gamma function."""
    return special.gammaln(x)


@lgamma.defjvp
def _lgamma_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return lgamma(*primals), polygamma(0, *primals) * tangents[0]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def polygamma(order: int, x: Array) -> Array:
    """Derivative ``order`` of the digamma function.

    Left of 1/2 it is reflected: with n the order, ``psi_n(x) = (-1)^n psi_n(1 - x) - pi (d/dx)^n cot(pi x)``.
    """
    if order == 0:
        return jnp.where(x == 0, -jnp.copysign(jnp.inf, x), special.digamma(x)).astype(x.dtype)
    pole = (x <= 0) & (x == jnp.floor(x))
    left = x < 0.5
    right = special.polygamma(order, jnp.where(left, jnp.where(pole, 1, 1 - x), x))
    right = jnp.where(x == jnp.inf, 0, right)
    reflected = (-1) ** order * right - pi * _cotangent_derivative(order, jnp.where(left & ~pole, x, 0.25))
    infinity = jnp.where(x == -jnp.inf, jnp.nan, jnp.inf) if order == 1 else (-1) ** (order + 1) * jnp.inf
    return jnp.where(pole, infinity, jnp.where(left, reflected, right)).astype(x.dtype)


@polygamma.defjvp
def _polygamma_derivative(order: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return polygamma(order, *primals), polygamma(order + 1, *primals) * tangents[0]


def _cotangent_derivative(order: int, x: Array) -> Array:
    """Derivative of cot(pi x): a polynomial of the cotangent, whose own derivative is ``-pi (1 + cot^2)``."""
    polynomial = [0.0, 1.0]
    for _ in range(order):
        slopes = [power * factor for power, factor in enumerate(polynomial)][1:]
        polynomial = [0.0] * (len(slopes) + 2)
        for power, slope in enumerate(slopes):
            polynomial[power] -= pi * slope
            polynomial[power + 2] -= pi * slope
    angle = pi * (x - jnp.round(x))
    cotangent = jnp.cos(angle) / jnp.sin(angle)
    return jnp.polyval(jnp.asarray(polynomial[::-1], x.dtype), cotangent)


@jax.custom_jvp
def i0(x: Array) -> Array:
    """Modified Bessel function of the first kind, of order 0."""
    return special.i0(x)


@i0.defjvp
def _i0_derivative(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    return i0(*primals), special.i1(*primals) * tangents[0]
