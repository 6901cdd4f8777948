"""``Batch``: a function recorded for one example becomes one operation on a whole batch, and so does its gradient.

Inside ``vmap`` a function runs once, on placeholders of one example's shape. What it records is never pending. When it
returns, the steps from the placeholders to its results become a ``Batched`` operation, equal for equal steps, so that a
second call compiles nothing. Its gradient is found in the same way: the function's own tape is walked backwards for one
example, and what that records becomes another ``Batched`` operation. So what the function took off its tape (by
``detach`` or ``no_grad``) stays off, and every order of derivative works.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from flambeau.differentiation.differentiate import differentiate
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.points import Point, exits_of
from flambeau.differentiation.tape import Edge, GradFn, Tracked, tape_position
from flambeau.graph.node import Aval, Node, Operation
from flambeau.graph.record import MAPPING, PENDING, record
from flambeau.primitives.batching import PLACEHOLDER, Batched, Result, Step
from flambeau.primitives.primitive import picks

__all__ = ["Batch", "active_batches", "note_made", "refuse_shared"]


class _Source(NamedTuple):
    """A value of the whole batch and what stands for it inside.

    Attributes:
        outer: the value and its place on the tape.
        axis: where its examples lie; None for a value that all examples share.
        inner: one example, or the shared value itself.
        point: its place on the inner tape, if gradients may be wanted.
    """

    outer: Tracked
    axis: int | None
    inner: Node
    point: Point | None


class _Active(threading.local):
    """The calling thread's functions under ``vmap``, outermost first."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []


_ACTIVE = _Active()


def active_batches() -> "list[Batch]":
    """The functions under ``vmap`` that are running in this thread, outermost first."""
    return _ACTIVE.batches


class Batch:
    """One call of ``vmap``.

    Attributes:
        size: number of examples.
        randomness: what random operations do: ``"error"``, ``"same"`` or ``"different"``.
        sources: what has been given to the function, example by example.
    """

    def __init__(self, size: int, randomness: str = "error") -> None:
        self.size = size
        self.randomness = randomness
        self.sources: list[_Source] = []
        self._start = tape_position()
        self._before = PENDING[-1] if PENDING else None
        self._made: list[Node] = []

    @contextmanager
    def running(self) -> Generator[None]:
        """While the function runs."""
        _ACTIVE.batches.append(self)
        MAPPING.append(self)
        try:
            yield
        finally:
            MAPPING.pop()
            _ACTIVE.batches.remove(self)
            self._made.clear()
            for source in self.sources:
                if source.point is not None:
                    source.point.open = False

    def example(self, outer: Tracked, axis: int) -> Tracked:
        """A placeholder for one example of a value whose examples lie along an axis."""
        source = _example(outer, axis)
        self.sources.append(source)
        return Tracked(source.inner, None if source.point is None else (source.point, 0))

    def depends(self, node: Node) -> bool:
        """Whether a value differs from example to example."""
        placeholders = {id(source.inner) for source in self.sources if source.axis is not None}
        return id(node) in placeholders or bool(_inside([node], placeholders))

    def note_made(self, node: Node) -> None:
        """Remember that the function itself made this constant."""
        self._made.append(node)

    def made_inside(self, node: Node) -> bool:
        """Whether the function itself made a value that all examples share."""
        if any(item is node for item in self._made):
            return True
        for item in reversed(PENDING):
            if item is node:
                return True
            if item is self._before:
                return False
        return False

    def whole(self, outputs: Sequence[Tracked], axes: Sequence[int]) -> list[Tracked]:
        """The function's results for the whole batch, on the tape if gradients may be wanted.

        Args:
            outputs: the results for one example.
            axes: where the examples go in each.
        """
        exits = exits_of([item.edge for item in outputs], self._start) if MODE.grad else []
        return _whole(self.size, self.sources, exits, outputs, axes)


