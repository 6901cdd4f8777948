"""What the steps of all optimizers share: record an update, write its results, have it run."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from flambeau.devices.device import device
from flambeau.differentiation.modes import enable_grad, no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.graph.observing import observer, player
from flambeau.graph.record import record
from flambeau.primitives.primitive import picks
from flambeau.primitives.update import Flags, Update
from flambeau.runtime.force import force
from flambeau.tensors.core import wrap_array
from flambeau.tensors.tensor import Tensor

__all__ = [
    "Buckets",
    "Rows",
    "dispatch",
    "filled",
    "found_once",
    "sign_of",
    "stepped",
    "update",
    "value_of",
    "zeros_of",
]

Rows: TypeAlias = list[tuple[Tensor, ...]]
"""For each parameter: itself, its gradient, its states."""

Buckets: TypeAlias = dict[tuple[device, bool], Rows]
"""Rows that one operation can update, by device and by a property of their states."""


def stepped(
    groups: Sequence[dict[str, Any]],
    closure: Callable[[], Any] | None,
    update_group: Callable[[dict[str, Any]], Sequence[Tensor]],
) -> Any:
    """A step of an optimizer: every group's update is recorded, and all of them started as one program.

    Args:
        groups: the optimizer's groups.
        closure: computes the loss anew, with gradients, before the update.
        update_group: records a group's update; returns a parameter of each operation.

    Returns:
        What ``closure`` returned, or None.
    """
    loss = value_of(closure)
    watching = observer()
    if watching is not None:
        watching.step_begins(update_group)
    with no_grad():
        written = [first for group in groups for first in update_group(group)]
    if watching is not None:
        watching.step_ends()
    dispatch(written)
    return loss


def update(primitive: Update, numbers: Sequence[float], rows: Rows, flags: Flags) -> Tensor:
    """Record one update of several parameters and write its results; call it where nothing is taped.

    Args:
        primitive: the algorithm.
        numbers: its Python numbers, all floats.
        rows: for each parameter a tuple of itself, its gradient, and its states.
        flags: its flags.

    Returns:
        The first parameter, to be handed to ``dispatch``.
    """
    playing = player()
    if playing is not None:
        playing.update(primitive, numbers, flags)
        return rows[0][0]
    columns = list(zip(*rows, strict=True))
    nodes = [tensor.read() for column in columns for tensor in column]
    node = record(primitive, (*numbers, *nodes), (len(rows), flags))
    watching = observer()
    if watching is not None:
        watching.updated(node, numbers, flags)
    del columns[1], nodes
    parts = iter(picks(node))
    for column in columns:
        for tensor, part in zip(column, parts, strict=False):
            tensor.write(Tracked(part, None))
    return rows[0][0]


def found_once(gather: Callable[[], dict[Any, Rows]]) -> dict[Any, Rows]:
    """The rows to update; a replayed step, which needs their first parameters only, does not gather them again."""
    playing = player()
    if playing is not None:
        return playing.kept()
    found = gather()
    watching = observer()
    if watching is not None:
        watching.keep({key: [row[:1] for row in rows[:1]] for key, rows in found.items()})
    return found


def dispatch(written: Sequence[Tensor]) -> None:
    """Start computing what was written, and all that is pending with it, without waiting for it.

    A function that is recorded for replay goes on: all it does becomes one program.
    """
    if observer() is not None:
        return
    force([tensor.read() for tensor in written])


def filled(param: Tensor, value: complex, shape: tuple[int, ...] | None = None) -> Tensor:
    """A state of one value, known at once: a first step is then the same program as the later ones.

    Args:
        param: the parameter, whose type and place it has.
        value: the value.
        shape: its shape; by default the parameter's.
    """
    aval = param.aval
    array = np.full(aval.shape if shape is None else shape, value, aval.dtype.numpy)
    return wrap_array(array, aval.dtype, aval.device)


def zeros_of(param: Tensor) -> Tensor:
    """A state of zeros, one for each element of a parameter."""
    return filled(param, 0)


def sign_of(group: dict[str, Any]) -> float:
    """What a group's gradients are multiplied by: -1 to climb."""
    return -1.0 if group["maximize"] else 1.0


def value_of(closure: Callable[[], Any] | None) -> Any:
    """What a step's closure returns, computed with gradients; None without one."""
    if closure is None:
        return None
    with enable_grad():
        return closure()
