"""PyTorch's classes and functions that files name, and ours that stand in their places: a table, and its reverse."""

from types import FunctionType
from typing import Any, Final

from flambeau import nn, optim
from flambeau.nn import functional, modules
from flambeau.nn.modules import linear
from flambeau.nn.modules.module import Module
from flambeau.optim import lr_scheduler, swa_utils
from flambeau.optim.lr_scheduler.scheduler import LRScheduler
from flambeau.optim.optimizer import Optimizer
from flambeau.tensors.generator import Generator

__all__ = ["CLASSES", "FUNCTIONS", "GENERATOR", "NAMES"]

GENERATOR: Final = "torch._C.Generator"

# Files of ours whose classes stand in another file of PyTorch's.
_MOVED: Final = {
    "parameter_container": "container",
    "margin_loss": "loss",
    "multihead": "activation",
    "rnn_cells": "rnn",
    "transformer_layers": "transformer",
    "unpooling": "pooling",
    "fractional_pooling": "pooling",
}

# Optimizers whose files PyTorch hides.
_WITHOUT_FILES: Final = (optim.Adafactor, optim.Muon)

# Classes that PyTorch makes beside a public one, which differ from it in nothing that a file holds.
_BESIDE: Final[dict[str, type]] = {
    "torch.optim.lr_scheduler._LRScheduler": LRScheduler,
}


def _layer(kind: type) -> str:
    """Full name of a layer in PyTorch."""
    file = kind.__module__.rpartition(".")[2]
    return f"torch.nn.modules.{_MOVED.get(file, file)}.{kind.__name__}"


def _optimizer(kind: type) -> str:
    """Full name of an optimizer in PyTorch."""
    if kind in _WITHOUT_FILES:
        return f"torch.optim.{kind.__name__}"
    return f"torch.optim.{kind.__module__.rpartition('.')[2]}.{kind.__name__}"


def _public(room: Any, base: type) -> list[type]:
    """The public classes of a room that have a base."""
    values: list[Any] = [vars(room)[name] for name in room.__all__]
    return [value for value in values if isinstance(value, type) and issubclass(value, base)]


# Full name in files -> our class.
CLASSES: Final[dict[str, type]] = {
    **{_layer(kind): kind for kind in _public(modules, Module)},
    "torch.nn.parallel.data_parallel.DataParallel": nn.DataParallel,
    "torch.nn.modules.linear.NonDynamicallyQuantizableLinear": linear.NonDynamicallyQuantizableLinear,
    **{_optimizer(kind): kind for kind in _public(optim, Optimizer) if kind is not optim.Optax},  # PyTorch has none
    "torch.optim.swa_utils.AveragedModel": swa_utils.AveragedModel,
    **{f"torch.optim.lr_scheduler.{kind.__name__}": kind for kind in _public(lr_scheduler, LRScheduler)},
    _layer(nn.LinearCrossEntropyOptions): nn.LinearCrossEntropyOptions,
}

# Full name in files -> our function. Files hold them as values: an activation that a layer was told to use.
FUNCTIONS: Final[dict[str, FunctionType]] = {
    f"torch.nn.functional.{name}": value
    for name in functional.__all__
    if isinstance(value := vars(functional)[name], FunctionType)
}
_COMPILED: Final = (
    "avg_pool2d avg_pool3d elu_ gelu hardtanh_ leaky_relu_ linear one_hot pad scaled_dot_product_attention softplus "
    "softshrink".split()
)
_RENAMED: Final = {"torch._C._nn.log_sigmoid": "logsigmoid", "torch.nn.functional._threshold": "threshold"}
FUNCTIONS.update({f"torch._C._nn.{name}": vars(functional)[name] for name in _COMPILED})
FUNCTIONS.update({full: vars(functional)[name] for full, name in _RENAMED.items()})

# Our class or function -> full name in files.
NAMES: Final[dict[Any, str]] = {
    **{value: name for name, value in reversed(FUNCTIONS.items())},
    **{kind: name for name, kind in CLASSES.items()},
    Generator: GENERATOR,
}
CLASSES.update({name: kind for name, kind in _BESIDE.items() if name not in CLASSES})
