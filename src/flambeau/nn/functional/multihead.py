"""Attention with several heads, projections and masks."""

import math
import warnings
from typing import Any

from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.nn.functional.activation import softmax
from flambeau.nn.functional.attention import scaled_dot_product_attention
from flambeau.nn.functional.dropout import dropout
from flambeau.nn.functional.linear import linear
from flambeau.nn.functional.padding import pad
from flambeau.tensors.creation import zeros_like
from flambeau.tensors.joining import cat
from flambeau.tensors.tensor import Tensor

__all__ = ["canonical_mask", "multi_head_attention_forward"]

_NO_MASK = (
    "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
    "`generate_square_subsequent_mask` to create this mask."
)


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What ``nn.MultiheadAttention`` computes: queries look at keys with several heads, and values are added up.

    Args:
        query: (L, N, E) or (L, E).
        key: (S, N, kdim) or (S, kdim).
        value: (S, N, vdim) or (S, vdim).
        embed_dim_to_check: E.
        num_heads: number of heads; divides E.
        in_proj_weight: (3 * E, E), the projections of query, key and value, one below the other.
        in_proj_bias: (3 * E,).
        bias_k: (1, 1, E), one more key; ``bias_v`` one more value.
        bias_v: likewise.
        add_zero_attn: whether to add a key and a value of zeros.
        dropout_p: probability with which a weight is zero, in training.
        out_proj_weight: (E, E), applied to the result.
        out_proj_bias: (E,).
        training: whether to drop weights.
        key_padding_mask: (N, S) or (S,); where it is True nobody looks, numbers are added to the scores.
        need_weights: whether to return the weights; without them it is faster.
        attn_mask: (L, S) or (N * num_heads, L, S), likewise.
        use_separate_proj_weight: whether the projections are the next three, instead of ``in_proj_weight``.
        q_proj_weight: (E, E).
        k_proj_weight: (E, kdim).
        v_proj_weight: (E, vdim).
        static_k: (N * num_heads, S, E / num_heads), to be used instead of the projected keys.
        static_v: likewise for the values.
        average_attn_weights: whether the weights are averaged over the heads.
        is_causal: a hint that ``attn_mask`` is the causal one.

    Returns:
        The result, shaped as ``query``, and the weights, (N, L, S), (N, num_heads, L, S) if they are not averaged,
        without N if there is none; or None.

    Raises:
        AssertionError: ranks or shapes do not fit.
        RuntimeError: a mask's shape does not fit, or ``is_causal`` is given without the mask.

    Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/nn/functional.py
    """
    batched = _check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = _with_batch(query, key, value)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    attn_mask, key_padding_mask, is_causal = _numbers(attn_mask, key_padding_mask, query.dtype, need_weights, is_causal)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projected((query, key, value), in_proj_weight, separate, in_proj_bias)
    heads = _Heads(query.shape[1], num_heads, query.shape[0], query.shape[2] // num_heads)
    mask = _Masks(None if attn_mask is None else _shaped(attn_mask, heads, key.shape[0]), key_padding_mask)
    k, v = _more_rows(k, v, bias_k, bias_v, static_k, static_v, mask)
    q, k, v = heads.split(q), _static("k", static_k, k, heads), _static("v", static_v, v, heads)
    if add_zero_attn:
        k, v = (pad(item, (0, 0, 0, 1)) for item in (k, v))
        mask.widen()
    merged, rate = mask.merged(heads, k.shape[1]), dropout_p if training else 0.0
    weights = None
    if need_weights:
        mixed, weights = _weighted(q, k, v, merged, rate, is_causal)
        weights = weights.view(heads.batch, heads.count, heads.length, -1)
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        mixed = _unweighted(q, k, v, merged, rate, is_causal, heads)
    result = linear(heads.join(mixed), out_proj_weight, out_proj_bias)
    if batched:
        return result, weights
    return result.squeeze(1), None if weights is None else weights.squeeze(0)


class _Heads:
    """How a batch is cut into heads."""

    def __init__(self, batch: int, count: int, length: int, size: int) -> None:
        self.batch = batch
        self.count = count
        self.length = length
        self.size = size

    def split(self, x: Tensor) -> Tensor:
        """(length, batch, E) to (batch * heads, length, size)."""
        return x.reshape(x.shape[0], self.batch * self.count, self.size).transpose(0, 1)

    def join(self, x: Tensor) -> Tensor:
        """(batch * heads, L, size) to (L, batch, E)."""
        return x.transpose(0, 1).reshape(self.length, self.batch, self.count * self.size)


class _Masks:
    """The two masks, as numbers to add to the scores."""

    def __init__(self, attention: Tensor | None, padding: Tensor | None) -> None:
        self.attention = attention
        self.padding = padding

    def widen(self) -> None:
        """One more key, at which everybody may look."""
        self.attention = None if self.attention is None else pad(self.attention, (0, 1))
        self.padding = None if self.padding is None else pad(self.padding, (0, 1))

    def merged(self, heads: _Heads, keys: int) -> Tensor | None:
        """Both as one, to be broadcast with (batch * heads, L, keys)."""
        if self.padding is None:
            return self.attention
        for axis, wanted in enumerate((heads.batch, keys)):
            if self.padding.shape[axis] != wanted:
                found = self.padding.shape[axis]
                raise AssertionError(f"Expected key_padded_mask.shape[{axis}] to be {wanted}, but got {found}")
        padding = self.padding.view(heads.batch, 1, 1, keys).expand(-1, heads.count, -1, -1)
        padding = padding.reshape(heads.batch * heads.count, 1, keys)
        return padding if self.attention is None else self.attention + padding


# -- steps ---------------------------------------------------------------------------------------------------------


def canonical_mask(
    mask: Tensor | None, name: str, target: dtype, other: dtype | None = None, other_name: str = ""
) -> Tensor | None:
    """A mask as numbers to add to scores: booleans become 0 and minus infinity.

    Args:
        mask: booleans or numbers.
        name: what messages call it.
        target: data type for what was boolean.
        other: data type of a mask that should have the same; ``other_name`` is that one's name.
        other_name: see ``other``.

    Raises:
        AssertionError: the mask holds neither booleans nor floating numbers.
    """
    if mask is None:
        return None
    if mask.dtype is not DTYPES["bool"] and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and mask.dtype is not other:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if mask.is_floating_point():
        return mask
    return zeros_like(mask, dtype=target).masked_fill(mask, -math.inf)


def _numbers(
    attn_mask: Tensor | None, padding: Tensor | None, target: dtype, need_weights: bool, is_causal: bool
) -> tuple[Tensor | None, Tensor | None, bool]:
    """Both masks as numbers, and whether the causal one is left to the hint."""
    other = None if attn_mask is None else attn_mask.dtype
    padding = canonical_mask(padding, "key_padding_mask", target, other, "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError(_NO_MASK)
    if is_causal and padding is None and not need_weights:
        return None, None, True
    return canonical_mask(attn_mask, "attn_mask", target), padding, is_causal and padding is None


def _with_batch(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of one; what was one tensor stays one."""
    queries = query.unsqueeze(1)
    keys = queries if key is query else key.unsqueeze(1)
    return queries, keys, keys if value is key else value.unsqueeze(1)


