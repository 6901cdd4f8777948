"""Functions of ``nn.functional`` as PyTorch has them at its top: operators of its C++ core, called by position.

A reduction is a number there: 1 the mean, 2 the sum, any other none; and so is the default, as PyTorch's Python reads
it.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

import warnings
from collections.abc import Sequence
from typing import Any

from flambeau.base.shapes import check_spread
from flambeau.dtypes.kinds import dtype
from flambeau.nn.functional import ctc, loss, normalization, pooling
from flambeau.nn.functional import margin as margins
from flambeau.nn.functional import sparse as tables
from flambeau.nn.functional.convolution import convolution
from flambeau.nn.functional.dropout import dropped
from flambeau.nn.functional.pooling import adaptive_max_pool1d_with_indices as adaptive_max_pool1d
from flambeau.nn.functional.reduction import reduced
from flambeau.nn.functional.sampling import affine_grid_generator
from flambeau.primitives import dropout as primitives
from flambeau.primitives import embedding as rows
from flambeau.primitives.primitive import Primitive
from flambeau.tensors.core import call, call_in_place
from flambeau.tensors.norms import matrix_norm, vector_norm
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.tensor import Tensor

__all__ = [
    "adaptive_max_pool1d",
    "affine_grid_generator",
    "alpha_dropout",
    "alpha_dropout_",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "convolution",
    "cosine_embedding_loss",
    "ctc_loss",
    "dropout",
    "dropout_",
    "embedding",
    "embedding_bag",
    "embedding_renorm_",
    "feature_alpha_dropout",
    "feature_alpha_dropout_",
    "feature_dropout",
    "feature_dropout_",
    "frobenius_norm",
    "group_norm",
    "hinge_embedding_loss",
    "instance_norm",
    "kl_div",
    "layer_norm",
    "log_softmax",
    "margin_ranking_loss",
    "max_pool1d_with_indices",
    "nuclear_norm",
    "poisson_nll_loss",
    "softmax",
    "triplet_margin_loss",
]

# -- losses ----------------------------------------------------------------------------------------------------------


def _reduction(name: str, position: int, number: Any) -> str:
    """The word for a reduction given as a number; raises TypeError in PyTorch's words for anything else."""
    if not isinstance(number, int) or isinstance(number, bool):
        kind = type(number).__name__
        raise TypeError(f"{name}(): argument 'reduction' (position {position}) must be int, not {kind}")
    return {1: "mean", 2: "sum"}.get(number, "none")


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None, reduction: int = 0
) -> Tensor:
    """``nn.functional.binary_cross_entropy_with_logits``, whose input may be spread to the target's shape.

    Raises:
        RuntimeError: shapes do not fit.
        TypeError: the reduction is no number.

    Example:
        >>> import flambeau as torch
        >>> torch.binary_cross_entropy_with_logits(torch.zeros(1), torch.ones(2), reduction=2)
        tensor(1.3863)
    """
    how = _reduction("binary_cross_entropy_with_logits", 5, reduction)
    check_spread(target.shape, input.shape)
    scores = input.expand(target.shape)
    return loss.binary_cross_entropy_with_logits(scores, target, weight, reduction=how, pos_weight=pos_weight)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """``nn.functional.cosine_embedding_loss``."""
    how = _reduction("cosine_embedding_loss", 5, reduction)
    return margins.cosine_embedding_loss(input1, input2, target, margin, reduction=how)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """``nn.functional.ctc_loss``."""
    how = _reduction("ctc_loss", 6, reduction)
    return ctc.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0) -> Tensor:
    """``nn.functional.hinge_embedding_loss``."""
    how = _reduction("hinge_embedding_loss", 4, reduction)
    return margins.hinge_embedding_loss(input, target, margin, reduction=how)


def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """``nn.functional.kl_div``, whose mean needs no warning here.

    Example:
        >>> import flambeau as torch
        >>> torch.kl_div(torch.zeros(2), torch.ones(2), 2)
        tensor(0.)
    """
    how = _reduction("kl_div", 3, reduction)
    return reduced(loss.kl_div(input, target, reduction="none", log_target=log_target), how)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """``nn.functional.margin_ranking_loss`` of any shapes that broadcast."""
    how = _reduction("margin_ranking_loss", 5, reduction)
    return reduced(margins.ranking_losses(input1, input2, target, margin), how)


