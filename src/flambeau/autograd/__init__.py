"""PyTorch's ``torch.autograd``: gradients, and whether operations are taped.

Source: https://docs.pytorch.org/docs/stable/autograd.html
"""

from flambeau.autograd import anomaly_mode, function, functional, grad_mode, graph, profiler, variable
from flambeau.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from flambeau.autograd.function import Function, NestedIOFunction
from flambeau.autograd.grad_mode import enforce_grad_layout_policy, set_multithreading_enabled
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck
from flambeau.autograd.variable import Variable
from flambeau.differentiation.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from flambeau.tensors.walks import backward, grad

__all__ = [
    "Function",
    "NestedIOFunction",
    "Variable",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "profiler",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
    "variable",
]
