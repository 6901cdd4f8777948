"""Counts of steps and other single numbers of an optimizer's state: tensors whose values stay with the host.

So a step reads them without waiting for anything, and what follows from them (bias corrections, learning rates) are
Python numbers among the inputs of its program.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from flambeau.devices.device import CPU, device
from flambeau.differentiation.tape import Tracked
from flambeau.dtypes.kinds import DTYPES, get_default_dtype
from flambeau.graph.node import Aval, Node, leaf
from flambeau.graph.observing import MismatchError, observer, player
from flambeau.optim.applying import Rows
from flambeau.optim.optimizer import Optimizer
from flambeau.tensors.core import wrap_array
from flambeau.tensors.tensor import Tensor

__all__ = ["Bucket", "Start", "buckets", "complete", "count_place", "next_count", "scalar_tensor", "write_scalars"]

Start: TypeAlias = Callable[[dict[str, Any], Tensor, dict[str, Any]], None]
"""``start(state, parameter, group)`` fills the state of a parameter before its first step."""

STEP = ("step",)


class Bucket(NamedTuple):
    """Parameters that one operation can update: they are on one device, and their single numbers agree.

    Attributes:
        values: the single numbers, as NumPy's scalars of their types.
        rows: for each parameter itself, its gradient, and its states.
        scalars: for each parameter the tensors that hold its single numbers.
    """

    values: tuple[Any, ...]
    rows: Rows
    scalars: list[tuple[Tensor, ...]]


def buckets(
    states: Mapping[Any, Any],
    group: dict[str, Any],
    kept: Sequence[str],
    start: Start,
    scalars: Sequence[str] = STEP,
) -> list[Bucket]:
    """The parameters of a group that have gradients, in as few buckets as there can be.

    Args:
        states: the optimizer's state by parameter.
        group: the group.
        kept: names of the states that the update replaces.
        start: fills a state that is empty.
        scalars: names of the single numbers.
    """
    playing = player()
    if playing is not None:
        return [_as_before(bucket) for bucket in playing.kept()]
    found = _gathered(states, group, kept, start, scalars)
    watching = observer()
    if watching is not None:
        watching.keep([Bucket(item.values, [row[:1] for row in item.rows[:1]], item.scalars) for item in found])
    return found


def _as_before(bucket: Bucket) -> Bucket:
    """A bucket of an earlier step with its present numbers; raises MismatchError if they do not agree any longer."""
    first = [tensor.read() for tensor in bucket.scalars[0]]
    if any(tensor.read() is not node for row in bucket.scalars for tensor, node in zip(row, first, strict=True)):
        raise MismatchError
    return Bucket(tuple([tensor.host()[()] for tensor in bucket.scalars[0]]), bucket.rows, bucket.scalars)


def _gathered(
    states: Mapping[Any, Any], group: dict[str, Any], kept: Sequence[str], start: Start, scalars: Sequence[str]
) -> list[Bucket]:
    """The buckets of a group; see ``buckets``."""
    found: dict[Any, Bucket] = {}
    kept_of, scalars_of = _getter(kept), _getter(scalars)
    bucket: Bucket | None = None
    last: tuple[Node, ...] = ()
    place: device | None = None
    for param in group["params"]:
        gradient = param.grad
        if gradient is None:
            continue
        state = states[param]
        if not state:
            start(state, param, group)
        tensors = scalars_of(state)
        nodes = tuple([tensor.read() for tensor in tensors])
        where = param.device
        if bucket is None or nodes != last or where is not place:  # parameters of a group nearly always agree
            last, place = nodes, where
            values = tuple([tensor.host()[()] for tensor in tensors])
            bucket = found.setdefault((where, values), Bucket(values, [], []))
        bucket.rows.append((param, gradient, *kept_of(state)))
        bucket.scalars.append(tensors)
    return list(found.values())


def _getter(names: Sequence[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """A function that takes items of these names, in this order."""
    if len(names) == 1:
        name = names[0]
        return lambda items: (items[name],)
    return itemgetter(*names)


def next_count(count: Any) -> float:
    """A count of steps after one more, as its type holds it."""
    return float(count + count.dtype.type(1))


def write_scalars(rows: Sequence[tuple[Tensor, ...]], *values: float) -> None:
    """Set the single numbers of parameters, each row of tensors to these values; equal ones share a node."""
    watching = player() or observer()
    for index, value in enumerate(values):
        made: dict[Aval, Tracked] = {}
        for tensors in rows:
            tensor = tensors[index]
            aval = tensor.aval
            tracked = made.get(aval)
            if tracked is None:
                tracked = made[aval] = Tracked(leaf(np.array(value, aval.dtype.numpy), aval), None)
            if watching is not None:
                watching.wrote(tensor._storage)  # pyright: ignore[reportPrivateUsage]  # a tensor's own cell
            tensor.write(tracked)


def count_place(group: Mapping[str, Any], param: Tensor) -> device:
    """Where PyTorch keeps a count."""
    return param.device if group.get("capturable") or group.get("fused") else CPU


def scalar_tensor(value: float, place: device, fused: bool | None = False) -> Tensor:
    """A single number as a tensor: in float64 where that is the default type, else in float32."""
    kind = DTYPES["float64" if get_default_dtype() is DTYPES["float64"] and not fused else "float32"]
    return wrap_array(np.array(value, kind.numpy), kind, place)


def complete(
    optimizer: Optimizer,
    settings: Mapping[str, Any],
    scalars: Sequence[str] = STEP,
    place: Callable[[Mapping[str, Any], Tensor], device] = count_place,
) -> None:
    """Give a state that an older version saved what it lacks: settings, and tensors in place of single numbers."""
    for group in optimizer.param_groups:
        for name, value in settings.items():
            group.setdefault(name, value)
        for param in group["params"]:
            state = cast("dict[str, Any]", optimizer.state.get(param) or {})
            for name in scalars:
                value = state.get(name)
                if value is not None and not isinstance(value, Tensor):
                    state[name] = scalar_tensor(value, place(group, param), group.get("fused"))
