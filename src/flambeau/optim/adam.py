"""``Adam``: steps scaled by running estimates of the gradient's mean and mean square."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import sign_of, update, zeros_of
from flambeau.optim.counting import buckets, count_place, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_betas, check_not_negative, check_options, check_rate
from flambeau.primitives.update_rules import adam_update
from flambeau.tensors.tensor import Tensor

__all__ = ["Adam"]


class Adam(GroupedOptimizer):
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
        ValueError: a number is out of its range, or a beta is a whole number.
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

    _added: ClassVar[Mapping[str, Any]] = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

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
        foreach_only = bool(foreach) and not capturable
        if isinstance(lr, Tensor) and foreach_only:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        _check_kinds(betas, foreach_only)
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
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

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        rate, decay = float(group["lr"]), float(group["weight_decay"])
        decoupled = bool(group["decoupled_weight_decay"])
        flags = (decay != 0, decoupled, bool(group["maximize"]))
        mean_share, square_share = map(float, group["betas"])
        kept = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, kept, _start):
            count = next_count(bucket.values[0])
            size = rate / (1 - mean_share**count)
            correction = (1 - square_share**count) ** 0.5
            shrink = 1 - rate * decay if decoupled else decay
            numbers = (
                sign_of(group),
                size,
                shrink,
                1 - mean_share,
                square_share,
                1 - square_share,
                correction,
                float(group["eps"]),
            )
            written.append(update(adam_update, numbers, bucket.rows, flags))
            write_scalars(bucket.scalars, count)
        return written


def _check_kinds(betas: Any, foreach: bool) -> None:
    """Raise ValueError, in PyTorch's words, unless both are floats, or both tensors that the way of running takes."""
    if not any(isinstance(betas[0], kind) and isinstance(betas[1], kind) for kind in (float, Tensor)):
        raise ValueError("betas must be either both floats or both Tensors")
    for index, beta in enumerate(betas):
        if foreach and isinstance(beta, Tensor):
            raise ValueError(f"betas[{index}] as a Tensor is not supported for capturable=False and foreach=True")


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = scalar_tensor(0.0, count_place(group, param), group["fused"])
    state["exp_avg"] = zeros_of(param)
    state["exp_avg_sq"] = zeros_of(param)
    if group["amsgrad"]:
        state["max_exp_avg_sq"] = zeros_of(param)
