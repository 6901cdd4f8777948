"""Where a recorded call's values come from, and how a replay finds them again."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

import numpy as np

from flambeau.graph.node import Node, leaf
from flambeau.graph.observing import MismatchError
from flambeau.replay.recording import Recording, Reference
from flambeau.tensors.core import Core, Storage

__all__ = ["NODES", "Places", "same_constant", "storage_at"]


class Places:
    """Tells for each value that a call reads where it came from; what came from nowhere is a constant.

    Attributes:
        constants: the constants found so far.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._references = dict(recording.references)
        self.constants: list[Node] = []

    def add(self, node: Node, reference: Reference) -> None:
        """Note where a value is to be found."""
        self._references[id(node)] = reference

    def of(self, node: Node, overwritten: bool = False) -> Reference:
        """Where a value comes from; the recording breaks if that cannot be told.

        Of a constant that is about to be overwritten, a copy is kept.
        """
        found = self._references.get(id(node))
        if found is None:
            if node.operation is not None and not hasattr(node.operation.primitive, "host"):
                self._recording.breaks("it reads a tensor that cannot be reached from its arguments and variables")
            found = self._references[id(node)] = ("constant", len(self.constants))
            self.constants.append(leaf(np.array(node.value), node.aval) if overwritten else node)
        elif found == ("several",):
            self._recording.breaks("it reads a value that several tensors show")
        return found


def same_constant(one: Node, other: Node) -> bool:
    """Whether two constants are equal, but not the same: that would be a tensor which was there before."""
    if one is other or one.aval is not other.aval:
        return False
    return np.asarray(one.value).tobytes() == np.asarray(other.value).tobytes()


def _gradient(tensor: Core) -> Core:
    found = tensor._grad
    if found is None:
        raise MismatchError
    return found


# How to find the nodes, and the storages, that a reference names, from its tensor.
NODES: Final[dict[str, Callable[[Core], Node]]] = {
    "cell": attrgetter("_storage.node"),
    "grad": lambda tensor: _gradient(tensor).read(),
    "view": Core.read,
    "given": Core.read,
}
_STORAGES: Final[dict[str, Callable[[Core], Storage]]] = {
    "cell": attrgetter("_storage"),
    "grad": lambda tensor: _gradient(tensor)._storage,
    "given": attrgetter("_storage"),
}


def storage_at(place: Reference, tensors: Sequence[Core]) -> Storage:
    """The storage that a reference names."""
    index: int = place[1]
    return _STORAGES[place[0]](tensors[index])
