"""A linear map and the cross entropy of its result, in one."""

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

from flambeau.nn.functional.linear import linear
from flambeau.nn.functional.loss import check_range, cross_entropy
from flambeau.primitives import linear_cross_entropy as p
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["linear_cross_entropy"]

_REDUCTIONS = ("mean", "sum", "none")


class _Options(Protocol):
    """``nn.LinearCrossEntropyOptions``, as far as it is used here."""

    def chunk_size(self, num_batches: int, in_features: int, num_classes: int, dtype: Any, device: Any) -> int:
        """Number of rows at a time; raises where the options do not go together."""
        ...


def _check(input: Sequence[int], weight: Sequence[int], bias: Sequence[int] | None) -> None:
    """Raise RuntimeError, in PyTorch's words, where shapes do not fit."""
    if len(input) not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {len(input)}")
    if len(weight) < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {len(weight)}")
    if input[-1] != weight[-1]:
        raise RuntimeError(
            f"expected equal input and linear_weight last dimensions (in_features), got {input[-1]} and {weight[-1]}, "
            "respectively"
        )
    wanted = tuple(weight[:-1])
    if bias is not None and tuple(bias) != wanted:
        raise RuntimeError(f"expected linear_bias shape {wanted}, got {tuple(bias)}")
    if len(weight) > 2 and len(input) == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight)} requires batched input, (N, "
            f"{input[-1]}), got unbatched input with shape {tuple(input)}"
        )


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: _Options | None = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``.

    Args:
        input: (N, in_features) or (in_features,).
        linear_weight: (C, in_features), or (C, d1, ..., in_features) for scores of the shape (N, C, d1, ...).
        target: classes or probabilities of classes; see ``cross_entropy``.
        linear_bias: the shape of ``linear_weight`` without its last dimension.
        weight: one factor for each class, (C,).
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        ignore_index: a class whose elements do not count; -100 if None. Not with probabilities.
        label_smoothing: share, 0 to 1, of the uniform distribution in the target.
        options: ``nn.LinearCrossEntropyOptions``: compute the scores of some rows at a time, and once more for the
            gradient, so that all scores together are never in memory.

    Raises:
        RuntimeError: shapes or options do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.linear_cross_entropy(torch.ones(1, 3), torch.zeros(2, 3), torch.tensor([1]))
        tensor(0.6931)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear_cross_entropy.html
    """
    shape = linear_weight.shape
    _check(input.shape, shape, None if linear_bias is None else linear_bias.shape)
    scores_shape = (*input.shape[:-1], *shape[:-1])
    if tuple(target.shape) == scores_shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None:
        plain = reduction in _REDUCTIONS and label_smoothing == 0.0 and target.dtype.name == "int64" and len(shape) == 2
        if plain:
            return _chunked(input, linear_weight, target, linear_bias, weight, reduction, ignored, options)
        _warn_of_options(reduction, label_smoothing, target, shape[1:-1], linear_bias)
    rows = linear_weight.reshape(-1, shape[-1])
    scores = linear(input, rows, None if linear_bias is None else linear_bias.reshape(-1)).reshape(scores_shape)
    return cross_entropy(
        scores, target, weight=weight, reduction=reduction, ignore_index=ignored, label_smoothing=label_smoothing
    )


def _warn_of_options(
    reduction: str, smoothing: float, target: Tensor, out_features: Sequence[int], bias: Tensor | None
) -> None:
    warnings.warn(
        "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in {'mean','sum','none'}, "
        "label_smoothing == 0, target.dtype == int64, out_features == (). Got "
        f"reduction={reduction!r}, label_smoothing={smoothing}, target.dtype={target.dtype}, "
        f"out_features={tuple(out_features)}, tracing=False, "
        f"linear_bias.shape={None if bias is None else tuple(bias.shape)}.",
        stacklevel=3,
    )


def _chunked(
    input: Tensor,
    matrix: Tensor,
    target: Tensor,
    bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    options: _Options,
) -> Tensor:
    lone = input.dim() == 1
    rows, classes = (input.unsqueeze(0), target.unsqueeze(0)) if lone else (input, target)
    chunk = options.chunk_size(rows.shape[0], rows.shape[1], matrix.shape[0], rows.dtype, rows.device)
    if classes.shape != rows.shape[:1]:
        raise ValueError(
            f"Expected input batch_size ({rows.shape[0]}) to match target batch_size ({classes.shape[0]})."
        )
    check_range(target.read().value, matrix.shape[0], ignore_index)
    operands = (rows, matrix, classes, *[item for item in (bias, weight) if item is not None])
    present = (bias is not None, weight is not None)
    loss: Tensor = call(p.chunked_linear_cross_entropy, operands, (present, reduction, ignore_index, chunk))
    return loss.squeeze(0) if lone and reduction == "none" else loss
