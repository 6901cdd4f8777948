"""``Adam``: steps scaled by running estimates of the gradient's mean and mean square."""

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau.devices.device import CPU, device
from flambeau.differentiation.modes import no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.graph.node import Aval, Node, leaf
from flambeau.optim.applying import check_options, check_rate, dispatch, update, value_of, zeros_of
from flambeau.optim.optimizer import Optimizer, ParamsT
from flambeau.primitives.update import adam_update
from flambeau.tensors.core import wrap_array
from flambeau.tensors.tensor import Tensor

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam, with AMSGrad and decoupled weight decay as options.

    With parameter ``p``, gradient ``g``, learning rate ``lr``, weight decay ``w`` and the number of steps ``t``::

        g = g + w * p                               (decoupled: p = p * (1 - lr * w) instead)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        u = max(u, v) if amsgrad else v
        p = p - lr / (1 - beta1**t) * m / (sqrt(u) / sqrt(1 - beta2**t) + eps)

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: learning rate, not negative.
        betas: how much of the old mean and of the old mean square is kept, each in [0, 1).
        eps: keeps the divisor away from zero, not negative.
        weight_decay: pull towards zero, not negative.
        amsgrad: divide by the largest mean square so far.
        foreach: accepted; every step is one compiled program.
        maximize: climb instead.
        capturable: accepted; the count of steps is then kept on the parameter's device.
        differentiable: must be False.
        fused: accepted; every step is one compiled program.
        decoupled_weight_decay: shrink the parameter itself, as AdamW does.

    Raises:
        ValueError: a number is out of its range.
        NotImplementedError: ``differentiable`` is set.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adam([weight], lr=0.5)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.5000, -1.5000], requires_grad=True)

    Source: https://arxiv.org/abs/1412.6980, https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_rate(lr)
        _check_tensor_settings(lr, betas, bool(foreach) and not capturable)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index, beta in enumerate((betas[0], betas[1])):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_options(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
            for param in group["params"]:
                count = self.state[param].get("step") if param in self.state else None
                if count is not None and not isinstance(count, Tensor):
                    self.state[param]["step"] = _count_tensor(count, _count_place(group, param))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what ``closure``, which computes the loss anew, returns.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html#torch.optim.Adam.step
        """
        loss = value_of(closure)
        with no_grad():
            written = [first for group in self.param_groups for first in self._update(group)]
        dispatch(written)
        return loss

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        decay = float(group["weight_decay"])
        decoupled = bool(group["decoupled_weight_decay"])
        flags = (decay != 0, decoupled, bool(group["maximize"]))
        sign = -1.0 if group["maximize"] else 1.0
        rate = float(group["lr"])
        mean_share, square_share = map(float, group["betas"])
        written: list[Tensor] = []
        for (_, count), (rows, steps) in self._rows(group).items():
            size = rate / (1 - mean_share**count)
            correction = (1 - square_share**count) ** 0.5
            shrink = 1 - rate * decay if decoupled else decay
            numbers = (
                sign, size, shrink, 1 - mean_share, square_share, 1 - square_share, correction, float(group["eps"])
            )  # fmt: skip
            written.append(update(adam_update, numbers, rows, flags))
            _write_count(steps, count)
        return written

    def _rows(self, group: dict[str, Any]) -> dict[tuple[device, float], tuple[list[tuple[Tensor, ...]], list[Tensor]]]:
        """Parameters, gradients and states, and the counts of steps, by device and by the count after this step."""
        found: dict[tuple[device, float], tuple[list[tuple[Tensor, ...]], list[Tensor]]] = {}
        states, amsgrad = self.state, group["amsgrad"]
        rows: list[tuple[Tensor, ...]] = []
        steps: list[Tensor] = []
        last: Node | None = None
        place: device | None = None
        for param in group["params"]:
            gradient = param.grad
            if gradient is None:
                continue
            state = states[param]
            if not state:
                _start(state, param, group)
            step: Tensor = state["step"]
            node, where = step.read(), param.device
            if node is not last or where is not place:  # parameters of a group nearly always agree
                last, place = node, where
                rows, steps = found.setdefault((where, _next_count(step)), ([], []))
            row = (param, gradient, state["exp_avg"], state["exp_avg_sq"])
            rows.append((*row, state["max_exp_avg_sq"]) if amsgrad else row)
            steps.append(step)
        return found


def _check_tensor_settings(lr: Any, betas: Any, foreach: bool) -> None:
    """Check settings given as tensors, in PyTorch's words."""
    if isinstance(lr, Tensor) and foreach:
        raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    for index, beta in enumerate(betas):
        if isinstance(beta, Tensor):
            if foreach:
                message = f"betas[{index}] as a Tensor is not supported for capturable=False and foreach=True"
                raise ValueError(message)
            if beta.numel() != 1:
                raise ValueError(f"Tensor betas[{index}] must be 1-element")


# -- the count of steps: a tensor whose value stays with the host, so that reading it waits for nothing -------------


def _count_place(group: dict[str, Any], param: Tensor) -> device:
    """Where PyTorch keeps the count."""
    return param.device if group["capturable"] or group["fused"] else CPU


def _count_node(count: float, kind: dtype, place: device) -> Node:
    return leaf(np.array(count, kind.numpy), Aval.of((), kind, place))


def _count_tensor(count: float, place: device) -> Tensor:
    kind = DTYPES["float32"]
    return wrap_array(np.array(count, kind.numpy), kind, place)


def _next_count(step: Tensor) -> float:
    """The count after one more step, as its type holds it."""
    return float(step.host() + step.dtype.numpy.type(1))


def _write_count(steps: list[Tensor], count: float) -> None:
    """Set counts; those of one type and place share one value."""
    nodes: dict[Aval, Node] = {}
    for step in steps:
        aval = step.aval
        node = nodes.get(aval)
        if node is None:
            node = nodes[aval] = _count_node(count, aval.dtype, aval.device)
        step.write(Tracked(node, None))


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = _count_tensor(0.0, _count_place(group, param))
    state["exp_avg"] = zeros_of(param)
    state["exp_avg_sq"] = zeros_of(param)
    if group["amsgrad"]:
        state["max_exp_avg_sq"] = zeros_of(param)
