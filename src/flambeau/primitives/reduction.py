"""Reductions over axes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import dtype
from flambeau.primitives.primitive import Array, Primitive, floating, primitive

__all__ = ["REDUCTIONS", "argmax", "argmin", "cumprod", "cumsum", "max_along", "min_along", "total", "variance"]


def _accumulated(x: Array, kind: dtype | None) -> Array:
    """Operand as sums take it: whole numbers and booleans add up as int64."""
    if kind is not None:
        return x.astype(kind.numpy)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.int64)


@primitive(name="sum", saves=(), grad_name="SumBackward0")
def total(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    return jnp.sum(_accumulated(x, kind), axis=axes, keepdims=keepdim)


def _mean(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    value = x if kind is None else x.astype(kind.numpy)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        name = "Bool" if value.dtype == bool else {"int64": "Long", "int32": "Int"}.get(value.dtype.name, "Byte")
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {name}"
        )
    return jnp.mean(value, axis=axes, keepdims=keepdim)


def _prod(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    return jnp.prod(_accumulated(x, kind), axis=axes, keepdims=keepdim)


def _extreme(function: Callable[..., Array]) -> Callable[..., Array]:
    """Largest or smallest value; the gradient is shared equally among ties, as ``amax`` does."""

    def lower(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
        if x.size == 0:
            raise IndexError(
                f"{function.__name__}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                "reduction dim with the 'dim' argument."
            )
        return function(x, axis=axes, keepdims=keepdim)

    return lower


def _logsumexp(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    return jax.scipy.special.logsumexp(floating(x), axis=axes, keepdims=keepdim)


REDUCTIONS = {
    item.name: item
    for item in (
        total,
        Primitive("mean", _mean, saves=()),
        Primitive("prod", _prod),
        Primitive("amax", _extreme(jnp.max)),
        Primitive("amin", _extreme(jnp.min)),
        Primitive("logsumexp", _logsumexp),
        Primitive("all", lambda x, axes, keepdim, kind: jnp.all(x, axis=axes, keepdims=keepdim), differentiable=False),
        Primitive("any", lambda x, axes, keepdim, kind: jnp.any(x, axis=axes, keepdims=keepdim), differentiable=False),
        Primitive("count_nonzero", lambda x, axes, keepdim, kind: jnp.sum(x != 0, axis=axes, dtype=jnp.int64),
                  differentiable=False),
    )
}  # fmt: skip


@primitive(grad_name="VarBackward0")
def variance(x: Array, axes: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    """Mean squared distance from the mean, divided by (count - correction)."""
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    distance = x - jnp.mean(x, axis=axes, keepdims=True)
    squares = jnp.real(distance * jnp.conj(distance)) if jnp.iscomplexobj(x) else distance * distance
    return jnp.sum(squares, axis=axes, keepdims=keepdim) / jnp.asarray(max(count - correction, 0), squares.dtype)


def _along(position: Callable[..., Array]) -> Callable[..., tuple[Array, Array]]:
    """Values and their positions along one axis; a 0-d tensor has position 0."""

    def lower(x: Array, axis: int, keepdim: bool) -> tuple[Array, Array]:
        if x.ndim == 0:
            return x, jnp.zeros((), jnp.int64)
        where = position(x, axis=axis, keepdims=True).astype(jnp.int64)
        value = jnp.take_along_axis(x, where, axis)
        return (value, where) if keepdim else (value.squeeze(axis), where.squeeze(axis))

    return lower


max_along = Primitive("max", _along(jnp.argmax), grad_name="MaxBackward0")
min_along = Primitive("min", _along(jnp.argmin), grad_name="MinBackward0")


def _argument(function: Callable[..., Array]) -> Callable[..., Array]:
    def lower(x: Array, axis: int | None, keepdim: bool) -> Array:
        if x.ndim == 0:
            return jnp.zeros((), jnp.int64)
        return function(x, axis=axis, keepdims=keepdim).astype(jnp.int64)

    return lower


argmax = Primitive("argmax", _argument(jnp.argmax), differentiable=False)
argmin = Primitive("argmin", _argument(jnp.argmin), differentiable=False)


@primitive(saves=(), grad_name="CumsumBackward0")
def cumsum(x: Array, axis: int, kind: dtype | None) -> Any:
    value = _accumulated(x, kind)
    return jnp.cumsum(value, axis=axis) if value.ndim else value


@primitive(grad_name="CumprodBackward0")
def cumprod(x: Array, axis: int, kind: dtype | None) -> Any:
    value = _accumulated(x, kind)
    return jnp.cumprod(value, axis=axis) if value.ndim else value
