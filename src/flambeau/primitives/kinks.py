"""Functions with the gradients that PyTorch gives them where they have none, or where JAX's formula is 0 * infinity."""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.primitives.primitive import Array

__all__ = [
    "absolute",
    "arctan2",
    "clamped",
    "copysign",
    "floor_quotient",
    "hypot",
    "interpolated",
    "log_odds",
    "logaddexp",
    "maximum",
    "minimum",
    "power",
    "quotient",
    "remainder",
    "rsqrt",
    "sign",
    "sinc",
    "whole_power",
    "xlog1py",
    "xlogy",
]


def _constant_where(condition: Array, x: Array) -> Array:
    """X, without a gradient where the condition holds."""
    return jnp.where(condition, jax.lax.stop_gradient(x), x)


def sign(x: Array) -> Array:
    """1, 0 or -1; of NaN 0."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return x if x.dtype == bool else jnp.sign(x)
    fixed = jax.lax.stop_gradient(x)
    return jnp.where(fixed > 0, 1, jnp.where(fixed < 0, -1, 0)).astype(x.dtype)


@jax.custom_jvp
def _real_size(x: Array) -> Array:
    return jnp.abs(x)


@_real_size.defjvp
def _real_size_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _real_size(*primals), tangents[0] * sign(primals[0])


def absolute(x: Array) -> Array:
    """Absolute value; its gradient at 0 is 0, and not 1; at NaN, too."""
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


def whole_power(x: Array, y: Array) -> Array:
    """``x ** y`` of whole numbers; of a negative y it is 0, unless x is 1 or -1."""
    found = _repeated_squares(x, jnp.maximum(y, 0))
    if jnp.issubdtype(y.dtype, jnp.unsignedinteger):
        return found
    inverse = jnp.where(jnp.abs(x) == 1, jnp.where(y % 2 == 0, 1, x), 0)
    return jnp.where(y < 0, inverse, found).astype(x.dtype)


def _repeated_squares(x: Array, y: Array) -> Array:
    """``x ** y`` of whole numbers, y zero or more, wrapped as products are; JAX's own looks at six bits of y."""

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        base, left, found = state
        return base * base, left >> 1, jnp.where(left & 1 == 1, found * base, found)

    x, y = jnp.broadcast_arrays(x, y)
    return jax.lax.while_loop(lambda state: jnp.any(state[1] != 0), step, (x, y, jnp.ones_like(x)))[2]


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


# -- quotients ---------------------------------------------------------------------------------------------------------


@jax.custom_jvp
def quotient(x: Array, y: Array) -> Array:
    """``x / y``; its gradient by y is ``-(x / y) / y``, where ``x / y**2`` would leave the range of numbers."""
    return jnp.divide(x, y)


