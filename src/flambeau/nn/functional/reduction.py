"""How a loss is reduced: the argument's value, also from its older forms."""

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["checked_reduction", "reduced", "resolved_reduction"]


def resolved_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """``reduction``, or what the deprecated ``size_average`` and ``reduce`` mean; warns about these."""
    if size_average is None and reduce is None:
        return reduction
    average = True if size_average is None else size_average
    found = ("mean" if average else "sum") if reduce is None or reduce else "none"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.", stacklevel=3
    )
    return found


def checked_reduction(reduction: str) -> str:
    """``reduction``; raises ValueError unless it is "none", "mean" or "sum"."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(losses: "Tensor", reduction: str) -> "Tensor":
    """Mean, sum, or the losses themselves."""
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses
