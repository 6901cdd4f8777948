"""Activations: element-wise functions of neural networks, softmax and its kin."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from flambeau.dtypes.kinds import dtype, from_numpy_dtype
from flambeau.kernels.gelu import activates, gelu_by
from flambeau.kernels.softmax import normalizes_exponentials, softmax_by
from flambeau.primitives.primitive import Array, Primitive, common_dtype, primitive
from flambeau.primitives.refusals import refuse, unsupported

__all__ = [
    "ACTIVATIONS",
    "IN_PLACE",
    "glu",
    "log_softmax",
    "one_hot_max",
    "prelu",
    "rrelu",
    "softmax",
    "wide",
]

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def wide(x: Array) -> Array:
    """Half types are computed in float32."""
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x


_COMPLEX = {"silu_cpu"}  # kernels that PyTorch has for complex numbers, too


def _elementwise(name: str, kernel: str, function: Callable[..., Array]) -> Callable[..., Array]:
    """A lowering: whole numbers are refused unless ``kernel`` is empty, numbers come in the operand's type."""

    def lower(x: Array, *numbers: Any) -> Array:
        kinds = jnp.inexact if kernel in _COMPLEX else jnp.floating
        if kernel and not jnp.issubdtype(x.dtype, kinds):
            raise unsupported(kernel, x)
        refuse(name, common_dtype(x))
        value = wide(x)
        return function(value, *[number.value.astype(value.dtype) for number in numbers]).astype(x.dtype)

    return lower


# -- the functions; where a branch is not taken its operand is held at a safe value, so that gradients stay finite ---


def _leaky_relu(x: Array, slope: Array) -> Array:
    return jnp.where(x > 0, x, x * slope)


def _elu(x: Array, alpha: Array, scale: Array) -> Array:
    return scale * jnp.where(x <= 0, alpha * jnp.expm1(jnp.where(x <= 0, x, 0)), x)


def _selu(x: Array) -> Array:
    return _elu(x, jnp.asarray(_SELU_ALPHA, x.dtype), jnp.asarray(_SELU_SCALE, x.dtype))


def _celu(x: Array, alpha: Array) -> Array:
    return jnp.where(x <= 0, alpha * jnp.expm1(jnp.where(x <= 0, x, 0) / alpha), x)


@jax.custom_jvp
def _hardtanh(x: Array, low: Array, high: Array) -> Array:
    return jnp.minimum(jnp.maximum(x, low), high)


