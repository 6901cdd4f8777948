"""Functions with the gradients that PyTorch gives them where they have none, or where JAX's formula is 0 * infinity."""

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.primitives.primitive import Array

__all__ = ["absolute", "arctan2", "power", "xlog1py", "xlogy"]


def _constant_where(condition: Array, x: Array) -> Array:
    """X, without a gradient where the condition holds."""
    return jnp.where(condition, jax.lax.stop_gradient(x), x)


@jax.custom_jvp
def _real_size(x: Array) -> Array:
    return jnp.abs(x)


@_real_size.defjvp
def _real_size_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _real_size(*primals), tangents[0] * jnp.sign(primals[0])


def absolute(x: Array) -> Array:
    """Absolute value; its gradient at 0 is 0, and not 1."""
    return _real_size(x) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.abs(x)


@jax.custom_jvp
def power(x: Array, y: Array) -> Array:
    """``x ** y``; ``0 ** 0`` has gradient 0."""
    return jnp.power(x, y)


@power.defjvp
def _power_derivative(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    x, y = primals
    found = power(x, y)
    by_base = jnp.where(y == 0, 0, y * power(x, jnp.where(y == 0, 1, y - 1)))
    zero = (x == 0) & (jnp.real(y) >= 0)
    by_exponent = jnp.where(zero, 0, found * jnp.log(jnp.where(zero, 1, x)))
    return found, tangents[0] * by_base + tangents[1] * by_exponent


def arctan2(y: Array, x: Array) -> Array:
    """Angle of a point; its gradient at the origin is 0."""
    origin = (y == 0) & (x == 0)
    return jnp.arctan2(_constant_where(origin, y), jnp.where(origin, jnp.copysign(1, jax.lax.stop_gradient(x)), x))


def xlogy(x: Array, y: Array) -> Array:
    """``x log(y)``, 0 where x is 0; there its gradient by x is 0 unless y is positive."""
    return special.xlogy(_constant_where((x == 0) & (y <= 0), x), y)


def xlog1py(x: Array, y: Array) -> Array:
    """``x log(1 + y)``, 0 where x is 0; there its gradient by x is 0 unless y is above -1."""
    return special.xlog1py(_constant_where((x == 0) & (y <= -1), x), y)
