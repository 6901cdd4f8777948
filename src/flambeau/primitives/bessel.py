"""Bessel and Airy functions, by their integrals, series and asymptotic expansions; worked out in 64 bits.

The integrals are over whole periods, or fall off as fast as ``exp(-cosh t)``: sums over equal steps are then exact to
the last digits. The formulas are those of Abramowitz and Stegun, Handbook of Mathematical Functions: 9.1.18, 9.1.88
and 9.2.5-10 (J and Y), 9.6.13 and 9.6.24 (K), 10.4.2, 10.4.14 and 10.4.60 (Ai).

None has a gradient, as in PyTorch.

Source: https://www.math.ubc.ca/~cbm/aands/
"""

from collections.abc import Callable
from math import factorial, gamma, lgamma, log, pi

import jax.numpy as jnp
import numpy as np
from jax.scipy import special

from flambeau.primitives.primitive import Array, Primitive, floating
from flambeau.primitives.refusals import unsupported

__all__ = ["BESSEL"]

_EULER = 0.5772156649015329


def _wide(name: str, function: Callable[[Array], Array]) -> Primitive:
    """A function worked out in 64 bits, of numbers of 32 or 64 bits."""

    def lower(x: Array) -> Array:
        value = floating(x)
        if value.dtype not in (jnp.float32, jnp.float64):
            raise unsupported(f"{name}_cpu", value)
        return function(value.astype(jnp.float64)).astype(value.dtype)

    return Primitive(name, lower, differentiable=False)


def _series(x: Array, coefficients: list[float]) -> Array:
    """A polynomial, its constant first."""
    return jnp.polyval(jnp.asarray(coefficients[::-1]), x)


# -- J and Y of order 0 and 1 ------------------------------------------------------------------------------------------

