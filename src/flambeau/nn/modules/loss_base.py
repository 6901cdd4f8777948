"""What all losses have in common: how they are reduced, and weights."""

from flambeau.nn.functional.reduction import resolved_reduction
from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = ["Loss", "WeightedLoss"]


class Loss(Module):
    """What all losses have: how they are reduced."""

    reduction: str

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = resolved_reduction(size_average, reduce, reduction)


class WeightedLoss(Loss):
    """A loss with weights, which are a buffer."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
