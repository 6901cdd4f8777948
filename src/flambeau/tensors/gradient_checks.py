"""Gradients that PyTorch does not have, refused in its words when the operation is recorded."""

from flambeau.differentiation.modes import MODE
from flambeau.tensors.core import Core

__all__ = ["check_constants", "check_real"]


def check_constants(function: str, **arguments: Core | None) -> None:
    """Raise RuntimeError where a gradient would be wanted of an argument that a function takes for constant."""
    for name, value in arguments.items():
        if value is not None and MODE.grad and value.edge() is not None:
            raise RuntimeError(
                f"The function '{function}' is not differentiable with respect to argument '{name}'. This input cannot "
                "have requires_grad True."
            )


def check_real(function: str, value: Core) -> None:
    """Raise RuntimeError where a gradient would be wanted of complex numbers, for which a function has none."""
    if value.dtype.is_complex and MODE.grad and value.edge() is not None:
        raise RuntimeError(f"{function} does not support automatic differentiation for outputs with complex dtype.")
