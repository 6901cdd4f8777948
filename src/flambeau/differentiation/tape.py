"""The tape: one ``GradFn`` for each recorded operation whose result requires a gradient."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple, Protocol

from flambeau.differentiation.anomaly import WATCHES
from flambeau.differentiation.modes import MODE
from flambeau.graph.node import Node, Operation
from flambeau.graph.record import record, record_operation
from flambeau.primitives.primitive import Primitive, Pullbacks, picks, pullbacks, reads, saved_positions
from flambeau.primitives.residuals import residual_pullback, with_residuals

__all__ = [
    "REGENERATED",
    "Edge",
    "GradFn",
    "Guard",
    "Leaf",
    "Source",
    "Tracked",
    "Versioned",
    "check_unchanged",
    "freed",
    "labeled",
    "tape",
    "tape_position",
    "tape_with_residuals",
    "taped",
    "tracked",
]

_serial = count()

_SUFFIX = r"Backward\d*$"  # what PyTorch leaves out where it names a function in a message


def tape_position() -> int:
    """A number above the serial of everything taped so far, and below those to come."""
    return next(_serial)


class Versioned(Protocol):
    """Something written in place: its version counts the writes; its writer, if it has one, is the last on the tape."""

    version: int


class Leaf(Protocol):
    """A tensor that gathers gradients."""

    def hooked(self, gradient: "Tracked") -> "Tracked":
        """A gradient after the tensor's hooks."""
        ...

    def accumulate(self, gradient: "Tracked") -> None:
        """Add a gradient to the tensor's own, after its hooks."""
        ...


Edge = tuple[Any, int]
"""Where a gradient goes: (``GradFn``, which of its results) or (``Leaf``, 0)."""


class Tracked(NamedTuple):
    """A node with its place on the tape; ``edge`` is None where no gradient is wanted."""

    node: Node
    edge: Edge | None


Source = Edge | tuple[str, int] | None
"""Where a saved value came from: its place on the tape, or the name of a function and which of its results it is."""

REGENERATED: Source = ("AsStridedBackward0", 0)
"""The source of a view, whose place on the tape PyTorch makes anew once the memory is written."""

Guard = tuple[Versioned, int, Any, Source]

tracked: Callable[[tuple[Node, Edge | None]], Tracked] = partial(tuple.__new__, Tracked)
"""``Tracked(*pair)`` in half the time, for the inner loops of a walk."""


class GradFn:
    """How to turn the gradient of an operation's results into the gradients of its inputs.

    Attributes:
        operation: the forward operation.
        saved: nodes and numbers its gradient reads; None once released.
        saved_edges: for each saved node its own place on the tape (used by ``create_graph``).
        edges: for each input where its gradient goes, or None.
        guards: storages that must not have been written by the time of backward, each with its version, what is in it,
            and where that came from.
        serial: order of recording; backward runs from the highest down.
        is_leaf: whether what it stands for counts as made by the user, as arguments do inside ``grad``.
        hooks: for each result index, functions called with its gradient.
        pre_hooks: functions called with the gradients of all results, before; ``post_hooks`` after.
    """

    __slots__ = (
        "__weakref__",
        "edges",
        "guards",
        "hooks",
        "metadata",
        "operation",
        "post_hooks",
        "pre_hooks",
        "saved",
        "saved_edges",
        "serial",
    )  # fmt: skip

    is_leaf: bool = False

    def __init__(
        self,
        operation: Operation | None,
        saved: Sequence[Any] | None,
        saved_edges: Sequence[Edge | None],
        edges: Sequence[Edge | None],
    ) -> None:
        self.operation = operation
        self.saved = saved
        self.saved_edges = saved_edges
        self.edges = edges
        self.guards: Sequence[Guard] = ()
        self.serial = next(_serial)
        self.hooks: dict[int, dict[int, Callable[[Tracked], Tracked | None]]] | None = None
        self.pre_hooks: dict[int, Callable[..., Any]] | None = None
        self.post_hooks: dict[int, Callable[..., Any]] | None = None
        self.metadata: dict[str, Any] | None = None
        if WATCHES:
            WATCHES[0].recorded(self)

    # -- what PyTorch shows of it ------------------------------------------------------------------------------

    def name(self) -> str:
        """PyTorch's name of it, such as ``"AddBackward0"``."""
        return self.operation.primitive.grad_name if self.operation else type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name().rpartition('::')[2]} object at {hex(id(self))}>"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Where the gradients of the inputs go, as pairs (function, index)."""
        return tuple((None, 0) if edge is None else _shown(edge) for edge in self.edges)

    # -- backward ----------------------------------------------------------------------------------------------

    def pull(self, cotangents: Sequence[Tracked | None], wanted: Sequence[bool], create: bool) -> list[Tracked | None]:
        """Gradients of the inputs from the gradients of the results; at least one of these is given."""
        inputs = [*self.unpacked()]
        mask: list[int] = []
        given: Tracked | None = None
        for index, item in enumerate(cotangents):
            if item is not None:
                mask.append(index)
                inputs.append(item[0])
                given = item
        edges = (*self.saved_edges, *[item.edge for item in cotangents if item is not None]) if create else ()
        taping = any(edges)
        passed, steps = self.pullbacks(tuple([index for index, want in enumerate(wanted) if want]), (*mask,))
        results: list[Tracked | None] = [None] * len(wanted)
        for position in passed:
            assert given is not None
            results[position] = given if create or given.edge is None else tracked((given.node, None))
        for step, positions in steps:
            node = record_operation(step, (*inputs,))
            function = None
            if taping:
                read = [edge if used else None for edge, used in zip(edges, reads(step), strict=True)]
                function = tape(step, inputs, read) if any(read) else None
            if len(positions) == 1:
                results[positions[0]] = tracked((node, None if function is None else (function, 0)))
                continue
            for index, part in enumerate(picks(node)):
                results[positions[index]] = tracked((part, None if function is None else (function, index)))
        return results

    def pullbacks(self, wrt: tuple[int, ...], mask: tuple[int, ...]) -> Pullbacks:
        """The operations that compute the gradients of the inputs at these positions, or of more."""
        assert self.operation is not None
        return pullbacks(self.operation, wrt, mask)

    def unpacked(self) -> Sequence[Any]:
        """What was saved; raises RuntimeError if it was released, or changed in place since."""
        if self.saved is None:
            raise freed()
        for guard in self.guards:
            if guard[0].version != guard[1]:
                check_unchanged(*guard)
        return self.saved

    def release(self) -> None:
        """Forget what was saved."""
        self.saved = None
        self.saved_edges = ()
        self.guards = ()


