"""What the steps of all optimizers share: record an update, write its results, have it run."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from flambeau.devices.device import device
from flambeau.differentiation.modes import enable_grad
from flambeau.differentiation.tape import Tracked
from flambeau.graph.record import record
from flambeau.primitives.primitive import picks
from flambeau.primitives.update import Update
from flambeau.runtime.force import force
from flambeau.tensors.core import wrap_array
from flambeau.tensors.tensor import Tensor

__all__ = ["Buckets", "Rows", "check_options", "check_rate", "dispatch", "update", "value_of", "zeros_of"]

Rows: TypeAlias = list[tuple[Tensor, ...]]
"""For each parameter: itself, its gradient, its states."""

Buckets: TypeAlias = dict[tuple[device, bool], Rows]
"""Rows that one operation can update, by device and by a property of their states."""


def update(primitive: Update, numbers: Sequence[float], rows: Rows, flags: tuple[bool, ...]) -> Tensor:
    """Record one update of several parameters and write its results; call it where nothing is taped.

    Args:
        primitive: the algorithm.
        numbers: its Python numbers, all floats.
        rows: for each parameter a tuple of itself, its gradient, and its states.
        flags: its flags.

    Returns:
        The first parameter, to be handed to ``dispatch``.
    """
    columns = list(zip(*rows, strict=True))
    nodes = [tensor.read() for column in columns for tensor in column]
    node = record(primitive, (*numbers, *nodes), (len(rows), flags))
    del columns[1], nodes
    parts = iter(picks(node))
    for column in columns:
        for tensor, part in zip(column, parts, strict=False):
            tensor.write(Tracked(part, None))
    return rows[0][0]


def dispatch(written: Sequence[Tensor]) -> None:
    """Start computing what was written, and all that is pending with it, without waiting for it."""
    force([tensor.read() for tensor in written])


def zeros_of(param: Tensor) -> Tensor:
    """A state of zeros, known at once: a first step is then the same program as the later ones."""
    aval = param.aval
    return wrap_array(np.zeros(aval.shape, aval.dtype.numpy), aval.dtype, aval.device)


def value_of(closure: Callable[[], Any] | None) -> Any:
    """What a step's closure returns, computed with gradients; None without one."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def check_rate(rate: Any) -> None:
    """Raise ValueError, in PyTorch's words, unless this can be a learning rate."""
    if isinstance(rate, Tensor) and rate.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if rate < 0.0:
        raise ValueError(f"Invalid learning rate: {rate}")


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