def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int) -> Tensor:
    """``nn.functional.poisson_nll_loss``."""
    how = _reduction("poisson_nll_loss", 6, reduction)
    return loss.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=how)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: int = 0,
) -> Tensor:
    """``nn.functional.triplet_margin_loss``, with any margin."""
    how = _reduction("triplet_margin_loss", 8, reduction)
    return reduced(margins.triplet_losses(anchor, positive, negative, margin, p, eps, swap), how)


# -- dropout ---------------------------------------------------------------------------------------------------------


def _dropped(
    primitive: Primitive, input: Tensor, p: float, train: bool, inplace: bool = False, by_channel: bool = False
) -> Tensor:
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
    return dropped(primitive, input, p, train, inplace, by_channel)


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.dropout``.

    Raises:
        RuntimeError: ``p`` is not within 0 to 1.

    Example:
        >>> import flambeau as torch
        >>> torch.dropout(torch.ones(2), 1.0, train=True)
        tensor([0., 0.])
    """
    return _dropped(primitives.dropout, input, p, train)


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """``dropout`` in place."""
    return _dropped(primitives.dropout, input, p, train, inplace=True)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Whole channels of (N, C, ...) zero with probability p; see ``nn.functional.dropout2d``.

    Raises:
        RuntimeError: ``p`` is not within 0 to 1, or there are fewer than 2 dimensions.
    """
    return _dropped(primitives.dropout, input, p, train, by_channel=True)


def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """``feature_dropout`` in place."""
    return _dropped(primitives.dropout, input, p, train, inplace=True, by_channel=True)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.alpha_dropout``."""
    return _dropped(primitives.alpha_dropout, input, p, train)


def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """``alpha_dropout`` in place."""
    return _dropped(primitives.alpha_dropout, input, p, train, inplace=True)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.feature_alpha_dropout``."""
    return _dropped(primitives.alpha_dropout, input, p, train, by_channel=True)


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """``feature_alpha_dropout`` in place."""
    return _dropped(primitives.alpha_dropout, input, p, train, inplace=True, by_channel=True)


# -- layers ----------------------------------------------------------------------------------------------------------


