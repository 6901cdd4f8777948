"""``ProgramReplay``: a call whose results nobody differentiates is its programs, called again.

The first time, the function is recorded and run as always; the programs that this takes are captured, with where each
of their inputs came from and where each of their results went. A replay looks whether all is as it was, gathers the
inputs, calls the programs, and puts the results in their places. Nothing is recorded, and nothing is done for each
operation.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from flambeau.graph.node import Node
from flambeau.replay.effects import played
from flambeau.replay.guards import Guards
from flambeau.replay.places import NODES, Places, same_constant, storage_at
from flambeau.replay.recording import Recording, Reference
from flambeau.replay.results import Left
from flambeau.runtime.force import force
from flambeau.runtime.stages import captured, copied, exclusive, gathered, run, spare
from flambeau.tensors.core import Core, Storage

__all__ = ["ProgramReplay"]


class _Stage(NamedTuple):
    """One program of a call.

    Attributes:
        program: the program.
        key: its structure.
        inputs: where its inputs come from.
        donated: which of them it overwrites.
        numbers: the Python numbers it reads: real, whole and complex ones.
        updates: which of the real ones are those of optimizers' updates: (first, end, number of the update).
    """

    program: Any
    key: Any
    inputs: list[Reference]
    donated: tuple[int, ...]
    numbers: tuple[list[float], list[int], list[complex]]
    updates: list[tuple[int, int, int]]

    def like(self, other: "_Stage") -> bool:
        """Whether another call ran the same program on the same things and numbers."""
        if (self.key, self.inputs, self.updates, self.numbers[1:]) != (
            other.key, other.inputs, other.updates, other.numbers[1:]):  # fmt: skip
            return False
        mine, others = self.reals(), other.reals()
        for first, end, _ in self.updates:
            mine[first:end] = others[first:end] = 0.0
        return mine.tobytes() == others.tobytes()

    def reals(self) -> Any:
        """The real numbers, as a new array."""
        return np.array(self.numbers[0], np.float64)


class _Captured:
    """The programs of a call, as they are run."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.places = Places(recording)
        self.stages: list[_Stage] = []

    def __call__(self, cut: Any, program: Any) -> None:
        inputs = [self.places.of(leaf, index in cut.donated) for index, leaf in enumerate(cut.leaves)]
        numbers = (list(cut.reals), list(cut.integers), list(cut.complexes))
        self.stages.append(_Stage(program, cut.key, inputs, cut.donated, numbers, self._updates(cut.nodes)))
        for position, output in enumerate(cut.outputs):
            self.places.add(cut.nodes[output], ("result", len(self.stages) - 1, position))

    def _updates(self, nodes: Sequence[Node]) -> list[tuple[int, int, int]]:
        """Where the numbers of optimizers' updates are among all real numbers, in order."""
        found: list[tuple[int, int, int]] = []
        reals = 0
        for node in nodes:
            update = self.recording.updates.get(id(node))
            if update is not None:
                found.append((reals, reals + update[1], update[0]))
            reals += sum([type(item) is float for item in node.inputs])
        return found


