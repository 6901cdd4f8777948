"""The rules of the optimizers that look at a parameter as a matrix: Adafactor and Muon; see ``update``."""

import math

import jax
import jax.numpy as jnp

from flambeau.primitives.primitive import Array
from flambeau.primitives.update import Flags, Numbers, Update, between, rounded, turned

__all__ = ["adafactor_update", "muon_update"]

New = tuple[Array, ...]


def _adafactor(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, *variances: Array) -> New:
    """Adafactor; of a matrix the means of the squared gradients by row and by column are kept, of a vector all."""
    sign, share, largest, shrink, epsilon, least, threshold = numbers
    decays, climbs = flags
    gradient = turned(gradient, sign, climbs)
    rate = jnp.maximum(least, _root_mean_square(parameter)) * largest
    if decays:
        parameter = rounded(parameter * shrink)
    square = gradient * gradient
    if len(variances) == 1:
        new = (between(variances[0], square, share),)
        estimate = new[0]
    else:
        rows = between(variances[0], jnp.mean(square, -1, keepdims=True), share)
        columns = between(variances[1], jnp.mean(square, -2, keepdims=True), share)
        new = (rows, columns)
        estimate = rows * columns / jnp.maximum(jnp.mean(rows, -2, keepdims=True), epsilon)
    step = jax.lax.rsqrt(jnp.maximum(estimate, epsilon * epsilon)) * gradient
    size = rate / jnp.maximum(1, _root_mean_square(step) / threshold)
    return parameter - size * step, *new


def _root_mean_square(x: Array) -> Array:
    return jnp.sqrt(jnp.sum(x * x)) / math.sqrt(x.size)


def _muon(numbers: Numbers, flags: Flags, parameter: Array, gradient: Array, buffer: Array) -> New:
    """Muon: momentum made orthogonal by Newton-Schulz iterations in bfloat16."""
    rate, shrink, momentum, fresh, epsilon, *coefficients = numbers
    nesterov, iterations, adjustment = flags
    buffer = between(buffer, gradient, fresh)
    direction = between(gradient, buffer, momentum) if nesterov else buffer
    step = _orthogonal(direction, coefficients, iterations, epsilon).astype(parameter.dtype)
    size = rate * _ratio(parameter.shape, adjustment)
    return rounded(parameter * shrink) - size * step, buffer


def _ratio(shape: tuple[int, ...], adjustment: str) -> float:
    """What a matrix's shape does to its learning rate."""
    rows, columns = shape
    return 0.2 * math.sqrt(max(rows, columns)) if adjustment == "match_rms_adamw" else math.sqrt(max(1, rows / columns))


def _orthogonal(x: Array, coefficients: Numbers, iterations: int, epsilon: Array) -> Array:
    """A nearly orthogonal matrix of the same directions.

    Each result is rounded to bfloat16, and kept in float32: XLA may leave out a conversion there and back, but not
    ``reduce_precision``.
    """
    a, b, c = (item.astype(jnp.float32) for item in coefficients)
    tall = x.shape[0] > x.shape[1]
    x = _bfloat16(x.T if tall else x)
    x = _bfloat16(x / jnp.maximum(_bfloat16(jnp.sqrt(jnp.sum(x * x))), _bfloat16(epsilon)))
    for _ in range(iterations):
        gram = _bfloat16(_product(x, x.T))
        polynomial = _bfloat16(b * gram + c * _product(gram, gram))
        x = _bfloat16(a * x + _product(polynomial, x))
    return x.T if tall else x


def _bfloat16(x: Array) -> Array:
    """Values as bfloat16 holds them, in float32."""
    return jax.lax.reduce_precision(x.astype(jnp.float32), 8, 7)


def _product(x: Array, y: Array) -> Array:
    """Matrix product of values that bfloat16 holds, in float32."""
    kind = jnp.bfloat16
    return jnp.matmul(x.astype(kind), y.astype(kind), preferred_element_type=jnp.float32)


adafactor_update = Update("adafactor_update", _adafactor)
muon_update = Update("muon_update", _muon)
