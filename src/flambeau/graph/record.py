"""RECORD: append an operation to the pending graph; its shape and type are known, its value is not.

The pending graph is a list in the order of recording. It holds nodes strongly; which of them anybody can still see
is decided when a program is cut (``runtime.cut``), by counting references, so that recording costs nothing for it.

What depends on one example of a batch, inside ``vmap``, is recorded like anything else but never pending: it becomes
part of an operation on the whole batch (``differentiation.batching``).
"""

from collections.abc import Callable
from typing import Any, Protocol, cast

from flambeau.base.config import config
from flambeau.graph.node import Aval, Node, Operation, is_mapped

__all__ = [
    "MAPPING",
    "PENDING",
    "Evaluates",
    "forget",
    "operation_of",
    "record",
    "record_on",
    "record_operation",
    "settle",
    "watch_overflow",
]


class Evaluates(Protocol):
    """What the record asks of a primitive."""

    name: str

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
        """Aval of the result, or a tuple of them; raises what PyTorch raises for these shapes and types."""
        ...


PENDING: list[Node] = []
MAPPING: list[Any] = []  # one entry for each function under ``vmap`` that is running, in whatever thread
_operations: dict[Any, Operation] = {}
_overflow: Callable[[], None] | None = None


def operation_of(primitive: Evaluates, static: tuple[Any, ...], avals: tuple[Any, ...]) -> Operation:
    """The one operation of this primitive on such inputs; evaluated abstractly the first time."""
    key = (primitive, static, avals)
    found = _operations.get(key)
    if found is None:
        found = Operation(primitive, static, avals, _as_inputs(primitive.evaluate(static, avals), is_mapped(avals)))
        found = _operations.setdefault(key, found)
    return found


def _as_inputs(result: Any, mapped: bool) -> Any:
    """A result that is one example's if, and only if, an input is."""
    if isinstance(result, tuple):
        return tuple([_as_inputs(part, mapped) for part in cast("Any", result)])
    return result if result.mapped is mapped else Aval.of(result.shape, result.dtype, result.device, mapped)


def record(primitive: Evaluates, inputs: tuple[Any, ...], static: tuple[Any, ...] = ()) -> Node:
    """Record a primitive on nodes and Python numbers; returns its pending node."""
    avals: list[Any] = []
    for item in inputs:  # an explicit loop: a comprehension is a call
        avals.append(item.aval if type(item) is Node else type(item))
    return record_on(primitive, inputs, static, (*avals,))


def record_on(primitive: Evaluates, inputs: tuple[Any, ...], static: tuple[Any, ...], avals: tuple[Any, ...]) -> Node:
    """``record`` for inputs whose shapes and types the caller has at hand."""
    operation = _operations.get((primitive, static, avals))
    if operation is None:
        operation = operation_of(primitive, static, avals)
    node = Node(operation, inputs, operation.result)
    if not operation.mapped:
        PENDING.append(node)
    return node


def record_operation(operation: Operation, inputs: tuple[Any, ...]) -> Node:
    """Record an operation already looked up."""
    if MAPPING:  # the inputs may be one example's, where those it was looked up for were not, and the other way round
        return record(operation.primitive, inputs, operation.static)
    node = Node(operation, inputs, operation.result)
    PENDING.append(node)
    return node


def forget() -> None:
    """Forget what was evaluated abstractly: its data types depend on the default one, which has changed."""
    _operations.clear()


def watch_overflow(run: Callable[[], None]) -> None:
    """Have ``run`` called when the pending graph has grown past its limit."""
    global _overflow  # noqa: PLW0603  (the one wire from the record up to the runtime)
    _overflow = run


def settle() -> None:
    """Called where every node in use is held by a tensor: runs the pending graph if it is past its limit."""
    if _overflow is not None and (len(PENDING) >= config.pending_limit or config.eager):
        _overflow()