def _projected(
    inputs: tuple[Tensor, Tensor, Tensor], packed: Tensor | None, separate: Any, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """Query, key and value, projected; where they are one tensor by one matrix product."""
    biases: Any = (None, None, None) if bias is None else bias.chunk(3)
    if separate is not None:
        for name, weight in zip("qkv", separate, strict=True):
            if weight is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        _check_separate(inputs, separate, biases)
        return tuple(linear(*item) for item in zip(inputs, separate, biases, strict=True))
    if packed is None:
        raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
    query, key, value = inputs
    if query is key and key is value:
        return linear(query, packed, bias).chunk(3, -1)
    if key is value:
        size = query.shape[-1]
        queries, both = packed.split([size, 2 * size])
        bias_of: Any = (None, None) if bias is None else bias.split([size, 2 * size])
        return linear(query, queries, bias_of[0]), *linear(key, both, bias_of[1]).chunk(2, -1)
    return tuple(linear(*item) for item in zip(inputs, packed.chunk(3), biases, strict=True))


def _more_rows(
    k: Tensor,
    v: Tensor,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    static_k: Tensor | None,
    static_v: Tensor | None,
    mask: _Masks,
) -> tuple[Tensor, Tensor]:
    """Keys and values with the learned ones behind them, if there are any."""
    if bias_k is None or bias_v is None:
        if bias_k is not None:
            raise AssertionError("bias_k is set but bias_v is None")
        if bias_v is not None:
            raise AssertionError("bias_v is set but bias_k is None")
        return k, v
    if static_k is not None:
        raise AssertionError("bias cannot be added to static key.")
    if static_v is not None:
        raise AssertionError("bias cannot be added to static value.")
    batch = k.shape[1]
    mask.widen()
    return cat([k, bias_k.repeat(1, batch, 1)]), cat([v, bias_v.repeat(1, batch, 1)])


def _static(name: str, static: Tensor | None, projected: Tensor, heads: _Heads) -> Tensor:
    """Keys or values by head: those given, or the projected ones."""
    if static is None:
        return heads.split(projected)
    for axis, wanted in ((0, heads.batch * heads.count), (2, heads.size)):
        if static.size(axis) != wanted:
            raise AssertionError(f"expecting static_{name}.size({axis}) of {wanted}, but got {static.size(axis)}")
    return static


def _weighted(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float, is_causal: bool
) -> tuple[Tensor, Tensor]:
    """The mixed values, and the weights with which they were mixed."""
    if is_causal and mask is None:
        raise AssertionError("FIXME: is_causal not implemented for need_weights")
    scores = (q * math.sqrt(1 / q.shape[-1])).bmm(k.transpose(-2, -1))
    weights = softmax(scores if mask is None else scores + mask, dim=-1)
    if rate > 0:
        weights = dropout(weights, rate)
    return weights.bmm(v), weights


def _unweighted(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float, is_causal: bool, heads: _Heads
) -> Tensor:
    """The mixed values alone."""
    if mask is not None:
        mask = mask.unsqueeze(0) if mask.shape[0] == 1 else mask.view(heads.batch, heads.count, -1, k.shape[1])
    q, k, v = (item.view(heads.batch, heads.count, -1, heads.size) for item in (q, k, v))
    mixed = scaled_dot_product_attention(q, k, v, mask, rate, is_causal)
    return mixed.reshape(heads.batch * heads.count, heads.length, heads.size)


# -- checks --------------------------------------------------------------------------------------------------------


def _check_ranks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether there is a batch; raises AssertionError, in PyTorch's words, where ranks do not fit."""
    rank = query.dim()
    if rank not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor")
    start = f"For {'batched (3-D)' if rank == 3 else 'unbatched (2-D)'} `query`, expected"
    if key.dim() != rank or value.dim() != rank:
        raise AssertionError(
            f"{start} `key` and `value` to be {rank}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != rank - 1:
        found = key_padding_mask.dim()
        raise AssertionError(
            f"{start} `key_padding_mask` to be `None` or {rank - 1}-D but found {found}-D tensor instead"
        )
    if attn_mask is not None and attn_mask.dim() not in (2, 3):
        raise AssertionError(
            f"{start} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor instead"
        )
    if rank == 2 and attn_mask is not None and attn_mask.dim() == 3:
        wanted = (num_heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != wanted:
            raise AssertionError(f"Expected `attn_mask` shape to be {wanted} but got {attn_mask.shape}")
    return rank == 3


def _check_sizes(query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_heads: int, separate: bool) -> None:
    """Raise AssertionError, in PyTorch's words, where sizes do not fit."""
    size = query.shape[-1]
    if size != embed_dim:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim}, but got {size}")
    if size % num_heads:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    if separate:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
    elif key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _check_separate(inputs: Any, weights: Any, biases: Any) -> None:
    """Raise AssertionError, in PyTorch's words, where separate projections do not fit."""
    size = inputs[0].shape[-1]
    names = ("query", "key", "value")
    for name, item, weight in zip(names, inputs, weights, strict=True):
        wanted = (size, item.shape[-1])
        if tuple(weight.shape) != wanted:
            raise AssertionError(f"expecting {name} weights shape of {wanted}, but got {weight.shape}")
    for name, bias in zip(names, biases, strict=True):
        if bias is not None and tuple(bias.shape) != (size,):
            raise AssertionError(f"expecting {name} bias shape of {(size,)}, but got {bias.shape}")


def _shaped(mask: Tensor, heads: _Heads, keys: int) -> Tensor:
    """An attention mask with a dimension for batch and heads; raises RuntimeError where its shape does not fit."""
    wanted = (heads.length, keys)
    if mask.dim() == 3:
        wanted = (heads.batch * heads.count, *wanted)
    elif mask.dim() != 2:
        raise RuntimeError(f"attn_mask's dimension {mask.dim()} is not supported")
    if tuple(mask.shape) != wanted:
        raise RuntimeError(f"The shape of the {mask.dim()}D attn_mask is {mask.shape}, but should be {wanted}.")
    return mask if mask.dim() == 3 else mask.unsqueeze(0)
