"""``RAdam``: Adam that trusts its mean square only once it has seen enough."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import sign_of, update, zeros_of
from flambeau.optim.counting import buckets, count_place, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_betas, check_not_negative, check_options, check_rate
from flambeau.primitives.update_rules import radam_update
from flambeau.tensors.tensor import Tensor

__all__ = ["RAdam"]


class RAdam(GroupedOptimizer):
    """RAdam: Adam rectified, which steps by the mean alone until its mean square can be trusted.

    With parameter ``p``, gradient ``g``, learning rate ``lr``, weight decay ``w`` and the number of steps ``t``::

        g = g + w * p                               (decoupled: p = p * (1 - lr * w) instead)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        n = 2 / (1 - beta2) - 1
        r = n - 2 * t * beta2**t / (1 - beta2**t)
        q = sqrt((r - 4) * (r - 2) * n / ((n - 4) * (n - 2) * r))
        d = lr * m / (1 - beta1**t)
        p = p - d * q * sqrt(1 - beta2**t) / (sqrt(v) + eps)    (while r <= 5: p - d)

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, not negative.
        betas: how much of the old mean and of the old mean square is kept, each in [0, 1).
        eps: keeps the divisor away from zero, not negative.
        weight_decay: pull towards zero (an L2 penalty), not negative.
        decoupled_weight_decay: shrink the parameter itself, as AdamW does.
        foreach: accepted; every step is one compiled program.
        maximize: climb instead.
        capturable: accepted; the count of steps is then kept on the parameter's device.
        differentiable: must be False.

    Raises:
        ValueError: a number is out of its range.
        NotImplementedError: ``differentiable`` is set.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.RAdam([weight], lr=0.25)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.5000, -1.0000], requires_grad=True)

    Source: https://arxiv.org/abs/1908.03265, https://docs.pytorch.org/docs/stable/generated/torch.optim.RAdam.html
    """

    _added: ClassVar[Mapping[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
        check_options(foreach, None, differentiable)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        rate, decay = float(group["lr"]), float(group["weight_decay"])
        decoupled = bool(group["decoupled_weight_decay"])
        flags = (decay != 0, decoupled, bool(group["maximize"]))
        mean_share, square_share = map(float, group["betas"])
        shares = (1 - mean_share, square_share, 1 - square_share)
        shrink = 1 - rate * decay if decoupled else decay
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, ("exp_avg", "exp_avg_sq"), _start):
            count = next_count(bucket.values[0])
            correction = 1 - square_share**count
            rectifier = _rectifier(count, square_share)
            adapts = (rectifier, 1.0) if rectifier is not None else (1.0, 0.0)
            scales = (rate, 1 - mean_share**count, correction**0.5, *adapts)
            numbers = (sign_of(group), *scales, *shares, float(group["eps"]), shrink)
            written.append(update(radam_update, numbers, bucket.rows, flags))
            write_scalars(bucket.scalars, count)
        return written


def _rectifier(count: float, share: float) -> float | None:
    """What makes up for the variance of a young mean square; None while there is too little to go by."""
    limit = 2 / (1 - share) - 1
    length = limit - 2 * count * share**count / (1 - share**count)
    if length <= 5:
        return None
    return ((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) ** 0.5


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = scalar_tensor(0.0, count_place(group, param))
    state["exp_avg"] = zeros_of(param)
    state["exp_avg_sq"] = zeros_of(param)
