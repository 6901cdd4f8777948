"""``Adafactor``: Adam's divisor from row and column means, and steps relative to the parameters."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.devices.device import CPU
from flambeau.dtypes.limits import finfo
from flambeau.optim.applying import filled, sign_of, update, zeros_of
from flambeau.optim.counting import buckets, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_rate
from flambeau.primitives.matrix_updates import adafactor_update
from flambeau.tensors.tensor import Tensor

__all__ = ["Adafactor"]


class Adafactor(GroupedOptimizer):
    """Adafactor: of a matrix of squared gradients it keeps the mean of each row and each column, not every element.

    With parameter ``p``, gradient ``g``, weight decay ``w`` and the number of steps ``t``::

        s = t**beta2_decay
        a = max(eps[1], rms(p)) * min(lr, 1 / sqrt(t))
        p = p * (1 - lr * w)
        r = r + s * (mean of g * g in each row - r)
        c = c + s * (mean of g * g in each column - c)
        v = r * c / max(mean of r, eps[0])          (with fewer dimensions: v = v + s * (g * g - v))
        u = g / sqrt(max(v, eps[0]**2))
        p = p - a * u / max(1, rms(u) / d)

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: largest relative step, and factor of the weight decay, not negative.
        beta2_decay: power with which the share of a new gradient falls, not positive.
        eps: keeps the divisor away from zero (None: the data type's own), and the smallest size of a parameter
            that steps are relative to.
        d: steps of a larger root mean square are shortened to it, at least 1.
        weight_decay: shrinks the parameters, not negative.
        foreach: accepted; every step is one compiled program.
        maximize: climb instead.

    Raises:
        ValueError: a number is out of its range.


    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adafactor([weight], lr=0.25)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.6047, -1.6047], requires_grad=True)

    Source: https://arxiv.org/abs/1804.04235, https://docs.pytorch.org/docs/stable/generated/torch.optim.Adafactor.html
    """

    _added: ClassVar[Mapping[str, Any]] = {"foreach": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_rate(lr, "Learning rate should be >= 0 but is: {}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        rate, decay = float(group["lr"]), float(group["weight_decay"])
        flags = (decay != 0, bool(group["maximize"]))
        written: list[Tensor] = []
        for kept, params in self._by_shape(group):
            for bucket in buckets(self.state, {**group, "params": params}, kept, _start):
                count = next_count(bucket.values[0])
                scales = (count ** group["beta2_decay"], min(rate, 1 / count**0.5), 1 - rate * decay)
                numbers = (sign_of(group), *scales, *_epsilons(group), float(group["d"]))
                written.append(update(adafactor_update, numbers, bucket.rows, flags))
                write_scalars(bucket.scalars, count)
        return written

    def _by_shape(self, group: dict[str, Any]) -> list[tuple[tuple[str, ...], list[Tensor]]]:
        """Parameters with a gradient, by what is kept of it: of matrices two means, of the rest all squares."""
        params = [param for param in group["params"] if param.grad is not None]
        if any(param.is_complex() for param in params):
            raise RuntimeError("Adafactor does not support complex parameters")
        for param in params:  # in their own order, which is that of the state
            if not self.state[param]:
                _start(self.state[param], param, group)
        matrices, others = (
            (param for param in params if param.dim() > 1),
            (param for param in params if param.dim() < 2),
        )
        return [(("row_var", "col_var"), list(matrices)), (("variance",), list(others))]


def _epsilons(group: dict[str, Any]) -> tuple[float, float]:
    """Both epsilons; the first is that of the first parameter's data type unless it is given."""
    first, second = group["eps"]
    if first is None:
        first = next(finfo(param.dtype).eps for param in group["params"] if param.grad is not None)
    return float(first), float(second)


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = scalar_tensor(0.0, CPU)
    shape = tuple(param.shape)
    if len(shape) > 1:
        state["row_var"] = filled(param, 0.0, (*shape[:-1], 1))
        state["col_var"] = filled(param, 0.0, (*shape[:-2], 1, shape[-1]))
    else:
        state["variance"] = zeros_of(param)
