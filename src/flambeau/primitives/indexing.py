"""Reading and writing at positions given by tensors: gather, scatter, masks, triangles and diagonals."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, Primitive, Scalar, as_array, primitive
from flambeau.primitives.rows import add_each, add_rows, along, take_each, take_rows
from flambeau.primitives.segments import group_products
from flambeau.primitives.sorting import ghost

__all__ = [
    "INDEX_FILL",
    "diag_embed",
    "gather",
    "index",
    "index_add",
    "index_put",
    "index_select",
    "masked_scatter",
    "nonzero_static",
    "nothing_gathered",
    "put",
    "scatter",
    "scatter_reduce",
    "take",
    "tril",
    "triu",
]

_MANY = tuple(range(2, 34))  # positions of index tensors among the inputs of a variadic primitive


# -- writing, with PyTorch's gradient -----------------------------------------------------------------------------


def _filled_in(spec: tuple[bool, ...], indices: Sequence[Array]) -> tuple[Any, ...]:
    """A subscript: index arrays where ``spec`` is true, whole axes elsewhere."""
    rest = iter(indices)
    return tuple([next(rest) if taken else slice(None) for taken in spec])


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _replaced(spec: tuple[bool, ...], x: Array, value: Array, indices: tuple[Array, ...]) -> Array:
    """X with ``value`` at positions. Each value gets the gradient at its position, even if another one overwrote it."""
    return x.at[_filled_in(spec, indices)].set(value)


def _replaced_forward(spec: tuple[bool, ...], x: Array, value: Array, indices: tuple[Array, ...]) -> Any:
    return _replaced(spec, x, value, indices), indices


def _replaced_backward(spec: tuple[bool, ...], indices: tuple[Array, ...], gradient: Array) -> Any:
    where = _filled_in(spec, indices)
    return gradient.at[where].set(0), gradient[where], None


_replaced.defvjp(_replaced_forward, _replaced_backward)


def _looked_up(where: Any, x: Array) -> Array:
    return x[where]


def _cut(source: Array, shape: Sequence[int]) -> Array:
    """The leading part of an array."""
    return source[tuple([slice(size) for size in shape])]


# -- index tensors ------------------------------------------------------------------------------------------------


@primitive(saves=(1, *_MANY), grad_name="IndexBackward0", variadic=True)
def index(inputs: tuple[Array, ...], spec: tuple[bool, ...]) -> Array:
    """(x, index arrays...): x at these positions, whole axes where ``spec`` is false."""
    x, *indices = inputs
    if _of_rows(spec, indices):
        return take_rows(x, indices[0].reshape(-1), 0).reshape(*indices[0].shape, *x.shape[1:])
    return x.at[_filled_in(spec, indices)].get(mode="fill")


def _of_rows(spec: tuple[bool, ...], indices: Sequence[Array]) -> bool:
    """Whether these are positions along the first axis alone."""
    return len(indices) == 1 and spec[0] and jnp.issubdtype(indices[0].dtype, jnp.integer)


@primitive(saves=_MANY, grad_name="IndexPutBackward0", variadic=True)
def index_put(inputs: tuple[Any, ...], spec: tuple[bool, ...], accumulate: bool) -> Array:
    """(x, value, index arrays...): x with ``value`` written to, or added at, these positions."""
    x, value, *indices = inputs
    if x.ndim == 0 and spec:  # one position, 0, of the only element
        return index_put.lower((x.reshape(1), value, *indices), spec, accumulate).reshape(())
    where = _filled_in(spec, indices)
    shape = jax.eval_shape(partial(_looked_up, where), x).shape
    if isinstance(value, Scalar):
        value = as_array(value, from_numpy_dtype(x.dtype))
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value[0]
    try:
        value = jnp.broadcast_to(value, shape)
    except ValueError:
        message = f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of"
        raise RuntimeError(f"{message} shape {list(shape)}") from None
    value = value.astype(x.dtype)
    if accumulate and _of_rows(spec, indices):
        return add_rows(x, indices[0].reshape(-1), value.reshape(-1, *x.shape[1:]), 0)
    return x.at[where].add(value) if accumulate else _replaced(spec, x, value, tuple(indices))


def _index_filled(x: Array, value: Any, where: Array, axis: int) -> Array:
    """X with one value at the positions ``where`` of an axis."""
    if x.ndim == 0:
        return _index_filled(x.reshape(1), value, where, 0).reshape(())
    filled = jnp.zeros(x.shape[axis], bool).at[where.reshape(-1)].set(True)
    number = as_array(value, from_numpy_dtype(x.dtype)) if isinstance(value, Scalar) else value.astype(x.dtype)
    return jnp.where(filled.reshape(-1, *[1] * (x.ndim - axis - 1)), number, x)


# By whether the value is a number.
INDEX_FILL = {
    True: Primitive("index_fill", _index_filled, saves=(2,), grad_name="IndexFillBackward0"),
    False: Primitive("index_fill_tensor", _index_filled, saves=(2,), grad_name="IndexFillBackward1"),
}


@primitive(saves=(1,), grad_name="IndexSelectBackward0")
def index_select(x: Array, where: Array, axis: int) -> Array:
    if x.ndim == 0:
        return x
    return take_rows(x, where.reshape(-1), axis)


@primitive(saves=(2, 3), grad_name="IndexAddBackward0")
def index_add(x: Array, source: Array, where: Array, alpha: Scalar, axis: int) -> Array:
    """X + alpha * source at positions along an axis."""
    kind = from_numpy_dtype(x.dtype)
    added = source * as_array(alpha, kind)
    if x.ndim == 0:
        return x + added.reshape(())
    return add_rows(x, where.reshape(-1), added, axis)


@primitive(saves=(1,), grad_name="GatherBackward0")
def gather(x: Array, where: Array, axis: int) -> Array:
    if x.ndim == 0:
        return jnp.broadcast_to(x, where.shape)
    if where.ndim == 0:
        return gather.lower(x, where.reshape(1), axis).reshape(())
    return take_each(x, where, axis)


@primitive(saves=(), grad_name="GatherBackward0")
def nothing_gathered(x: Array, shape: tuple[int, ...]) -> Array:
    """An empty array of x's type."""
    return jnp.zeros(shape, x.dtype)


