"""Structures of tuples, lists and dictionaries: taken apart into their leaves, and put together again.

What is no container is a leaf, None too. Items of a dictionary are in the order in which it holds them. A class derived
from a container is a leaf, except named tuples and the package's own tuples with named fields.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

from flambeau.base.shapes import Size

__all__ = ["TreeSpec", "broadcast_to", "flatten", "leaves_of", "mapped", "unflatten"]


class TreeSpec:
    """The structure of containers around leaves.

    Attributes:
        kind: the container's class; None for a leaf.
        context: what it takes to rebuild the container besides its items.
        children: the structures of its items.
        num_leaves: number of leaves.
    """

    __slots__ = ("children", "context", "kind", "num_leaves")

    def __init__(self, kind: type[Any] | None, context: Any, children: Sequence["TreeSpec"]) -> None:
        self.kind = kind
        self.context = context
        self.children = children
        self.num_leaves: int = 1 if kind is None else sum([child.num_leaves for child in children])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        same = self.kind is other.kind and self.context == other.context and len(self.children) == len(other.children)
        return same and all(one == two for one, two in zip(self.children, other.children, strict=True))

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # contexts hold lists

    def __repr__(self) -> str:
        return self._text(0)

    def _text(self, indent: int) -> str:
        if self.kind is None:
            return "*"
        name = "namedtuple" if hasattr(self.kind, "_fields") else self.kind.__name__
        inside = f",\n{' ' * (indent + 2)}".join([child._text(indent + 2) for child in self.children])
        return f"TreeSpec({name}, {self.context}, [{inside}])"

    def pretty(self) -> str:
        """The structure as Python writes it, with a star for each leaf."""
        return repr(unflatten([_Star()] * self.num_leaves, self))


class _Star:
    """What stands for a leaf in a structure's text."""

    def __repr__(self) -> str:
        return "*"


_LEAF: Final = TreeSpec(None, None, ())

_Parts = tuple[list[Any], Any]
_Container = tuple[Callable[[Any], _Parts], Callable[[Any, Iterable[Any]], Any]]


def _sequence(value: Any) -> _Parts:
    return list(value), None


def _named(value: Any) -> _Parts:
    return list(value), cast("Any", type(value))


def _dictionary(value: Any) -> _Parts:
    return list(value.values()), list(value)


def _with_factory(value: Any) -> _Parts:
    return list(value.values()), [value.default_factory, list(value)]


def _queue(value: Any) -> _Parts:
    return list(value), value.maxlen


def _filled(context: Any, items: Iterable[Any]) -> Any:
    return defaultdict(context[0], zip(context[1], items, strict=True))


# Container -> (its items and its context, how to build it from both).
_CONTAINERS: Final[dict[type[Any], _Container]] = {
    tuple: (_sequence, lambda _, items: tuple(items)),
    list: (_sequence, lambda _, items: list(items)),
    dict: (_dictionary, lambda keys, items: dict(zip(keys, items, strict=True))),
    OrderedDict: (_dictionary, lambda keys, items: OrderedDict(zip(keys, items, strict=True))),
    defaultdict: (_with_factory, _filled),
    deque: (_queue, lambda length, items: deque(items, length)),
    Size: (_sequence, lambda _, items: Size(items)),
}
_NAMED: Final[_Container] = (_named, lambda kind, items: kind(*items))
_FIELDS: Final[_Container] = (_named, lambda kind, items: kind(list(items)))


def _container(kind: Any) -> _Container | None:
    """How to take a container of this class apart and put it together; None for a leaf."""
    found = _CONTAINERS.get(kind)
    if found is None and tuple in kind.__mro__:
        return _NAMED if hasattr(kind, "_fields") else _FIELDS if hasattr(kind, "fields") else None
    return found


def flatten(tree: Any) -> tuple[list[Any], TreeSpec]:
    """The leaves of a structure, in order, and the structure without them."""
    leaves: list[Any] = []
    return leaves, _taken_apart(tree, leaves)


def _taken_apart(tree: Any, leaves: list[Any]) -> TreeSpec:
    kind = cast("type[Any]", type(tree))
    container = _container(kind)
    if container is None:
        leaves.append(tree)
        return _LEAF
    items, context = container[0](tree)
    return TreeSpec(kind, context, [_taken_apart(item, leaves) for item in items])


def leaves_of(tree: Any) -> list[Any]:
    """The leaves of a structure, in order."""
    return flatten(tree)[0]


def unflatten(leaves: Iterable[Any], spec: TreeSpec) -> Any:
    """The structure with these leaves."""
    return _put_together(iter(leaves), spec)


def _put_together(leaves: Any, spec: TreeSpec) -> Any:
    if spec.kind is None:
        return next(leaves)
    container = _container(spec.kind)
    assert container is not None
    return container[1](spec.context, [_put_together(leaves, child) for child in spec.children])


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The structure with every leaf replaced by ``function(leaf)``."""
    leaves, spec = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], spec)


def broadcast_to(prefix: Any, spec: TreeSpec) -> list[Any] | None:
    """For each leaf of a structure the leaf of ``prefix`` that stands in its place or around it.

    Returns:
        The list of them, or None if ``prefix`` has not the form of the structure's outer part.
    """
    container = _container(cast("type[Any]", type(prefix)))
    if container is None:
        return [prefix] * spec.num_leaves
    items, context = container[0](prefix)
    if spec.kind is not type(prefix) or len(items) != len(spec.children):
        return None
    keys = _keys(spec)
    if keys is not None and set(prefix) == set(keys):
        items = [prefix[key] for key in keys]
    elif context != spec.context:
        return None
    found = [broadcast_to(item, child) for item, child in zip(items, spec.children, strict=True)]
    return None if None in found else [leaf for part in found for leaf in part or ()]


def _keys(spec: TreeSpec) -> list[Any] | None:
    """The keys of a dictionary's structure; None for other containers."""
    if spec.kind is defaultdict:
        return spec.context[1]
    return spec.context if spec.kind in (dict, OrderedDict) else None
