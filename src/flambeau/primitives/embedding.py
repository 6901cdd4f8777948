"""Embedding: rows of a table, one by one or in bags, and one-hot vectors."""

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, Scalar, primitive
from flambeau.primitives.rows import add_rows, take_rows

__all__ = ["bags_of", "embedding", "embedding_bag", "largest_rows", "one_hot", "renormalized_rows"]


def _check_index(index: Array, name: str) -> None:
    if not jnp.issubdtype(index.dtype, jnp.integer) or index.dtype.itemsize < 4:
        given = from_numpy_dtype(index.dtype).tensor_type
        kind = "CPUBoolType" if given == "BoolTensor" else f"torch.{given}"
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{kind} instead (while checking arguments for {name})"
        )


def _rows(weight: Array, index: Array, by_frequency: bool) -> Array:
    """``weight[index]``, a row out of range being NaN; by frequency, gradients are divided by a row's uses."""
    count = weight.shape[0]
    where = jnp.where(index < 0, count, index).reshape(-1)
    rows = take_rows(weight, where, 0).reshape(*index.shape, *weight.shape[1:])
    if not by_frequency:
        return rows
    often = jnp.zeros(count, weight.dtype).at[index.reshape(-1)].add(1)
    share = 1 / jnp.take(often, index, axis=0)[..., None]
    return rows * share + jax.lax.stop_gradient(rows * (1 - share))


@primitive(saves=(1,), grad_name="EmbeddingBackward0")
def embedding(weight: Array, index: Array, padding: int, by_frequency: bool) -> Array:
    """``weight[index]``; no gradient flows to row ``padding`` (-1: none). A row out of range is NaN."""
    _check_index(index, "embedding")
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    rows = _rows(weight, index, by_frequency)
    return jnp.where((index == padding)[..., None], jax.lax.stop_gradient(rows), rows) if padding >= 0 else rows


@primitive(variadic=True, grad_name="EmbeddingBagBackward0")
def embedding_bag(inputs: tuple[Array, ...], mode: str, padding: int, by_frequency: bool, last_is_end: bool) -> Array:
    """Sum, mean or maximum of the rows in each bag: takes (weight, index, offsets, factors of the rows if any).

    Args:
        inputs: (rows, width), (N,), (B,) with the place where each bag begins, and (N,).
        mode: ``"sum"``, ``"mean"`` or ``"max"``; of an empty bag all are 0.
        padding: a row that does not count (-1: none).
        by_frequency: whether a row's gradient is divided by how often it is used.
        last_is_end: whether the last offset is the end of the last bag.
    """
    weight, index, offsets, *factors = inputs
    _check_index(index, "embedding_bag")
    _check_index(offsets, "embedding_bag")
    bags = offsets.shape[0] - last_is_end
    bag = _counted(index, offsets, padding, bags)
    if mode == "max":
        found, row = _largest(weight, index, bag, bags)
        return jnp.where(found, jnp.take_along_axis(weight, row, 0, mode="fill", fill_value=jnp.nan), 0)
    rows = _rows(weight, index, by_frequency)
    nothing = jnp.zeros((bags, weight.shape[1]), weight.dtype)
    total = add_rows(nothing, bag, rows * factors[0][:, None] if factors else rows, 0)
    if mode == "sum":
        return total
    count = jax.ops.segment_sum(jnp.ones(index.shape, weight.dtype), bag, bags)
    return total / jnp.maximum(count, 1)[:, None]


def _bags(index: Array, offsets: Array) -> Array:
    """The bag in which each row is; one past the last bag for what stands behind that."""
    place = jnp.arange(index.shape[0], dtype=offsets.dtype)
    return jnp.searchsorted(offsets, place, side="right") - 1


def _counted(index: Array, offsets: Array, padding: int, bags: int) -> Array:
    """The same, of a row that does not count one past the last bag."""
    return jnp.where((index == padding) & (padding >= 0), bags, _bags(index, offsets))


def _largest(weight: Array, index: Array, bag: Array, bags: int) -> tuple[Array, Array]:
    """Where each bag has rows, and which of them is the largest, column by column; the first of equal ones."""
    total = index.shape[0]
    rows = jax.lax.stop_gradient(_rows(weight, index, by_frequency=False))
    best = jnp.take(jax.ops.segment_max(rows, bag, bags), bag, axis=0, mode="clip")
    place = jnp.where((rows == best) | jnp.isnan(rows), jnp.arange(total)[:, None], total)
    first = jax.ops.segment_min(place, bag, bags)
    found = first < total
    row = jnp.take(index, jnp.where(found, first, 0), mode="clip") if total else jnp.zeros(first.shape, index.dtype)
    return found, row


@primitive(differentiable=False)
def largest_rows(weight: Array, index: Array, offsets: Array, padding: int, bags: int) -> Array:
    """Which row of each bag is the largest, column by column; 0 in an empty bag."""
    found, row = _largest(weight, index, _counted(index, offsets, padding, bags), bags)
    return jnp.where(found, row, 0).astype(jnp.result_type(index.dtype, offsets.dtype))


@primitive(differentiable=False)
def bags_of(index: Array, offsets: Array, padding: int, bags: int) -> tuple[Array, Array]:
    """The bag in which each row is, and how many rows of each bag count."""
    counted = _counted(index, offsets, padding, bags)
    kind = jnp.result_type(index.dtype, offsets.dtype)
    count = jax.ops.segment_sum(jnp.ones(index.shape, kind), counted, bags)
    return jnp.minimum(_bags(index, offsets), bags - 1).astype(kind), count


@primitive(differentiable=False)
def renormalized_rows(weight: Array, index: Array, limit: Scalar, order: Scalar) -> Array:
    """The table with each row that ``index`` names scaled down to a norm of at most ``limit``."""
    power = order.value.astype(weight.dtype)
    sizes = jnp.abs(weight)
    norms = jnp.sum(sizes**power, 1) ** (1 / power)
    norms = jnp.where(power == 0, jnp.count_nonzero(weight, 1), norms)
    norms = jnp.where(jnp.isinf(power), jnp.max(sizes, 1, initial=0), norms)
    used = jnp.zeros(weight.shape[0], bool).at[index.reshape(-1)].set(True)
    most = limit.value.astype(weight.dtype)
    scale = jnp.where(used & (norms > most), most / (norms + 1e-7), 1)
    return weight * scale[:, None]


@primitive(differentiable=False)
def one_hot(index: Array, classes: int) -> Array:
    """1 at the index, 0 elsewhere, along a new last axis."""
    return (index[..., None] == jnp.arange(classes, dtype=index.dtype)).astype(jnp.int64)
