"""``Adamax``: Adam with a fading maximum in place of the mean square."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import sign_of, update, zeros_of
from flambeau.optim.counting import buckets, count_place, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_betas, check_not_negative, check_options, check_rate
from flambeau.primitives.update_rules import adamax_update
from flambeau.tensors.tensor import Tensor

__all__ = ["Adamax"]


class Adamax(GroupedOptimizer):
    """Adamax: Adam whose divisor is a fading maximum of the gradients.

    With parameter ``p``, gradient ``g``, learning rate ``lr``, weight decay ``w`` and the number of steps ``t``::

        g = g + w * p
        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, abs(g) + eps)
        p = p - lr / (1 - beta1**t) * m / u

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, not negative.
        betas: how much of the old mean and of the old maximum is kept, each in [0, 1).
        eps: keeps the maximum away from zero, not negative.
        weight_decay: pull towards zero (an L2 penalty), not negative.
        foreach: accepted; every step is one compiled program.
        maximize: climb instead.
        differentiable: must be False.
        capturable: accepted; the count of steps is then kept on the parameter's device.

    Raises:
        ValueError: a number is out of its range.
        NotImplementedError: ``differentiable`` is set.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adamax([weight], lr=0.5)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.5000, -1.5000], requires_grad=True)

    Source: https://arxiv.org/abs/1412.6980, https://docs.pytorch.org/docs/stable/generated/torch.optim.Adamax.html
    """

    _added: ClassVar[Mapping[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
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
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
        check_options(foreach, None, differentiable)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        mean_share, fading = map(float, group["betas"])
        decay = float(group["weight_decay"])
        flags = (decay != 0, bool(group["maximize"]))
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, ("exp_avg", "exp_inf"), _start):
            count = next_count(bucket.values[0])
            size = float(group["lr"]) / (1 - mean_share**count)
            numbers = (sign_of(group), size, 1 - mean_share, fading, float(group["eps"]), decay)
            written.append(update(adamax_update, numbers, bucket.rows, flags))
            write_scalars(bucket.scalars, count)
        return written


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = scalar_tensor(0.0, count_place(group, param))
    state["exp_avg"] = zeros_of(param)
    state["exp_inf"] = zeros_of(param)
