"""What a recorded call leaves behind, as a pattern to make it again: results, gradients, written storages."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from flambeau.base.tree import TreeSpec, flatten, unflatten
from flambeau.replay.recording import Recording, Reference
from flambeau.replay.world import SIMPLE
from flambeau.tensors.core import Core, Storage
from flambeau.tensors.tensor import Tensor

__all__ = ["Left", "Shape", "left_by", "released"]

# Fields of a tensor that a pattern does not copy: its value, how it is a view of another, and its gradient.
_VALUE: Final = frozenset("_storage _steps _node _seen _base _own_steps _grad".split())


class Shape(NamedTuple):
    """A tensor without its value.

    Attributes:
        kind: its class.
        fields: its other fields; its place on the tape among them.
        storage: number of its storage among the new ones; of the tensor whose storage it shares, below 0.
    """

    kind: type[Any]
    fields: dict[str, Any]
    storage: int

    def like(self, other: "Shape") -> bool:
        """Whether another tensor differs from this by its place on the tape at most."""
        return self.kind is other.kind and self.storage == other.storage and self.fields.keys() == other.fields.keys()

    def made(self, storage: Storage) -> Core:
        """A tensor of this kind that shows a storage."""
        tensor: Core = object.__new__(self.kind)
        if self.fields:
            tensor.__dict__.update(self.fields)
        tensor._storage = storage
        return tensor


class Left(NamedTuple):
    """What a call leaves behind.

    Attributes:
        storages: for each new storage a tensor that shows it; taken out once its value is known.
        written: storages that were there and were written, and how often.
        gradients: tensors with a new ``.grad``, by number, and this gradient; None for one that was taken away.
        results: what was returned, one by one: ("shape", its ``Shape``), ("same", number of a tensor),
            ("again", number of an earlier result), ("plain", value).
        spec: structure of what was returned.
        live: whether a result can be differentiated.
    """

    storages: list[Core]
    written: list[tuple[Reference, int]]
    gradients: list[tuple[int, Shape | None]]
    results: list[tuple[str, Any]]
    spec: TreeSpec
    live: bool

    def like(self, other: "Left") -> bool:
        """Whether another call has left the same things behind."""
        return (
            self.written == other.written
            and len(self.storages) == len(other.storages)
            and self.spec == other.spec
            and self.live == other.live
            and len(self.gradients) == len(other.gradients)
            and all(map(_same_gradient, self.gradients, other.gradients))
            and all(map(_same_result, self.results, other.results))
        )

    def made(self, tensors: Sequence[Core], storages: Sequence[Storage]) -> list[Any]:
        """What a replay returns, one by one, from the tensors there are and its new storages."""
        found: list[Any] = []
        for kind, item in self.results:
            if kind == "shape":
                shared = item.storage < 0
                found.append(item.made(tensors[-1 - item.storage]._storage if shared else storages[item.storage]))
            else:
                found.append(tensors[item] if kind == "same" else found[item] if kind == "again" else item)
        return found

    def rebuilt(self, found: Sequence[Any]) -> Any:
        """What a replay returns, in the structure of what the function returned."""
        return found[0] if self.spec.type is None else unflatten(found, self.spec)


def _same_gradient(one: tuple[int, Shape | None], other: tuple[int, Shape | None]) -> bool:
    if one[1] is None or other[1] is None:
        return one == other
    return one[0] == other[0] and one[1].like(other[1])


def _same_result(one: tuple[str, Any], other: tuple[str, Any]) -> bool:
    if one[0] != other[0]:
        return False
    if one[0] == "shape":
        return one[1].like(other[1])
    return type(one[1]) is type(other[1]) and one[1] == other[1]


class _Leaving:
    """Collects what a call leaves behind."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.tensors = {id(tensor): index for index, tensor in enumerate(recording.tensors)}
        self.owners: dict[int, int] = {}
        for index, tensor in enumerate(recording.tensors):
            self.owners.setdefault(id(tensor._storage), index)
        self.storages: list[Core] = []
        self.numbers: dict[int, int] = {}
        self.views: set[int] = set()

    def shape(self, tensor: Core) -> Shape:
        """A new tensor as a pattern; the recording breaks if it cannot be one."""
        if tensor._grad is not None or tensor._leaf_hooks or tensor._post_accumulate_hooks:
            self.recording.breaks("a result has a gradient or hooks of its own")
        fields = {name: value for name, value in tensor.__dict__.items() if name not in _VALUE}
        return Shape(type(tensor), fields, self._storage(tensor))

    def _storage(self, tensor: Core) -> int:
        key = id(tensor._storage)
        view = tensor._steps is not None
        if key in self.owners:
            if view:
                self.recording.breaks("a result is a view of an argument, a parameter or a buffer")
            return -1 - self.owners[key]
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = len(self.storages)
            self.storages.append(tensor)
            if view:
                self.views.add(key)
        elif view or key in self.views:
            self.recording.breaks("results are views of each other")
        return found

    def results(self, leaves: Sequence[Any]) -> list[tuple[str, Any]]:
        """What was returned, one by one."""
        found: list[tuple[str, Any]] = []
        places: dict[int, int] = {}
        for place, leaf in enumerate(leaves):
            if not isinstance(leaf, Core):
                if not issubclass(type(leaf), SIMPLE):
                    self.recording.breaks(f"it returns an object ({type(leaf).__name__})")
                found.append(("plain", leaf))
            elif id(leaf) in self.tensors:
                found.append(("same", self.tensors[id(leaf)]))
            elif id(leaf) in places:
                found.append(("again", places[id(leaf)]))
            else:
                places[id(leaf)] = place
                found.append(("shape", self.shape(leaf)))
        return found


def left_by(recording: Recording, returned: Any) -> Left:
    """What a recorded call leaves behind; the recording breaks if a replay could not."""
    leaving = _Leaving(recording)
    leaves, spec = flatten(returned)
    results = leaving.results(leaves)
    gradients: list[tuple[int, Shape | None]] = []
    for index in recording.new_gradients():
        gradient = recording.tensors[index]._grad
        shape = None if gradient is None else leaving.shape(gradient)
        if gradient is not None and (gradient._requires_grad or gradient._steps is not None):
            recording.breaks("a gradient is on the tape, or a view")
        gradients.append((index, shape))
    tensors = [cast("Tensor", item) for item in leaves if isinstance(item, Core)]
    live = any(not released(item) for item in tensors if id(item) not in leaving.tensors)
    return Left(leaving.storages, recording.written(), gradients, results, spec, live)


def released(tensor: Core) -> bool:
    """Whether nobody can differentiate a tensor any longer, or ever could."""
    function = tensor._grad_fn
    return function is None or function.saved is None
