"""Losses of regression and classification."""

import warnings
from collections.abc import Sequence
from math import pi
from typing import Any

import numpy as np

from flambeau.base.shapes import broadcast, check_spread
from flambeau.dtypes.promotion import can_cast
from flambeau.nn.functional.reduction import checked_reduction, reduced, resolved_reduction
from flambeau.primitives import loss as p
from flambeau.tensors.core import call, operands
from flambeau.tensors.gradient_checks import check_constants
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


# -- losses of a difference ----------------------------------------------------------------------------------------


def _paired(input: Tensor, target: Tensor) -> None:
    """Warn, as PyTorch does, where the shapes differ; raises RuntimeError where they do not broadcast."""
    shape, other = input.size(), target.size()
    if shape == other:
        return
    warnings.warn(
        f"Using a target size ({other!r}) that is different to the input size ({shape!r}). This will likely lead to "
        "incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=3,
    )
    broadcast(shape, other)


def _weighted(losses: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """Losses times weights; the mean is that of the weights' total."""
    if weight.shape != losses.shape:
        raise ValueError("Weights and input must have the same size.")
    weighted = losses * weight
    return weighted.sum() / weight.sum() if reduction == "mean" else reduced(weighted, reduction)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2.

    Args:
        input: predictions, any shape.
        target: what they should be, the same shape.
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        weight: one factor for each element.

    Raises:
        ValueError: ``reduction`` is something else, or the weights' shape is not the losses'.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(2.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    _paired(input, target)
    if weight is None:
        return call(p.POINTWISE["mse_loss"], (input, target), (reduction,))
    return _weighted(call(p.POINTWISE["mse_loss"], (input, target), ("none",)), weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``abs(input - target)``.

    Args:
        input: predictions, any shape.
        target: what they should be, the same shape.
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        weight: one factor for each element.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.l1_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    _paired(input, target)
    input, target, weight = operands("l1_loss", input, target, weight)
    losses = (input - target).abs()
    return reduced(losses, reduction) if weight is None else _weighted(losses, weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """0.5 d^2 / beta where d = abs(input - target) is below beta, d - 0.5 beta elsewhere.

    Raises:
        RuntimeError: ``beta`` is negative.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.smooth_l1_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    _paired(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduced((input - target).abs(), reduction)
    return call(p.POINTWISE["smooth_l1_loss"], (input, target, float(beta)), (reduction,))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """0.5 d^2 where d = abs(input - target) is below delta, delta (d - 0.5 delta) elsewhere.

    Raises:
        RuntimeError: ``delta`` is not positive.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.huber_loss.html
    """
    checked_reduction(reduction)
    _paired(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    primitive = p.POINTWISE["huber_loss"]
    if weight is None:
        return call(primitive, (input, target, float(delta)), (reduction,))
    return _weighted(call(primitive, (input, target, float(delta)), ("none",)), weight, reduction)


# -- classification ------------------------------------------------------------------------------------------------


def _check_classes(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> None:
    """Raise, in PyTorch's words, where scores (N, C, ...) and classes (N, ...) do not fit each other."""
    shape, goal = input.shape, target.shape
    if not shape:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if len(shape) > 1:
        _check_class_shapes(shape, goal)
    if target.dtype.name not in ("int64", "uint8"):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {_kind(target)}")
    if len(shape) == 1 and goal not in ((), (1,)):
        size = goal[0] if len(goal) == 1 else list(goal)
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {size}")
    classes = shape[0] if len(shape) == 1 else shape[1]
    check_constants("nll_loss_forward" if len(shape) < 3 else "nll_loss2d_forward", weight=weight)
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of "
            f"shape: {list(weight.shape)}"
        )
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(f"expected scalar type {_kind(input)} but found {_kind(weight)}")
    check_range(target.read().value, classes, ignore_index)


def _kind(tensor: Tensor) -> str:
    return tensor.dtype.tensor_type.removesuffix("Tensor")


def _check_class_shapes(shape: Sequence[int], goal: Sequence[int]) -> None:
    """Raise, in PyTorch's words, where shapes (N, C, ...) and (N, ...) do not fit each other."""
    if not goal or shape[0] != goal[0]:
        got = goal[0] if goal else 0
        raise ValueError(f"Expected input batch_size ({shape[0]}) to match target batch_size ({got}).")
    if len(shape) == 2 and len(goal) > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if shape[2:] != goal[1:]:
        raise RuntimeError(f"Expected target size {[shape[0], *shape[2:]]}, got {list(goal)}")


def check_range(values: Any, classes: int, ignore_index: int) -> None:
    """Raise IndexError for a class out of range, where the classes are on the host; elsewhere the loss is NaN."""
    if not isinstance(values, np.ndarray):
        return
    wrong = ((values < 0) | (values >= classes)) & (values != ignore_index)
    if wrong.any():
        raise IndexError(f"Target {values[wrong].flat[0]} is out of bounds.")


def _chosen(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    primitive = p.nll_loss if len(input.shape) < 3 else p.nll_loss_2d
    operands = (input, target) if weight is None else (input, target, weight)
    result: Tensor = call(primitive, operands, (ignore_index, reduction))
    return result.reshape(target.shape) if reduction == "none" and result.shape != target.shape else result


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-weight[target] * input[target]: the negative log likelihood of log probabilities``.

    Args:
        input: log probabilities, (N, C), (C,) or (N, C, d1, ...).
        target: classes, (N,), () or (N, d1, ...), int64 or uint8.
        weight: one factor for each class, (C,).
        size_average: deprecated.
        ignore_index: a class whose elements do not count.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` (over the weights' total) or ``"sum"``.

    Raises:
        ValueError: numbers of instances do not fit, or ``reduction`` is something else.
        RuntimeError: sizes or data types do not fit.
        IndexError: a class is out of range.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    tensor_argument("nll_loss_nd", 2, target, "target")
    _check_classes(input, target, weight, ignore_index)
    return _chosen(input, target, weight, ignore_index, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy between softmax(input) and classes, or probabilities of classes.

    Args:
        input: scores, (N, C), (C,) or (N, C, d1, ...).
        target: classes, (N,), () or (N, d1, ...), int64 or uint8; or probabilities in the shape of the input.
        weight: one factor for each class, (C,).
        size_average: deprecated.
        ignore_index: a class whose elements do not count.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` (for classes: over the weights' total; for probabilities: over the
            instances) or ``"sum"``.
        label_smoothing: share, 0 to 1, of the uniform distribution in the target.

    Raises:
        ValueError: numbers of instances do not fit, or ``reduction`` is something else.
        RuntimeError: sizes, data types or ``label_smoothing`` do not fit.
        IndexError: a class is out of range.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
        tensor(0.6931)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    tensor_argument("cross_entropy_loss", 1, input)
    tensor_argument("cross_entropy_loss", 2, target, "target")
    input, target, weight = operands("cross_entropy", input, target, weight)
    if input.shape == target.shape:
        if not target.is_floating_point():
            raise RuntimeError(f"Expected floating point type for target with class probabilities, got {_kind(target)}")
        if not input.shape:
            raise IndexError("Dimension specified as 1 but tensor has no dimensions")
        return _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    _check_classes(input, target, weight, ignore_index)
    logs = input.log_softmax(0 if len(input.shape) == 1 else 1)
    if label_smoothing > 0:
        return _smoothed(logs, target, weight, ignore_index, reduction, label_smoothing)
    return _chosen(logs, target, weight, ignore_index, reduction)


def _along_classes(weight: Tensor, rank: int) -> Tensor:
    return weight if rank == 1 else weight.reshape(1, -1, *(1,) * (rank - 2))


def _of_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, smoothing: float
) -> Tensor:
    """Cross entropy with probabilities of classes."""
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    rank = len(input.shape)
    axis = 0 if rank == 1 else 1
    classes = input.shape[axis]
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            "cross_entropy: weight tensor should be defined either for all classes or no classes but got weight "
            f"tensor of shape: {list(weight.shape)}"
        )
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    losses = input.log_softmax(axis) * target
    if weight is not None:
        losses = losses * _along_classes(weight, rank)
    if reduction == "none":
        return -losses.sum(axis)
    total = -losses.sum()
    return total / max(input.numel() // classes, 1) if reduction == "mean" else total


def _smoothed(
    logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, smoothing: float
) -> Tensor:
    """Classes mixed with the uniform distribution."""
    rank = len(logs.shape)
    axis = 0 if rank == 1 else 1
    classes = logs.shape[axis]
    main = _chosen(logs, target, weight, ignore_index, reduction)
    spread = logs if weight is None else logs * _along_classes(weight, rank)
    uniform = (-spread.sum(axis)).reshape(target.shape)
    ignored = target == ignore_index
    uniform = uniform.masked_fill(ignored, 0.0)
    if reduction == "mean":
        if weight is None:
            uniform = uniform.sum() / (target.numel() - ignored.sum())
        else:
            ones = logs.detach() * 0 + 1
            counted = -_chosen(ones * _along_classes(weight, rank), target, None, ignore_index, "sum")
            uniform = uniform.sum() / counted
    elif reduction == "sum":
        uniform = uniform.sum()
    return main * (1 - smoothing) + uniform * (smoothing / classes)


# -- losses of probabilities -----------------------------------------------------------------------------------------


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``target * (log(target) - input)``, the divergence of the target from exp(input).

    Args:
        input: log probabilities, any shape.
        target: probabilities (log probabilities with ``log_target``), the same shape.
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"``, ``"sum"``, or ``"batchmean"`` (the sum over the first dimension's size).
        log_target: whether the target holds logarithms.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html
    """
    reduction = resolved_reduction(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    batch = reduction == "batchmean"
    reduction = checked_reduction("sum" if batch else reduction)
    input, target = operands("kl_div", input, target)
    if not all(item.dtype.is_floating_point or item.dtype.is_complex for item in (input, target)):
        raise RuntimeError("kl_div: Integral inputs not supported.")
    if input.dtype.is_complex or target.dtype.is_complex:
        raise RuntimeError("kl_div: Complex inputs not supported.")
    losses = target.exp() * (target - input) if log_target else target.xlogy(target) - target * input
    total = reduced(losses, reduction)
    return total / input.shape[0] if batch and input.shape else total


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(target * log(input) + (1 - target) * log(1 - input))``, the logarithms not below -100.

    Args:
        input: probabilities, any shape.
        target: probabilities, the same shape.
        weight: one factor for each element, broadcast.
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: the shapes differ.
        RuntimeError: the data types differ, or the input is known and not within 0 to 1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape!r}) that is different to the input size ({input.shape!r}) is "
            "deprecated. Please ensure they have the same size."
        )
    if target.dtype is not input.dtype:
        raise RuntimeError(f"Found dtype {_kind(target)} but expected {_kind(input)}")
    if weight is not None:
        _check_spread(weight.shape, input.shape)
        check_constants("binary_cross_entropy", weight=weight)
    known = input.read().value
    real = isinstance(known, np.ndarray) and input.dtype.is_floating_point
    if real and not bool(((known >= 0) & (known <= 1)).all()):
        raise RuntimeError("all elements of input should be between 0 and 1")
    operands = (input, target) if weight is None else (input, target, weight)
    return call(p.binary_cross_entropy, operands, (reduction,))


def _check_spread(own: Sequence[int], shape: Sequence[int]) -> None:
    """Raise RuntimeError, in PyTorch's words, unless a shape can be spread to another."""
    for axis in range(-1, -len(own) - 1, -1):
        if -axis > len(shape) or own[axis] not in (1, shape[axis]):
            raise RuntimeError(
                f"Attempting to broadcast a dimension of length {own[axis]} at {axis}! Mismatching argument at index "
                f"1 had {own!r}; but expected shape should be broadcastable to {list(shape)}"
            )


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of sigmoid(input), computed stably.

    Args:
        input: scores, any shape.
        target: probabilities, the same shape.
        weight: one factor for each element, broadcast.
        size_average: deprecated.
        reduce: deprecated.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        pos_weight: factor of the positive part, broadcast.

    Raises:
        ValueError: the shapes differ.
        RuntimeError: the factors do not broadcast to them, or the target is of truth values or whole numbers.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape!r}) must be the same as input size ({input.shape!r})")
    check_constants("binary_cross_entropy_with_logits", weight=weight, pos_weight=pos_weight)
    if target.dtype.name == "bool":
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if not can_cast(input.dtype, target.dtype):
        raise RuntimeError(f"result type {_kind(input)} can't be cast to the desired output type {_kind(target)}")
    if pos_weight is not None:
        check_spread(target.shape, broadcast(pos_weight.shape, target.shape))
    if weight is not None:
        check_spread(target.shape, weight.shape)
    extra = [item for item in (weight, pos_weight) if item is not None]
    present = (weight is not None, pos_weight is not None)
    return call(p.binary_cross_entropy_with_logits, (input, target, *extra), (present, reduction))


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-08,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``exp(input) - target * input``, or input - target * log(input + eps) without ``log_input``.

    ``full`` adds Stirling's term target * log(target) - target + 0.5 * log(2 pi target) where the target is above 1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.poisson_nll_loss.html
    """
    reduction = checked_reduction(resolved_reduction(size_average, reduce, reduction))
    input, target = operands("poisson_nll_loss", input, target)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + (target * (2 * pi)).log() * 0.5
        losses = losses + stirling.masked_fill(target <= 1, 0.0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-06,
    reduction: str = "mean",
) -> Tensor:
    """0.5 * (log(var) + (input - target)^2 / var), the variance not below ``eps``.

    Args:
        input: means, any shape.
        target: samples, the same shape.
        var: variances: a number, the same shape, that without the last dimension, or with 1 as one dimension.
        full: whether to add 0.5 * log(2 pi).
        eps: least variance; no gradient flows through the limit.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: the variance is negative, or its shape does not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gaussian_nll_loss.html
    """
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.detach() * 0 + var
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    variance = _fitted(var, input.shape)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    limited = variance + (variance.detach().clamp(min=eps) - variance.detach())
    losses = (limited.log() + (input - target) ** 2 / limited) * 0.5
    return reduced(losses + 0.9189385332046727 if full else losses, reduction)


def _fitted(variance: Tensor, shape: Sequence[int]) -> Tensor:
    """Variances whose shape broadcasts with the means'."""
    own = variance.shape
    if own == shape:
        return variance
    if own == tuple(shape[:-1]):
        return variance.unsqueeze(-1)
    others = [size for size, wanted in zip(own, shape, strict=False) if size != wanted]
    if len(own) != len(shape) or others != [1]:
        raise ValueError("var is of incorrect size")
    return variance
