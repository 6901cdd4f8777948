"""Losses: what is not made of other operations."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.primitives.activation import wide
from flambeau.primitives.kinks import absolute
from flambeau.primitives.primitive import Array, Primitive, as_array, common_dtype, primitive
from flambeau.primitives.refusals import unsupported

__all__ = [
    "POINTWISE",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "multi_label_margin",
    "multi_margin",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "nll_loss_2d",
    "reduced",
    "soft_margin_loss",
]


def reduced(x: Array, reduction: str) -> Array:
    """Mean, sum, or the losses themselves."""
    if reduction == "mean":
        return jnp.mean(x)
    return jnp.sum(x) if reduction == "sum" else x


def _nll_loss(inputs: tuple[Any, ...], ignore_index: int, reduction: str) -> Array:
    """``-weight[target] * input[target]``, over classes in dimension 1 (0 for a vector).

    Takes (input, target, weight if there is one). The class is chosen by comparison: it fuses with the softmax before.
    A class out of range gives NaN.
    """
    x, target, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("nll_loss_out_frame", x)
    value = wide(x)
    axis = 0 if x.ndim == 1 else 1
    classes = x.shape[axis]
    index = jnp.expand_dims(target, axis) if x.ndim > 1 else target.reshape(1)
    chosen = index == jax.lax.broadcasted_iota(index.dtype, value.shape, axis)
    weights = None
    if rest:
        shape = [1] * x.ndim
        shape[axis] = classes
        weights = jnp.sum(jnp.where(chosen, rest[0].astype(value.dtype).reshape(shape), 0), axis)
    losses = -jnp.sum(jnp.where(chosen, value, 0), axis)
    kept = target.reshape(losses.shape) != ignore_index
    valid = (target >= 0) & (target < classes)
    losses = jnp.where(valid.reshape(losses.shape), losses if weights is None else losses * weights, jnp.nan)
    losses = jnp.where(kept, losses, 0)
    if reduction != "mean":
        return reduced(losses, reduction).astype(x.dtype)
    counted = jnp.where(kept, 1 if weights is None else weights, 0).astype(value.dtype)
    return (jnp.sum(losses) / jnp.sum(counted)).astype(x.dtype)


nll_loss = Primitive("nll_loss", _nll_loss, saves=(1, 2), grad_name="NllLossBackward0", variadic=True)
nll_loss_2d = Primitive("nll_loss2d", _nll_loss, saves=(1, 2), grad_name="NllLoss2DBackward0", variadic=True)


# -- losses of the difference, element by element ----------------------------------------------------------------


def _mse(difference: Array) -> Array:
    return difference * difference


def _near(difference: Array, size: Array, limit: Array) -> Array:
    """Differences below a limit; in place of the others 0, so that their squares have no gradient."""
    return jnp.where(size >= limit, 0, difference)


def _smooth_l1(difference: Array, beta: Array) -> Array:
    size = absolute(difference)
    near = _near(difference, size, beta)
    return jnp.where(size >= beta, size - 0.5 * beta, 0.5 * near * near / beta)


def _huber(difference: Array, delta: Array) -> Array:
    size = absolute(difference)
    near = _near(difference, size, delta)
    return jnp.where(size >= delta, delta * (size - 0.5 * delta), 0.5 * near * near)


def _pointwise(name: str, kernel: str, function: Callable[..., Array], grad_name: str) -> Primitive:
    def lower(x: Array, target: Array, *rest: Any) -> Array:
        *numbers, reduction = rest
        kind = common_dtype(x, target)
        if not kind.is_floating_point:
            raise unsupported(kernel, as_array(x, kind))
        value, goal = wide(as_array(x, kind)), wide(as_array(target, kind))
        losses = function(value - goal, *[number.value.astype(value.dtype) for number in numbers])
        return reduced(losses, reduction).astype(x.dtype if name == "huber_loss" else kind.numpy)

    return Primitive(name, lower, grad_name=grad_name)


POINTWISE = {
    item.name: item
    for item in (
        _pointwise("mse_loss", "mse_cpu", _mse, "MseLossBackward0"),
        _pointwise("smooth_l1_loss", "smooth_l1_cpu", _smooth_l1, "SmoothL1LossBackward0"),
        _pointwise("huber_loss", "huber_cpu", _huber, "HuberLossBackward0"),
    )
}


# -- losses of probabilities -------------------------------------------------------------------------------------


@jax.custom_jvp
def _limited_log(x: Array) -> Array:
    """``log(x)``, not below -100."""
    return jnp.maximum(jnp.log(x), -100)


@jax.custom_vjp
def _bernoulli_loss(x: Array, target: Array) -> Array:
    return -(target * _limited_log(x) + (1 - target) * _limited_log(1 - x))


def _bernoulli_forward(x: Array, target: Array) -> tuple[Array, tuple[Array, Array]]:
    return _bernoulli_loss(x, target), (x, target)


def _bernoulli_backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    """PyTorch holds the denominator at 1e-12 or more, so that certain predictions keep finite gradients."""
    x, target = saved
    slope = (x - target) / jnp.maximum((1 - x) * x, 1e-12)
    return gradient * slope, gradient * (jnp.log(1 - x) - jnp.log(x))


_limited_log.defjvps(lambda tangent, result, x: jnp.where(result > -100, tangent / x, 0))
_bernoulli_loss.defvjp(_bernoulli_forward, _bernoulli_backward)


@primitive(grad_name="BinaryCrossEntropyBackward0", variadic=True)
def binary_cross_entropy(inputs: tuple[Array, ...], reduction: str) -> Array:
    """``-(target * log(x) + (1 - target) * log(1 - x)): takes (x``, target, weight if there is one)."""
    x, target, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("binary_cross_entropy", x)
    losses = _bernoulli_loss(wide(x), wide(target))
    if rest:
        losses = losses * rest[0]
    return reduced(losses, reduction).astype(x.dtype)


@primitive(grad_name="BinaryCrossEntropyWithLogitsBackward0", variadic=True)
def binary_cross_entropy_with_logits(inputs: tuple[Array, ...], present: tuple[bool, bool], reduction: str) -> Array:
    """Binary cross entropy of sigmoid(x): takes (x, target, weight and pos_weight if present)."""
    x, target, *rest = inputs
    items = iter(rest)
    weight, positive = [next(items) if there else None for there in present]
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("log_sigmoid_cpu", x)
    value = wide(x)
    log_sigmoid = jax.nn.log_sigmoid(value)
    if positive is None:
        losses = (1 - target) * value - log_sigmoid
    else:
        losses = (1 - target) * value - ((positive - 1) * target + 1) * log_sigmoid
    if weight is not None:
        losses = losses * weight
    return reduced(losses, reduction).astype(common_dtype(x, target).numpy)


@primitive(grad_name="NegBackward0", variadic=True)
def multilabel_soft_margin_loss(inputs: tuple[Array, ...]) -> Array:
    """Binary cross entropy of sigmoid(x), label by label: takes (x, target, weight if there is one)."""
    x, target, *rest = inputs
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise unsupported("log_sigmoid_cpu", x)
    value = wide(x)
    losses = -(target * jax.nn.log_sigmoid(value) + (1 - target) * jax.nn.log_sigmoid(-value))
    if rest:
        losses = losses * rest[0]
    return losses.astype(common_dtype(x, target).numpy)


@primitive(grad_name="SoftMarginLossBackward0")
def soft_margin_loss(x: Array, target: Array, reduction: str) -> Array:
    """``log(1 + exp(-target * x))``."""
    kind = common_dtype(x, target)
    if not (kind.is_floating_point or kind.is_complex):
        name = kind.tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"result type Float can't be cast to the desired output type {name}")
    return reduced(jax.nn.softplus(-target * wide(x)), reduction).astype(kind.numpy)


@primitive(saves=(0, 1, 3), grad_name="MultiMarginLossBackward0", variadic=True)
def multi_margin(inputs: tuple[Any, ...], power: int, reduction: str) -> Array:
    """Mean over the other classes of max(0, margin - x[target] + x)^power: takes (x, target, margin, weight if any)."""
    x, target, margin, *rest = inputs
    classes = x.shape[1]
    chosen = target[:, None] == jnp.arange(classes, dtype=target.dtype)
    own = jnp.sum(jnp.where(chosen, x, 0), 1, keepdims=True)
    distance = margin.value.astype(x.dtype) - own + x
    active = (distance > 0) & ~chosen
    losses = jnp.where(active, jnp.where(active, distance, 0) ** power, 0)
    if rest:
        losses = losses * jnp.sum(jnp.where(chosen, rest[0], 0), 1, keepdims=True)
    return reduced(jnp.sum(losses, 1) / classes, reduction)


@primitive(saves=(0, 1), grad_name="MultilabelMarginLossBackward0")
def multi_label_margin(x: Array, target: Array, reduction: str) -> Array:
    """Sum over labels and other classes of max(0, 1 - x[label] + x[class]), over the number of classes.

    The labels of a row are those before its first -1.
    """
    if x.dtype not in (jnp.float32, jnp.float64):
        raise unsupported("multilabel_margin_loss_forward_out_frame", x)
    classes = x.shape[1]
    counts = jnp.cumprod(target >= 0, 1).astype(bool)
    chosen = counts[..., None] & (target[..., None] == jnp.arange(classes, dtype=target.dtype))
    own = jnp.sum(jnp.where(chosen, x[:, None], 0), 2)
    distance = 1 - own[..., None] + x[:, None]
    other = ~jnp.any(chosen, 1)[:, None] & counts[..., None]
    losses = jnp.where((distance > 0) & other, distance, 0)
    return reduced(jnp.sum(losses, (1, 2)) / classes, reduction)
