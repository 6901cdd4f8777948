"""Scaled dot-product attention."""

from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.kernels.attention import attended, attends
from flambeau.primitives.activation import wide
from flambeau.primitives.primitive import Array, primitive

__all__ = ["attention"]


def _cpp(x: Array) -> str:
    return from_numpy_dtype(x.dtype).cpp_name


def _check(query: Array, key: Array, value: Array, mask: Array | None) -> None:
    """Raise RuntimeError, in PyTorch's words, for ranks and types that do not fit."""
    if min(item.ndim for item in (query, key, value)) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {_cpp(query)} key.dtype: "
            f"{_cpp(key)} and value.dtype: {_cpp(value)} instead."
        )
    if mask is not None and mask.dtype not in (jnp.bool_, jnp.float32, query.dtype):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{_cpp(mask)} and  query.dtype: {_cpp(query)} instead."
        )
    if query.shape[-1] != key.shape[-1]:
        rows = f"{query.shape[-2]}x{query.shape[-1]} and {key.shape[-1]}x{key.shape[-2]}"
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows})")


def _shared_heads(query: Array, key: Array, value: Array) -> tuple[Array, Array]:
    """Keys and values repeated for the groups of query heads that share them."""
    repeats = query.shape[-3] // key.shape[-3]
    if key.shape[-3] * repeats != query.shape[-3] or value.shape[-3] != key.shape[-3]:
        raise RuntimeError("Number of heads in key and value must divide the number of heads in query")
    return jnp.repeat(key, repeats, -3), jnp.repeat(value, repeats, -3)


@primitive(grad_name="ScaledDotProductFlashAttentionForCpuBackward0", variadic=True)
def attention(inputs: tuple[Any, ...], present: tuple[bool, bool], causal: bool, scaled: bool, shared: bool) -> Array:
    """``softmax(query @ key.T * scale + mask) @ value``, with dropout on the softmax.

    Takes (query, key, value, mask if present, random key and probability if present, scale if ``scaled``). A query
    that may look at nothing gets zeros.
    """
    query, key, value, *rest = inputs
    mask = rest.pop(0) if present[0] else None
    _check(query, key, value, mask)
    if shared:
        key, value = _shared_heads(query, key, value)
    width = query.shape[-1]
    scale = rest[-1].value if scaled else jnp.asarray(1 / sqrt(width) if width else 1.0)
    if present[1]:
        return _plain(query, key, value, mask, scale, causal, tuple(rest[:2]))
    if attends(query, key, value, mask):
        return attended(query, key, value, mask, scale, causal, _plain)
    return _plain(query, key, value, mask, scale, causal)


def _plain(
    query: Array, key: Array, value: Array, mask: Array | None, scale: Any, causal: bool, dropout: tuple[Any, ...] = ()
) -> Array:
    """Attention in plain XLA; ``dropout`` is a random key and a probability."""
    scores = jnp.matmul(wide(query) * scale.astype(wide(query).dtype), jnp.swapaxes(wide(key), -1, -2))
    allowed = None
    if causal:
        allowed = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    elif mask is not None and mask.dtype == jnp.bool_:
        allowed = mask
    elif mask is not None:
        scores = scores + mask.astype(scores.dtype)
    weights = _softmax(scores, allowed, open_mask=mask is None)
    if dropout:
        weights = _dropped(weights, *dropout)
    return jnp.matmul(weights, wide(value)).astype(query.dtype)


def _softmax(scores: Array, allowed: Array | None, open_mask: bool) -> Array:
    """Softmax over the last axis; rows with nothing allowed are zeros."""
    if allowed is not None:
        scores = jnp.where(allowed, scores, -jnp.inf)
    if open_mask:
        return jax.nn.softmax(scores, axis=-1)
    closed = jnp.all(scores == -jnp.inf, -1, keepdims=True)
    weights = jax.nn.softmax(jnp.where(closed, 0, scores), axis=-1)
    return jnp.where(closed, 0, weights)


def _dropped(weights: Array, key: Array, probability: Any) -> Array:
    """Weights zero with a probability, the others divided by the chance to stay."""
    stays = 1 - probability.value
    kept = jax.random.bernoulli(
        jax.random.wrap_key_data(key, impl="threefry2x32"), stays.astype(jnp.float32), weights.shape
    )
    scale = jnp.where(stays > 0, 1 / jnp.where(stays > 0, stays, 1), 0)
    return jnp.where(kept, weights * scale.astype(weights.dtype), 0)
