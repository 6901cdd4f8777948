"""Structures of tuples, lists and dictionaries: taken apart into their leaves, and put together again.

What is no container is a leaf, None too. Items of a dictionary are in the order in which it holds them. A class derived
from a container is a leaf, except named tuples and the package's own tuples with named fields.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/utils/_pytree.py
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

from flambeau.base.shapes import Size

__all__ = ["TreeSpec", "broadcast_to", "flatten", "is_container", "leaves_of", "mapped", "register", "unflatten"]

Test = Callable[[Any], bool] | None


class TreeSpec:
    """The structure of containers around leaves.

    Attributes:
        type: the container's class; None for a leaf.
        context: what it takes to rebuild the container besides its items.
        num_leaves: number of leaves.
        num_nodes: number of leaves and containers.
        num_children: number of the container's items.
    """

    __slots__ = ("_children", "context", "num_children", "num_leaves", "num_nodes", "type")

    def __init__(self, type: Any, context: Any, children_specs: Sequence["TreeSpec"]) -> None:
        self.type = type
        self.context = context
        self._children = children_specs
        self.num_leaves: int = 1 if type is None else sum([child.num_leaves for child in children_specs])
        self.num_nodes: int = 1 + sum([child.num_nodes for child in children_specs])
        self.num_children = len(children_specs)

    def is_leaf(self) -> bool:
        """Whether it is the structure of a leaf."""
        return self.type is None

    def children(self) -> list["TreeSpec"]:
        """The structures of the container's items."""
        return list(self._children)

    def child(self, index: int) -> "TreeSpec":
        """The structure of one item."""
        return self._children[index]

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The structure with these leaves; raises ValueError if they are not as many."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(given)} but the spec refers to a pytree that "
                f"holds {self.num_leaves} items ({self})."
            )
        return unflatten(given, self)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """What stands in another structure where this one has leaves; raises ValueError if its outer part differs."""
        if self.type is None:
            return [tree]
        pairs = zip(self._children, _items_alike(self, tree), strict=True)
        return [part for child, item in pairs for part in child.flatten_up_to(item)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        same = self.type is other.type and self.context == other.context and self.num_children == other.num_children
        return same and all(one == two for one, two in zip(self._children, other._children, strict=True))

    def __hash__(self) -> int:
        return hash((self.type, tuple(self._children)))  # without contexts, which hold lists

    def __repr__(self) -> str:
        return self._text(0)

    def _text(self, indent: int) -> str:
        if self.type is None:
            return "*"
        name = "namedtuple" if hasattr(self.type, "_fields") else self.type.__name__
        inside = f",\n{' ' * (indent + 2)}".join([child._text(indent + 2) for child in self._children])
        return f"TreeSpec({name}, {self.context}, [{inside}])"

    def pretty(self) -> str:
        """The structure as Python writes it, with a star for each leaf."""
        return repr(unflatten([_Star()] * self.num_leaves, self))


class _Star:
    """What stands for a leaf in a structure's text."""

    def __repr__(self) -> str:
        return "*"


_LEAF: Final = TreeSpec(None, None, ())

# -- the containers ----------------------------------------------------------------------------------------------------

_Parts = tuple[list[Any], Any]
_Container = tuple[Callable[[Any], _Parts], Callable[[Any, Any, list[Any]], Any]]


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


def _filled(_: Any, context: Any, items: list[Any]) -> Any:
    return defaultdict(context[0], zip(context[1], items, strict=True))


# Container -> (its items and its context, how to build it from its class and both).
_PLAIN: Final[dict[type[Any], _Container]] = {
    tuple: (_sequence, lambda kind, _, items: tuple(items)),
    list: (_sequence, lambda kind, _, items: items),
    dict: (_dictionary, lambda kind, keys, items: dict(zip(keys, items, strict=True))),
    OrderedDict: (_dictionary, lambda kind, keys, items: OrderedDict(zip(keys, items, strict=True))),
    defaultdict: (_with_factory, _filled),
    deque: (_queue, lambda kind, length, items: deque(items, length)),
}
_NAMED: Final[_Container] = (_named, lambda kind, _, items: kind(*items))
_FIELDS: Final[_Container] = (_sequence, lambda kind, _, items: kind(items))
_CONTAINERS: Final[dict[type[Any], _Container]] = {**_PLAIN, Size: _FIELDS}
_DICTIONARIES = (dict, OrderedDict, defaultdict)


def register(kind: type[Any], apart: Callable[[Any], Any], together: Callable[[list[Any], Any], Any]) -> None:
    """Have a class be a container; raises ValueError if it is one.

    Args:
        kind: the class; classes derived from it are not meant.
        apart: gives an instance's items, and its context.
        together: gives an instance of both.
    """
    if kind in _CONTAINERS:
        raise ValueError(f"{kind} is already registered as pytree node.")

    def parts(value: Any) -> _Parts:
        items, context = apart(value)
        return list(items), context

    _CONTAINERS[kind] = (parts, lambda _, context, items: together(items, context))


def _container(kind: Any) -> _Container | None:
    """How to take a container of this class apart and put it together; None for a leaf."""
    found = _CONTAINERS.get(kind)
    if found is None and tuple in kind.__mro__:
        return _NAMED if hasattr(kind, "_fields") else _FIELDS if hasattr(kind, "fields") else None
    return found


def is_container(value: Any) -> bool:
    """Whether a value has items of its own, even if there are none."""
    return _container(cast("type[Any]", type(value))) is not None


# -- apart and together ------------------------------------------------------------------------------------------------


def flatten(tree: Any, is_leaf: Test = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a structure, in order, and the structure without them.

    Args:
        tree: the structure.
        is_leaf: says of a container that it is a leaf as well.
    """
    leaves: list[Any] = []
    return leaves, _taken_apart(tree, leaves, is_leaf)


def _taken_apart(tree: Any, leaves: list[Any], is_leaf: Test) -> TreeSpec:
    kind = cast("type[Any]", type(tree))
    container = _container(kind)
    if container is None or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return _LEAF
    items, context = container[0](tree)
    return TreeSpec(kind, context, [_taken_apart(item, leaves, is_leaf) for item in items])


def leaves_of(tree: Any) -> list[Any]:
    """The leaves of a structure, in order."""
    return flatten(tree)[0]


def unflatten(leaves: Iterable[Any], spec: TreeSpec) -> Any:
    """The structure with these leaves."""
    return _put_together(iter(leaves), spec)


def _put_together(leaves: Any, spec: TreeSpec) -> Any:
    if spec.type is None:
        return next(leaves)
    container = _container(spec.type)
    assert container is not None
    return container[1](spec.type, spec.context, [_put_together(leaves, child) for child in spec.children()])


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The structure with every leaf replaced by ``function(leaf)``."""
    leaves, spec = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], spec)


