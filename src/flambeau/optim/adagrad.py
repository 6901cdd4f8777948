"""``Adagrad``: steps divided by the root of the sum of all squared gradients."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import filled, sign_of, update
from flambeau.optim.counting import buckets, count_place, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_not_negative, check_options, check_rate
from flambeau.primitives.update_rules import adagrad_update
from flambeau.tensors.tensor import Tensor

__all__ = ["Adagrad"]


class Adagrad(GroupedOptimizer):
    """Adagrad: what has moved much moves less from then on.

    With parameter ``p``, gradient ``g``, learning rate ``lr``, weight decay ``w`` and the number of steps ``t``::

        g = g + w * p
        s = s + g * g                              (at first initial_accumulator_value)
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, not negative.
        lr_decay: how fast the learning rate falls with the number of steps, not negative.
        weight_decay: pull towards zero (an L2 penalty), not negative.
        initial_accumulator_value: the sum of squares at first, not negative.
        eps: keeps the divisor away from zero, not negative.
        foreach: accepted; every step is one compiled program.
        maximize: climb instead.
        differentiable: must be False.
        fused: accepted; every step is one compiled program.

    Raises:
        ValueError: a number is out of its range.
        NotImplementedError: ``differentiable`` is set.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adagrad([weight], lr=0.5)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.5000, -1.5000], requires_grad=True)

    Source: https://jmlr.org/papers/v12/duchi11a.html, https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
    """

    _added: ClassVar[Mapping[str, Any]] = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate(lr)
        check_not_negative("lr_decay", lr_decay)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("initial_accumulator_value", initial_accumulator_value)
        check_not_negative("epsilon", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_options(foreach, fused, differentiable)
        for group in self.param_groups:
            for param in group["params"]:
                self._start(self.state[param], param, group)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        rate, decay = float(group["lr"]), float(group["weight_decay"])
        flags = (decay != 0, bool(group["maximize"]))
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, ("sum",), self._start):
            count = next_count(bucket.values[0])
            size = rate / (1 + (count - 1) * group["lr_decay"])
            numbers = (sign_of(group), size, float(group["eps"]), decay)
            written.append(update(adagrad_update, numbers, bucket.rows, flags))
            write_scalars(bucket.scalars, count)
        return written

    def _start(self, state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
        """A parameter's state before its first step."""
        first = self.defaults["initial_accumulator_value"]
        state["step"] = scalar_tensor(0.0, count_place(group, param), group["fused"])
        state["sum"] = filled(param, complex(first, first) if param.is_complex() else first)
