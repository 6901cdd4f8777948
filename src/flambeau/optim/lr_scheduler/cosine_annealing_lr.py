"""``CosineAnnealingLR``: the learning rate follows half a cosine wave down."""

import math
from typing import Any

from flambeau.optim.lr_scheduler.scheduler import LRScheduler
from flambeau.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR"]


class CosineAnnealingLR(LRScheduler):
    """Sets the learning rate to ``eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``.

    It is computed from the rate before, so that other changes to the rate stay in effect.

    Args:
        optimizer: whose learning rates are set.
        T_max: number of epochs until the lowest rate.
        eta_min: lowest rate.
        last_epoch: number of the last epoch of the training that is resumed; -1 for a new one.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> scheduler.get_last_lr()
        [0.0]

    Source: https://arxiv.org/abs/1608.03983,
        https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The next learning rate of each group, from the present one."""
        self._warn_outside_step()
        epoch, low, rates = self.last_epoch, self.eta_min, self._rates()
        if self._is_initial:
            return rates
        if self._step_count == 1 and epoch > 0:
            return [low + (base - low) * (1 + math.cos(epoch * math.pi / self.T_max)) / 2 for base in self.base_lrs]
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            rise = [(base - low) * (1 - math.cos(math.pi / self.T_max)) / 2 for base in self.base_lrs]
            return [rate + more for rate, more in zip(rates, rise, strict=True)]
        now, before = (1 + math.cos(math.pi * number / self.T_max) for number in (epoch, epoch - 1))
        return [now / before * (rate - low) + low for rate in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        low, wave = self.eta_min, 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [low + (base - low) * wave / 2 for base in self.base_lrs]
