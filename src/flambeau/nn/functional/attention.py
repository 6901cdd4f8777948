"""Attention."""

from typing import Any

from flambeau.nn.functional.dropout import checked_probability
from flambeau.primitives.attention import attention
from flambeau.tensors.core import call
from flambeau.tensors.random import device_key
from flambeau.tensors.tensor import Tensor

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.T * scale + mask) @ value``, with dropout on the softmax.

    Args:
        query: (..., heads, L, E).
        key: (..., heads, S, E).
        value: (..., heads, S, V).
        attn_mask: broadcasts with (..., L, S); booleans say where a query may look, numbers are added to the scores.
        dropout_p: probability with which a weight is zero; also outside training.
        is_causal: whether query i may look at keys 0 to i only; excludes ``attn_mask``.
        scale: factor of the scores; 1 / sqrt(E) if None.
        enable_gqa: whether several query heads may share a key and value head.

    Returns:
        (..., heads, L, V); zeros for a query that may look at nothing.

    Raises:
        RuntimeError: shapes or data types do not fit, or both a mask and ``is_causal`` are given.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    operands: list[Any] = [query, key, value]
    if attn_mask is not None:
        operands.append(attn_mask)
    if dropout_p:
        operands += [device_key(None, query.device), float(checked_probability(dropout_p))]
    if scale is not None:
        operands.append(float(scale))
    present = (attn_mask is not None, bool(dropout_p))
    return call(attention, operands, (present, bool(is_causal), scale is not None, bool(enable_gqa)))