@primitive(saves=(2,), grad_name="ScatterBackward0")
def scatter(x: Array, source: Any, where: Array, axis: int) -> Array:
    """X with elements of ``source`` (or a number) written to positions along an axis."""
    if where.size == 0:
        return x
    row, places = _row(x), _row(where)
    value, at = _source_like(row, source, places), along(row, axis, places)
    return jnp.reshape(_replaced((True,) * row.ndim, row, value, at), x.shape)


def _row(x: Array) -> Array:
    """An array of at least one axis."""
    return x.reshape(x.shape or (1,))


def _source_like(x: Array, source: Any, where: Array) -> Array:
    """What is scattered, in the target's type and the index's shape."""
    if isinstance(source, Scalar):
        return jnp.broadcast_to(as_array(source, from_numpy_dtype(x.dtype)), where.shape)
    return _cut(_row(source), where.shape).astype(x.dtype)


@primitive(grad_name="ScatterReduceBackward0")
def scatter_reduce(x: Array, source: Any, where: Array, axis: int, reduce: str, include_self: bool) -> Array:
    """X combined with elements of ``source`` that land on the same position."""
    if where.size == 0:
        return x
    row, places = _row(x), _row(where)
    value = _source_like(row, source, places)
    if reduce == "sum" and include_self:
        return add_each(row, places, value, axis).reshape(x.shape)
    at = along(row, axis, places)
    if not include_self:
        row = _replaced((True,) * row.ndim, row, jnp.full_like(value, _NEUTRAL[reduce](row.dtype)), at)
    return _SCATTERED[reduce](row, value, at, include_self).reshape(x.shape)


def _scatter_sum(x: Array, value: Array, at: Any, include_self: bool) -> Array:
    return x.at[at].add(value)


def _scatter_mean(x: Array, value: Array, at: Any, include_self: bool) -> Array:
    own = jnp.ones_like(x) if include_self else jnp.ones_like(x).at[at].set(0)
    count = jnp.maximum(own.at[at].add(1), 1)
    total = x.at[at].add(value)
    return total / count if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.floor_divide(total, count)


