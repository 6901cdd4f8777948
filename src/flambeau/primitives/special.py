"""Rarer element-wise primitives: special functions, floating-point surgery, whole-number arithmetic, closeness."""

from collections.abc import Callable
from functools import partial
from math import log, pi
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.dtypes.kinds import python_dtype
from flambeau.primitives import gamma_functions, kinks
from flambeau.primitives.activation import wide
from flambeau.primitives.primitive import (
    Array,
    Primitive,
    Scalar,
    as_array,
    check_broadcast,
    common_dtype,
    floating,
    no_derivative,
    primitive,
    promoted,
)
from flambeau.primitives.refusals import refuse, unsupported
from flambeau.primitives.sorting import ghost

__all__ = ["BINARY", "UNARY", "frexp", "isclose", "mvlgamma", "nan_to_num", "polygamma", "round_to", "same"]


def _is_floating(x: Array) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.inexact))


def _positive(x: Array) -> Array:
    if x.dtype == bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return x


def _infinite(sign: float) -> Callable[[Array], Array]:
    def lower(x: Array) -> Array:
        refuse("isposinf" if sign > 0 else "isneginf", common_dtype(x))
        return x == sign * jnp.inf if _is_floating(x) else jnp.zeros(x.shape, bool)

    return lower


def _sgn(x: Array) -> Array:
    """Direction of a complex number, sign of a real one."""
    if not jnp.iscomplexobj(x):
        return kinks.sign(x)
    size = jnp.abs(x)
    return jnp.where(size == 0, 0, x / jnp.where(size == 0, 1, size))


def _angle(x: Array) -> Array:
    value = floating(x)
    if jnp.iscomplexobj(value):
        return kinks.arctan2(jnp.imag(value), jnp.real(value))
    value = jax.lax.stop_gradient(value)
    return jnp.where(jnp.isnan(value), value, jnp.where(value < 0, jnp.asarray(pi, value.dtype), 0))


def _imaginary(x: Array) -> Array:
    if not jnp.iscomplexobj(x):
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return jnp.imag(x)


def _times(factor: float) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        return x * jnp.asarray(factor, x.dtype)

    return function


def _floating(name: str, function: Callable[..., Array], **options: Any) -> Primitive:
    def lower(x: Array) -> Array:
        refuse(name, common_dtype(x))
        return function(floating(x))

    return Primitive(name, lower, **options)


UNARY = {
    item.name: item
    for item in (
        Primitive("positive", _positive, saves=(), grad_name="PositiveBackward0"),
        Primitive("isneginf", _infinite(-1.0), differentiable=False),
        Primitive("isposinf", _infinite(1.0), differentiable=False),
        Primitive("isreal", jnp.isreal, differentiable=False),
        Primitive("sgn", _sgn),
        Primitive("angle", _angle),
        Primitive("real", jnp.real, saves=(), grad_name="RealBackward0"),
        Primitive("imag", _imaginary, saves=(), grad_name="ImagBackward0"),
        _floating("deg2rad", _times(pi / 180), saves=(), grad_name="Deg2RadBackward0"),
        _floating("rad2deg", _times(180 / pi), saves=(), grad_name="Rad2DegBackward0"),
        _floating("sinc", kinks.sinc),
        _floating("i0", gamma_functions.i0),
    )
}


def _binary(name: str, function: Callable[..., Array], **options: Any) -> Primitive:
    def lower(x: Any, y: Any) -> Array:
        refuse(name, common_dtype(x, y))
        return function(*promoted(x, y))

    return Primitive(name, lower, **options)


def _nextafter(x: Array, y: Array) -> Array:
    """The number next to x, y itself where they are equal; elsewhere its derivative by x is 1, as PyTorch has it."""
    x, y = jnp.broadcast_arrays(x, y)
    start, end = jax.lax.stop_gradient((x, y))
    equal = start == end
    return jnp.where(equal, end, jnp.nextafter(start, end) + ghost(x))


