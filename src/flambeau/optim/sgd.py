"""``SGD``: stochastic gradient descent."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import Buckets, found_once, sign_of, update, zeros_of
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_options
from flambeau.primitives.update_rules import sgd_update
from flambeau.tensors.tensor import Tensor

__all__ = ["SGD"]


class SGD(GroupedOptimizer):
    """Stochastic gradient descent, with momentum, Nesterov's too.

    With parameter ``p``, gradient ``g``, learning rate ``lr`` and weight decay ``w``::

        g = g + w * p
        b = momentum * b + (1 - dampening) * g      (the first time b = g)
        g = g + momentum * b if nesterov else b     (without momentum g stays)
        p = p - lr * g

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, not negative.
        momentum: how much of the old direction is kept, not negative; 0 for none.
        dampening: how much of the gradient is left out of the direction.
        weight_decay: pull towards zero (an L2 penalty), not negative.
        nesterov: look ahead along the momentum.
        maximize: climb instead.
        foreach: accepted; every step is one compiled program.
        differentiable: must be False.
        fused: accepted; every step is one compiled program.

    Raises:
        ValueError: a number is out of its range.
        NotImplementedError: ``differentiable`` is set.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.SGD([weight], lr=0.25, momentum=0.5)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     (weight * weight).sum().backward()
        ...     optimizer.step()
        >>> weight.tolist()
        [0.0, 0.0]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    _added: ClassVar[Mapping[str, Any]] = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_options(foreach, fused, differentiable)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        momentum = float(group["momentum"])
        decay = float(group["weight_decay"])
        flags = (decay != 0, bool(group["nesterov"]), bool(group["maximize"]))
        written: list[Tensor] = []
        for (_, fresh), rows in found_once(lambda: self._rows(group, momentum != 0)).items():
            # A first direction is the gradient itself. Times -0.0, because -0.0 + g is g, to its sign of zero.
            shares = (-0.0, 1.0) if fresh else (momentum, 1.0 - float(group["dampening"]))
            numbers = (sign_of(group), float(group["lr"]), decay, momentum, *shares)
            written.append(update(sgd_update, numbers, rows, flags))
        return written

    def _rows(self, group: dict[str, Any], with_momentum: bool) -> Buckets:
        """Parameters, gradients and momentum buffers, by device and by whether the buffers are new."""
        found: Buckets = {}
        state = self.state
        place, was_fresh, rows = None, False, []
        for param in group["params"]:
            gradient = param.grad
            if gradient is None:
                continue
            row, fresh = (param, gradient), False
            if with_momentum:
                buffer = state[param].get("momentum_buffer")
                if buffer is None:
                    fresh = True
                    buffer = state[param]["momentum_buffer"] = zeros_of(param)
                row = (param, gradient, buffer)
            where = param.device
            if where is not place or fresh is not was_fresh:  # parameters of a group nearly always agree
                place, was_fresh = where, fresh
                rows = found.setdefault((where, fresh), [])
            rows.append(row)
        return found