def _scatter_extreme(largest: bool) -> Callable[..., Array]:
    """Largest or smallest; the gradient is shared equally among ties, as PyTorch does."""

    def lower(x: Array, value: Array, at: Any, include_self: bool) -> Array:
        fixed, given = jax.lax.stop_gradient(x), jax.lax.stop_gradient(value)
        best = fixed.at[at].max(given) if largest else fixed.at[at].min(given)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            return best
        own, other = (fixed == best).astype(x.dtype), (given == best[at]).astype(x.dtype)
        count = jnp.maximum(own.at[at].add(other), 1)
        return best + (own * ghost(x)).at[at].add(other * ghost(value)) / count

    return lower


def _scatter_prod(x: Array, value: Array, at: Any, include_self: bool) -> Array:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return x.at[at].mul(value)
    places = jnp.ravel_multi_index([jnp.broadcast_to(item, value.shape) for item in at], x.shape, mode="clip")
    return x * group_products(value.reshape(-1), places.reshape(-1), x.size).reshape(x.shape)


_SCATTERED: dict[str, Callable[..., Array]] = {
    "sum": _scatter_sum,
    "mean": _scatter_mean,
    "prod": _scatter_prod,
    "amax": _scatter_extreme(largest=True),
    "amin": _scatter_extreme(largest=False),
}


def _lowest(kind: Any) -> Any:
    return -jnp.inf if jnp.issubdtype(kind, jnp.floating) else jnp.iinfo(kind).min


def _highest(kind: Any) -> Any:
    return jnp.inf if jnp.issubdtype(kind, jnp.floating) else jnp.iinfo(kind).max


_NEUTRAL: dict[str, Callable[[Any], Any]] = {
    "sum": lambda kind: 0,
    "mean": lambda kind: 0,
    "prod": lambda kind: 1,
    "amax": _lowest,
    "amin": _highest,
}


# -- the tensor as one row of elements ----------------------------------------------------------------------------


@primitive(saves=(1,), grad_name="TakeBackward0")
def take(x: Array, where: Array) -> Array:
    return take_rows(x.reshape(-1), where.reshape(-1), 0).reshape(where.shape)


@primitive(saves=(2,), grad_name="PutBackward0")
def put(x: Array, source: Array, where: Array, accumulate: bool) -> Array:
    flat, positions = x.reshape(-1), where.reshape(-1)
    value = source.reshape(-1).astype(x.dtype)
    if accumulate:
        return add_rows(flat, positions, value, 0).reshape(x.shape)
    return jnp.reshape(_replaced((True,), flat, value, (positions,)), x.shape)


@primitive(saves=(1,), grad_name="MaskedScatterBackward0")
def masked_scatter(x: Array, mask: Array, source: Array) -> Array:
    """X with consecutive elements of ``source`` where the mask is true."""
    if source.size == 0:
        return x
    shape = jnp.broadcast_shapes(x.shape, mask.shape)
    chosen = jnp.broadcast_to(mask, shape)
    order = jnp.maximum(jnp.cumsum(chosen.reshape(-1)) - 1, 0).reshape(shape)
    return jnp.where(chosen, jnp.take(source.reshape(-1), order, mode="clip"), x)


# -- triangles and diagonals --------------------------------------------------------------------------------------


def _triangle(name: str, function: Callable[..., Array]) -> Primitive:
    def lower(x: Array, diagonal: int) -> Array:
        if x.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return function(x, diagonal)

    return Primitive(name, lower, saves=())


tril = _triangle("tril", jnp.tril)
triu = _triangle("triu", jnp.triu)


@primitive(saves=(), grad_name="DiagEmbedBackward0")
def diag_embed(x: Array, offset: int, axis1: int, axis2: int) -> Array:
    """Matrices, in two new axes, with the last axis of ``x`` on a diagonal."""
    size = x.shape[-1] + abs(offset)
    rows = jnp.arange(x.shape[-1]) + max(-offset, 0)
    columns = jnp.arange(x.shape[-1]) + max(offset, 0)
    matrices = jnp.zeros((*x.shape[:-1], size, size), x.dtype).at[..., rows, columns].set(x)
    return jnp.moveaxis(matrices, (-2, -1), (axis1, axis2))


@primitive(differentiable=False)
def nonzero_static(x: Array, size: int, fill: int) -> Array:
    """Positions of the first elements that are not zero, a row each, and rows of ``fill`` after them."""
    if not x.size or not x.ndim:
        return jnp.full((size, x.ndim), fill, jnp.int64)
    return jnp.stack(jnp.nonzero(x, size=size, fill_value=fill), -1).astype(jnp.int64)