@quotient.defjvp
def _quotient_derivative(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    x, y = primals
    found = quotient(x, y)
    return found, tangents[0] / y - tangents[1] * quotient(found, y)


def floor_quotient(x: Array, y: Array) -> Array:
    """Largest whole number not above ``x / y``, worked out of the exact remainder; signed as the quotient is."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.floor_divide(x, y)
    found = jnp.floor_divide(x, y)
    return jnp.where(found == 0, jnp.copysign(found, x / y), found)


@jax.custom_jvp
def remainder(x: Array, y: Array) -> Array:
    """What a floor division leaves; it has the sign of ``y``."""
    return jnp.remainder(x, y)


@remainder.defjvp
def _remainder_derivative(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return remainder(*primals), tangents[0] - tangents[1] * floor_quotient(*primals)


@jax.custom_jvp
def rsqrt(x: Array) -> Array:
    """``1 / sqrt(x)``; its gradient comes from the result alone."""
    return jax.lax.rsqrt(x)


@rsqrt.defjvp
def _rsqrt_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    found = rsqrt(*primals)
    return found, tangents[0] * (-0.5 * found * found * found)


@jax.custom_jvp
def log_odds(x: Array) -> Array:
    """``log(x / (1 - x))``, of numbers between 0 and 1; outside them its gradient is NaN, as its value is."""
    return special.logit(x)


@log_odds.defjvp
def _log_odds_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    x = primals[0]
    return log_odds(x), tangents[0] * jnp.where((x < 0) | (x > 1), jnp.nan, 1 / jnp.abs(x * (1 - x)))


@jax.custom_jvp
def sinc(x: Array) -> Array:
    """``sin(pi x) / (pi x)``; its gradient is 0 where the square of ``pi x`` is."""
    return jnp.sinc(x.astype(jnp.float32)).astype(x.dtype) if x.dtype.itemsize == 2 else jnp.sinc(x)


@sinc.defjvp
def _sinc_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    x = primals[0]
    angle = jnp.pi * (x.astype(jnp.float32) if x.dtype.itemsize == 2 else x)
    flat = angle * angle == 0
    safe = jnp.where(flat, 1, angle)
    slope = (safe * jnp.cos(safe) - jnp.sin(safe)) * jnp.pi / (safe * safe)
    return sinc(x), tangents[0] * jnp.where(flat, 0, slope).astype(x.dtype)


# -- choices -----------------------------------------------------------------------------------------------------------


@jax.custom_jvp
def maximum(x: Array, y: Array) -> Array:
    """The larger of two, NaN if there is one; equal ones share the gradient, and beside NaN both have all of it."""
    return jnp.maximum(x, y)


@jax.custom_jvp
def minimum(x: Array, y: Array) -> Array:
    """The smaller of two, otherwise as ``maximum``."""
    return jnp.minimum(x, y)


def _chosen(x: Array, y: Array, tangents: tuple[Array, Array]) -> Array:
    """Derivative of the larger of two."""
    shares = [jnp.where(x == y, tangent / 2, tangent) for tangent in tangents]
    return jnp.where(x < y, 0, shares[0]) + jnp.where(x > y, 0, shares[1])


@maximum.defjvp
def _maximum_derivative(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return maximum(*primals), _chosen(*primals, tangents)


@minimum.defjvp
def _minimum_derivative(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    x, y = primals
    return minimum(x, y), _chosen(y, x, tangents)


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def clamped(x: Array, low: Array, high: Array, present: tuple[bool, bool]) -> Array:
    """X within those bounds that are present, NaN if one of them is; then no gradient goes through."""
    above = jnp.maximum(x, low) if present[0] else x
    return jnp.minimum(above, high) if present[1] else above


@clamped.defjvp
def _clamped_derivative(
    present: tuple[bool, bool], primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    x, low, high = primals
    inside = (x >= low if present[0] else True) & (x <= high if present[1] else True)
    slope = jnp.where(inside, tangents[0], 0)
    if present[0]:
        slope += jnp.where((x < low) & (low < high if present[1] else True), tangents[1], 0)
    if present[1]:
        slope += jnp.where((x > high) | (high < low if present[0] else False), tangents[2], 0)
    return clamped(x, low, high, present), slope


@jax.custom_jvp
def copysign(x: Array, y: Array) -> Array:
    """X with the sign of y."""
    return jnp.copysign(x, y)


@copysign.defjvp
def _copysign_derivative(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    x = primals[0]
    found = copysign(*primals)
    return found, tangents[0] * jnp.where(x == 0, 0, jax.lax.stop_gradient(found / x))


# -- sums --------------------------------------------------------------------------------------------------------------


@jax.custom_jvp
def hypot(x: Array, y: Array) -> Array:
    """``sqrt(x**2 + y**2)`` where the squares would leave the range of numbers."""
    return jnp.hypot(x, y)


@hypot.defjvp
def _hypot_derivative(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    found = hypot(*primals)
    return found, tangents[0] * (primals[0] / found) + tangents[1] * (primals[1] / found)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def logaddexp(x: Array, y: Array, power: Callable[[Array], Array]) -> Array:
    """Logarithm of the sum of the two's powers; ``power`` is ``jnp.exp`` or ``jnp.exp2``.

    Its derivatives of all orders stay finite for distant numbers, where PyTorch's second ones are NaN.
    """
    return (jnp.logaddexp if power is jnp.exp else jnp.logaddexp2)(x, y)


@logaddexp.defjvp
def _logaddexp_derivative(
    power: Callable[[Array], Array], primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    x, y = primals
    distance = x - y if power is jnp.exp else (x - y) * math.log(2)
    slope = tangents[0] * jax.nn.sigmoid(distance) + tangents[1] * jax.nn.sigmoid(-distance)
    return logaddexp(x, y, power), slope


@jax.custom_jvp
def interpolated(start: Array, end: Array, share: Array) -> Array:
    """``start`` where the share is 0, ``end`` where it is 1, exactly."""
    distance = end - start
    return jnp.where(jnp.abs(share) < 0.5, start + share * distance, end - distance * (1 - share))


@interpolated.defjvp
def _interpolated_derivative(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    start, end, share = primals
    slope = tangents[0] * (1 - share) + tangents[1] * share + tangents[2] * (end - start)
    return interpolated(start, end, share), slope
