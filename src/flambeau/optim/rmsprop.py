"""``RMSprop``: steps divided by the root of a running mean square."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import sign_of, update, zeros_of
from flambeau.optim.counting import buckets, count_place, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_not_negative, check_options, check_rate
from flambeau.primitives.update_rules import rmsprop_update
from flambeau.tensors.tensor import Tensor

__all__ = ["RMSprop"]


class RMSprop(GroupedOptimizer):
    """RMSprop, centered and with momentum if asked.

    With parameter ``p``, gradient ``g``, learning rate ``lr`` and weight decay ``w``::

        g = g + w * p
        v = alpha * v + (1 - alpha) * g * g
        m = alpha * m + (1 - alpha) * g             (centered only)
        d = g / (sqrt(v - m * m) + eps)             (not centered: sqrt(v) + eps)
        b = momentum * b + d                        (without momentum b = d)
        p = p - lr * b

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, not negative.
        alpha: how much of the old mean square is kept, not negative.
        eps: keeps the divisor away from zero, not negative.
        weight_decay: pull towards zero (an L2 penalty), not negative.
        momentum: how much of the old direction is kept, not negative; 0 for none.
        centered: divide by the spread of the gradients around their mean.
        capturable: accepted; the count of steps is then kept on the parameter's device.
        foreach: accepted; every step is one compiled program.
        maximize: climb instead.
        differentiable: must be False.

    Raises:
        ValueError: a number is out of its range.
        NotImplementedError: ``differentiable`` is set.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.RMSprop([weight], lr=0.05)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.5000, -1.5000], requires_grad=True)

    Source: https://www.cs.toronto.edu/~hinton/coursera/lecture6/lec6.pdf, https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """

    _added: ClassVar[Mapping[str, Any]] = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("alpha", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)
        check_options(foreach, None, differentiable)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        share, decay, momentum = float(group["alpha"]), float(group["weight_decay"]), float(group["momentum"])
        flags = (decay != 0, bool(group["maximize"]), momentum > 0, bool(group["centered"]))
        numbers = (sign_of(group), float(group["lr"]), share, 1 - share, float(group["eps"]), decay, momentum)
        kept = ("square_avg", *["momentum_buffer"] * (momentum > 0), *["grad_avg"] * bool(group["centered"]))
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, kept, _start):
            written.append(update(rmsprop_update, numbers, bucket.rows, flags))
            write_scalars(bucket.scalars, next_count(bucket.values[0]))
        return written


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = scalar_tensor(0.0, count_place(group, param))
    state["square_avg"] = zeros_of(param)
    if group["momentum"] > 0:
        state["momentum_buffer"] = zeros_of(param)
    if group["centered"]:
        state["grad_avg"] = zeros_of(param)