def note_made(node: Node) -> None:
    """Remember that a function under ``vmap`` made this constant, to which it may write an example's values."""
    if _ACTIVE.batches:
        _ACTIVE.batches[-1].note_made(node)


def refuse_shared(node: Node) -> None:
    """Raise RuntimeError, in PyTorch's words, where an example's values are written to a tensor all examples share."""
    batches = _ACTIVE.batches
    if batches and not batches[-1].made_inside(node):
        raise RuntimeError(
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
            "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but `self` "
            "not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace arithmetic. "
            "If said operator is being called inside the PyTorch framework, please file a bug report instead."
        )


def _example(outer: Tracked, axis: int) -> _Source:
    aval = outer.node.aval
    shape = tuple(aval.shape)
    own = Aval.of((*shape[:axis], *shape[axis + 1 :]), aval.dtype, aval.device, mapped=True)
    node = Node(Operation(PLACEHOLDER, (), (), own), (), own)
    return _Source(outer, axis, node, None if outer.edge is None else Point())


# -- from steps on one example to an operation on all --------------------------------------------------------------


def _inside(outputs: Sequence[Node], placeholders: set[int]) -> list[Node]:
    """The nodes between the placeholders and the outputs, each after its inputs; iterative, since graphs are deep."""
    reaches: dict[int, bool] = {}
    order: list[Node] = []
    stack = [(node, False) for node in reversed(outputs)]
    while stack:
        node, entered = stack.pop()
        operation = node.operation
        if operation is None or not operation.mapped or id(node) in placeholders:
            continue
        if entered:
            found = any(type(item) is Node and (id(item) in placeholders or reaches.get(id(item), False))
                         for item in node.inputs)  # fmt: skip
            reaches[id(node)] = found
            if found:
                order.append(node)
        elif id(node) not in reaches:
            reaches[id(node)] = False
            stack.append((node, True))
            stack.extend([(item, False) for item in reversed(node.inputs) if type(item) is Node])
    return order


class _Wiring:
    """Numbers for the inputs of a ``Batched`` operation, in the order in which the steps need them."""

    def __init__(self, sources: Sequence[_Source]) -> None:
        self.outer = {id(source.inner): source for source in sources}
        self.inputs: list[Any] = []
        self.axes: list[int | None] = []
        self.positions: dict[int, int] = {}

    def position(self, item: Any) -> int:
        """Where a step finds an input: an earlier step's position, or -1, -2, ... for the inputs."""
        if type(item) is not Node:
            return self._add(item, None)
        found = self.positions.get(id(item))
        if found is None:
            source = self.outer.get(id(item))
            found = self._add(item, None) if source is None else self._add(source.outer.node, source.axis)
            self.positions[id(item)] = found
        return found

    def _add(self, item: Any, axis: int | None) -> int:
        self.inputs.append(item)
        self.axes.append(axis)
        return -len(self.inputs)


_known: dict[Any, Batched] = {}


def _batched(
    sources: Sequence[_Source], outputs: Sequence[Node], axes: Sequence[int | None], anchors: Sequence[Node]
) -> tuple[Batched, list[Any]]:
    """The operation on a whole batch and its inputs; one object for equal steps, so that programs are found again."""
    nodes = _inside(outputs, {id(source.inner) for source in sources if source.axis is not None})
    wiring = _Wiring(sources)
    steps: list[Step] = []
    for node in nodes:
        assert node.operation is not None
        steps.append(Step(node.operation, tuple([wiring.position(item) for item in node.inputs])))
        wiring.positions[id(node)] = len(steps) - 1
    results = [
        Result(wiring.position(node), axis, node.aval) for node, axis in zip(outputs, axes, strict=True)
    ]  # numbered last: an output may itself be an input
    for anchor in anchors:
        wiring.position(anchor)
    key = (
        tuple([(operation.serial, inputs) for operation, inputs in steps]),
        tuple(wiring.axes),
        tuple(results),
    )
    found = _known.get(key)
    if found is None:
        found = _known.setdefault(key, Batched(steps, wiring.axes, results))
    return found, wiring.inputs