def _floating_binary(name: str, function: Callable[..., Array], **options: Any) -> Primitive:
    def lower(x: Any, y: Any) -> Array:
        kind = common_dtype(x, y)
        refuse(name, kind)
        kind = kind if kind.is_floating_point or kind.is_complex else python_dtype(float)
        return function(as_array(x, kind), as_array(y, kind))

    return Primitive(name, lower, **options)


def _extreme(larger: bool) -> Callable[[Array, Array], Array]:
    """Larger or smaller of two, where a number wins over NaN."""

    def function(x: Array, y: Array) -> Array:
        if not _is_floating(x):
            return jnp.maximum(x, y) if larger else jnp.minimum(x, y)
        better = (x >= y) if larger else (x <= y)
        return jnp.where(better | jnp.isnan(y), x, y)

    return function


def _gcd(x: Array, y: Array) -> Array:
    """Greatest common divisor; unlike JAX's it comes to an end at the smallest number, which has no opposite."""

    def step(pair: tuple[Array, Array]) -> tuple[Array, Array]:
        first, second = pair
        more = second != 0
        left = jnp.where(more, jax.lax.rem(first, jnp.where(more, second, 1)), 0)
        return jnp.where(more, second, first), left

    return jax.lax.while_loop(lambda pair: jnp.any(pair[1] != 0), step, _sizes(x, y))[0]