# Up to here the integrals are summed, from here on the asymptotic expansions.
_FAR = 25.0
# Steps in the whole period; enough for orders up to 60 and arguments up to 25.
_STEPS = 128
_ANGLES = np.arange(_STEPS // 4 + 1) * (2 * pi / _STEPS)
# Each angle of the first quarter stands for its images in the others.
_SHARES = np.where((np.arange(_STEPS // 4 + 1) % (_STEPS // 4)) == 0, 2, 4) / _STEPS
_ORDERS = np.arange(1, 28)


def _even_weights() -> np.ndarray:
    """What ``cos(x sin angle)`` counts in ``sum of (-1)^k 2 / k J_2k(x)``."""
    terms = (-1.0) ** _ORDERS * 2 / _ORDERS * np.cos(2 * np.outer(_ANGLES, _ORDERS))
    return _SHARES * terms.sum(1)


def _odd_weights() -> np.ndarray:
    """What ``sin(x sin angle)`` counts in ``sum of (-1)^k (2 k + 1) / (k (k + 1)) J_(2 k + 1)(x)``."""
    scales = (-1.0) ** _ORDERS * (2 * _ORDERS + 1) / (_ORDERS * (_ORDERS + 1))
    return _SHARES * (scales * np.sin(np.outer(_ANGLES, 2 * _ORDERS + 1))).sum(1)


def _near(x: Array, order: int, *weights: np.ndarray) -> list[Array]:
    """Weighted sums over the period, of ``cos(x sin angle)`` or, for order 1, ``sin(x sin angle)``."""
    phases = jnp.minimum(x, _FAR)[..., None] * np.sin(_ANGLES)
    waves = jnp.sin(phases) if order else jnp.cos(phases)
    return [jnp.sum(waves * item, -1) for item in weights]


def _hankel(order: int) -> list[float]:
    """Coefficients of Hankel's expansions, by powers of 1 / x."""
    found = [1.0]
    for index in range(1, 24):
        found.append(found[-1] * (4 * order**2 - (2 * index - 1) ** 2) / (8 * index))
    return found


def _far(x: Array, order: int) -> tuple[Array, Array]:
    """J and Y of large arguments."""
    value = jnp.maximum(x, _FAR)
    signed = [item * (-1) ** (index // 2) for index, item in enumerate(_hankel(order))]
    inverse = 1 / (value * value)
    p, q = _series(inverse, signed[::2]), _series(inverse, signed[1::2]) / value
    angle = value - (order / 2 + 0.25) * pi
    scale = jnp.sqrt(2 / (pi * value))
    return scale * (p * jnp.cos(angle) - q * jnp.sin(angle)), scale * (p * jnp.sin(angle) + q * jnp.cos(angle))


def _j0(x: Array) -> Array:
    size = jnp.abs(x)
    near = _near(size, 0, _SHARES)[0]
    return jnp.where(size < _FAR, near, _far(size, 0)[0])


def _j1(x: Array) -> Array:
    size = jnp.abs(x)
    near = _near(size, 1, _SHARES * np.sin(_ANGLES))[0]
    return jnp.sign(x) * jnp.where(size < _FAR, near, _far(size, 1)[0])


def _second(x: Array, near: Array, far: Array) -> Array:
    """Y for all numbers: -infinity at 0, none below."""
    found = jnp.where(x < _FAR, near, far)
    return jnp.where(x < 0, jnp.nan, jnp.where(x == 0, -jnp.inf, found))


def _y0(x: Array) -> Array:
    first, rest = _near(x, 0, _SHARES, _even_weights())
    near = 2 / pi * ((jnp.log(x / 2) + _EULER) * first - rest)
    return _second(x, near, _far(x, 0)[1])


def _y1(x: Array) -> Array:
    first, rest = _near(x, 1, _SHARES * np.sin(_ANGLES), _odd_weights())
    near = 2 / pi * ((jnp.log(x / 2) + _EULER - 1) * first - rest - _j0(x) / x)
    return _second(x, near, _far(x, 1)[1])


# -- K of order 0, 1 and 1/3 --------------------------------------------------------------------------------

_COUNT = 48


def _decaying(x: Array, order: float) -> Array:
    """``exp(x) K(x)`` for x not below 1: the integral of ``exp(-x (cosh t - 1)) cosh(order t)``."""
    last = jnp.arccosh(1 + 40 / x)[..., None]
    steps = last * (np.arange(_COUNT + 1) / _COUNT)
    terms = jnp.exp(-x[..., None] * 2 * jnp.sinh(steps / 2) ** 2) * jnp.cosh(order * steps)
    return (jnp.sum(terms, -1) - terms[..., 0] / 2) * last[..., 0] / _COUNT


def _harmonic(count: int) -> float:
    return sum(1 / index for index in range(1, count + 1))


_K0 = [_harmonic(k) / factorial(k) ** 2 for k in range(16)]
_K1 = [(_harmonic(k) + _harmonic(k + 1) - 2 * _EULER) / (factorial(k) * factorial(k + 1)) for k in range(16)]


def _small_k0(x: Array) -> Array:
    return _series(x * x / 4, _K0) - (jnp.log(x / 2) + _EULER) * special.i0(x)


def _small_k1(x: Array) -> Array:
    return 1 / x + jnp.log(x / 2) * special.i1(x) - x / 4 * _series(x * x / 4, _K1)


def _modified(order: int, scaled: bool) -> Callable[[Array], Array]:
    """K, or ``exp(x) K``: infinite at 0, none below."""
    small = _small_k1 if order else _small_k0

    def function(x: Array) -> Array:
        low, high = jnp.minimum(x, 2), jnp.maximum(x, 2)
        near = small(low) * (jnp.exp(low) if scaled else 1)
        far = _decaying(high, order) * (1 if scaled else jnp.exp(-high))
        found = jnp.where(x <= 2, near, jnp.where(jnp.isinf(x), 0, far))
        return jnp.where(x < 0, jnp.nan, jnp.where(x == 0, jnp.inf, jnp.where(jnp.isnan(x), x, found)))

    return function


# -- Airy's function ---------------------------------------------------------------------------------------------------


def _rising(start: int) -> list[float]:
    """Coefficients, by powers of x^3, of the two power series that solve ``y'' = x y``."""
    found = [1.0]
    for index in range(1, 40):
        power = 3 * index + start
        found.append(found[-1] / (power * (power - 1)))
    return found


_U = [np.exp(lgamma(3 * k + 0.5) - lgamma(k + 0.5) - lgamma(k + 1) - k * log(54)) for k in range(20)]


def _airy_ai(x: Array) -> Array:
    middle = jnp.clip(x, -8, 2)
    cube = middle**3
    at_zero, slope = 3 ** (-2 / 3) / gamma(2 / 3), 3 ** (-1 / 3) / gamma(1 / 3)
    near = at_zero * _series(cube, _rising(0)) - slope * middle * _series(cube, _rising(1))
    size = jnp.clip(jnp.abs(x), 2, 1e6)
    zeta = 2 / 3 * size**1.5
    above = jnp.sqrt(size / 3) / pi * _decaying(zeta, 1 / 3) * jnp.exp(-zeta)
    signed = [item * (-1) ** (index // 2) for index, item in enumerate(_U)]
    inverse = 1 / (zeta * zeta)
    even, odd = _series(inverse, signed[::2]), _series(inverse, signed[1::2]) / zeta
    angle = zeta + pi / 4
    below = (jnp.sin(angle) * even - jnp.cos(angle) * odd) / (jnp.sqrt(pi) * size**0.25)
    found = jnp.where(x > 2, above, jnp.where(x < -8, below, near))
    return jnp.where(jnp.isfinite(x), found, jnp.nan)


def _spherical_j0(x: Array) -> Array:
    divisor = jnp.where(x == 0, 1, x)
    return jnp.where(x == 0, 1, jnp.where(jnp.isinf(x), 0, jnp.sin(x) / divisor))


BESSEL = {
    item.name: item
    for item in (
        _wide("airy_ai", _airy_ai),
        _wide("bessel_j0", _j0),
        _wide("bessel_j1", _j1),
        _wide("bessel_y0", _y0),
        _wide("bessel_y1", _y1),
        _wide("modified_bessel_i0", special.i0),
        _wide("modified_bessel_i1", special.i1),
        _wide("modified_bessel_k0", _modified(0, scaled=False)),
        _wide("modified_bessel_k1", _modified(1, scaled=False)),
        _wide("scaled_modified_bessel_k0", _modified(0, scaled=True)),
        _wide("scaled_modified_bessel_k1", _modified(1, scaled=True)),
        _wide("spherical_bessel_j0", _spherical_j0),
    )
}
