"""PyTorch's ``torch.autograd``: gradients, and whether operations are taped.

Source: https://docs.pytorch.org/docs/stable/autograd.html
"""

from flambeau.autograd import function, functional
from flambeau.autograd.function import Function, NestedIOFunction
from flambeau.differentiation.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from flambeau.tensors.gradients import backward, grad

__all__ = [
    "Function",
    "NestedIOFunction",
    "backward",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
]
