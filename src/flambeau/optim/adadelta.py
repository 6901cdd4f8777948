"""``Adadelta``: steps as large as the recent steps, over as large as the recent gradients."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import sign_of, update, zeros_of
from flambeau.optim.counting import buckets, count_place, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_not_negative, check_options, check_rate
from flambeau.primitives.update_rules import adadelta_update
from flambeau.tensors.tensor import Tensor

__all__ = ["Adadelta"]


class Adadelta(GroupedOptimizer):
    """Adadelta: the step is scaled by the size of recent steps, so that it has the parameter's own unit.

    With parameter ``p``, gradient ``g``, learning rate ``lr`` and weight decay ``w``::

        g = g + w * p
        v = rho * v + (1 - rho) * g * g
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d * d
        p = p - lr * d

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: factor of each step, not negative.
        rho: how much of the old mean squares is kept, in [0, 1].
        eps: keeps the divisor away from zero, not negative.
        weight_decay: pull towards zero (an L2 penalty), not negative.
        foreach: accepted; every step is one compiled program.
        capturable: accepted; the count of steps is then kept on the parameter's device.
        maximize: climb instead.
        differentiable: must be False.

    Raises:
        ValueError: a number is out of its range.
        NotImplementedError: ``differentiable`` is set.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adadelta([weight], lr=100.0)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.6838, -1.6838], requires_grad=True)

    Source: https://arxiv.org/abs/1212.5701, https://docs.pytorch.org/docs/stable/generated/torch.optim.Adadelta.html
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
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative("epsilon", eps)
        check_not_negative("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
        check_options(foreach, None, differentiable)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        kept, decay = float(group["rho"]), float(group["weight_decay"])
        flags = (decay != 0, bool(group["maximize"]))
        numbers = (sign_of(group), float(group["lr"]), kept, 1 - kept, float(group["eps"]), decay)
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, ("square_avg", "acc_delta"), _start):
            written.append(update(adadelta_update, numbers, bucket.rows, flags))
            write_scalars(bucket.scalars, next_count(bucket.values[0]))
        return written


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = scalar_tensor(0.0, count_place(group, param))
    state["square_avg"] = zeros_of(param)
    state["acc_delta"] = zeros_of(param)