def freed() -> RuntimeError:
    """The error, in PyTorch's words, for reading what the tape saved after it was released."""
    return RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
        "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
        "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
        "saved tensors after calling backward."
    )


def check_unchanged(storage: Versioned, version: int, aval: Any, source: Source) -> None:
    """Raise RuntimeError, in PyTorch's words, if something saved was written in place since."""
    if storage.version != version:
        kind = f"torch.{aval.dtype.tensor_type} {list(aval.shape)}"
        maker = _maker(storage, source)
        of = "" if maker is None else f", which is output {maker[1]} of {re.sub(_SUFFIX, '', maker[0])},"
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[{kind}]{of} is at version {storage.version}; expected version {version} instead. Hint: keep the "
            "value it had with .clone() before changing it, or use the operation that is not in place."
        )


def _maker(storage: Versioned, source: Source) -> tuple[str, int] | None:
    """The function that a saved value is said to come from: what wrote it since is what its tensor shows now."""
    if source is None or isinstance(source[0], str):
        return source
    made = labeled(source)
    return made and getattr(storage, "writer", made)


def labeled(edge: Edge) -> tuple[str, int] | None:
    """A function on the tape by its name, and which of its results is meant; None for a leaf."""
    return (edge[0].name(), edge[1]) if isinstance(edge[0], GradFn) else None


class ResidualGradFn(GradFn):
    """A ``GradFn`` whose forward pass left residuals for it, instead of its inputs."""

    __slots__ = ("forward",)

    def __init__(self, operation: Operation, forward: Operation, values: Sequence[Any], edges: Sequence[Edge | None],
                 parts: Sequence[Node]) -> None:  # fmt: skip
        again = tape(forward, values, edges)
        count = forward.primitive.count
        saved_edges = [(again, index) if _differentiable(part) else None for index, part in enumerate(parts)]
        super().__init__(operation, list(parts[count:]), saved_edges[count:], edges)
        self.forward = forward

    def pullbacks(self, wrt: tuple[int, ...], mask: tuple[int, ...]) -> Pullbacks:
        return Pullbacks((), ((residual_pullback(self.forward, mask), self.forward.primitive.wrt),))


def _differentiable(node: Node) -> bool:
    return node.aval.dtype.is_floating_point or node.aval.dtype.is_complex


def tape_with_residuals(
    operation: Operation, values: Sequence[Any], edges: Sequence[Edge | None]
) -> tuple[ResidualGradFn, list[Node]]:
    """Record an operation together with its residuals; returns its place on the tape and the nodes of its results."""
    wrt = tuple([index for index, edge in enumerate(edges) if edge is not None])
    forward, count = with_residuals(operation, wrt)
    parts = picks(record_operation(forward, tuple(values)))
    return ResidualGradFn(operation, forward, values, edges, parts), parts[:count]


class AccumulateGrad:
    """What ``next_functions`` shows for a leaf."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def name(self) -> str:
        """PyTorch's name of it."""
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {hex(id(self))}>"

    next_functions: tuple[tuple[Any, int], ...] = ()


def _shown(edge: Edge) -> tuple[Any, int]:
    return edge if isinstance(edge[0], GradFn) else (AccumulateGrad(edge[0]), 0)


def tape(operation: Operation, inputs: Sequence[Any], edges: Sequence[Edge | None]) -> GradFn:
    """Put an operation just recorded on the tape."""
    saves = operation.primitive.saves
    if saves is None:
        return GradFn(operation, [*inputs], edges, edges)
    kept = saved_positions(operation)
    return GradFn(operation, [inputs[index] for index in kept], [edges[index] for index in kept], edges)


def taped(primitive: Primitive, inputs: Sequence[Tracked | Any], static: tuple[Any, ...] = ()) -> list[Tracked]:
    """Record a primitive on tracked values and Python numbers, and tape it if gradients are wanted; all its results."""
    values = tuple([item.node if isinstance(item, Tracked) else item for item in inputs])
    node = record(primitive, values, static)
    operation = node.operation
    assert operation is not None
    edges = [item.edge if isinstance(item, Tracked) else None for item in inputs]
    function: GradFn | None = None
    if MODE.grad and primitive.differentiable and any(edges):
        function = tape(operation, values, edges)
    return [Tracked(part, None if function is None else (function, index)) for index, part in enumerate(picks(node))]
