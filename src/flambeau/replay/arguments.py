"""A call's arguments as the key of a recording: structure, plain values, and what is known of each tensor."""

from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final, NamedTuple, cast

from flambeau.amp.state import enabled_types
from flambeau.base.config import config
from flambeau.differentiation.modes import MODE
from flambeau.dtypes.kinds import get_default_dtype
from flambeau.replay.world import SIMPLE
from flambeau.tensors.core import Core

__all__ = ["Arguments", "arguments_of"]

_DICTIONARIES: Final = (dict, OrderedDict, defaultdict)


class Arguments(NamedTuple):
    """What a call was given.

    Attributes:
        key: equal for calls that one recording may serve; nothing in it holds a tensor.
        tensors: the tensors among the arguments, in order, each once.
        objects: what is neither tensor nor container nor plain value.
    """

    key: Hashable
    tensors: list[Core]
    objects: list[Any]


def arguments_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """A call's arguments, and the switches under which it is made."""
    found: dict[int, Core] = {}
    objects: list[Any] = []
    described = tuple([_described(item, found, objects) for item in args])
    named = _described(kwargs, found, objects) if kwargs else None
    tensors = [*found.values()]
    shared = _shared(tensors) if len(tensors) > 1 else None
    switches = (MODE.grad, MODE.inference, enabled_types(), get_default_dtype(), config.kernels)
    return Arguments((described, named, shared, switches), tensors, objects)


def _described(item: Any, tensors: dict[int, Core], objects: list[Any]) -> Hashable:
    """An argument without its tensors' values; tensors are gathered by identity."""
    kind: Any = cast("Any", type(item))
    if isinstance(item, Core):
        if id(item) in tensors:
            return "again", [*tensors].index(id(item))
        tensors[id(item)] = item
        whole = item._steps is None
        return kind, item.aval, item._requires_grad, item._grad_fn is None, whole, item._grad is None
    if kind in (int, bool, str) or item is None:
        return kind, item
    if isinstance(item, SIMPLE):  # text, because 0.0 equals -0.0 and slices have no hash
        return kind, repr(cast("Any", item))
    if kind in _DICTIONARIES:
        return kind, tuple(item), tuple([_described(part, tensors, objects) for part in item.values()])
    if kind is list or tuple in kind.__mro__:
        return kind, tuple([_described(part, tensors, objects) for part in item])
    objects.append(item)
    return kind, id(item)


def _shared(tensors: Sequence[Core]) -> Hashable:
    """Which tensors share their storage, and which their value; None if none do."""
    storages = [id(tensor._storage) for tensor in tensors]
    if len(set(storages)) == len(storages):
        return None
    return _firsts(storages), _firsts([id(tensor.read()) for tensor in tensors])


def _firsts(identities: Iterable[int]) -> tuple[int, ...]:
    """For each item the place of the first equal one."""
    places: dict[int, int] = {}
    return tuple([places.setdefault(item, index) for index, item in enumerate(identities)])
