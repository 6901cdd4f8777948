"""``Rprop``: a step size for each element, which grows while its gradient keeps its sign."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flambeau.optim.applying import filled, sign_of, update, zeros_of
from flambeau.optim.counting import buckets, count_place, next_count, scalar_tensor, write_scalars
from flambeau.optim.grouped import GroupedOptimizer
from flambeau.optim.optimizer import ParamsT
from flambeau.optim.settings import check_options, check_rate
from flambeau.primitives.update_rules import rprop_update
from flambeau.tensors.tensor import Tensor

__all__ = ["Rprop"]


class Rprop(GroupedOptimizer):
    """Rprop, resilient propagation: only the sign of a gradient counts; for whole batches.

    With parameter ``p``, gradient ``g``, the gradient before ``h`` and the step size ``s``, at first ``lr``::

        s = s * etas[1] if g * h > 0, s * etas[0] if g * h < 0; kept within step_sizes
        g = 0 where g * h < 0
        p = p - sign(g) * s

    Args:
        params: parameters, pairs (name, parameter), or groups.
        lr: every step size at first, not negative.
        etas: factors by which a step size shrinks and grows, around 1.
        step_sizes: the smallest and the largest step size.
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
        >>> optimizer = torch.optim.Rprop([weight], lr=0.5)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight
        tensor([ 0.5000, -1.5000], requires_grad=True)

    Source: https://doi.org/10.1109/ICNN.1993.298623, https://docs.pytorch.org/docs/stable/generated/torch.optim.Rprop.html
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
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)
        check_options(foreach, None, differentiable)

    def _update(self, group: dict[str, Any]) -> list[Tensor]:
        """Record a group's update; returns a parameter of each operation."""
        numbers = (sign_of(group), *map(float, group["etas"]), *map(float, group["step_sizes"]))
        written: list[Tensor] = []
        for bucket in buckets(self.state, group, ("prev", "step_size"), _start):
            written.append(update(rprop_update, numbers, bucket.rows, (bool(group["maximize"]),)))
            write_scalars(bucket.scalars, next_count(bucket.values[0]))
        return written


def _start(state: dict[str, Any], param: Tensor, group: dict[str, Any]) -> None:
    """A parameter's state before its first step."""
    state["step"] = scalar_tensor(0.0, count_place(group, param))
    state["prev"] = zeros_of(param)
    rate = float(group["lr"])
    state["step_size"] = filled(param, complex(rate, rate) if param.is_complex() else rate)
