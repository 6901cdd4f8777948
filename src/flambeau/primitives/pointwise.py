"""Element-wise primitives: arithmetic, comparison, and functions of one value, with PyTorch's promotion."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.dtypes.kinds import DTYPES, dtype, python_dtype
from flambeau.kernels.linear import relu
from flambeau.primitives import kinks
from flambeau.primitives.gamma_functions import lgamma, polygamma
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
from flambeau.primitives.refusals import refuse

__all__ = [
    "BINARY",
    "COMPARISONS",
    "UNARY",
    "add",
    "cast",
    "clamp",
    "div",
    "filled",
    "float_power",
    "lerp",
    "mul",
    "power",
    "power_static",
    "sub",
    "where",
]

_HALF = ("float16", "bfloat16")


def _arithmetic(function: Callable[[Array, Array], Array], x: Any, y: Any) -> Array:
    """Apply to promoted operands; a half type meets a Python number in float32, as in PyTorch."""
    check_broadcast(x, y)
    kind = common_dtype(x, y)
    wide = DTYPES["float32"] if kind.name in _HALF and (isinstance(x, Scalar) or isinstance(y, Scalar)) else kind
    return function(as_array(x, wide), as_array(y, wide)).astype(kind.numpy)


@primitive(saves=(), grad_name="AddBackward0", passes=(0, 1), splits=True)
def add(x: Any, y: Any) -> Array:
    return _arithmetic(jnp.add, x, y)


@primitive(saves=(), grad_name="SubBackward0", passes=(0,), splits=True)
def sub(x: Any, y: Any) -> Array:
    kinds = [item.kind.__name__ if isinstance(item, Scalar) else item.dtype.name for item in (x, y)]
    if kinds == ["bool", "bool"]:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if "bool" in kinds:
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    return _arithmetic(jnp.subtract, x, y)


@primitive(checks="others", grad_name="MulBackward0", splits=True)
def mul(x: Any, y: Any) -> Array:
    return _arithmetic(jnp.multiply, x, y)


@primitive(checks="others", grad_name="DivBackward0", splits=True)
def div(x: Any, y: Any) -> Array:
    kind = common_dtype(x, y)
    if not (kind.is_floating_point or kind.is_complex):
        kind = python_dtype(float)
        return as_array(x, kind) / as_array(y, kind)
    return _arithmetic(kinks.quotient, x, y)


@primitive(grad_name="PowBackward0")
def power(x: Any, y: Any) -> Array:
    """x ** y; a negative whole number as exponent of a whole tensor is refused by the door."""
    refuse("power", common_dtype(x, y))
    first, second = promoted(x, y)
    return (kinks.power if jnp.issubdtype(first.dtype, jnp.inexact) else kinks.whole_power)(first, second)


@primitive(grad_name="PowBackward0")
def power_static(x: Array, kind: str, exponent: float) -> Array:
    """x ** exponent for a Python number, which is part of the formula: squares and roots are not powers."""
    to = common_dtype(x, Scalar(exponent, {"int": int, "float": float, "bool": bool}[kind]))
    value = as_array(x, to)
    special_case = _POWERS.get(exponent)
    if special_case is not None:
        return special_case(value)
    if abs(exponent) < 64 and exponent == int(exponent):
        return jax.lax.integer_pow(value, int(exponent))
    power = jnp.asarray(exponent, to.numpy)
    return jnp.power(value, power) if jnp.issubdtype(value.dtype, jnp.inexact) else kinks.whole_power(value, power)


_POWERS: dict[float, Callable[[Array], Array]] = {
    0.0: jnp.ones_like,
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    0.5: jnp.sqrt,
    -0.5: jax.lax.rsqrt,
}


@primitive(grad_name="PowBackward0")
def float_power(x: Any, y: Any) -> Array:
    kind = common_dtype(x, y)
    wide = DTYPES["complex128" if kind.is_complex else "float64"]
    return kinks.power(as_array(x, wide), as_array(y, wide))


@primitive(saves=(), grad_name="ToCopyBackward0")
def cast(x: Array, kind: dtype) -> Array:
    """Convert to a data type; floats to whole numbers truncate, and what does not fit wraps as in PyTorch's CPU."""
    if x.dtype == kind.numpy:
        return x
    if kind.name == "bool":
        return x != 0
    if jnp.iscomplexobj(x) and not kind.is_complex:
        x = x.real
    if jnp.issubdtype(x.dtype, jnp.floating) and kind.rank < 5 and kind.itemsize < 8:
        return x.astype(jnp.int64).astype(kind.numpy)
    return as_array(x, kind)


