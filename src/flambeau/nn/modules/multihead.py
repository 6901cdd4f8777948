"""Attention with several heads."""

from typing import Any, ClassVar

from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.functional.multihead import canonical_mask
from flambeau.nn.modules.linear import NonDynamicallyQuantizableLinear
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.tensors.creation import empty
from flambeau.tensors.tensor import Tensor

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Queries look at keys with several heads; where they look, values are added up.

    ``softmax(q @ k.T / sqrt(head_dim)) @ v`` for every head, of projections of the inputs; the heads' results side by
    side are projected once more.

    Args:
        embed_dim: number of features of queries and results; divided among the heads.
        num_heads: number of heads.
        dropout: probability with which a weight is zero, in training.
        bias: whether the projections have biases.
        add_bias_kv: whether to add a learned key and value.
        add_zero_attn: whether to add a key and value of zeros.
        kdim: number of features of the keys; ``embed_dim`` if None.
        vdim: number of features of the values; ``embed_dim`` if None.
        batch_first: whether the batch comes before the sequence.
        device: where the parameters live.
        dtype: their data type.

    Attributes:
        in_proj_weight: (3 * embed_dim, embed_dim), or None where ``q_proj_weight``, ``k_proj_weight`` and
            ``v_proj_weight`` take its place, because ``kdim`` or ``vdim`` differ.
        in_proj_bias: (3 * embed_dim,) or None.
        out_proj: the last projection.
        bias_k: (1, 1, embed_dim) or None; ``bias_v`` likewise.

    Raises:
        ValueError: a size is not positive.
        AssertionError: the heads do not divide ``embed_dim``.

    Example:
        >>> import flambeau as torch
        >>> attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        >>> x = torch.ones(3, 5, 8)
        >>> output, weights = attention(x, x, x)
        >>> output.shape, weights.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 5, 5]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
    """

    __constants__: ClassVar[list[str]] = ["batch_first"]
    in_proj_weight: Tensor | None
    q_proj_weight: Tensor | None
    k_proj_weight: Tensor | None
    v_proj_weight: Tensor | None
    in_proj_bias: Tensor | None
    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and "
                f"num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        for name, shape in self._shapes(bias).items():
            found = None if shape is None else Parameter(empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, found)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        self.bias_k = self.bias_v = None
        if add_bias_kv:
            self.bias_k = Parameter(empty((1, 1, embed_dim), device=device, dtype=dtype))
            self.bias_v = Parameter(empty((1, 1, embed_dim), device=device, dtype=dtype))
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _shapes(self, bias: bool) -> dict[str, tuple[int, ...] | None]:
        """Shapes of the projections into the heads, in PyTorch's order; None for those there are not."""
        size = self.embed_dim
        own: dict[str, tuple[int, ...] | None] = {
            "q_proj_weight": (size, size),
            "k_proj_weight": (size, self.kdim),
            "v_proj_weight": (size, self.vdim),
        }
        biases: dict[str, tuple[int, ...] | None] = {"in_proj_bias": (3 * size,) if bias else None}
        if self._qkv_same_embed_dim:
            return {"in_proj_weight": (3 * size, size), **dict.fromkeys(own), **biases}
        return {**own, "in_proj_weight": None, **biases}

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            assert self.out_proj.bias is not None
            init.constant_(self.out_proj.bias, 0.0)
        for learned in (self.bias_k, self.bias_v):
            if learned is not None:
                init.xavier_normal_(learned)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"_qkv_same_embed_dim": True, **state})

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The results, and the weights with which values were added up.

        Args:
            query: (L, N, embed_dim), (N, L, embed_dim) if ``batch_first``, or (L, embed_dim).
            key: (S, N, kdim), (N, S, kdim) or (S, kdim).
            value: (S, N, vdim), (N, S, vdim) or (S, vdim).
            key_padding_mask: (N, S) or (S,); where it is True nobody looks, numbers are added to the scores.
            need_weights: whether to return the weights; without them it is faster.
            attn_mask: (L, S) or (N * num_heads, L, S), likewise.
            average_attn_weights: whether the weights are averaged over the heads.
            is_causal: a hint that ``attn_mask`` is the causal one.

        Returns:
            As the query; and (N, L, S), (N, num_heads, L, S) if they are not averaged, without N if there is none, or
            None.

        Raises:
            AssertionError: ranks or shapes do not fit.
            RuntimeError: a mask's shape does not fit, or ``is_causal`` is given without the mask.
        """
        other = None if attn_mask is None else attn_mask.dtype
        key_padding_mask = canonical_mask(key_padding_mask, "key_padding_mask", query.dtype, other, "attn_mask")
        attn_mask = canonical_mask(attn_mask, "attn_mask", query.dtype)
        turned = self.batch_first and query.dim() == 3
        if turned:
            query, key, value = _turned(query, key, value)
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(1, 0) if turned else output), weights

    def merge_masks(
        self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, query: Tensor
    ) -> tuple[Tensor | None, int | None]:
        """Both masks as one, and its kind: 1 for padding alone, 2 with an attention mask; (None, None) for none.

        Args:
            attn_mask: (L, L) or (N * num_heads, L, L), numbers.
            key_padding_mask: (N, L), numbers.
            query: (N, L, embed_dim).

        Returns:
            (N, L), or (N, num_heads, L, L); and the kind.
        """
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, length, _ = query.shape
        if attn_mask.dim() == 3:
            merged = attn_mask.view(batch, -1, length, length)
        else:
            merged = attn_mask.view(1, 1, length, length).expand(batch, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            merged = merged + key_padding_mask.view(batch, 1, 1, length).expand(-1, self.num_heads, -1, -1)
        return merged, 2


def _turned(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The sequence before the batch; what was one tensor stays one, so that it is projected once."""
    queries = query.transpose(1, 0)
    keys = queries if key is query else key.transpose(1, 0)
    return queries, keys, keys if value is key else value.transpose(1, 0)