@takes_out()
def softmax(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor:
    """``nn.functional.softmax``."""
    return input.softmax(dim, dtype)


@takes_out()
def log_softmax(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor:
    """``nn.functional.log_softmax``."""
    return input.log_softmax(dim, dtype)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """``nn.functional.embedding``, the table first; a ``padding_idx`` that is no row means none.

    Example:
        >>> import flambeau as torch
        >>> torch.embedding(torch.tensor([[1.0], [2.0]]), torch.tensor([1]))
        tensor([[2.]])
    """
    padding = padding_idx if 0 <= padding_idx < len(weight) else None
    return tables.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``nn.functional.embedding_bag`` of one dimension, the table first, and what its gradient needs in PyTorch.

    Args:
        weight: the table, (rows, width).
        indices: rows, int64 or int32, (N,).
        offsets: where each bag begins, (B,).
        scale_grad_by_freq: whether a row's gradient is divided by how often it is used; of no effect on a maximum.
        mode: 0 the sum, 1 the mean, 2 the maximum.
        sparse: not supported: gradients are dense.
        per_sample_weights: factors of the rows, (N,); with a sum only.
        include_last_offset: whether the last offset is the end of the last bag.
        padding_idx: a row that does not count.

    Returns:
        (B, width); the bag of each index (none for a sum in 32 bits or fewer that counts every row); the numbers of
        rows in the bags (zeros for a sum); and these again, or for a maximum the rows it is from, (B, width).

    Raises:
        TypeError: the mode is no number.
        RuntimeError: shapes, data types, the mode, or places on the host do not fit.
        NotImplementedError: ``sparse`` is set.

    Example:
        >>> import flambeau as torch
        >>> table = torch.tensor([[1.0], [2.0], [4.0]])
        >>> torch.embedding_bag(table, torch.tensor([0, 1, 2]), torch.tensor([0, 1]), mode=2)[3]
        tensor([[0],
                [2]])
    """
    word = _bag_mode(mode)
    for name, tensor, rank in (("offsets", offsets, 1), ("weight", weight, 2)):
        if tensor.dim() != rank:
            raise RuntimeError(f"{name} has to be a {rank}D Tensor, but got Tensor of dimension {tensor.dim()}")
    if per_sample_weights is not None and word != "sum":
        raise RuntimeError("embedding_bag: per_sample_weights only supported with mode='sum'")
    padding = tables.checked_bags(weight, indices, offsets, per_sample_weights, include_last_offset, padding_idx)
    by_frequency = scale_grad_by_freq and word != "max"
    result = tables.embedding_bag(
        indices,
        weight,
        offsets,
        None,
        2,
        by_frequency,
        word,
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )
    bag, count = call(rows.bags_of, (indices, offsets), (padding, len(result)))
    if word == "max":
        return result, bag, count, call(rows.largest_rows, (weight, indices, offsets), (padding, len(result)))
    if word == "sum":
        count = count.new_zeros(len(result) if weight.requires_grad else len(offsets))
        bag = bag[:0] if padding < 0 and weight.dtype.itemsize <= 4 else bag
    return result, bag, count, count.clone()


def _bag_mode(number: Any) -> str:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"embedding_bag(): argument 'mode' (position 5) must be int, not {type(number).__name__}")
    if not 0 <= number < 3:
        raise RuntimeError("`mode` must be sum, mean, or max.")
    return ("sum", "mean", "max")[number]


def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scale the rows that are named down to a norm, in place.

    Args:
        input: the table, (rows, width).
        indices: rows, int64 or int32, any shape.
        max_norm: the largest norm that is left.
        norm_type: order of the norm.

    Returns:
        The table itself.

    Raises:
        RuntimeError: data types or the rank do not fit, or the table is a leaf that requires grad.
        IndexError: an index on the host is out of range.

    Example:
        >>> import flambeau as torch
        >>> torch.embedding_renorm_(torch.tensor([[3.0, 4.0], [6.0, 8.0]]), torch.tensor([1]), 5.0, 2.0)
        tensor([[3., 4.],
                [3., 4.]])
    """
    tables.check_renormalized(input, indices)
    input.check_writable()
    own = input.detach()
    call_in_place(own, rows.renormalized_rows, (own, indices, float(max_norm), float(norm_type)))
    return input


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """``nn.functional.batch_norm``, of any number of values; ``cudnn_enabled`` is of no consequence."""
    return normalization.batch_normed(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """``nn.functional.instance_norm``, of any number of values; ``cudnn_enabled`` is of no consequence.

    Raises:
        RuntimeError: there are no statistics to use, or data types or numbers of channels do not fit.
    """
    if use_input_stats:
        return normalization.instance_normed(input, running_mean, running_var, weight, bias, momentum, eps)
    if running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    return normalization.batch_normed(input, running_mean, running_var, weight, bias, False, momentum, eps)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Tensor:
    """``nn.functional.layer_norm``; ``cudnn_enable`` is of no consequence."""
    return normalization.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
    cudnn_enabled: bool = True,
) -> Tensor:
    """``nn.functional.group_norm``; ``cudnn_enabled`` is of no consequence."""
    return normalization.group_norm(input, num_groups, weight, bias, eps)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: pooling.Sizes,
    stride: pooling.Sizes | None = None,
    padding: pooling.Sizes = 0,
    dilation: pooling.Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """``nn.functional.max_pool1d`` with ``return_indices``."""
    return pooling.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


# -- norms -----------------------------------------------------------------------------------------------------------


_OLD_NORM = (
    "at::{}_norm is deprecated and it is just left for JIT compatibility. It will be removed in a future PyTorch "
    "release. Please use `linalg.{}_norm(A, {}, dim, keepdim)` instead"
)


@takes_out()
def frobenius_norm(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """``linalg.vector_norm`` of order 2 along at most two dimensions; all if none is named.

    Warns:
        UserWarning: always, since it is deprecated.

    Raises:
        RuntimeError: there are more dimensions, or the input holds whole numbers.
    """
    warnings.warn(_OLD_NORM.format("frobenius", "vector", "2."), stacklevel=3)
    axes = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(axes) > 2:
        raise RuntimeError(f"Expected at most 2 dimensions, but got {len(axes)} dimensions instead.")
    if not (input.is_floating_point() or input.is_complex()):
        kind = input.dtype.tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {kind} instead.")
    return vector_norm(input, 2, axes or None, keepdim)


@takes_out()
def nuclear_norm(input: Tensor, dim: int | Sequence[int] | bool = (-2, -1), keepdim: bool = False) -> Tensor:
    """``linalg.matrix_norm`` of order ``"nuc"``; without ``dim``, ``keepdim`` may come second.

    Warns:
        UserWarning: always, since it is deprecated.

    Raises:
        RuntimeError: there are no matrices along these dimensions, or the input holds whole numbers.
    """
    warnings.warn(_OLD_NORM.format("nuclear", "matrix", "'nuc'"), stacklevel=3)
    if isinstance(dim, bool):
        dim, keepdim = (-2, -1), dim
    return matrix_norm(input, "nuc", (dim, dim) if isinstance(dim, int) else dim, keepdim)
