"""Reductions over axes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import dtype, from_numpy_dtype
from flambeau.kernels.running import running_products, running_sums
from flambeau.primitives.kinks import absolute, logaddexp, sign
from flambeau.primitives.primitive import Array, Primitive, floating, primitive
from flambeau.primitives.refusals import unsupported

__all__ = [
    "REDUCTIONS",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "deviation",
    "distances",
    "logcumsumexp",
    "matrix_norm",
    "max_along",
    "min_along",
    "total",
    "trace",
    "variance",
    "vector_norm",
]


def _accumulated(x: Array, kind: dtype | None) -> Array:
    """Operand as sums take it: whole numbers and booleans add up as int64."""
    if kind is not None:
        return x.astype(kind.numpy)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.int64)


@primitive(name="sum", saves=(), grad_name="SumBackward0")
def total(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    return jnp.sum(_accumulated(x, kind), axis=axes, keepdims=keepdim)


def _type_name(x: Array) -> str:
    return from_numpy_dtype(x.dtype).tensor_type.removesuffix("Tensor")


def _mean(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    value = x if kind is None else x.astype(kind.numpy)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        which = "Input" if kind is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} dtype must be either a floating point or complex dtype. "
            f"Got: {_type_name(value)}"
        )
    return jnp.mean(value, axis=axes, keepdims=keepdim)


def _check_real(name: str, x: Array, plural: str = "") -> None:
    if jnp.iscomplexobj(x):
        raise RuntimeError(f"{name} does not support complex input{plural}")


def _nansum(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    _check_real("nansum on CPU", x, "s")
    value = _accumulated(x, kind)
    return jnp.sum(jnp.where(jnp.isnan(value), 0, value), axis=axes, keepdims=keepdim)


def _nanmean(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    value = x if kind is None else x.astype(kind.numpy)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        kinds = f"floating point or complex dtype but got {_type_name(x)}"
        raise RuntimeError(f"nanmean(): expected input to have {kinds}")
    _check_real("nansum on CPU", x, "s")
    there = ~jnp.isnan(value)
    total = jnp.sum(jnp.where(there, value, 0), axis=axes, keepdims=keepdim)
    return total / jnp.sum(there, axis=axes, keepdims=keepdim).astype(total.dtype)


def _prod(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    return jnp.prod(_accumulated(x, kind), axis=axes, keepdims=keepdim)


def _check_not_empty(name: str, x: Array, axes: tuple[int, ...]) -> None:
    """Raise, in PyTorch's words, where there is nothing to reduce."""
    if x.size == 0 and len(axes) == x.ndim:
        raise RuntimeError(
            f"{name}: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            "the 'dim' argument."
        )
    for axis in axes:
        if x.shape[axis] == 0:
            raise IndexError(f"{name}: Expected reduction dim {axis} to have non-zero size.")


@partial(jax.custom_jvp, nondiff_argnums=(0, 2, 3))
def _shared(function: Callable[..., Array], x: Array, axes: tuple[int, ...], among_nan: bool) -> Array:
    """Largest or smallest value, with its axes kept; the gradient is shared equally among ties.

    Where it is NaN, the elements that are NaN share it if ``among_nan`` is set; otherwise all gradients are NaN.
    """
    return function(x, axis=axes, keepdims=True)


@_shared.defjvp
def _shared_derivative(
    function: Callable[..., Array],
    axes: tuple[int, ...],
    among_nan: bool,
    primals: tuple[Array],
    tangents: tuple[Array],
) -> tuple[Array, Array]:
    x = primals[0]
    found = _shared(function, x, axes, among_nan)
    lost = jnp.isnan(found)
    hit = (x == found) | (lost & jnp.isnan(x) if among_nan else lost)
    share = 1 / jnp.sum(hit, axis=axes, keepdims=True).astype(x.dtype)
    weights = jnp.where(hit, share if among_nan else jnp.where(lost, jnp.nan, share), 0)
    return found, jnp.sum(tangents[0] * weights, axis=axes, keepdims=True)