@primitive(saves=(), grad_name="torch::autograd::CopyBackwards")
def filled(target: Array, source: Any) -> Array:
    """The source, converted and broadcast to what it is written into."""
    value = source.value if isinstance(source, Scalar) else source
    kind = DTYPES[jnp.dtype(target.dtype).name]
    if isinstance(source, Scalar):
        return jnp.broadcast_to(as_array(source, kind), target.shape)
    return jnp.broadcast_to(cast.lower(value, kind), target.shape)


@primitive(saves=(0,), grad_name="WhereBackward0")
def where(condition: Array, x: Any, y: Any) -> Array:
    first, second = promoted(x, y)
    return jnp.where(condition, first, second)


@primitive(grad_name="ClampBackward1")
def clamp(x: Array, low: Any, high: Any, present: tuple[bool, bool]) -> Array:
    """Limit to [low, high]; ``present`` says which bounds count."""
    kind = common_dtype(x, *(item for item, there in zip((low, high), present, strict=True) if there))
    refuse("clamp", kind)
    value = as_array(x, kind)
    bounds = [as_array(item, kind) if there else value for item, there in zip((low, high), present, strict=True)]
    return kinks.clamped(value, *bounds, present)


@primitive(grad_name="LerpBackward0")
def lerp(start: Array, end: Array, weight: Any) -> Array:
    kind = common_dtype(start, end)
    return kinks.interpolated(as_array(start, kind), as_array(end, kind), as_array(weight, kind))


# -- two operands, by table -------------------------------------------------------------------------------------


def _trunc_divide(x: Array, y: Array) -> Array:
    if jnp.issubdtype(x.dtype, jnp.integer):
        return jax.lax.div(*jnp.broadcast_arrays(x, y))
    return jnp.trunc(x / y)


