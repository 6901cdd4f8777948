"""Averaging functions: how averaged parameters follow the present ones."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from flambeau.devices.device import device
from flambeau.differentiation.modes import no_grad
from flambeau.optim.applying import update
from flambeau.primitives.update import Update, lerp_update, mean_update
from flambeau.tensors.tensor import Tensor

__all__ = [
    "AverageEach",
    "AverageMany",
    "average",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
]

AverageEach: TypeAlias = Callable[[Tensor, Tensor, Any], Tensor]
"""``average(averaged, present, how many are averaged)`` -> the new average of one parameter."""

AverageMany: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]
"""``average(averaged, present, how many are averaged)`` changes the averages of many parameters in place."""


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageMany:
    """A function that moves many parameters a share of ``1 - decay`` towards the present ones, in one operation.

    Args:
        decay: how much of the old average is kept, in [0, 1].

    Raises:
        ValueError: ``decay`` is out of its range.

    Example:
        >>> import flambeau as torch
        >>> averaged = [torch.tensor([0.0, 8.0])]
        >>> torch.optim.swa_utils.get_ema_multi_avg_fn(0.75)(averaged, [torch.tensor([4.0, 4.0])], 1)
        >>> averaged
        [tensor([1., 7.])]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.get_ema_multi_avg_fn.html
    """
    _check_decay(decay)

    def ema_update(ema_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], _: Any) -> None:
        with no_grad():
            if _is_continuous(ema_param_list[0]):
                average(lerp_update, 1 - decay, ema_param_list, current_param_list)
                return
            for mine, other in zip(ema_param_list, current_param_list, strict=True):
                mine.copy_(mine * decay + other * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> AverageMany:
    """A function that takes the present values of many parameters into their plain means, in one operation.

    Example:
        >>> import flambeau as torch
        >>> averaged = [torch.tensor([0.0, 8.0])]
        >>> torch.optim.swa_utils.get_swa_multi_avg_fn()(averaged, [torch.tensor([4.0, 4.0])], 1)
        >>> averaged
        [tensor([2., 6.])]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.get_swa_multi_avg_fn.html
    """

    def swa_update(
        averaged_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], num_averaged: Any
    ) -> None:
        count = float(num_averaged) + 1
        with no_grad():
            if _is_continuous(averaged_param_list[0]):
                average(lerp_update, 1 / count, averaged_param_list, current_param_list)
            else:
                average(mean_update, count, averaged_param_list, current_param_list)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> AverageEach:
    """A function of ``decay * averaged + (1 - decay) * present``.

    Args:
        decay: how much of the old average is kept, in [0, 1].

    Raises:
        ValueError: ``decay`` is out of its range.

    Example:
        >>> import flambeau as torch
        >>> torch.optim.swa_utils.get_ema_avg_fn(0.75)(torch.tensor([0.0, 8.0]), torch.tensor([4.0, 4.0]), 1)
        tensor([1., 7.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.get_ema_avg_fn.html
    """
    _check_decay(decay)

    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> AverageEach:
    """A function of ``averaged + (present - averaged) / (how many are averaged + 1)``.

    Example:
        >>> import flambeau as torch
        >>> torch.optim.swa_utils.get_swa_avg_fn()(torch.tensor([0.0, 8.0]), torch.tensor([4.0, 4.0]), 1)
        tensor([2., 6.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.get_swa_avg_fn.html
    """

    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def average(primitive: Update, number: float, averaged: Sequence[Tensor], present: Sequence[Tensor]) -> None:
    """Record an average of many parameters and write it; one operation for each device."""
    rows: dict[device, list[tuple[Tensor, ...]]] = {}
    for pair in zip(averaged, present, strict=True):
        rows.setdefault(pair[0].device, []).append(pair)
    for pairs in rows.values():
        update(primitive, (number,), pairs, ())


def _is_continuous(tensor: Tensor) -> bool:
    """Whether elements can be between two others."""
    return tensor.is_floating_point() or tensor.is_complex()


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")