def _extreme(name: str, function: Callable[..., Array], kernel: str = "") -> Primitive:
    """Largest or smallest value; ``kernel`` is what refuses complex numbers."""

    def lower(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
        if jnp.iscomplexobj(x):
            raise unsupported(kernel, x)
        _check_not_empty(f"{name}()", x, axes)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            return function(x, axis=axes, keepdims=keepdim)
        found = _shared(function, x, axes, among_nan=name in ("max", "min"))
        return found if keepdim else jnp.squeeze(found, axes)

    return Primitive(name, lower)


def _truth(name: str, function: Callable[..., Array]) -> Primitive:
    """All or any; bytes stay bytes, as in PyTorch."""

    def lower(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
        return function(x, axis=axes, keepdims=keepdim).astype(x.dtype if x.dtype == jnp.uint8 else bool)

    return Primitive(name, lower, differentiable=False)


def _count_nonzero(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    return jnp.sum(x != 0, axis=axes, dtype=jnp.int64)


def _logsumexp(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    return jax.scipy.special.logsumexp(floating(x), axis=axes, keepdims=keepdim)


def _hash_tensor(x: Array, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    """The elements' bits, as numbers of 64 bits, combined by exclusive or."""
    if jnp.iscomplexobj(x) or x.dtype.name in ("uint16", "uint32", "uint64"):
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{_type_name(x)}'")
    _check_not_empty("hash_tensor", x, axes)
    wide = x.astype(jnp.float64 if jnp.issubdtype(x.dtype, jnp.floating) else jnp.int64)
    bits = jax.lax.bitcast_convert_type(wide, jnp.uint64)
    found = jax.lax.reduce(bits, jnp.uint64(0), jax.lax.bitwise_xor, axes)
    return jnp.expand_dims(found, axes) if keepdim else found


REDUCTIONS = {
    item.name: item
    for item in (
        total,
        Primitive("mean", _mean, saves=()),
        Primitive("prod", _prod),
        Primitive("nansum", _nansum, saves=(0,)),
        Primitive("nanmean", _nanmean, saves=(0,)),
        _extreme("amax", jnp.max, "max_values_cpu"),
        _extreme("amin", jnp.min, "min_values_cpu"),
        _extreme("max", jnp.max, "max_all"),
        _extreme("min", jnp.min, "min_all"),
        Primitive("logsumexp", _logsumexp),
        _truth("all", jnp.all),
        _truth("any", jnp.any),
        Primitive("count_nonzero", _count_nonzero, differentiable=False),
        Primitive("hash_tensor", _hash_tensor, differentiable=False),
    )
}  # fmt: skip


def _variance(x: Array, axes: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise RuntimeError("std and var only support floating point and complex dtypes")
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return _spread(x, axes, count - correction, keepdim)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _spread(x: Array, axes: tuple[int, ...], left: float, keepdim: bool) -> Array:
    """Sum of squared distances from the mean, divided by ``left``; by 0 if that is below."""
    distance = x - jnp.mean(x, axis=axes, keepdims=True)
    squares = jnp.real(distance * jnp.conj(distance)) if jnp.iscomplexobj(x) else distance * distance
    return jnp.sum(squares, axis=axes, keepdims=keepdim) / jnp.asarray(max(left, 0), squares.dtype)


@_spread.defjvp
def _spread_derivative(
    axes: tuple[int, ...], left: float, keepdim: bool, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    """The mean's part is left out: distances from it add up to 0."""
    x = primals[0]
    slope = (2 / left if left else float("inf")) * jnp.conj(x - jnp.mean(x, axis=axes, keepdims=True))
    return _spread(x, axes, left, keepdim), jnp.real(jnp.sum(tangents[0] * slope, axis=axes, keepdims=keepdim))


@primitive(grad_name="VarBackward0")
def variance(x: Array, axes: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    """Mean squared distance from the mean, divided by (count - correction)."""
    return _variance(x, axes, correction, keepdim)


def _root(squares: Array) -> Array:
    """Square root whose gradient at 0 is 0."""
    positive = squares != 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0).astype(squares.dtype)


@primitive(grad_name="StdBackward0")
def deviation(x: Array, axes: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    """Square root of the variance; where all elements are equal its gradient is 0."""
    return _root(_variance(x, axes, correction, keepdim))


@primitive(grad_name="LinalgVectorNormBackward0")
def vector_norm(x: Array, order: float, axes: tuple[int, ...], keepdim: bool, kind: dtype | None) -> Array:
    """(sum of |x| ** order) ** (1 / order), with the limits at 0 and infinity; its gradient at 0 is 0."""
    value = x if kind is None else x.astype(kind.numpy)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        kinds = f"floating point or complex tensor as input. Got {_type_name(value)}"
        raise RuntimeError(f"linalg.vector_norm: Expected a {kinds}")
    if order == 2:
        squares = jnp.real(value * jnp.conj(value)) if jnp.iscomplexobj(value) else value * value
        return _root(jnp.sum(squares, axis=axes, keepdims=keepdim))
    if order == 0:
        return jnp.sum(value != 0, axis=axes, keepdims=keepdim).astype(jnp.real(value).dtype)
    _check_has_extreme(value, order, axes)
    size = absolute(value)
    if order in (float("inf"), float("-inf")):
        found = _shared(jnp.max if order > 0 else jnp.min, size, axes, among_nan=True)
        return found if keepdim else jnp.squeeze(found, axes)
    if order == 1:
        return jnp.sum(size, axis=axes, keepdims=keepdim)
    found = _power_norm(value, order, axes)
    return found if keepdim else jnp.squeeze(found, axes)


def _check_has_extreme(x: Array, order: float, axes: tuple[int, ...]) -> None:
    """Raise, in PyTorch's words, where there is nothing that a norm of infinite or negative order could be."""
    if x.size or (0 <= order < float("inf")):
        return
    start, end = (
        f"linalg.vector_norm cannot compute the {order:g} norm on ",
        "and the operation does not have an identity",
    )
    if len(axes) == x.ndim:
        raise RuntimeError(f"{start}an empty tensor because the operation does not have an identity")
    for axis in axes:
        if x.shape[axis] == 0:
            raise RuntimeError(f"{start}the dimension {axis}because this dimension is empty {end}")


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _power_norm(x: Array, order: float, axes: tuple[int, ...]) -> Array:
    """(sum of |x| ** order) ** (1 / order), with its axes kept."""
    return jnp.sum(jnp.abs(x) ** order, axis=axes, keepdims=True) ** (1 / order)


@_power_norm.defjvp
def _power_norm_derivative(
    order: float, axes: tuple[int, ...], primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    """``x |x| ** (order - 2) / norm ** (order - 1)``, 0 where x or the norm is."""
    x = primals[0]
    found = _power_norm(x, order, axes)
    there = x != 0
    size = absolute(jnp.where(there, x, 1))
    direction = jnp.conj(x) / size if jnp.iscomplexobj(x) else sign(x)
    safe = jnp.where(found == 0, jnp.inf if order > 1 else 0, found)
    slope = jnp.where(there, direction * size ** (order - 1), 0) / safe ** (order - 1)
    return found, jnp.real(jnp.sum(tangents[0] * slope, axis=axes, keepdims=True)).astype(found.dtype)


@primitive(grad_name="LinalgMatrixNormBackward0")
def matrix_norm(x: Array, order: str | float, axes: tuple[int, int], keepdim: bool) -> Array:
    """Norm of matrices, by singular values or by sums of rows or columns."""
    matrices = jnp.moveaxis(x, axes, (-2, -1))
    if order in ("nuc", 2, -2):
        parts = jnp.linalg.svd(matrices, compute_uv=False)
    else:
        parts = jnp.sum(absolute(matrices), axis=-1 if order in (float("inf"), float("-inf")) else -2)
    combine = jnp.sum if isinstance(order, str) or not parts.shape[-1] else jnp.max if order > 0 else jnp.min
    found = combine(parts, axis=-1)
    return jnp.expand_dims(found, sorted(axes)) if keepdim else found


def _first(extreme: Callable[..., Array], x: Array, axis: int | None, keepdims: bool) -> Array:
    """Where the largest or smallest element along an axis, or a NaN, comes first.

    Two reductions of one operand each: XLA makes vector instructions of them on the CPU, but not of one over pairs of
    an element and its position.
    """
    if axis is None:
        return _first(extreme, x.reshape(-1), 0, False).reshape((1,) * x.ndim if keepdims else ())
    value = extreme(x, axis=axis, keepdims=True)
    hit = x == value
    if jnp.issubdtype(x.dtype, jnp.inexact):
        hit |= jnp.isnan(x) & jnp.isnan(value)
    places = jax.lax.broadcasted_iota(jnp.int32 if x.shape[axis] < 2**31 else jnp.int64, x.shape, axis)
    return jnp.min(jnp.where(hit, places, x.shape[axis]), axis=axis, keepdims=keepdims)


def _along(name: str, position: Callable[..., Array]) -> Callable[..., tuple[Array, Array]]:
    """Values and their positions along one axis; a 0-d tensor has position 0."""

    def lower(x: Array, axis: int, keepdim: bool) -> tuple[Array, Array]:
        _check_real(f"{name}():", x)
        if x.ndim == 0:
            return x, jnp.zeros((), jnp.int64)
        if x.shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        where = position(x, axis=axis, keepdims=True).astype(jnp.int64)
        value = jnp.take_along_axis(x, where, axis)
        return (value, where) if keepdim else (value.squeeze(axis), where.squeeze(axis))

    return lower


max_along = Primitive("max", _along("max", partial(_first, jnp.max)), grad_name="MaxBackward0")
min_along = Primitive("min", _along("min", partial(_first, jnp.min)), grad_name="MinBackward0")


def _argument(name: str, function: Callable[..., Array]) -> Primitive:
    def lower(x: Array, axis: int | None, keepdim: bool) -> Array:
        _check_real(f"{name}():", x)
        if x.dtype == bool:
            raise RuntimeError(f"{name}(): does not support bool input")
        if x.ndim == 0:
            return jnp.zeros((), jnp.int64)
        if axis is None and x.size == 0:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        if axis is not None and x.shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        return function(x, axis=axis, keepdims=keepdim).astype(jnp.int64)

    return Primitive(name, lower, differentiable=False)


argmax = _argument("argmax", partial(_first, jnp.max))
argmin = _argument("argmin", partial(_first, jnp.min))


@primitive(saves=(), grad_name="CumsumBackward0")
def cumsum(x: Array, axis: int, kind: dtype | None) -> Any:
    value = _accumulated(x, kind)
    return running_sums(value, axis) if value.ndim else value


@primitive(grad_name="CumprodBackward0")
def cumprod(x: Array, axis: int, kind: dtype | None) -> Any:
    value = _accumulated(x, kind)
    return running_products(value, axis) if value.ndim else value


@primitive(grad_name="LogcumsumexpBackward0")
def logcumsumexp(x: Array, axis: int) -> Array:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise unsupported("logcumsumexp_out_cpu", x)
    return jax.lax.associative_scan(partial(logaddexp, power=jnp.exp), x, axis=axis) if x.ndim else x


@primitive(saves=(), grad_name="TraceBackward0")
def trace(x: Array) -> Array:
    if x.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.ndim}")
    return jnp.sum(_accumulated(jnp.diagonal(x), None))


@primitive(grad_name="CdistBackward0")
def distances(x: Array, y: Array, order: float) -> Array:
    """Distances between all pairs of rows of two batches of matrices."""
    return vector_norm.lower(x[..., :, None, :] - y[..., None, :, :], order, (-1,), False, None)
