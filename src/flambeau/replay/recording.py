"""``Recording``: watches a function while it runs as always, and tells afterwards what it read, wrote and returned."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from flambeau.differentiation.tape import tape_position
from flambeau.generators.streams import Stream, default_stream
from flambeau.graph.node import Node, leaf
from flambeau.graph.observing import unobserved
from flambeau.replay.effects import Draw, OptimizerStep, Repetition, ScheduleStep, StepUpdate
from flambeau.replay.world import World
from flambeau.tensors.core import Core, Storage

__all__ = ["Recording", "Reference", "Unsupported"]

Reference = tuple[Any, ...]
"""Where a value comes from: the storage of tensor i ("cell", i), its gradient ("grad", i), a view ("view", i) or an
argument ("given", i); draw i ("draw", i); constant i ("constant", i); result j of program i ("result", i, j)."""


class Unsupported(RuntimeError):  # noqa: N818  (PyTorch's name)
    """A function cannot be compiled as one graph, as ``fullgraph=True`` asks."""


class _Before(NamedTuple):
    """A tensor before the call."""

    requires_grad: bool
    function: Any
    grad: Core | None


class Recording:
    """One call of a function that is recorded for replay.

    Attributes:
        world: what the function can reach.
        tensors: the tensors it can reach, and then those among its arguments.
        start: where the tape stood before the call.
        given: how many of these are arguments; they are the last.
        draws: numbers drawn, in order.
        effects: steps of optimizers and schedules, in order.
        broken: why the call cannot be replayed; None if it can.
    """

    def __init__(self, world: World, given: Sequence[Core], *, strict: bool) -> None:
        self.world = world
        self.tensors: list[Core] = [*world.tensors, *given]
        self.given = len(given)
        self.broken: str | None = None
        self.draws: list[Draw] = []
        self.effects: list[OptimizerStep | Repetition] = []
        self.updates: dict[int, tuple[int, int]] = {}  # identity of an update's node -> (its number, its numbers)
        self.references: dict[int, Reference] = {}
        self.start = tape_position()
        self._strict = strict
        self._inside = 0
        self._stepped: set[int] = set()
        self._drawn: list[Any] = []
        self._streams: dict[int, tuple[Stream, Any]] = {id(default_stream()): _state_of(default_stream())}
        self._places: list[tuple[Reference, Storage, int, Node]] = []
        self._before = [_Before(item._requires_grad, item._grad_fn, item._grad) for item in self.tensors]
        self._held: list[Node] = []  # so that an identity stays that of one node
        self._refer()

    def _refer(self) -> None:
        """Note which nodes are the values of storages, of gradients and of views, and where else they are written."""
        seen: set[int] = set()
        for index, tensor in enumerate(self.tensors):
            if tensor._grad is not None:
                self._separate(tensor._grad._storage)
                self._note(tensor._grad.read(), ("grad", index))
                self._watch(("grad", index), tensor._grad._storage)
            given = index >= len(self.tensors) - self.given
            if given or tensor._steps is not None:
                self._note(tensor.read(), ("given" if given else "view", index))
            if id(tensor._storage) not in seen:
                seen.add(id(tensor._storage))
                if not given:
                    self._separate(tensor._storage)
                    self._note(tensor._storage.node, ("cell", index))
                self._watch(("given" if given else "cell", index), tensor._storage)

    def _separate(self, storage: Storage) -> None:
        """Give a storage a node of its own, where it has another's: those of copies are one until they are written."""
        node = storage.node
        if id(node) in self.references and node.value is not None:
            storage.node = leaf(node.value, node.aval)

    def _watch(self, reference: Reference, storage: Storage) -> None:
        """Remember what a storage holds before the call."""
        self._places.append((reference, storage, storage.version, storage.node))

    def _note(self, node: Node, reference: Reference) -> None:
        """Note where a value is to be found; which arguments show one value is part of a call's key."""
        known = self.references.setdefault(id(node), reference)
        if known is not reference and {known[0], reference[0]} != {"given"}:
            self.references[id(node)] = ("several",)
        self._held.append(node)

    # -- the observer ------------------------------------------------------------------------------------------

    def breaks(self, reason: str) -> None:
        """Give up: the function goes on as if nobody watched; raises Unsupported where that is not wanted."""
        if self.broken is None:
            self.broken = reason
            unobserved()
            if self._strict:
                raise Unsupported(reason)

    def ran(self) -> None:
        """See ``Observer``."""
        self.breaks(
            "Python read a value that the function computes (item(), bool(), printing, or a shape that depends on data)"
        )

    def looked(self, node: Node) -> None:
        """See ``Observer``."""
        if not self._inside and self.varies(node):
            self.breaks("Python read the value of an argument, a parameter or a random number")

    def varies(self, node: Node) -> bool:
        """See ``Observer``."""
        return id(node) in self.references

    def drew(self, node: Node, stream: Stream, again: Callable[[Any], Any]) -> None:
        """See ``Observer``."""
        if id(stream) not in self._streams:
            self.breaks("it draws from a generator of its own")
            return
        self._note(node, ("draw", len(self.draws)))
        self._drawn.append(node.value)
        self.draws.append(Draw(stream, again, node.aval.dtype, node.aval.device))

    def step_begins(self, update_group: Callable[[dict[str, Any]], Any]) -> None:
        """See ``Observer``."""
        if not self._inside:
            if any(isinstance(effect, ScheduleStep) for effect in self.effects):
                self.breaks("an optimizer steps after a schedule")
            self.effects.append(OptimizerStep(update_group))
        self._inside += 1

    def step_ends(self) -> None:
        """See ``Observer``."""
        self._inside -= 1

    def keep(self, found: Any) -> None:
        """See ``Observer``."""
        step = self._step()
        if step is not None:
            step.kept.append(found)

    def updated(self, node: Node, numbers: Sequence[float], flags: tuple[Any, ...]) -> None:
        """See ``Observer``."""
        step = self._step()
        if step is not None:
            step.updates.append(StepUpdate(len(numbers), flags))
            self.updates[id(node)] = (len(self.updates), len(numbers))

    def _step(self) -> OptimizerStep | None:
        """The optimizer's step that is being gone."""
        effect = self.effects[-1] if self._inside and self.effects else None
        return effect if isinstance(effect, OptimizerStep) else None

    def wrote(self, storage: Storage) -> None:
        """See ``Observer``."""
        if self._inside:
            self._stepped.add(id(storage))

    def repeated(self, call: Callable[[], Any]) -> Any:
        """See ``Observer``."""
        return self._within(Repetition(call))

    def scheduled(self, call: Callable[[], Any], *, repeatable: bool) -> Any:
        """See ``Observer``."""
        if not repeatable:
            self.breaks("a schedule steps by a value that the function computes")
            return call()
        return self._within(ScheduleStep(call))

    def _within(self, effect: Repetition) -> Any:
        """Call what is to be repeated; what it does on its way belongs to it."""
        if not self._inside:
            self.effects.append(effect)
        self._inside += 1
        try:
            return effect.call()
        finally:
            self._inside -= 1

    # -- afterwards --------------------------------------------------------------------------------------------

    def written(self) -> list[tuple[Reference, int]]:
        """The storages that were written, and how often."""
        return [
            (reference, storage.version - version)
            for reference, storage, version, node in self._places
            if (storage.version != version or storage.node is not node)
            and id(storage) not in self._stepped
            and (reference[0] != "grad" or self.tensors[reference[1]]._grad is self._before[reference[1]].grad)
        ]

    def new_gradients(self) -> list[int]:
        """The numbers of the tensors whose ``.grad`` is another one than before."""
        pairs = zip(self.tensors, self._before, strict=True)
        return [index for index, (tensor, before) in enumerate(pairs) if tensor._grad is not before.grad]

    def steps(self) -> list[OptimizerStep]:
        """The steps of optimizers."""
        return [effect for effect in self.effects if isinstance(effect, OptimizerStep)]

    def repetitions(self) -> list[Repetition]:
        """What is to be called again."""
        return [effect for effect in self.effects if isinstance(effect, Repetition)]

    def gradients(self) -> list[Core | None]:
        """Each tensor's ``.grad`` before the call."""
        return [item.grad for item in self._before]

    def change(self) -> str | None:
        """Why the call is not one to replay: a tensor's place on the tape, or the stream, moved in another way."""
        for tensor, before in zip(self.tensors, self._before, strict=True):
            if tensor._requires_grad != before.requires_grad or tensor._grad_fn is not before.function:
                return "a tensor's place on the tape has changed"
        return self._draws_change() or self.world.change()

    def _draws_change(self) -> str | None:
        """Why drawing again would not do to random streams what the call did."""
        copies: dict[int, Stream] = {}
        for key, (_, state) in self._streams.items():
            copies[key] = Stream()
            copies[key].set_state(state)
        for draw, values in zip(self.draws, self._drawn, strict=True):
            if not np.array_equal(np.asarray(draw.again(copies[id(draw.stream)])), np.asarray(values), equal_nan=True):
                return "random numbers are drawn in another way than one after the other"
        if any(
            not np.array_equal(copies[key].get_state(), stream.get_state())
            for key, (stream, _) in self._streams.items()
        ):
            return "the state of the random numbers is set"
        return None

    def let_go(self) -> None:
        """Forget the values from before, so that they can be overwritten."""
        self._held.clear()
        self._drawn.clear()
        self._before.clear()
        self._places.clear()


def _state_of(stream: Stream) -> tuple[Stream, Any]:
    return stream, stream.get_state()
