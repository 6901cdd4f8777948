"""Settings of optimizers: checked in PyTorch's words."""

from collections.abc import Sequence
from typing import Any

from flambeau.tensors.tensor import Tensor

__all__ = ["check_betas", "check_not_negative", "check_options", "check_rate"]


def check_rate(rate: Any, text: str = "Invalid learning rate: {}") -> None:
    """Raise ValueError, in PyTorch's words, unless this can be a learning rate."""
    if isinstance(rate, Tensor) and rate.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= rate:
        raise ValueError(text.format(rate))


def check_betas(betas: Sequence[Any]) -> None:
    """Raise ValueError, in PyTorch's words, unless these can be the shares kept of a mean and of a mean square."""
    for index, beta in enumerate((betas[0], betas[1])):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {beta}")


def check_not_negative(name: str, value: Any) -> None:
    """Raise ValueError, in PyTorch's words, if a setting is negative."""
    if not 0.0 <= value:
        raise ValueError(f"Invalid {name} value: {value}")


def check_options(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """Check how an optimizer is asked to run: any way gives the one compiled program, except the taped one."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if differentiable:
        raise NotImplementedError(
            "differentiable=True is not supported: an optimizer's step is not taped; to differentiate through an "
            "update write it with tensor operations"
        )
