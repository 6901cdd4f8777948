"""``OneCycleLR``: up to a high learning rate and down to a very low one, once."""

import math
from typing import Any, Literal

from flambeau.optim.lr_scheduler.momentum import has_betas, set_momentum, start_momentum
from flambeau.optim.lr_scheduler.scheduler import LRScheduler, checked_optimizer, per_group
from flambeau.optim.optimizer import Optimizer

__all__ = ["OneCycleLR"]

_TWO_PHASES = (
    ("initial_lr", "max_lr", "max_momentum", "base_momentum"),
    ("max_lr", "min_lr", "base_momentum", "max_momentum"),
)
_THREE_PHASES = (
    ("initial_lr", "max_lr", "max_momentum", "base_momentum"),
    ("max_lr", "initial_lr", "base_momentum", "max_momentum"),
    ("initial_lr", "min_lr", "max_momentum", "max_momentum"),
)


class OneCycleLR(LRScheduler):
    """The 1cycle policy: the rate rises from ``max_lr / div_factor``, falls to that divided by ``final_div_factor``.

    The momentum moves against it. Call ``step`` after each batch.

    Args:
        optimizer: whose learning rates are set.
        max_lr: highest rate; a list for one each group.
        total_steps: number of steps of the cycle; or else
        epochs: number of epochs, and
        steps_per_epoch: number of steps in each.
        pct_start: share of the cycle spent rising.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: whether to move the momentum too.
        base_momentum: lowest momentum; a list for one each group.
        max_momentum: highest momentum; a list for one each group.
        div_factor: highest rate over first rate.
        final_div_factor: first rate over last rate.
        three_phase: fall to the first rate before falling to the last one.
        last_epoch: number of the last step of the training that is resumed; -1 for a new one.

    Raises:
        ValueError: the length of the cycle is not given, or a setting is out of its range.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
        >>> scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        >>> rates = []
        >>> for _ in range(3):
        ...     rates += [round(rate, 2) for rate in scheduler.get_last_lr()]
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.04, 0.52, 1.0]

    Source: https://arxiv.org/abs/1708.07120,
        https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked_optimizer(optimizer)
        self.total_steps = _length(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        rates = per_group(optimizer, max_lr, "max_lr")
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = has_betas(optimizer)
            high = per_group(optimizer, max_momentum, "max_momentum")
            low = per_group(optimizer, base_momentum, "base_momentum")
            if last_epoch == -1:
                start_momentum(optimizer, high, low, self.use_beta1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The learning rate of each group at this step; moves the momentum too.

        Raises:
            ValueError: the cycle is over.
        """
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        start = 0.0
        phase = self._schedule_phases[-1]
        for candidate in self._schedule_phases:
            if step <= candidate["end_step"] or candidate is self._schedule_phases[-1]:
                phase = candidate
                break
            start = candidate["end_step"]
        share = (step - start) / (phase["end_step"] - start)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                value = self._annealed(group[phase["start_momentum"]], group[phase["end_momentum"]], share)
                set_momentum(group, value, self.use_beta1)
        return [self._annealed(group[phase["start_lr"]], group[phase["end_lr"]], share) for group in groups]

    def _annealed(self, start: Any, end: Any, share: float) -> Any:
        """The value a share of the way from one to another."""
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _length(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """Number of steps of the cycle; raises ValueError in PyTorch's words."""
    if total_steps is not None:
        return _positive(total_steps, "total_steps")
    if epochs is not None and steps_per_epoch is not None:
        return _positive(epochs, "epochs") * _positive(steps_per_epoch, "steps_per_epoch")
    raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")


def _positive(value: int, name: str) -> int:
    if value <= 0 or not isinstance(value, int):
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


def _phases(total: int, rising: float, three: bool) -> list[dict[str, Any]]:
    """Where each phase ends, and what it goes from and to."""
    up = float(rising * total) - 1
    ends = (up, float(2 * rising * total) - 2, total - 1) if three else (up, total - 1)
    names = ("start_lr", "end_lr", "start_momentum", "end_momentum")
    return [
        {"end_step": end, **dict(zip(names, row, strict=True))}
        for end, row in zip(ends, _THREE_PHASES if three else _TWO_PHASES, strict=True)
    ]
