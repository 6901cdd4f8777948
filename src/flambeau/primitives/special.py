"""Rarer element-wise primitives: special functions, floating-point surgery, whole-number arithmetic, closeness."""

from collections.abc import Callable
from math import log, pi
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.dtypes.kinds import python_dtype
from flambeau.primitives import gamma_functions
from flambeau.primitives.kinks import absolute
from flambeau.primitives.primitive import (
    Array,
    Primitive,
    Scalar,
    as_array,
    common_dtype,
    floating,
    primitive,
    promoted,
)
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
        return x == sign * jnp.inf if _is_floating(x) else jnp.zeros(x.shape, bool)

    return lower


def _sgn(x: Array) -> Array:
    """Direction of a complex number, sign of a real one."""
    if not jnp.iscomplexobj(x):
        return jnp.sign(x)
    size = jnp.abs(x)
    return jnp.where(size == 0, 0, x / jnp.where(size == 0, 1, size))


def _angle(x: Array) -> Array:
    value = floating(x)
    if jnp.iscomplexobj(value):
        return jnp.angle(value)
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
        _floating("sinc", jnp.sinc),
        _floating("i0", gamma_functions.i0),
    )
}


def _binary(name: str, function: Callable[..., Array], **options: Any) -> Primitive:
    def lower(x: Any, y: Any) -> Array:
        return function(*promoted(x, y))

    return Primitive(name, lower, **options)


def _nextafter(x: Array, y: Array) -> Array:
    """The number next to x; its derivative by x is taken to be 1, as PyTorch does."""
    return jnp.nextafter(jax.lax.stop_gradient(x), jax.lax.stop_gradient(y)) + ghost(x)


def _floating_binary(name: str, function: Callable[..., Array], **options: Any) -> Primitive:
    def lower(x: Any, y: Any) -> Array:
        kind = common_dtype(x, y)
        kind = kind if kind.is_floating_point or kind.is_complex else python_dtype(float)
        return function(as_array(x, kind), as_array(y, kind))

    return Primitive(name, lower, **options)


def _copysign(x: Array, y: Array) -> Array:
    return jnp.where(jnp.signbit(y), -absolute(x), absolute(x))


def _extreme(larger: bool) -> Callable[[Array, Array], Array]:
    """Larger or smaller of two, where a number wins over NaN."""

    def function(x: Array, y: Array) -> Array:
        if not _is_floating(x):
            return jnp.maximum(x, y) if larger else jnp.minimum(x, y)
        better = (x >= y) if larger else (x <= y)
        return jnp.where(better | jnp.isnan(y), x, y)

    return function


def _whole(name: str, function: Callable[..., Array]) -> Callable[[Array, Array], Array]:
    def checked(x: Array, y: Array) -> Array:
        if _is_floating(x) or x.dtype == bool:
            kind = "Bool" if x.dtype == bool else {"float32": "Float", "float64": "Double"}.get(x.dtype.name, "Half")
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{kind}'")
        return function(x, y)

    return checked


def _heaviside(x: Array, y: Array) -> Array:
    return jnp.where(x == 0, y, (x > 0).astype(x.dtype))


def _ldexp(x: Array, y: Array) -> Array:
    return x * jnp.exp2(y)


def _logaddexp2(x: Array, y: Array) -> Array:
    return jnp.logaddexp(x * log(2), y * log(2)) / log(2)


BINARY = {
    item.name: item
    for item in (
        _floating_binary("copysign", _copysign),
        _floating_binary("ldexp", _ldexp, grad_name="MulBackward0"),
        _floating_binary("logaddexp2", _logaddexp2),
        _floating_binary("nextafter", _nextafter, grad_name="NextafterBackward0"),
        _floating_binary("igamma", special.gammainc),
        _floating_binary("igammac", special.gammaincc),
        _binary("fmax", _extreme(larger=True)),
        _binary("fmin", _extreme(larger=False)),
        _binary("gcd", _whole("gcd", jnp.gcd), differentiable=False),
        _binary("lcm", _whole("lcm", jnp.lcm), differentiable=False),
        _binary("heaviside", _heaviside, differentiable=False),
    )
}


@primitive(saves=(), grad_name="RoundBackward0")
def round_to(x: Array, decimals: int) -> Array:
    """Nearest multiple of 10 ** -decimals, halves to even."""
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
    return gamma_functions.polygamma(order, floating(x))


@primitive(grad_name="MvlgammaBackward0")
def mvlgamma(x: Array, order: int) -> Array:
    """Logarithm of the multivariate gamma function of this order."""
    value = floating(x)
    constant = jnp.asarray(order * (order - 1) / 4 * log(pi), value.dtype)
    return constant + sum((gamma_functions.lgamma(value - part / 2) for part in range(order)), jnp.zeros_like(value))


@primitive(grad_name="FrexpBackward0")
def frexp(x: Array) -> tuple[Array, Array]:
    mantissa, exponent = jnp.frexp(x)
    scale = jnp.exp2(-exponent.astype(x.dtype))
    return x * jax.lax.stop_gradient(scale) if _is_floating(x) else mantissa, exponent.astype(jnp.int32)


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