@_hardtanh.defjvp
def _hardtanh_derivative(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    x, low, high = primals
    return _hardtanh(x, low, high), jnp.where((x > low) & (x < high), tangents[0], 0)


@jax.custom_jvp
def _hardsigmoid(x: Array) -> Array:
    return jnp.where(x <= -3, 0, jnp.where(x >= 3, 1, x / 6 + 0.5)).astype(x.dtype)


@_hardsigmoid.defjvp
def _hardsigmoid_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    x = primals[0]
    return _hardsigmoid(x), jnp.where((x > -3) & (x < 3), tangents[0] / 6, 0)


@jax.custom_jvp
def _hardswish(x: Array) -> Array:
    return jnp.where(x <= -3, 0, jnp.where(x >= 3, x, x * (x + 3) / 6)).astype(x.dtype)


@_hardswish.defjvp
def _hardswish_derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    x = primals[0]
    slope = jnp.where(x <= -3, 0, jnp.where(x < 3, x / 3 + 0.5, 1))
    return _hardswish(x), tangents[0] * slope.astype(x.dtype)


def _silu(x: Array) -> Array:
    return x * jax.nn.sigmoid(x)


def _mish(x: Array) -> Array:
    return x * jnp.tanh(jax.nn.softplus(x))


def _exact_gelu(x: Array) -> Array:
    return x * 0.5 * (1 + special.erf(x * 0.7071067811865476))


def _gelu_by_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + jnp.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def _gelu(formula: Callable[[Array], Array], tanh: bool) -> Callable[[Array], Array]:
    """GELU by a native kernel where one serves."""
    native = gelu_by(formula, tanh)
    return lambda x: native(x) if activates(x) else formula(x)


def _softplus(x: Array, beta: Array, threshold: Array) -> Array:
    scaled = x * beta
    straight = scaled > threshold
    return jnp.where(straight, x, jnp.log1p(jnp.exp(jnp.where(straight, 0, scaled))) / beta)


def _threshold(x: Array, threshold: Array, value: Array) -> Array:
    return jnp.where(x <= threshold, value, x)


def _softshrink(x: Array, size: Array) -> Array:
    return jnp.where(x > size, x - size, jnp.where(x < -size, x + size, x * 0))


@jax.custom_jvp
def _hardshrink(x: Array, size: Array) -> Array:
    return jnp.where((x >= -size) & (x <= size), 0, x)


@_hardshrink.defjvp
def _hardshrink_derivative(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    x, size = primals
    return _hardshrink(x, size), jnp.where((x < -size) | (x > size), tangents[0], 0)


# name: (PyTorch's kernel, named where it refuses whole numbers; the function; grad_fn; grad_fn of the in-place form)
_ROWS: dict[str, tuple[str, Callable[..., Array], str, str]] = {
    "leaky_relu": ("leaky_relu_cpu", _leaky_relu, "LeakyReluBackward0", "LeakyReluBackward1"),
    "rrelu_middle": ("leaky_relu_cpu", _leaky_relu, "RreluWithNoiseBackward0", "RreluWithNoiseBackward1"),
    "elu": ("elu_cpu", _elu, "EluBackward0", "EluBackward1"),
    "selu": ("elu_cpu", _selu, "EluBackward0", "EluBackward1"),
    "celu": ("elu_cpu", _celu, "CeluBackward0", "CeluBackward1"),
    "hardtanh": ("", _hardtanh, "HardtanhBackward0", "HardtanhBackward0"),
    "hardsigmoid": ("hardsigmoid_cpu", _hardsigmoid, "HardsigmoidBackward0", "HardsigmoidBackward0"),
    "hardswish": ("hardswish_cpu", _hardswish, "HardswishBackward0", "HardswishBackward0"),
    "silu": ("silu_cpu", _silu, "SiluBackward0", "SiluBackward0"),
    "mish": ("mish_cpu", _mish, "MishBackward0", "MishBackward0"),
    "gelu": ("GeluKernelImpl", _gelu(_exact_gelu, tanh=False), "GeluBackward0", "GeluBackward0"),
    "gelu_tanh": ("GeluKernelImpl", _gelu(_gelu_by_tanh, tanh=True), "GeluBackward0", "GeluBackward0"),
    "softplus": ("softplus_cpu", _softplus, "SoftplusBackward0", "SoftplusBackward0"),
    "logsigmoid": ("log_sigmoid_cpu", jax.nn.log_sigmoid, "LogSigmoidBackward0", "LogSigmoidBackward0"),
    "threshold": ("", _threshold, "ThresholdBackward0", "ThresholdBackward1"),
    "softshrink": ("softshrink_check", _softshrink, "SoftshrinkBackward0", "SoftshrinkBackward0"),
    "hardshrink": ("hardshrink_cpu", _hardshrink, "HardshrinkBackward0", "HardshrinkBackward0"),
}

ACTIVATIONS = {
    name: Primitive(name, _elementwise(name, kernel, function), grad_name=grad_name)
    for name, (kernel, function, grad_name, _) in _ROWS.items()
}

# In-place forms guard what they wrote, since what they read is gone.
IN_PLACE = {
    name: Primitive(f"{name}_", _elementwise(name, kernel, function), grad_name=grad_name, checks="output")
    for name, (kernel, function, _, grad_name) in _ROWS.items()
}


@primitive(grad_name="PreluKernelBackward0")
def prelu(x: Array, weight: Array) -> Array:
    """``x`` where positive, weight * x elsewhere; one weight for all, or one for each channel (dimension 1)."""
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.size != 1:
        if not x.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = x.shape[1] if x.ndim > 1 else 1
        if weight.size != channels:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.size} and channel size = {channels}."
            )
    if x.dtype != weight.dtype:
        names = [from_numpy_dtype(item.dtype).tensor_type.removesuffix("Tensor") for item in (x, weight)]
        raise RuntimeError(f"prelu: Type promoting not supported. Got {names[0]} and {names[1]}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("prelu_cpu", x)
    shape = (1, -1) + (1,) * (x.ndim - 2) if x.ndim > 1 else (-1,) * x.ndim
    slope = weight.reshape(shape)
    return jnp.where(x > 0, x, slope * jnp.where(x > 0, 0, x))  # so that no infinity meets a zero gradient


@primitive(saves=(0, 1), grad_name="RreluWithNoiseBackward0")
def rrelu(x: Array, key: Array, low: Any, high: Any) -> Array:
    """Leaky ReLU whose slope is drawn for each element from [low, high)."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("rrelu_with_noise_out_cpu", x)
    share = jax.random.uniform(jax.random.wrap_key_data(key, impl="threefry2x32"), x.shape, jnp.float32)
    slope = low.value + share * (high.value - low.value)
    return jnp.where(x > 0, x, x * slope.astype(x.dtype))


@primitive(grad_name="GluBackward0")
def glu(x: Array, axis: int) -> Array:
    """First half times sigmoid of the second half, along an axis."""
    if x.shape[axis] % 2:
        message = f"Halving dimension must be even, but dimension {axis} is size {x.shape[axis]}"
        raise RuntimeError(message)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("glu_cpu", x)
    first, second = jnp.split(wide(x), 2, axis)
    return (first * jax.nn.sigmoid(second)).astype(x.dtype)


def _softmax(name: str, log: bool) -> Primitive:
    """Softmax or its logarithm along an axis, in the type asked for."""
    function = jax.nn.log_softmax if log else jax.nn.softmax

    def lower(x: Array, axis: int, kind: dtype | None) -> Array:
        value = x if kind is None else x.astype(kind.numpy)
        if value.size and not jnp.issubdtype(value.dtype, jnp.floating):
            raise unsupported(f"{name}_{'lastdim_' if axis == x.ndim - 1 else ''}kernel_impl", value)
        operand = wide(value)
        if value.ndim == 0:
            return function(operand[None], axis=0)[0].astype(value.dtype)
        if axis == x.ndim - 1 and normalizes_exponentials(operand):
            return softmax_by(operand, log).astype(value.dtype)
        return function(operand, axis=axis).astype(value.dtype)

    return Primitive(name, lower, checks="output")


softmax, log_softmax = _softmax("softmax", log=False), _softmax("log_softmax", log=True)


@primitive(differentiable=False)
def one_hot_max(x: Array, axis: int) -> Array:
    """1 at the largest element along an axis, 0 elsewhere."""
    if x.ndim == 0:
        return jnp.ones_like(x)
    return jax.nn.one_hot(jnp.argmax(x, axis), x.shape[axis], dtype=x.dtype, axis=axis)
