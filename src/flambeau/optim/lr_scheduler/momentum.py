"""The momentum that cyclic schedules move against the learning rate: ``momentum``, or the first of ``betas``."""

from collections.abc import Sequence
from typing import Any

from flambeau.optim.optimizer import Optimizer

__all__ = ["has_betas", "set_momentum", "start_momentum"]


def has_betas(optimizer: Optimizer) -> bool:
    """Whether the optimizer's momentum is its first beta; raises ValueError if it has neither."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def set_momentum(group: dict[str, Any], value: Any, betas: bool) -> None:
    """Set a group's momentum."""
    if betas:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def start_momentum(optimizer: Optimizer, high: Sequence[Any], low: Sequence[Any], betas: bool) -> None:
    """Have each group begin with its highest momentum and remember its range."""
    for group, highest, lowest in zip(optimizer.param_groups, high, low, strict=True):
        set_momentum(group, highest, betas)
        group["max_momentum"] = highest
        group["base_momentum"] = lowest
