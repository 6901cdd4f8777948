"""``OperationReplay``: a call whose results can be differentiated is one operation, and so is its gradient.

The first time, the function is recorded as always, and its own tape is walked backwards at once, for gradients still to
come. What the walk records is the operation for the gradient; what it reads of the forward pass are the results that
the forward operation has besides the function's own. Neither is run: a training loop around a compiled module stays one
program, in which two operations stand for the module.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from flambeau.base.config import config
from flambeau.differentiation.differentiate import differentiate
from flambeau.differentiation.points import exits_of
from flambeau.differentiation.tape import Edge, GradFn, Guard, Tracked
from flambeau.generators.streams import default_stream
from flambeau.graph.node import Aval, Node, Operation, leaf
from flambeau.graph.observing import observed_by
from flambeau.graph.record import PENDING, operation_of, record_operation
from flambeau.graph.record import settle as run_if_many
from flambeau.primitives.composite import CompositeStep, composite
from flambeau.primitives.primitive import picks
from flambeau.replay.guards import Guards
from flambeau.replay.places import NODES, Places, same_constant, storage_at
from flambeau.replay.recording import Recording
from flambeau.replay.results import Left, released
from flambeau.runtime.stages import exclusive, gathered
from flambeau.tensors.core import Core, Storage
from flambeau.tensors.creation import zeros
from flambeau.tensors.generator import drawn

__all__ = ["OperationReplay"]

_COMING: Final = "a gradient that is still to come"
_VIEW: Final = frozenset("_steps _node _seen _base _own_steps".split())  # what makes a tensor a view
_DOUBLE: Final = "torch.compile with aot_autograd does not currently support double backward"


class CompiledFunctionBackward(GradFn):
    """The place on the tape of a compiled function's results."""

    __slots__ = ("count", "results", "step")

    def __init__(self, step: Any, saved: Sequence[Any], edges: Sequence[Edge | None], results: Sequence[Any]) -> None:
        super().__init__(None, saved, (), edges)
        self.step = step
        self.results = results
        self.count = len(results)

    def pull(self, cotangents: Sequence[Tracked | None], wanted: Sequence[bool], create: bool) -> list[Tracked | None]:
        """Gradients by one operation; a result that none comes for has one of zeros."""
        if create:
            raise RuntimeError(_DOUBLE)
        saved = self.unpacked()
        given = [
            item.node if item is not None else zeros(aval.shape, dtype=aval.dtype, device=aval.device).read()
            for item, aval in zip(cotangents, self.results, strict=True)
        ]
        parts = picks(record_operation(self.step, (*given, *saved)))
        return [Tracked(part, None) if want else None for part, want in zip(parts, wanted, strict=True)]


class _Wiring:
    """Steps of an operation that is made of recorded nodes, and what it reads."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []
        self.steps: list[CompositeStep] = []
        self.places: dict[int, int] = {}

    def add(self, node: Node) -> None:
        """Append a node's operation."""
        assert node.operation is not None
        places = tuple([self.place(item) for item in node.inputs])
        self.places[id(node)] = len(self.steps)
        self.steps.append(CompositeStep(node.operation, places))

    def place(self, item: Any) -> int:
        """Where a value is found: at a step, or among the inputs."""
        found = self.places.get(id(item)) if type(item) is Node else None
        if found is None:
            self.inputs.append(item)
            found = -len(self.inputs)
            if type(item) is Node:
                self.places[id(item)] = found
        return found

    def operation(self, name: str, results: Sequence[Node]) -> Operation:
        """The whole as one operation."""
        places = [self.place(node) for node in results]
        primitive = composite(name, self.steps, places, [node.aval for node in results])
        avals = tuple([cast("Any", item.aval if type(item) is Node else type(item)) for item in self.inputs])
        return operation_of(primitive, (), avals)