def _whole(
    size: int,
    sources: Sequence[_Source],
    exits: Sequence[Edge],
    outputs: Sequence[Tracked],
    axes: Sequence[int | None],
    anchors: Sequence[Node] = (),
) -> list[Tracked]:
    """Results for the whole batch; ``axes`` say where the examples go, None asks for their sum.

    ``anchors`` are values that are not used, with which the results are to be computed in one program.
    """
    if not outputs:
        return []
    primitive, inputs = _batched(sources, [item.node for item in outputs], axes, anchors)
    node = record(primitive, tuple(inputs), (size,))
    parts = picks(node)
    function = None
    if MODE.grad and any(item.edge for item in outputs):
        targets = [source.point for source in sources if source.point is not None]
        if targets or exits:
            function = _BatchedGradFn(node, parts[0], size, sources, exits, outputs, axes)
    return [
        Tracked(part, None if function is None or item.edge is None else (function, index))
        for index, (part, item) in enumerate(zip(parts, outputs, strict=True))
    ]


class _BatchedGradFn(GradFn):
    """The place on the tape of a function's results for a whole batch.

    It keeps the function's own tape, which was recorded for one example, and the first of the results: the gradients
    repeat steps that led to it, which costs nothing if both are computed in one program.
    """

    __slots__ = ("axes", "exits", "inner", "outputs", "size", "sources")

    def __init__(
        self,
        node: Node,
        part: Node,
        size: int,
        sources: Sequence[_Source],
        exits: Sequence[Edge],
        outputs: Sequence[Tracked],
        axes: Sequence[int | None],
    ) -> None:
        pointed = [source for source in sources if source.point is not None]
        super().__init__(
            node.operation,
            () if part.aval.mapped else (part,),
            (),
            [*[source.outer.edge for source in pointed], *exits],
        )
        self.size = size
        self.exits = exits
        self.sources = sources
        self.outputs = outputs
        self.axes = axes
        # For each of our edges the place on the inner tape, and the axis of its gradients (None: they are summed).
        self.inner: list[tuple[Edge, int | None]] = [((source.point, 0), source.axis) for source in pointed]
        self.inner += [(edge, None) for edge in exits]

    def pull(self, cotangents: Sequence[Tracked | None], wanted: Sequence[bool], create: bool) -> list[Tracked | None]:
        """Walk the inner tape backwards for one example, and make of that an operation on the whole batch."""
        anchors = self.unpacked()
        sources = list(self.sources)
        roots: list[tuple[Edge, Tracked]] = []
        for output, axis, cotangent in zip(self.outputs, self.axes, cotangents, strict=True):
            if cotangent is not None and output.edge is not None:
                source = _shared(cotangent) if axis is None else _example(cotangent, axis)
                sources.append(source)
                place = (source.point, 0) if source.point is not None else None
                roots.append((output.edge, Tracked(source.inner, place)))
        targets = [edge for (edge, _), want in zip(self.inner, wanted, strict=True) if want]
        MAPPING.append(self)
        try:
            found = differentiate(roots, targets=targets, retain=True, create=create, stop=True)
        finally:
            MAPPING.pop()
        places = [index for index, (edge, _) in enumerate(self.inner) if wanted[index] and edge in found]
        gradients = [found[self.inner[index][0]] for index in places]
        wholes = _whole(self.size, sources, self.exits, gradients, [self.inner[index][1] for index in places], anchors)
        results: list[Tracked | None] = [None] * len(wanted)
        for index, whole in zip(places, wholes, strict=True):
            results[index] = whole
        return results

    def release(self) -> None:
        super().release()
        self.sources, self.exits, self.outputs, self.inner = (), (), (), []


def _shared(cotangent: Tracked) -> _Source:
    """A gradient of a sum over the batch: the same for all examples."""
    return _Source(cotangent, None, cotangent.node, None if cotangent.edge is None else Point())
