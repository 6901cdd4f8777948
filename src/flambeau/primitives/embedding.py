"""Embedding: rows of a table, and one-hot vectors."""

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, Scalar, primitive

__all__ = ["embedding", "one_hot", "renormalized_rows"]


@primitive(saves=(1,), grad_name="EmbeddingBackward0")
def embedding(weight: Array, index: Array, padding: int, by_frequency: bool) -> Array:
    """``weight[index]``; no gradient flows to row ``padding`` (-1: none). A row out of range is NaN."""
    if not jnp.issubdtype(index.dtype, jnp.integer) or index.dtype.itemsize < 4:
        name = from_numpy_dtype(index.dtype).tensor_type
        kind = "CPUBoolType" if name == "BoolTensor" else f"torch.{name}"
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{kind} instead (while checking arguments for embedding)"
        )
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    count = weight.shape[0]
    rows = jnp.take(weight, jnp.where(index < 0, count, index), axis=0, mode="fill", fill_value=jnp.nan)
    if padding >= 0:
        rows = jnp.where((index == padding)[..., None], jax.lax.stop_gradient(rows), rows)
    if not by_frequency:
        return rows
    often = jnp.zeros(count, weight.dtype).at[index.reshape(-1)].add(1)
    share = 1 / jnp.take(often, index, axis=0)[..., None]
    return rows * share + jax.lax.stop_gradient(rows * (1 - share))


@primitive(differentiable=False)
def renormalized_rows(weight: Array, index: Array, limit: Scalar, order: Scalar) -> Array:
    """The table with each row that ``index`` names scaled down to a norm of at most ``limit``."""
    power = order.value.astype(weight.dtype)
    norms = jnp.sum(jnp.abs(weight) ** power, 1) ** (1 / power)
    used = jnp.zeros(weight.shape[0], bool).at[index.reshape(-1)].set(True)
    most = limit.value.astype(weight.dtype)
    scale = jnp.where(used & (norms > most), most / (norms + 1e-7), 1)
    return weight * scale[:, None]


@primitive(differentiable=False)
def one_hot(index: Array, classes: int) -> Array:
    """1 at the index, 0 elsewhere, along a new last axis."""
    return (index[..., None] == jnp.arange(classes, dtype=index.dtype)).astype(jnp.int64)