def _lcm(x: Array, y: Array) -> Array:
    divisor = _gcd(x, y)
    return jnp.abs(jnp.where(divisor == 0, 0, x // jnp.where(divisor == 0, 1, divisor) * y))


def _sizes(x: Array, y: Array) -> tuple[Array, Array]:
    first, second = jnp.broadcast_arrays(jnp.abs(x), jnp.abs(y))
    return first, second


def _heaviside(x: Any, y: Any) -> Array:
    refuse("heaviside", common_dtype(x, y))
    if common_dtype(x) != common_dtype(y):
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    x, y = promoted(x, y)
    return jnp.where(x == 0, y, (x > 0).astype(x.dtype))


def _scaled(x: Array, y: Array) -> Array:
    """``x * 2**y`` of whole ``y``, exact: in three steps, each of which stays inside the range of numbers."""
    kind, bits = (jnp.float64, jnp.int64) if x.dtype == jnp.float64 else (jnp.float32, jnp.int32)
    most, digits = jnp.finfo(kind).maxexp - 1, jnp.finfo(kind).nmant
    value = x.astype(kind)
    left = jnp.clip(y, -3 * most + 3, 3 * most - 3).astype(bits)
    for steps in (3, 2, 1):
        step = left // steps
        value = value * jax.lax.bitcast_convert_type((step + most) << digits, kind)
        left = left - step
    return value.astype(x.dtype)


def _ldexp(x: Any, y: Any) -> Array:
    check_broadcast(x, y)
    kind = common_dtype(x, y)
    kind = kind if kind.is_floating_point or kind.is_complex else python_dtype(float)
    value, exponent = as_array(x, kind), as_array(y, common_dtype(y))
    if kind.is_complex or _is_floating(exponent):
        return (wide(value) * jnp.exp2(wide(exponent).astype(wide(value).dtype))).astype(kind.numpy)
    if exponent.dtype == bool and (isinstance(x, Scalar) or x.dtype != bool):
        raise unsupported("ldexp_cpu_exp", exponent)
    return _scaled(value, exponent.astype(jnp.int64))


def _igamma(name: str, function: Callable[[Array, Array], Array], start: float) -> Primitive:
    """A function of ``x`` that begins with ``start`` at 0; PyTorch does not differentiate it by ``a``."""

    def limited(a: Array, x: Array) -> Array:
        whole = jnp.isinf(x)
        edge = jnp.where(x == 0, start, jnp.where(jnp.isinf(a), jnp.where(whole, jnp.nan, start), 1 - start))
        known = (a != -jnp.inf) & (x >= 0) & ((x == 0) | whole | (a == jnp.inf)) | (a == jnp.inf) & jnp.isnan(x)
        return jnp.where(jnp.isfinite(a), function(a, x), jnp.where(known, edge, jnp.nan)).astype(x.dtype)

    error = NotImplementedError(f"the derivative for '{name}: input' is not implemented.")
    return _floating_binary(name, limited, refuses={0: error})


BINARY = {
    item.name: item
    for item in (
        _floating_binary("copysign", kinks.copysign),
        Primitive("ldexp", _ldexp),
        _floating_binary("logaddexp2", partial(kinks.logaddexp, power=jnp.exp2)),
        _floating_binary("nextafter", _nextafter, grad_name="NextafterBackward0"),
        _igamma("igamma", special.gammainc, 0.0),
        _igamma("igammac", special.gammaincc, 1.0),
        _binary("fmax", _extreme(larger=True)),
        _binary("fmin", _extreme(larger=False)),
        _binary("gcd", _gcd, differentiable=False),
        _binary("lcm", _lcm, differentiable=False),
        Primitive("heaviside", _heaviside, **no_derivative("heaviside")),
    )
}


@primitive(saves=(), grad_name="RoundBackward0")
def round_to(x: Array, decimals: int) -> Array:
    """Nearest multiple of 10 ** -decimals, halves to even."""
    refuse("round_cpu" if decimals else "round", common_dtype(x))
    if not _is_floating(x):
        return x
    if decimals == 0:
        return jnp.round(x)
    scale = jnp.asarray(10.0 ** abs(decimals), x.dtype)
    return jnp.round(x * scale) / scale if decimals > 0 else jnp.round(x / scale) * scale


@primitive(grad_name="NanToNumBackward0")
def nan_to_num(x: Array, nan: Any, posinf: Any, neginf: Any, given: tuple[bool, bool]) -> Array:
    """X with NaN and infinities replaced; ``given`` says which infinities' replacements count."""
    if not _is_floating(x):
        return x
    limits: Any = jnp.finfo(x.dtype)
    high = posinf.value.astype(x.dtype) if given[0] else jnp.asarray(limits.max, x.dtype)
    low = neginf.value.astype(x.dtype) if given[1] else jnp.asarray(limits.min, x.dtype)
    finite = jnp.where(x == jnp.inf, high, jnp.where(x == -jnp.inf, low, x))
    return jnp.where(jnp.isnan(x), nan.value.astype(x.dtype), finite)


@primitive(grad_name="PolygammaBackward0")
def polygamma(x: Array, order: int) -> Array:
    refuse("digamma trigamma polygamma".split()[min(order, 2)], common_dtype(x))
    value = floating(x)
    return gamma_functions.polygamma(order, wide(value)).astype(value.dtype)


@primitive(grad_name="MvlgammaBackward0")
def mvlgamma(x: Array, order: int) -> Array:
    """Logarithm of the multivariate gamma function of this order."""
    if x.dtype == bool:
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    value = floating(x)
    constant = jnp.asarray(order * (order - 1) / 4 * log(pi), value.dtype)
    return constant + sum((gamma_functions.lgamma(value - part / 2) for part in range(order)), jnp.zeros_like(value))


@primitive(grad_name="FrexpBackward0")
def frexp(x: Array) -> tuple[Array, Array]:
    exponent = jnp.frexp(jax.lax.stop_gradient(x))[1]
    return _scaled(x, -exponent), exponent


@primitive(differentiable=False)
def isclose(x: Array, y: Array, rtol: Scalar, atol: Scalar, equal_nan: bool) -> Array:
    """|x - y| <= atol + rtol * |y|; whole numbers are compared as PyTorch does, in floating numbers."""
    close = x == y
    if equal_nan and _is_floating(x):
        close |= jnp.isnan(x) & jnp.isnan(y)
    wide = x.dtype if _is_floating(x) else jnp.float64
    first, second = x.astype(wide), y.astype(wide)
    distance = jnp.abs(first - second)
    allowed = atol.value.astype(distance.dtype) + jnp.abs(rtol.value.astype(distance.dtype) * jnp.abs(second))
    return close | (jnp.isfinite(distance) & (distance <= allowed))


@primitive(differentiable=False)
def same(x: Array, y: Array) -> Array:
    return jnp.all(x == y)
