"""``force``: somebody wants values. The conductor: CUT, COMPILE, RUN."""

import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import RLock
from typing import Any

import jax
import numpy as np

from flambeau.devices.device import device
from flambeau.graph.node import Node, Operation
from flambeau.graph.observing import observer
from flambeau.graph.record import MAPPING, PENDING, watch_overflow
from flambeau.primitives.batching import ESCAPED
from flambeau.runtime.compiling import Program, program_for
from flambeau.runtime.cut import Cut, needed, program_of
from flambeau.runtime.pieces import pieces
from flambeau.runtime.placement import fetched, placed

__all__ = [
    "CAPTURES",
    "RUNS",
    "WATCHERS",
    "constant",
    "exclusive",
    "finish_all",
    "force",
    "force_all",
    "host_value",
    "transferred",
]

_lock = RLock()

# Number of programs run so far, by whether they were compiled or computed by NumPy at once.
RUNS = {"programs": 0, "constants": 0}

# Called with every program that is run, and the cut it was made for, before it runs.
CAPTURES: list[Callable[[Cut, Program], None]] = []

# Called whenever what is pending is looked through for a run: with all pending operations, and how many stay pending.
WATCHERS: list[Callable[[list[Operation | None], int], None]] = []


def force(targets: Sequence[Node]) -> None:
    """Give the targets their values, and everything else pending that they are connected with; does not block."""
    with _lock:
        wanted = [target for target in targets if target.value is None]
        if not wanted:
            return
        if any(target.operation is not None and target.operation.mapped for target in wanted):
            raise RuntimeError(_NO_VALUE if MAPPING else ESCAPED)
        watching = observer()
        if watching is not None:
            watching.ran()
        pending = PENDING[:]
        del PENDING[: len(pending)]
        watched = [node.operation for node in pending] if WATCHERS else []
        chosen, rest = needed(pending, wanted)
        PENDING[:0] = rest
        for watch in WATCHERS:
            watch(watched, len(rest))
        del rest, wanted
        _run(chosen)


def exclusive() -> AbstractContextManager[Any]:
    """What a thread holds while nobody else may run anything; to be used in a ``with`` statement."""
    return _lock


def force_all() -> None:
    """Run everything pending."""
    with _lock:
        PENDING[:] = [node for node in PENDING if not _on_meta(node.aval)]
        while PENDING:
            force([PENDING[-1]])


def finish_all() -> None:
    """Run everything pending, and wait for every value of every device."""
    force_all()
    jax.block_until_ready(jax.live_arrays())


def _on_meta(aval: Any) -> bool:
    """Whether a node has a shape only, and will never have a value."""
    return (aval[0] if isinstance(aval, tuple) else aval).device.type == "meta"


def _run(nodes: list[Node]) -> None:
    """Run nodes as one program, or in pieces; values go into nodes, inputs are forgotten."""
    todo = pieces(nodes)
    if len(todo) > 1:
        nodes.clear()  # a second list of the nodes would count as somebody who refers to them
    todo.reverse()
    while todo:
        piece = todo.pop()
        if len(piece) == 1 and _constant(piece[0]):
            continue
        cut = program_of(piece)
        sources = _sources(cut)
        if sources:
            del cut
            for source in sources:
                if not _constant(source):
                    _execute(program_of([source]))
            del sources, source  # pyright: ignore[reportPossiblyUnboundVariable]  # there is one
            piece[:] = [node for node in piece if node.value is None]
            cut = program_of(piece)
        _execute(cut)


def _sources(cut: Cut) -> list[Node]:
    """Nodes made from nothing (constants, ranges) that somebody keeps.

    They are run by themselves: as part of this program they would be leaves of the next one, which would then be
    another program.
    """
    if len(cut.nodes) == len(cut.outputs) == 1:
        return []
    nodes = cut.nodes
    return [nodes[index] for index in cut.outputs if nodes[index].operation.sourceless]  # pyright: ignore[reportOptionalMemberAccess]  # what is computed has one


def _constant(node: Node) -> bool:
    """Compute a lone constant with NumPy: a program for each shape would cost more than the values."""
    operation = node.operation
    host = getattr(operation.primitive, "host", None) if operation else None
    if host is None or operation is None:
        return False
    node.value = host(*node.inputs, *operation.static)
    node.inputs = ()
    RUNS["constants"] += 1
    return True


def _execute(cut: Cut) -> None:
    """RUN: call the program and put what it returns into the nodes."""
    values = [leaf.value for leaf in cut.leaves]
    program = program_for(cut)
    for capture in CAPTURES:
        capture(cut, program)
    numbers = (
        np.array(cut.reals, np.float64) if cut.reals else None,
        np.array(cut.integers, np.int64) if cut.integers else None,
        np.array(cut.complexes, np.complex128) if cut.complexes else None,
    )
    with jax.enable_x64(True):
        results = program.run(numbers, *values)
    nodes = cut.nodes
    for position, result in zip(cut.outputs, results, strict=True):
        node = nodes[position]
        node.value = result
        node.inputs = ()
    RUNS["programs"] += 1


def constant(node: Node) -> bool:
    """Give a node its value at once if it is a constant, which needs no program; returns whether it has one now."""
    with _lock:
        return node.value is not None or _constant(node)


def host_value(node: Node) -> Any:
    """A node's value as an array of NumPy, not to be written to; blocks until it is there."""
    _look(node)
    return np.asarray(fetched(node))


def transferred(node: Node, place: device) -> Any:
    """A node's value on another device."""
    _look(node)
    value = fetched(node)
    if place.type == "cpu" and isinstance(value, np.ndarray):
        return value
    return placed(value, place)


def _look(node: Node) -> None:
    """See to it that a node has its value, for Python to read."""
    if node.value is None:
        force((node,))
    else:
        watching = observer()
        if watching is not None:
            watching.looked(node)


def _spare_the_collector() -> None:
    """Have Python look for reference cycles less often, unless the user has set how often.

    A pending graph is many small objects and no cycles. At the default of a search every 700 new objects, long graphs
    took 2 to 3 times as long to record, and the longer the graph the longer each operation.
    """
    if gc.get_threshold()[0] <= _DEFAULT_THRESHOLD:
        gc.set_threshold(_THRESHOLD, *gc.get_threshold()[1:])


_NO_VALUE = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, "
    "please try to rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch "
    "internals, please file a bug report."
)
_DEFAULT_THRESHOLD = 2_000  # the largest default of any version of CPython
_THRESHOLD = 50_000

watch_overflow(force_all)
_spare_the_collector()