class OperationReplay:
    """A recorded call as one operation, with another one for its gradient.

    Attributes:
        guards: what has to be as it was.
    """

    def __init__(self, recording: Recording, guards: Guards, left: Left, returned: Sequence[Any]) -> None:
        self.guards = guards
        self.draws = recording.draws
        self.repetitions = recording.repetitions()
        self.tensors: list[Core] = recording.tensors[: len(recording.tensors) - recording.given]
        self.left = left
        self.edges: list[Edge] = []
        self.avals: list[Aval] = []
        self.replaced: list[Node] = []  # what the operation stands for, while it is made
        self.outlets: list[tuple[int, int]] = []  # results and their places on the tape
        if recording.steps() or left.gradients:
            recording.breaks("its result can be differentiated, though it has stepped or gone backwards itself")
            return
        with exclusive():
            self._build(recording, returned)

    # -- building ----------------------------------------------------------------------------------------------

    def _build(self, recording: Recording, returned: Sequence[Any]) -> None:
        """Make the two operations, and put them in place of what was recorded."""
        known = {id(tensor) for tensor in recording.tensors}
        for index, item in enumerate(returned):
            if isinstance(item, Core) and id(item) not in known and not released(item):
                edge = item.edge()
                assert edge is not None
                if edge not in self.edges:
                    self.edges.append(edge)
                    self.avals.append(item.aval)
                self.outlets.append((index, self.edges.index(edge)))
        functions = _functions(self.edges, recording.start)
        if any(item.hooks or item.pre_hooks or item.post_hooks for item in functions):
            recording.breaks("it has backward hooks, which are called by Python")
        if any(edge[0].serial < recording.start for edge in self.edges):
            recording.breaks("a result is what came in")
        exits = exits_of(self.edges, recording.start)
        self.exits: list[int] = [self._exit(recording, edge) for edge in exits]
        if recording.broken is not None:
            return
        given = [leaf(_COMING, aval) for aval in self.avals]
        try:
            found = self._differentiated(recording, given, exits)
            if recording.broken is None:
                self.exits = [self.exits[index] for index, edge in enumerate(exits) if edge in found]
                gradients = [found[edge].node for edge in exits if edge in found]
                self._wire(recording, functions, given, gradients, returned)
        finally:
            _forget(given, self.replaced)

    def _exit(self, recording: Recording, edge: Edge) -> int:
        """Where the tape leaves the function: the number of a tensor."""
        for index, tensor in enumerate(recording.tensors):
            own = tensor.edge()
            if own is not None and own[0] is edge[0] and own[1] == edge[1]:
                return index
        recording.breaks("its tape leads to a tensor that cannot be reached from its arguments and variables")
        return -1

    def _differentiated(
        self, recording: Recording, given: Sequence[Node], exits: Sequence[Edge]
    ) -> dict[Edge, Tracked]:
        """Walk the function's own tape backwards, for gradients still to come."""
        for index, node in enumerate(given):
            recording.references[id(node)] = ("gradient", index)
        roots = [(edge, Tracked(node, None)) for edge, node in zip(self.edges, given, strict=True)]
        state, draws = default_stream().get_state(), len(recording.draws)
        try:
            with observed_by(recording):
                found = differentiate(roots, targets=exits, retain=True, stop=True)
            if len(recording.draws) > draws:
                default_stream().set_state(state)
                recording.breaks("going backwards draws random numbers")
            return found
        except RuntimeError as error:  # the same one is raised again when the user goes backwards
            recording.breaks(f"going backwards fails: {error}")
            return {}

    def _wire(
        self,
        recording: Recording,
        functions: Sequence[GradFn],
        given: Sequence[Node],
        gradients: Sequence[Node],
        returned: Sequence[Any],
    ) -> None:
        """Make an operation of the steps that wait for a gradient, and one of the others."""
        storages = self.left.storages
        wanted = [tensor.read() for tensor in storages]
        wanted += [storage_at(place, recording.tensors).node for place, _ in self.left.written]
        order = _ancestors([*wanted, *gradients])
        if len(order) > config.program_limit:
            recording.breaks(f"it consists of more than {config.program_limit:,} operations")
            return
        forward, backward = _Wiring(), _Wiring()
        later = {id(node) for node in given}
        for node in given:
            backward.place(node)
        for node in order:
            if any(id(item) in later for item in node.inputs):
                later.add(id(node))
                backward.add(node)
            else:
                forward.add(node)
        self.pullback = backward.operation("compiled_function_backward", gradients)
        kept = backward.inputs[len(given) :]
        rest = [item for item in kept if type(item) is Node and forward.place(item) >= 0]
        self.step = forward.operation("compiled_function", [*wanted, *rest])
        extra = {id(item): len(wanted) + index for index, item in enumerate(rest)}
        self.kept = [
            ("number", item)
            if type(item) is not Node
            else ("result", extra[id(item)])
            if id(item) in extra
            else ("input", -1 - forward.places[id(item)])
            for item in kept
        ]
        places = Places(recording)
        self.inputs = [places.of(item) if type(item) is Node else ("number", item) for item in forward.inputs]
        self.constants = places.constants
        self.watched = self._watched(recording, functions)
        self.versions = [tensor._storage.version for tensor in storages]
        if recording.broken is None:
            self._substitute(recording, forward.inputs, returned, order)

    def _watched(self, recording: Recording, functions: Sequence[GradFn]) -> list[tuple[tuple[str, int], Any]]:
        """What must not be written before the gradient is computed: storages, and what is in them."""
        known: dict[int, tuple[str, int]] = {
            id(item._storage): ("new", index) for index, item in enumerate(self.left.storages)
        }
        count = len(self.tensors)
        for index, tensor in enumerate(recording.tensors):
            known[id(tensor._storage)] = ("cell" if index < count else "given", index)
        guards = [guard for function in functions for guard in function.guards]
        return list({known[id(storage)]: aval for storage, _, aval, _ in guards if id(storage) in known}.items())

    def _substitute(
        self, recording: Recording, inputs: Sequence[Any], returned: Sequence[Any], order: Sequence[Node]
    ) -> None:
        """Have what the recorded call left behind come from the two operations."""
        parts = picks(record_operation(self.step, tuple(inputs)))
        tensors = recording.tensors
        storages: list[Storage] = []
        for tensor, part in zip(self.left.storages, parts, strict=False):
            if tensor._steps is not None:
                for name in _VIEW & tensor.__dict__.keys():
                    del tensor.__dict__[name]
                tensor._storage = Storage(part)
            tensor._storage.node = part
            storages.append(tensor._storage)
        for (place, _), part in zip(self.left.written, parts[len(storages) :], strict=False):
            storage_at(place, tensors).node = part
        function = self._function(tensors, storages, inputs, parts)
        for index, outlet in self.outlets:
            returned[index]._grad_fn, returned[index]._output_nr = function, outlet
            kind, item = self.left.results[index]
            if kind == "shape":
                for name in ("_grad_fn", "_output_nr"):
                    item.fields.pop(name, None)
        self.replaced += order
        self.edges.clear()
        self.left.storages.clear()
        recording.let_go()

    # -- two recordings compared -------------------------------------------------------------------------------

    def like(self, other: Any) -> bool:
        """Whether another recorded call did the same."""
        return (
            isinstance(other, OperationReplay)
            and self.step is other.step
            and self.pullback is other.pullback
            and [id(tensor) for tensor in self.tensors] == [id(tensor) for tensor in other.tensors]
            and repr((self.inputs, self.kept)) == repr((other.inputs, other.kept))  # numbers to the last bit
            and (self.outlets, self.exits, self.versions) == (other.outlets, other.exits, other.versions)
            and self.left.like(other.left)
            and len(self.draws) == len(other.draws)
            and len(self.repetitions) == len(other.repetitions)
            and len(self.constants) == len(other.constants)
            and all(map(same_constant, self.constants, other.constants))
        )

    def settle(self) -> None:
        """Have the constants ready for replay."""
        gathered(self.constants)

    # -- the replay --------------------------------------------------------------------------------------------

    def play(self, given: Sequence[Core]) -> Any:
        """Record the call as one operation."""
        tensors = [*self.tensors, *given]
        draws = [drawn(draw.stream, draw.again, draw.kind, draw.place).read() for draw in self.draws]
        inputs: list[Any] = []
        for kind, item in self.inputs:
            if kind in NODES:
                inputs.append(NODES[kind](tensors[cast("int", item)]))
            else:
                inputs.append(draws[item] if kind == "draw" else self.constants[item] if kind == "constant" else item)
        run_if_many()
        parts = picks(record_operation(self.step, tuple(inputs)))
        storages = [Storage(part) for part in parts[: len(self.versions)]]
        for storage, version in zip(storages, self.versions, strict=True):
            storage.version = version
        for (place, count), part in zip(self.left.written, parts[len(storages) :], strict=False):
            storage = storage_at(place, tensors)
            storage.node = part
            storage.version += count
        found = self.left.made(tensors, storages)
        function = self._function(tensors, storages, inputs, parts)
        for index, outlet in self.outlets:
            found[index]._grad_fn, found[index]._output_nr = function, outlet
        for repetition in self.repetitions:
            repetition.call()
        return self.left.rebuilt(found)

    def _function(
        self, tensors: Sequence[Core], storages: Sequence[Storage], inputs: Sequence[Any], parts: Sequence[Node]
    ) -> GradFn:
        """The results' place on the tape."""
        saved = [
            parts[item] if kind == "result" else inputs[item] if kind == "input" else item for kind, item in self.kept
        ]
        edges = [tensors[index].edge() for index in self.exits]
        function = CompiledFunctionBackward(self.pullback, saved, edges, self.avals)
        watched: list[Guard] = []
        for (kind, number), aval in self.watched:
            storage = storages[number] if kind == "new" else tensors[number]._storage
            watched.append((storage, storage.version, aval, None))
        function.guards = watched
        return function


