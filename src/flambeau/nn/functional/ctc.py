"""Connectionist temporal classification."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from flambeau.dtypes.kinds import DTYPES
from flambeau.nn.functional.reduction import checked_reduction
from flambeau.primitives import ctc as p
from flambeau.tensors.core import call
from flambeau.tensors.creation import tensor
from flambeau.tensors.tensor import Tensor

__all__ = ["ctc_loss"]

_WHERE = "(while checking arguments for ctc_loss_allocate_outputs)"


def _lengths(name: str, given: Any) -> Any:
    """Lengths as an array on the host."""
    if not isinstance(given, Tensor):
        items = tuple(cast("Sequence[Any]", given)) if isinstance(given, (list, tuple)) else (None,)
        if not all(isinstance(item, int) for item in items):
            kind = type(cast("Any", given)).__name__
            raise TypeError(f"ctc_loss(): argument '{name}' must be Tensor or tuple of ints, not {kind}")
        return np.array(items, np.int64)
    if given.is_floating_point() or given.is_complex() or given.dtype.name == "bool":
        raise RuntimeError(f"{name} must be integral")
    return np.asarray(given.detach().host()).reshape(-1).astype(np.int64)


def _check(shape: Sequence[int], targets: Sequence[int], lengths: tuple[Any, Any], blank: int) -> None:
    """Raise RuntimeError, in PyTorch's words, where sizes do not fit."""
    input_lengths, target_lengths = lengths
    if 0 in shape:
        raise RuntimeError("log_probs tensor must not be empty")
    if len(shape) != 3:
        raise RuntimeError(
            f"Expected 3-dimensional tensor, but got {len(shape)}-dimensional tensor for argument #1 'log_probs' "
            f"{_WHERE}"
        )
    if len(targets) not in (1, 2):
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {len(targets)}-dimensional tensor for argument #2 'targets' {_WHERE}"
        )
    steps, batch, classes = shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, found in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if len(found) != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    _check_least("target_lengths", target_lengths)
    needed = int(target_lengths.sum()) if len(targets) == 1 else batch
    if targets[0] != needed:
        raise RuntimeError(
            f"Expected tensor to have size {needed} at dimension 0, but got size {targets[0]} for argument #2 "
            f"'targets' {_WHERE}"
        )
    if len(targets) == 2 and targets[1] < target_lengths.max():
        raise RuntimeError(
            f"Expected tensor to have size at least {target_lengths.max()} at dimension 1, but got size {targets[1]} "
            f"for argument #2 'targets' {_WHERE}"
        )
    _check_least("input_lengths", input_lengths)
    if input_lengths.max() > steps:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value "
            f"{input_lengths[input_lengths > steps][0]} {_WHERE}"
        )


def _check_least(name: str, lengths: Any) -> None:
    if lengths.min() < 0:
        raise RuntimeError(
            f"Expected {name} to have value at least 0, but got value {lengths[lengths < 0][0]} {_WHERE}"
        )


def _rows(targets: Tensor, lengths: Any) -> Tensor:
    """Concatenated label sequences as rows of equal length; what stands past a sequence's end does not matter."""
    longest = int(lengths.max())
    starts = np.cumsum(lengths) - lengths
    places = np.minimum(starts[:, None] + np.arange(longest), max(targets.shape[0] - 1, 0))
    index = tensor(places, device=targets.device)
    return targets[index] if places.size else targets.new_zeros((len(lengths), longest))


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Negative log probability of label sequences, over all their alignments with the steps.

    Args:
        log_probs: log probabilities of the classes at each step, (T, N, C) or (T, C): what ``log_softmax`` returns (the
            gradient is right through it only, as in PyTorch).
        targets: labels, (N, S), or all sequences one after the other in one dimension.
        input_lengths: number of steps of each sequence, (N,) or (), at most T; a tensor or a tuple.
        target_lengths: number of labels of each sequence, (N,) or (); a tensor or a tuple.
        blank: the class that is no label.
        reduction: ``"none"``, ``"mean"`` (of the losses over their numbers of labels) or ``"sum"``.
        zero_infinity: whether impossible sequences have loss and gradient 0, not infinity and NaN.

    Returns:
        (N,) or () without a reduction, else ().

    Raises:
        RuntimeError: sizes or data types do not fit.
        ValueError: ``reduction`` is something else.

    Example:
        >>> import flambeau as torch
        >>> log_probs = torch.full((2, 1, 2), 0.5).log()
        >>> torch.nn.functional.ctc_loss(log_probs, torch.tensor([[1]]), (2,), (1,))
        tensor(0.2877)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html
    """
    checked_reduction(reduction)
    steps, labels = _lengths("input_lengths", input_lengths), _lengths("target_lengths", target_lengths)
    lone = log_probs.dim() != 3
    batch = log_probs.unsqueeze(1) if lone else log_probs
    _check(batch.shape, targets.shape, (steps, labels), blank)
    rows = targets if targets.dim() == 2 else _rows(targets, labels)
    place = log_probs.device
    counts = tensor(labels, device=place)
    operands = (batch, rows.to(DTYPES["int64"]), tensor(steps, device=place), counts)
    losses: Tensor = call(p.ctc_loss, operands, (int(blank), bool(zero_infinity)))
    if reduction == "mean":
        return (losses / counts.clamp_min(1).to(losses.dtype)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses.squeeze(0) if lone else losses
