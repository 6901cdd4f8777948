"""Losses with a margin, and of embeddings."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau.base.shapes import broadcast
from flambeau.nn.functional.reduction import checked_reduction, reduced, resolved_reduction
from flambeau.nn.functional.similarity import pairwise_distance
from flambeau.primitives import loss as p
from flambeau.tensors.core import call, operands
from flambeau.tensors.gradient_checks import check_constants, check_real
from flambeau.tensors.tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "ranking_losses",
    "soft_margin_loss",
    "triplet_losses",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

# ``multi_margin_loss`` has an argument p.
_MULTI_MARGIN = p.multi_margin


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The input where the target is 1, max(0, margin - input) where it is -1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hinge_embedding_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    input, target = operands("hinge_embedding_loss", input, target)
    near = input.where(target != -1, 0)
    least = margin if input.is_floating_point() or input.is_complex() else int(margin)
    far = (least - input).clamp_min(0).where(target != 1, 0)
    return reduced(far + near, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0``, -target * (input1 - input2) + margin).

    Raises:
        RuntimeError: the inputs differ in rank.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.margin_ranking_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.shape!r}, input2: {input2.shape!r}, target: {target.shape!r} "
        )
    return reduced(ranking_losses(input1, input2, target, margin), reduction)


def ranking_losses(input1: Tensor, input2: Tensor, target: Tensor, margin: float) -> Tensor:
    """The losses of ``margin_ranking_loss`` one by one, of any shapes that broadcast."""
    input1, input2, target = operands("margin_ranking_loss", input1, input2, target)
    return (-target * (input1 - input2) + float(margin)).clamp_min(0)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(input1, input2) where the target is 1, max(0, cos(input1, input2) - margin) where it is -1.

    Args:
        input1: (N, D) or (D,).
        input2: (N, D) or (D,).
        target: (N,) or ().
        margin: from -1 to 1.
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        RuntimeError: shapes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_embedding_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    rank = target.dim()
    if rank > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.dim() != rank + 1 or input2.dim() != rank + 1:
        sizes = f"{list(input1.shape)} and {list(input2.shape)}"
        kind = f"{rank}D target tensor expects {rank + 1}D input tensors"
        raise RuntimeError(f"{kind}, but found inputs with sizes {sizes}.")
    input1, input2, target = operands("cosine_embedding_loss", input1, input2, target)
    squares = [(item * item).sum(rank) + 1e-12 for item in (input1, input2)]
    cosine = (input1 * input2).sum(rank) / (squares[0] * squares[1]).sqrt()
    broadcast(target.shape, cosine.shape)
    near = (1 - cosine).where(target == 1, 0.0)
    far = (cosine - margin).clamp_min(0).where(target == -1, 0.0)
    return reduced(near + far, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-06,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0``, distance(anchor, positive) - distance(anchor, negative) + margin).

    Args:
        anchor: (N, D) or (D,).
        positive: what should be near.
        negative: what should be far.
        margin: how much farther; positive.
        p: order of the norm.
        eps: added to the differences.
        swap: whether the negative's distance may be measured from the positive, where that is less.
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: the margin is not positive.
        RuntimeError: the inputs differ in rank.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return reduced(triplet_losses(anchor, positive, negative, margin, p, eps, swap), reduction)


def triplet_losses(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, p: float, eps: float, swap: bool
) -> Tensor:
    """The losses of ``triplet_margin_loss`` one by one, whatever the margin."""
    ranks = [item.dim() for item in (anchor, positive, negative)]
    if len(set(ranks)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {ranks[0]}D, positive {ranks[1]}D, and negative {ranks[2]}D inputs"
        )
    anchor, positive, negative = operands("triplet_margin_loss", anchor, positive, negative)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    return (margin + near - far).clamp_min(0)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with any distance.

    Args:
        anchor: (N, ...).
        positive: what should be near, the same number of dimensions.
        negative: what should be far, the same number of dimensions.
        distance_function: takes two tensors and returns their distances; ``pairwise_distance`` if None.
        margin: how much farther; positive.
        swap: whether the negative's distance may be measured from the positive, where that is less.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: the margin is not positive, or ``reduction`` is something else.
        RuntimeError: numbers of dimensions differ.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_with_distance_loss.html
    """
    checked_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D inputs"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((margin + near - far).clamp_min(0), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-target * input))``, for targets 1 and -1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.soft_margin_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    check_constants("soft_margin_loss", target=target)
    check_real("soft_margin_loss", input)
    broadcast(input.shape, target.shape)  # raises
    return call(p.soft_margin_loss, (input, target), (reduction,))


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross entropy of sigmoid(input), its mean over the classes (the last dimension).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_soft_margin_loss.html
    """
    reduction = resolved_reduction(size_average, reduce, reduction)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    extra = () if weight is None else (weight,)
    losses: Tensor = call(p.multilabel_soft_margin_loss, (input, target, *extra))
    return reduced(losses.sum(-1) / input.shape[-1], reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Sum over labels and other classes of max(0, 1 - input[label] + input[class]), over the number of classes.

    Args:
        input: scores, (N, C) or (C,).
        target: labels of each instance, int64, the same shape: those before the first -1 count.
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        RuntimeError: shapes or data types do not fit, or a label on the host is out of range.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.multilabel_margin_loss(torch.tensor([0.1, 0.2, 0.4, 0.8]), torch.tensor([3, 0, -1, 1]))
        tensor(0.8500)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_margin_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    shape = input.shape
    if len(shape) > 2 or 0 in shape[-1:]:
        message = "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
        raise RuntimeError(f"{message}{list(shape)}")
    if target.shape != shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(shape)}")
    if target.dtype.name != "int64":
        kind = target.dtype.tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"expected scalar type Long but found {kind}")
    classes = shape[-1] if shape else 1
    known: Any = target.read().value
    if isinstance(known, np.ndarray) and ((known < -1) | (known >= classes)).any():
        raise RuntimeError("argument #2 'target' is out of range")
    rows = (-1, classes) if len(shape) < 2 else shape
    losses: Tensor = call(p.multi_label_margin, (input.reshape(rows), target.reshape(rows)), (reduction,))
    return losses.reshape(shape[:-1]) if reduction == "none" and len(shape) < 2 else losses


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Sum over the other classes of max(0, margin - input[target] + input[class])^p, over the number of classes.

    Args:
        input: scores, (N, C) or (C,).
        target: classes, (N,) or ().
        p: 1 or 2.
        margin: how much the target's score should exceed the others.
        weight: one factor for each class, (C,).
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: ``p`` is neither 1 nor 2, or the weights are no vector.
        RuntimeError: sizes or data types do not fit, or a class on the host is out of range.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.multi_margin_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    check_constants("multi_margin_loss", weight=weight)
    _check_margin(input.shape, target, weight)
    scores = input if input.dim() == 2 else input.reshape(1, -1)
    extra = () if weight is None else (weight,)
    losses: Tensor = call(_MULTI_MARGIN, (scores, target.reshape(-1), float(margin), *extra), (int(p), reduction))
    return losses.reshape(target.shape) if reduction == "none" else losses


def _check_margin(shape: Sequence[int], target: Tensor, weight: Tensor | None) -> None:
    """Raise RuntimeError, in PyTorch's words, where scores, classes and weights do not fit each other."""
    if len(shape) > 2 or 0 in shape[-1:]:
        message = "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
        raise RuntimeError(f"{message}{list(shape)}")
    count = shape[0] if len(shape) == 2 else 1
    if target.shape != (count,) and (len(shape) == 2 or target.shape != ()):
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{count}], but got {list(target.shape)}. Input has shape {list(shape)}."
        )
    classes = shape[-1] if shape else 1
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    if target.dtype.name != "int64":
        kind = target.dtype.tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"expected scalar type Long but found {kind}")
    known = target.read().value
    if isinstance(known, np.ndarray) and bool(((known < 0) | (known >= classes)).any()):
        raise RuntimeError("target out of range")
