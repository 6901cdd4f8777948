"""``SparseAdam``: Adam for sparse gradients, which there are none of here."""

from collections.abc import Callable
from typing import Any

from flambeau.optim.applying import value_of
from flambeau.optim.optimizer import Optimizer, ParamsT
from flambeau.optim.settings import check_betas
from flambeau.tensors.tensor import Tensor

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for gradients of a sparse layout; here every gradient is dense, which it refuses as in PyTorch.

    It can be made, printed, saved and loaded, so that programs and files that name it are understood. Gradients of
    ``nn.Embedding`` are dense here: use ``Adam``.

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, positive.
        betas: how much of the old mean and of the old mean square is kept, each in [0, 1).
        eps: keeps the divisor away from zero, positive.
        maximize: climb instead.

    Raises:
        ValueError: a number is out of its range, or a parameter is complex.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.ones(2, requires_grad=True)
        >>> optimizer = torch.optim.SparseAdam([weight])
        >>> weight.sum().backward()
        >>> optimizer.step()
        Traceback (most recent call last):
        RuntimeError: SparseAdam does not support dense gradients, please consider Adam instead

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 < lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        wrong = [
            [index, place]
            for index, group in enumerate(self.param_groups)
            for place, param in enumerate(group["params"])
            if param.is_complex()
        ]
        if wrong:
            raise ValueError(f"Complex params at indices {wrong}: SparseAdam does not support complex parameters")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Refuse every gradient; returns what ``closure``, which computes the loss anew, returns if there are none.

        Raises:
            RuntimeError: a parameter has a gradient.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SparseAdam.html#torch.optim.SparseAdam.step
        """
        loss = value_of(closure)
        if any(param.grad is not None for group in self.param_groups for param in group["params"]):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        return loss