def _constant(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function whose derivatives are zero, without those of the steps inside it."""

    def constant(x: Array, y: Array) -> Array:
        return function(jax.lax.stop_gradient(x), jax.lax.stop_gradient(y))

    return constant


def _binary(name: str, function: Callable[..., Array], grad_name: str = "", **options: Any) -> Primitive:
    def lower(x: Any, y: Any) -> Array:
        refuse(name, common_dtype(x, y))
        return function(*promoted(x, y))

    return Primitive(name, lower, grad_name=grad_name, **options)


def _float_binary(name: str, function: Callable[..., Array], grad_name: str = "") -> Primitive:
    def lower(x: Any, y: Any) -> Array:
        kind = common_dtype(x, y)
        refuse(name, kind)
        kind = kind if kind.is_floating_point or kind.is_complex else python_dtype(float)
        return function(as_array(x, kind), as_array(y, kind))

    return Primitive(name, lower, grad_name=grad_name)


BINARY = {
    item.name: item
    for item in (
        _binary("floor_divide", kinks.floor_quotient, **no_derivative("floor_divide")),
        _binary("div_floor", _constant(kinks.floor_quotient), "DivBackward2"),
        _binary("div_trunc", _constant(_trunc_divide), "DivBackward2"),
        _binary("remainder", kinks.remainder, "RemainderBackward0"),
        _binary("fmod", jnp.fmod, "FmodBackward0"),
        _binary("maximum", kinks.maximum, "MaximumBackward0"),
        _binary("minimum", kinks.minimum, "MinimumBackward0"),
        _binary("bitwise_and", jnp.bitwise_and, differentiable=False),
        _binary("bitwise_or", jnp.bitwise_or, differentiable=False),
        _binary("bitwise_xor", jnp.bitwise_xor, differentiable=False),
        _binary("bitwise_left_shift", jnp.left_shift, differentiable=False),
        _binary("bitwise_right_shift", jnp.right_shift, differentiable=False),
        _float_binary("atan2", kinks.arctan2, "Atan2Backward0"),
        _float_binary("hypot", kinks.hypot, "HypotBackward0"),
        _float_binary("logaddexp", partial(kinks.logaddexp, power=jnp.exp), "LogaddexpBackward0"),
        _float_binary("xlogy", kinks.xlogy, "XlogyBackward0"),
    )
}


def _comparison(name: str, function: Callable[..., Array], *, truth: bool = False) -> Primitive:
    def lower(x: Any, y: Any) -> Array:
        if truth:
            return function(*[as_array(item, common_dtype(item)) != 0 for item in (x, y)])
        refuse(name, common_dtype(x, y))
        return function(*promoted(x, y))

    return Primitive(name, lower, differentiable=False)


COMPARISONS = {
    item.name: item
    for item in (
        _comparison("eq", jnp.equal),
        _comparison("ne", jnp.not_equal),
        _comparison("lt", jnp.less),
        _comparison("le", jnp.less_equal),
        _comparison("gt", jnp.greater),
        _comparison("ge", jnp.greater_equal),
        _comparison("logical_and", jnp.logical_and, truth=True),
        _comparison("logical_or", jnp.logical_or, truth=True),
        _comparison("logical_xor", jnp.logical_xor, truth=True),
    )
}


# -- one operand, by table --------------------------------------------------------------------------------------


def _unary(name: str, function: Callable[..., Array], checks: str = "inputs", **options: Any) -> Primitive:
    """A function with a floating result; whole numbers are converted first."""

    def lower(x: Array) -> Array:
        refuse(name, common_dtype(x))
        return function(floating(x))

    return Primitive(name, lower, checks=checks, **options)


def _keeping(name: str, function: Callable[..., Array], **options: Any) -> Primitive:
    """A function whose result has the operand's own type."""

    def lower(x: Array) -> Array:
        refuse(name, common_dtype(x))
        return function(x)

    return Primitive(name, lower, **options)


def _negative(x: Array) -> Array:
    if x.dtype == jnp.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return jnp.negative(x)


def _in_32_bits(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function that half types have the digits for in its result, but not on the way."""

    def lower(x: Array) -> Array:
        return function(x.astype(jnp.float32)).astype(x.dtype) if x.dtype.itemsize == 2 else function(x)

    return lower


def _rounded(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def lower(x: Array) -> Array:
        return function(x) if jnp.issubdtype(x.dtype, jnp.inexact) else x

    return lower


def _round_half_even(x: Array) -> Array:
    return jnp.round(x)


UNARY = {
    item.name: item
    for item in (
        _unary("exp", jnp.exp, "output"),
        _unary("exp2", _in_32_bits(jnp.exp2), "output"),
        _unary("expm1", jnp.expm1, "output"),
        _unary("log", jnp.log),
        _unary("log2", jnp.log2),
        _unary("log10", jnp.log10),
        _unary("log1p", jnp.log1p),
        _unary("sqrt", jnp.sqrt, "output"),
        _unary("rsqrt", kinks.rsqrt, "output"),
        _unary("sin", jnp.sin),
        _unary("cos", jnp.cos),
        _unary("tan", jnp.tan, "output"),
        _unary("asin", jnp.arcsin),
        _unary("acos", jnp.arccos),
        _unary("atan", jnp.arctan),
        _unary("sinh", jnp.sinh),
        _unary("cosh", jnp.cosh),
        _unary("tanh", jnp.tanh, "output"),
        _unary("asinh", jnp.arcsinh),
        _unary("acosh", jnp.arccosh),
        _unary("atanh", jnp.arctanh),
        _unary("sigmoid", jax.nn.sigmoid, "output"),
        _unary("erf", special.erf),
        _unary("erfc", special.erfc),
        _unary("erfinv", special.erfinv),
        _unary("lgamma", _in_32_bits(lgamma)),
        _unary("digamma", _in_32_bits(partial(polygamma, 0))),
        _unary("reciprocal", lambda x: 1 / x, "output"),
        _unary("logit", kinks.log_odds),
        _keeping("neg", _negative, saves=()),
        _keeping("relu", relu, checks="output"),
        _keeping("abs", kinks.absolute),
        _keeping("sign", kinks.sign, saves=()),
        _keeping("floor", _rounded(jnp.floor), saves=()),
        _keeping("ceil", _rounded(jnp.ceil), saves=()),
        _keeping("round", _rounded(_round_half_even), saves=()),
        _keeping("trunc", _rounded(jnp.trunc), saves=()),
        _keeping("frac", lambda x: x - jnp.trunc(x), saves=()),
        _keeping("square", lambda x: power_static.lower(x, "int", 2), grad_name="PowBackward0"),
        _keeping("conj", jnp.conj, saves=()),
        _keeping("clone", lambda x: x, saves=()),
        _keeping("bitwise_not", jnp.invert, differentiable=False),
        _keeping("logical_not", lambda x: x == 0, differentiable=False),
        _keeping("isnan", lambda x: jnp.isnan(x) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.zeros(x.shape, bool),
                 differentiable=False),
        _keeping("isinf", lambda x: jnp.isinf(x) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.zeros(x.shape, bool),
                 differentiable=False),
        _keeping("isfinite", lambda x: jnp.isfinite(x) if jnp.issubdtype(x.dtype, jnp.inexact)
                 else jnp.ones(x.shape, bool), differentiable=False),
        _keeping("signbit", jnp.signbit, differentiable=False),
    )
}  # fmt: skip
