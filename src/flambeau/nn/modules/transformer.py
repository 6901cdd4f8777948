"""Transformers: encoders and decoders."""

import copy
import math
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from flambeau.devices.device import as_device
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.functional.multihead import canonical_mask
from flambeau.nn.modules.container import ModuleList
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.normalization import LayerNorm
from flambeau.nn.modules.transformer_layers import Activation, TransformerDecoderLayer, TransformerEncoderLayer
from flambeau.tensors.core import wrap_array
from flambeau.tensors.creation import get_default_dtype
from flambeau.tensors.tensor import Tensor

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


class Transformer(Module):
    """Encoder and decoder, as in "Attention Is All You Need".

    Args:
        d_model: number of features of inputs and results.
        nhead: number of heads.
        num_encoder_layers: number of layers of the encoder.
        num_decoder_layers: number of layers of the decoder.
        dim_feedforward: number of features inside the feed-forward parts.
        dropout: probability of a zero, in training.
        activation: ``"relu"``, ``"gelu"`` or a function.
        custom_encoder: an encoder to use instead.
        custom_decoder: a decoder to use instead.
        layer_norm_eps: what layer normalization adds to variances.
        batch_first: whether the batch comes before the sequence.
        norm_first: whether normalization comes before attention and feed-forward parts, rather than after them.
        bias: whether linear layers and normalizations have biases.
        device: where the parameters live.
        dtype: their data type.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        >>> model(torch.ones(3, 5, 8), torch.ones(3, 4, 8)).shape
        torch.Size([3, 4, 8])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Transformer.html
    """

    encoder: Any
    decoder: Any

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        settings = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device, dtype)
        if custom_encoder is None:
            layer = TransformerEncoderLayer(d_model, nhead, *settings)
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        self.encoder = custom_encoder
        if custom_decoder is None:
            layer = TransformerDecoderLayer(d_model, nhead, *settings)
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The decoder's result.

        Args:
            src: what the encoder reads, (S, N, E), (N, S, E) if ``batch_first``, or (S, E).
            tgt: what the decoder reads, (T, N, E), (N, T, E) or (T, E).
            src_mask: (S, S) or (N * nhead, S, S); where it is True nobody looks, numbers are added to the scores.
            tgt_mask: (T, T) or (N * nhead, T, T), likewise.
            memory_mask: (T, S) or (N * nhead, T, S), for the decoder's look at the encoder's result.
            src_key_padding_mask: (N, S) or (S,): what of ``src`` is only padding.
            tgt_key_padding_mask: (N, T) or (T,), likewise of ``tgt``.
            memory_key_padding_mask: (N, S) or (S,), likewise of the encoder's result.
            src_is_causal: a hint that ``src_mask`` is the causal one; found out if None.
            tgt_is_causal: likewise for ``tgt_mask``.
            memory_is_causal: a hint that ``memory_mask`` is the causal one.

        Returns:
            As ``tgt``.

        Raises:
            RuntimeError: numbers of sequences or of features differ.
        """
        axis = 0 if self.batch_first else 1
        if src.dim() == 3 and src.size(axis) != tgt.size(axis):
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask: minus infinity above the diagonal, zeros elsewhere.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
            tensor([[0., -inf],
                    [0., 0.]])

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Transformer.html#torch.nn.Transformer.generate_square_subsequent_mask
        """
        kind = get_default_dtype() if dtype is None else dtype
        return wrap_array(_causal(sz).astype(kind.numpy), kind, as_device(device))


def _causal(size: int) -> Any:
    return np.triu(np.full((size, size), -math.inf), 1)


class TransformerEncoder(Module):
    """Encoder layers one after another.

    Args:
        encoder_layer: the layer, of which each one is a copy.
        num_layers: number of layers.
        norm: normalization after the last layer, or None.
        enable_nested_tensor: accepted; there are no nested tensors, sequences are computed with their padding.
        mask_check: accepted, likewise.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> torch.nn.TransformerEncoder(layer, 2)(torch.ones(3, 5, 8)).shape
        torch.Size([3, 5, 8])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoder.html
    """

    __constants__: ClassVar[list[str]] = ["norm"]

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        reason = next(_reasons_against_nesting(encoder_layer), None)
        if enable_nested_tensor and reason is not None:
            warnings.warn(
                f"enable_nested_tensor is True, but self.use_nested_tensor is False because {reason}", stacklevel=2
            )
            self.use_nested_tensor = False

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The last layer's result, normalized.

        Args:
            src: (S, N, E), (N, S, E) if the layers are ``batch_first``, or (S, E).
            mask: (S, S) or (N * nhead, S, S); where it is True nobody looks, numbers are added to the scores.
            src_key_padding_mask: (N, S) or (S,), what is only padding.
            is_causal: a hint that ``mask`` is the causal one; found out if None.
        """
        other = None if mask is None else mask.dtype
        padding = canonical_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype, other, "mask")
        mask = canonical_mask(mask, "mask", src.dtype)
        is_causal = _is_causal(mask, is_causal, _length(src, self.layers[0]))
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=is_causal, src_key_padding_mask=padding)
        return output if self.norm is None else self.norm(output)


def _reasons_against_nesting(layer: Any) -> Iterator[str]:
    """Why PyTorch would not use nested tensors, in its words and its order."""
    name = "encoder_layer"
    if not isinstance(layer, TransformerEncoderLayer):
        yield f"{name} was not TransformerEncoderLayer"
        return
    attention: Any = layer.self_attn
    if layer.norm_first:
        yield f"{name}.norm_first was True"
    if not attention.batch_first:
        yield f"{name}.self_attn.batch_first was not True(use batch_first for better inference performance)"
    if not attention._qkv_same_embed_dim:
        yield f"{name}.self_attn._qkv_same_embed_dim was not True"
    if attention.in_proj_bias is None:
        yield f"{name}.self_attn was passed bias=False"
    if not layer.activation_relu_or_gelu:
        yield f"{name}.activation_relu_or_gelu was not True"
    if layer.norm1.eps != layer.norm2.eps:
        yield f"{name}.norm1.eps was not equal to {name}.norm2.eps"
    if attention.num_heads % 2:
        yield f"{name}.self_attn.num_heads is odd"


class TransformerDecoder(Module):
    """Decoder layers one after another.

    Args:
        decoder_layer: the layer, of which each one is a copy.
        num_layers: number of layers.
        norm: normalization after the last layer, or None.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
        >>> torch.nn.TransformerDecoder(layer, 2)(torch.ones(3, 4, 8), torch.ones(3, 5, 8)).shape
        torch.Size([3, 4, 8])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerDecoder.html
    """

    __constants__: ClassVar[list[str]] = ["norm"]

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The last layer's result, normalized; see ``Transformer.forward`` for the arguments."""
        output = tgt
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal, _length(tgt, self.layers[0]))
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


def _clones(module: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(count)])


def _length(x: Tensor, layer: Any) -> int:
    """Number of steps of a layer's input."""
    batch_first = layer.self_attn.batch_first
    return x.size(1 if batch_first and x.dim() == 3 else 0)


def _is_causal(mask: Tensor | None, hint: bool | None, size: int) -> bool:
    """Whether a mask is the causal one: what the hint says, or else its values."""
    if hint is not None or mask is None:
        return hint is True
    if tuple(mask.shape) != (size, size):
        return False
    return bool(np.array_equal(mask.detach().host(), _causal(size)))