class ProgramReplay:
    """A recorded call as the programs that it ran.

    Attributes:
        guards: what has to be as it was.
        draws, effects: what a replay does again in Python.
    """

    def __init__(self, recording: Recording, guards: Guards, left: Left) -> None:
        self.guards = guards
        self.draws = recording.draws
        self.steps = recording.steps()
        self.repetitions = recording.repetitions()
        self.tensors: list[Core] = recording.tensors[: len(recording.tensors) - recording.given]
        self.left = left
        capture = _Captured(recording)
        recording.let_go()
        with captured(capture):
            force([tensor.read() for tensor in left.storages] + self._written_nodes(recording.tensors))
            self.stages = capture.stages
            self.stored = [(capture.places.of(tensor.read()), tensor.aval) for tensor in left.storages]
            self.versions = [tensor._storage.version for tensor in left.storages]
            nodes = self._written_nodes(recording.tensors)
            self.writes = [
                (place, capture.places.of(node), node.aval, count)
                for (place, count), node in zip(left.written, nodes, strict=True)
            ]
        left.storages[:] = []
        self.constants = capture.places.constants
        if recording.broken is None:
            self._plan()

    def _written_nodes(self, tensors: Sequence[Core]) -> list[Node]:
        return [storage_at(place, tensors).node for place, _ in self.left.written]

    # -- two recordings compared -------------------------------------------------------------------------------

    def like(self, other: Any) -> bool:
        """Whether another recorded call did the same, but for what a replay follows."""
        return (
            isinstance(other, ProgramReplay)
            and len(self.stages) == len(other.stages)
            and [id(tensor) for tensor in self.tensors] == [id(tensor) for tensor in other.tensors]
            and all(one.like(two) for one, two in zip(self.stages, other.stages, strict=True))
            and (self.stored, self.writes) == (other.stored, other.writes)
            and self.left.like(other.left)
            and len(self.draws) == len(other.draws)
            and len(self.steps) == len(other.steps)
            and len(self.repetitions) == len(other.repetitions)
            and all(one.like(two) for one, two in zip(self.steps, other.steps, strict=True))
            and len(self.constants) == len(other.constants)
            and all(map(same_constant, self.constants, other.constants))
        )

    # -- the plan ----------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Give every value a place in one list: inputs from tensors, draws, constants, results of each program."""
        used = [reference for stage in self.stages for reference in stage.inputs]
        used += [reference for reference, _ in self.stored] + [item[1] for item in self.writes]
        sources = [item for item in dict.fromkeys(used) if item[0] in NODES]
        sources.sort(key=lambda item: item[0] != "cell")  # these are the many, and read fastest
        self.cells: list[Storage] = [self.tensors[index]._storage for kind, index in sources if kind == "cell"]
        self.others: list[tuple[str, int]] = [(kind, index) for kind, index in sources[len(self.cells) :]]
        pool: dict[Reference, int] = {reference: index for index, reference in enumerate(sources)}
        for kind, count in (("draw", len(self.draws)), ("constant", len(self.constants))):
            for index in range(count):
                pool[kind, index] = len(pool)
        self.places: list[list[int]] = []
        self.overwritten: list[int] = []
        self.spent: list[int] = []
        for number, stage in enumerate(self.stages):
            places = [pool[reference] for reference in stage.inputs]
            self.places.append(places)
            self.overwritten += [places[index] for index in stage.donated if places[index] < len(sources)]
            self.spent += [places[index] for index in stage.donated if stage.inputs[index][0] == "constant"]
            for position in range(len(stage.key[1])):
                pool["result", number, position] = len(pool)
        self.fills = [
            (pool[reference], aval, version)
            for (reference, aval), version in zip(self.stored, self.versions, strict=True)
        ]
        rebinds = [(place, pool[reference], aval, count) for place, reference, aval, count in self.writes]
        self.rebinds = [(storage_at(item[0], self.tensors), *item[1:]) for item in rebinds if item[0][0] == "cell"]
        self.other_rebinds = [item for item in rebinds if item[0][0] != "cell"]
        read = {index for kind, index in self.others if kind == "grad"}
        self.dropped = [index for index, _ in self.left.gradients if index not in read]
        self.numbers = [(stage.reals(), *_whole(stage.numbers[1:])) for stage in self.stages]

    def settle(self) -> None:
        """Keep the constants' values only, once nothing is to be compared any longer."""
        self.values = gathered(self.constants)
        self.constants.clear()

    # -- the replay --------------------------------------------------------------------------------------------

    def play(self, given: Sequence[Core]) -> Any:
        """Do what the recorded call did.

        Raises:
            MismatchError: an optimizer's step would be another one; nothing has been changed.
        """
        tensors = [*self.tensors, *given] if given else self.tensors
        with exclusive():
            nodes = [storage.node for storage in self.cells]
            if self.others:
                nodes += [NODES[kind](tensors[index]) for kind, index in self.others]
            pool = gathered(nodes)
            if self.overwritten:
                spare(nodes, pool, self.overwritten, 1)
            updates = played(self.steps) if self.steps else ()
            if self.draws:
                pool += [draw.again(draw.stream) for draw in self.draws]
            pool += self.values
            for place in self.spent:
                pool[place] = copied(pool[place])
            for index in self.dropped:
                tensors[index]._grad = None
            del nodes
            self._run(pool, updates)
            for storage, source, aval, count in self.rebinds:
                storage.node = Node(None, (), aval, pool[source])
                storage.version += count
            for place, source, aval, count in self.other_rebinds:
                storage = storage_at(place, tensors)
                storage.node = Node(None, (), aval, pool[source])
                storage.version += count
        storages: list[Storage] = []
        for source, aval, version in self.fills:
            storage = Storage(Node(None, (), aval, pool[source]))
            storage.version = version
            storages.append(storage)
        for index, shape in self.left.gradients:
            made = None if shape is None else shape.made(storages[shape.storage])
            tensors[index]._grad = cast("Any", made)
        for repetition in self.repetitions:
            repetition.call()
        return self.left.rebuilt(self.left.made(tensors, storages))

    def _run(self, pool: list[Any], updates: Sequence[Sequence[float]]) -> None:
        """Call the programs; their results join the pool."""
        for stage, places, (reals, whole, complexes) in zip(self.stages, self.places, self.numbers, strict=True):
            if stage.updates:
                reals = reals.copy()
                for first, end, number in stage.updates:
                    reals[first:end] = updates[number]
            numbers = (reals if len(reals) else None, whole, complexes)
            pool += run(stage.program, numbers, [pool[place] for place in places])


def _whole(numbers: tuple[list[int], list[complex]]) -> tuple[Any, Any]:
    """Whole and complex numbers as programs take them."""
    integers, complexes = numbers
    return (
        np.array(integers, np.int64) if integers else None,
        np.array(complexes, np.complex128) if complexes else None,
    )
