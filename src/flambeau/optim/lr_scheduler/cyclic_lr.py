"""``CyclicLR``: the learning rate goes up and down between two bounds."""

import math
from collections.abc import Callable
from typing import Any, Literal

from flambeau.optim.lr_scheduler.momentum import has_betas, set_momentum, start_momentum
from flambeau.optim.lr_scheduler.scheduler import LRScheduler, checked_optimizer, per_group, set_rate
from flambeau.optim.optimizer import Optimizer

__all__ = ["CyclicLR"]

# How the height of a cycle is scaled, by mode: a function of (gamma, x), and what x counts.
_MODES: dict[str, tuple[Callable[[float, float], float], str]] = {
    "triangular": (lambda gamma, x: 1.0, "cycle"),
    "triangular2": (lambda gamma, x: 1 / (2.0 ** (x - 1)), "cycle"),
    "exp_range": (lambda gamma, x: gamma**x, "iterations"),
}


class CyclicLR(LRScheduler):
    """Moves the learning rate between ``base_lr`` and ``max_lr`` in straight lines; call ``step`` after each batch.

    Args:
        optimizer: whose learning rates are set.
        base_lr: lowest rate; a list for one each group.
        max_lr: highest rate; a list for one each group.
        step_size_up: number of steps going up.
        step_size_down: number of steps going down; as many by default.
        mode: how the cycles' height changes: ``"triangular"`` not at all, ``"triangular2"`` halves each cycle,
            ``"exp_range"`` is multiplied by ``gamma`` each step.
        gamma: factor of ``"exp_range"``.
        scale_fn: a function of one's own for the height, in place of ``mode``.
        scale_mode: whether ``scale_fn`` is given the number of the ``"cycle"`` or of ``"iterations"``.
        cycle_momentum: whether to move the momentum against the rate.
        base_momentum: lowest momentum; a list for one each group.
        max_momentum: highest momentum; a list for one each group.
        last_epoch: number of the last step of the training that is resumed; -1 for a new one.

    Raises:
        ValueError: the mode is unknown, a list has the wrong length, or the optimizer has no momentum to move.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
        >>> scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.0, max_lr=1.0, step_size_up=2)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.0, 0.5, 1.0, 0.5, 0.0]

    Source: https://arxiv.org/abs/1506.01186,
        https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CyclicLR.html
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked_optimizer(optimizer)
        lows = per_group(optimizer, base_lr, "base_lr")
        if last_epoch == -1:
            for group, low in zip(optimizer.param_groups, lows, strict=True):
                set_rate(group, low)
        self.max_lrs = per_group(optimizer, max_lr, "max_lr")
        up = float(step_size_up)
        down = float(step_size_down) if step_size_down is not None else up
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in _MODES and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self.scale_mode = _MODES[mode][1] if scale_fn is None else scale_mode
        self._scale_fn_custom = scale_fn
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = has_betas(optimizer)
            self.base_momentums = per_group(optimizer, base_momentum, "base_momentum")
            self.max_momentums = per_group(optimizer, max_momentum, "max_momentum")
            if last_epoch == -1:
                start_momentum(optimizer, self.max_momentums, self.base_momentums, self.use_beta1)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def scale_fn(self, x: float) -> float:
        """Scale of a cycle's height; ``x`` is the number of the cycle or of the step."""
        custom = self._scale_fn_custom
        return _MODES[self.mode][0](self.gamma, x) if custom is None else custom(x)

    def get_lr(self) -> list[Any]:
        """The learning rate of each group at this step; moves the momentum too."""
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in bounds:
                set_momentum(group, high - (high - low) * height * scale, self.use_beta1)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of a function of one's own only the attributes, if it is an object."""
        state = super().state_dict()
        custom = state.pop("_scale_fn_custom")
        plain = custom is None or hasattr(custom, "__code__")
        state["_scale_fn_custom"] = None if plain else custom.__dict__.copy()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned; a plain function stays as it is."""
        attributes = state_dict.get("_scale_fn_custom")
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_scale_fn_custom"})
        if attributes is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(attributes)
