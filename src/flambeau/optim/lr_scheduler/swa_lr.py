"""``SWALR``: the learning rate goes to a fixed value, at which weights are averaged."""

import math
from typing import Any, Literal

from flambeau.optim.lr_scheduler.scheduler import LRScheduler, per_group
from flambeau.optim.optimizer import Optimizer

__all__ = ["SWALR"]


class SWALR(LRScheduler):
    """Takes each group's learning rate to ``swa_lr`` in ``anneal_epochs`` epochs and keeps it there.

    Args:
        optimizer: whose learning rates are set.
        swa_lr: the final rate; a list for one each group.
        anneal_epochs: number of epochs until then, not negative.
        anneal_strategy: ``"cos"`` for half a cosine wave, or ``"linear"``.
        last_epoch: number of the last epoch of the training that is resumed; -1 for a new one.

    Raises:
        ValueError: a setting is out of its range, or a list has the wrong length.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 0.75, 0.5, 0.5]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.SWALR.html
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(per_group(optimizer, swa_lr, "swa_lr"), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The next learning rate of each group, from the present one."""
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self.anneal_func(self._share(step - 1)), self.anneal_func(self._share(step))
        rates: list[Any] = []
        for group in self.optimizer.param_groups:
            rate, final = group["lr"], group["swa_lr"]
            first = final if before == 1 else (rate - before * final) / (1 - before)
            rates.append(final * now + first * (1 - now))
        return rates

    def anneal_func(self, t: float) -> float:
        """How much of the way to the final rate is gone after a share ``t`` of the epochs."""
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def _share(self, step: int) -> float:
        return max(0, min(1, step / max(1, self.anneal_epochs)))
