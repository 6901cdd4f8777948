"""``NAdam``: Adam with Nesterov's momentum."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import sign_of, update, zeros_of
from flambeau.optim.counting import buckets, count_place, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_betas, check_not_negative, check_options, check_rate
from flambeau.primitives.update_rules import nadam_update
from flambeau.tensors.tensor import Tensor

__all__ = ["NAdam"]


class NAdam(GroupedOptimizer):
    """NAdam: Adam that looks ahead along its mean, as Nesterov's momentum does.

    With parameter ``p``, gradient ``g``, learning rate ``lr``, weight decay ``w`` and the number of steps ``t``::

        g = g + w * p                               (decoupled: p = p * (1 - lr * w) instead)
        a = beta1 * (1 - 0.96**(t * momentum_decay) / 2)
        b = beta1 * (1 - 0.96**((t + 1) * momentum_decay) / 2)
        c = a * c                                   (at first 1)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        s = sqrt(v / (1 - beta2**t)) + eps
        p = p - lr * (1 - a) / (1 - c) * g / s - lr * b / (1 - c * b) * m / s

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, not negative.
        betas: how much of the old mean and of the old mean square is kept, each in [0, 1).
        eps: keeps the divisor away from zero, not negative.
        weight_decay: pull towards zero (an L2 penalty), not negative.
        momentum_decay: how fast the momentum reaches its height, not negative.
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
        >>> optimizer = torch.optim.NAdam([weight], lr=0.5)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.4718, -1.4718], requires_grad=True)

    Source: https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ, https://docs.pytorch.org/docs/stable/generated/torch.optim.NAdam.html
    """

    _added: ClassVar[Mapping[str, Any]] = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
    }
    _scalars: ClassVar[tuple[str, ...]] = ("step", "mu_product")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative("momentum_decay", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
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
        shrink = 1 - rate * decay if decoupled else decay
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, ("exp_avg", "exp_avg_sq"), _start, ("step", "mu_product")):
            count, product = next_count(bucket.values[0]), bucket.values[1]
            now, ahead = (mean_share * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (count, count + 1))
            product = float(product * product.dtype.type(now))
            sizes = (rate * (1 - now) / (1 - product), rate * ahead / (1 - product * ahead))
            shares = (1 - mean_share, square_share, 1 - square_share)
            numbers = (sign_of(group), *sizes, *shares, 1 - square_share**count, float(group["eps"]), shrink)
            written.append(update(nadam_update, numbers, bucket.rows, flags))
            write_scalars(bucket.scalars, count, product)
        return written


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = scalar_tensor(0.0, count_place(group, param))
    state["mu_product"] = scalar_tensor(1.0, count_place(group, param))
    state["exp_avg"] = zeros_of(param)
    state["exp_avg_sq"] = zeros_of(param)
