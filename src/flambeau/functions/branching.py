"""Control flow that depends on values."""

from collections.abc import Callable, Sequence
from typing import Any

from flambeau.base.tree import leaves_of
from flambeau.tensors.tensor import Tensor

__all__ = ["cond"]


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Any] = ()) -> Any:
    """``true_fn(*operands)`` if a value is true, else ``false_fn(*operands)``.

    The value is looked at, and the function that is not chosen is not called: the two may return what they like.

    Args:
        pred: a number, or a tensor of one element.
        true_fn: a function of the operands.
        false_fn: another one.
        operands: tensors, also inside lists, tuples and dictionaries.

    Raises:
        RuntimeError: ``pred`` is a tensor of another size or neither, or with a tensor the functions or operands are
            none.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0, -3.0])
        >>> torch.cond(x.sum() > 0, lambda x: x.cos(), lambda x: -x, (x,))
        tensor([-1.,  3.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cond.html
    """
    if not isinstance(pred, (bool, int, float)):
        _check(pred, true_fn, false_fn, operands)
    return true_fn(*operands) if pred else false_fn(*operands)


def _check(pred: Any, true_fn: Any, false_fn: Any, operands: Any) -> None:
    """Raise RuntimeError, in PyTorch's words, unless this is a value, two functions and tensors."""
    if not isinstance(pred, Tensor):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)) or not all(isinstance(item, Tensor) for item in leaves_of(operands)):
        raise RuntimeError(
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of tensor leaves, but "
            f"got {operands}."
        )
