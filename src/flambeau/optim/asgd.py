"""``ASGD``: stochastic gradient descent that keeps an average of its parameters."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.devices.device import device
from flambeau.optim.applying import sign_of, update, zeros_of
from flambeau.optim.counting import buckets, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_not_negative, check_options, check_rate
from flambeau.primitives.update_rules import asgd_update
from flambeau.tensors.tensor import Tensor

__all__ = ["ASGD"]


class ASGD(GroupedOptimizer):
    """Averaged stochastic gradient descent; the average is ``state[parameter]["ax"]``.

    With parameter ``p``, gradient ``g``, weight decay ``w`` and the number of steps ``t``::

        g = g + w * p
        p = p * (1 - lambd * eta) - eta * g         (at first eta = lr)
        a = a + mu * (p - a)                        (at first mu = 1)
        eta = lr / (1 + lambd * lr * t)**alpha
        mu = 1 / max(1, t - t0)

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, not negative.
        lambd: how much the parameters are pulled towards zero.
        alpha: power with which the learning rate falls.
        t0: the step from which on the average is taken.
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
        >>> optimizer = torch.optim.ASGD([weight], lr=0.25)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.5000, -1.0000], requires_grad=True)

    Source: https://doi.org/10.1137/0330046, https://docs.pytorch.org/docs/stable/generated/torch.optim.ASGD.html
    """

    _added: ClassVar[Mapping[str, Any]] = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }
    _scalars: ClassVar[tuple[str, ...]] = ("step", "eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
        check_options(foreach, None, differentiable)

    @staticmethod
    def _place(group: Mapping[str, Any], param: Tensor) -> device:
        return param.device

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        rate, decay, pull = float(group["lr"]), float(group["weight_decay"]), float(group["lambd"])
        flags = (decay != 0, bool(group["maximize"]))
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, ("ax",), _start, self._scalars):
            count, eta, share = next_count(bucket.values[0]), float(bucket.values[1]), float(bucket.values[2])
            numbers = (sign_of(group), eta, 1 - pull * eta, decay, share)
            written.append(update(asgd_update, numbers, bucket.rows, flags))
            eta = rate / (1 + pull * rate * count) ** group["alpha"]
            write_scalars(bucket.scalars, count, eta, 1 / max(1, count - group["t0"]))
        return written


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    for name, value in (("step", 0.0), ("eta", float(group["lr"])), ("mu", 1.0)):
        state[name] = scalar_tensor(value, param.device)
    state["ax"] = zeros_of(param)