def _forget(given: Sequence[Node], replaced: list[Node]) -> None:
    """Take what waits for these gradients off the pending graph, and what was replaced: nobody is ever to run it."""
    gone = {id(node) for node in given}
    old = {id(node) for node in replaced}
    replaced.clear()
    count = len(PENDING)
    kept: list[Node] = []
    for node in PENDING[:count]:
        if any(id(item) in gone for item in node.inputs):
            gone.add(id(node))
        elif id(node) not in old:
            kept.append(node)
    PENDING[:count] = kept


def _functions(edges: Sequence[Edge], start: int) -> list[GradFn]:
    """What was taped since ``start``."""
    found: dict[int, GradFn] = {}
    stack = [edge[0] for edge in edges]
    while stack:
        function = stack.pop()
        if isinstance(function, GradFn) and function.serial >= start and id(function) not in found:
            found[id(function)] = function
            stack.extend([edge[0] for edge in function.edges if edge is not None])
    return list(found.values())


def _ancestors(targets: Sequence[Node]) -> list[Node]:
    """Pending nodes that the targets are made from, each after its inputs; found without recursion."""
    done: set[int] = set()
    order: list[Node] = []
    stack = [(node, False) for node in reversed(targets)]
    while stack:
        node, entered = stack.pop()
        if node.value is not None:
            continue
        if entered:
            order.append(node)
        elif id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            stack.extend([(item, False) for item in reversed(node.inputs) if type(item) is Node])
    return order