# -- two structures ----------------------------------------------------------------------------------------------------


def broadcast_to(prefix: Any, spec: TreeSpec) -> list[Any] | None:
    """For each leaf of a structure the leaf of ``prefix`` that stands in its place or around it.

    Returns:
        The list of them, or None if ``prefix`` has not the form of the structure's outer part.
    """
    container = _container(cast("type[Any]", type(prefix)))
    if container is None:
        return [prefix] * spec.num_leaves
    items, context = container[0](prefix)
    if spec.type is not type(prefix) or len(items) != spec.num_children:
        return None
    keys = _keys(spec)
    if keys is not None and set(prefix) == set(keys):
        items = [prefix[key] for key in keys]
    elif context != spec.context:
        return None
    found = [broadcast_to(item, child) for item, child in zip(items, spec.children(), strict=True)]
    return None if None in found else [leaf for part in found for leaf in part or ()]


def _keys(spec: TreeSpec) -> list[Any] | None:
    """The keys of a dictionary's structure; None for other containers."""
    if spec.type is defaultdict:
        return spec.context[1]
    return spec.context if spec.type in (dict, OrderedDict) else None


def _items_alike(spec: TreeSpec, node: Any) -> list[Any]:
    """The items of a container like another one; raises ValueError, in PyTorch's words, if it is not like that."""
    kind = cast("type[Any]", type(node))
    keys = _keys(spec) if kind in _DICTIONARIES else None
    if keys is None and kind is not spec.type:
        plain = "Node type" if spec.type in _PLAIN else "Type"
        raise ValueError(f"{plain} mismatch; expected {spec.type!r}, but got {kind!r}.")
    container = _container(kind)
    assert container is not None
    items, context = container[0](node)
    if len(items) != spec.num_children:
        raise ValueError(f"Node arity mismatch; expected {spec.num_children}, but got {len(items)}.")
    if keys is not None:
        missing, extra = set(keys).difference(node), set(node).difference(keys)
        if missing or extra:
            told = [("missing", missing)] * bool(missing) + [("extra", extra)] * bool(extra)
            raise ValueError(f"Node keys mismatch{''.join([f'; {word} key(s): {found}' for word, found in told])}.")
        return [node[key] for key in keys]
    if context != spec.context and kind is not deque:
        raise ValueError(f"Node context mismatch for custom node type {spec.type!r}.")
    return items
