"""CUT: which pending nodes to run, and as what program.

What a run must return is what anybody can still reach. Nothing counts that while recording; it is read off CPython's
reference counts here: a node with more references than the ones this module knows of (its slot in the list, the loop's
own, and the inputs of the nodes recorded after it) is held by a tensor, by the tape, or by somebody's local variable.
A reference too many only keeps a value that could have been dropped; there can be no reference too few.
"""

from collections.abc import Sequence
from sys import getrefcount
from typing import Any, NamedTuple

from flambeau.graph.node import Aval, Node
from flambeau.primitives.primitive import PICK
from flambeau.runtime.placement import values_on_device

__all__ = ["Cut", "needed", "program_of"]


class Cut(NamedTuple):
    """A program's structure and its inputs.

    Attributes:
        key: the structure: operations, how they are wired, what is returned, what may be overwritten.
        nodes: the nodes it computes, in order.
        leaves: the nodes whose values it reads.
        outputs: positions in ``nodes`` of what it returns.
        donated: positions in ``leaves`` of values that nothing else refers to.
        reals, integers, complexes: the Python numbers it reads, in order.
    """

    key: tuple[Any, ...]
    nodes: list[Node]
    leaves: list[Node]
    outputs: tuple[int, ...]
    donated: tuple[int, ...]
    reals: list[float]
    integers: list[int]
    complexes: list[complex]


def _own_references(nodes: list[Node]) -> int:
    """References to a node of a list that a loop over it sees when nobody else holds it."""
    count = 0
    for node in reversed(nodes):
        count = getrefcount(node)
    return count


_OWN = _own_references([Node(None, (), None)])


def needed(pending: list[Node], targets: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """Split the pending graph into what the targets are connected with, and the rest; drop what nobody can reach.

    Args:
        pending: the pending nodes in the order of recording; emptied.
        targets: nodes whose values are wanted.

    Returns:
        The nodes to run and the nodes that stay pending, both in order.
    """
    groups = _Groups()
    unseen = 0
    for target in targets:
        if target.uses == 0:
            target.index, target.uses = groups.new(), 1
            unseen += 1
    alive: list[Node] = []
    for node in reversed(pending):
        if node.uses:
            unseen -= 1
        group = node.index
        if node.value is None and (group or getrefcount(node) > _OWN + node.uses):
            alive.append(node)
            if group == 0:
                group = node.index = groups.new()
        else:
            group = 0
        for item in node.inputs:
            if type(item) is Node and item.value is None:
                if item.uses == 0:
                    unseen += 1
                item.uses += 1
                if item.index == 0:
                    item.index = group
                elif group != item.index and group:
                    groups.join(group, item.index)
    for node in pending:
        node.uses = 0
    pending.clear()
    alive.reverse()
    if unseen:
        return needed(_with_strays(alive, targets), targets)
    return _split(alive, targets, groups)


class _Groups:
    """Sets of connected nodes, each known by a number: joined numbers have the same root."""

    __slots__ = ("count", "parent")

    def __init__(self) -> None:
        self.parent = [0]
        self.count = 0

    def new(self) -> int:
        """The number of a new set."""
        number = len(self.parent)
        self.parent.append(number)
        self.count += 1
        return number

    def root(self, number: int) -> int:
        """The number that stands for a set and all that were joined with it."""
        parent = self.parent
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    def join(self, one: int, other: int) -> None:
        """Make two sets one."""
        one, other = self.root(one), self.root(other)
        if one != other:
            self.parent[other] = one
            self.count -= 1


def _split(alive: list[Node], targets: Sequence[Node], groups: _Groups) -> tuple[list[Node], list[Node]]:
    """The nodes connected with a target, and the others."""
    rest: list[Node] = []
    chosen = alive
    if groups.count > 1:
        wanted = {groups.root(target.index) for target in targets}
        chosen = [node for node in alive if groups.root(node.index) in wanted]
        rest = [node for node in alive if groups.root(node.index) not in wanted]
    for node in alive:
        node.index = 0
    return chosen, rest


def _with_strays(alive: list[Node], targets: Sequence[Node]) -> list[Node]:
    """Add pending ancestors that are no longer on the pending list (they were dropped before somebody used them)."""
    listed = set(map(id, alive))
    strays: list[Node] = []
    stack = [item for node in (*alive, *targets) for item in (node, *node.inputs) if type(item) is Node]
    while stack:
        node = stack.pop()
        if node.value is not None:
            continue
        node.index = node.uses = 0
        if id(node) not in listed:
            listed.add(id(node))
            strays.append(node)
            stack.extend(item for item in node.inputs if type(item) is Node)
    return _ordered(strays) + alive


def _ordered(nodes: list[Node]) -> list[Node]:
    """Nodes with every input before its user, found without recursion."""
    inside = set(map(id, nodes))
    done: set[int] = set()
    order: list[Node] = []
    stack = [(node, False) for node in nodes]
    while stack:
        node, entered = stack.pop()
        if id(node) in done or id(node) not in inside:
            continue
        if entered:
            done.add(id(node))
            order.append(node)
            continue
        stack.append((node, True))
        stack.extend((item, False) for item in node.inputs if type(item) is Node)
    return order


def program_of(nodes: list[Node]) -> Cut:
    """Number the nodes, gather what they read, and build the key of their program."""
    leaves = _first_leaves(nodes)
    try:
        key, numbers = _wired(nodes, leaves)
        values_on_device(leaves)
        outputs = _outputs(nodes)
        donated = _donated(leaves, [nodes[index].aval for index in outputs])
    finally:
        for read in (nodes, leaves):
            for node in read:
                node.index = node.uses = 0
    return Cut((tuple(key), outputs, donated), nodes, leaves, outputs, donated, *numbers)


def _first_leaves(nodes: list[Node]) -> list[Node]:
    """What the last operation reads, numbered first, in its own order.

    JAX gives the memory of the first donated input to the first output of its shape and type. An optimizer's update
    comes last and returns its parameters and states in the order it takes them, so each stays where it is.
    """
    leaves: list[Node] = []
    for node in reversed(nodes):
        if node.operation is not None and node.operation.primitive is not PICK:
            for item in node.inputs:
                if type(item) is Node and item.value is not None and item.index == 0:
                    leaves.append(item)
                    item.index = -len(leaves)
            break
    return leaves


def _wired(nodes: list[Node], leaves: list[Node]) -> tuple[list[int], tuple[list[float], list[int], list[complex]]]:
    """Operations and where their inputs come from, as one list of numbers; and the Python numbers among the inputs."""
    key: list[int] = []
    reals: list[float] = []
    integers: list[int] = []
    complexes: list[complex] = []
    position = 0
    for node in nodes:
        node.index = position
        position += 1
        key.append(node.operation.serial)  # pyright: ignore[reportOptionalMemberAccess]  # pending nodes have one
        for item in node.inputs:
            kind = type(item)
            if kind is Node:
                if item.index == 0 and item.value is not None:
                    leaves.append(item)
                    item.index = -len(leaves)
                key.append(item.index)
                item.uses += 1
            elif kind is float:
                reals.append(item)
            elif kind is complex:
                complexes.append(item)
            else:
                integers.append(item)
    return key, (reals, integers, complexes)


def _outputs(nodes: list[Node]) -> tuple[int, ...]:
    """Positions of the nodes that somebody outside the program refers to; results of the last operation first."""
    groups: list[list[int]] = []
    latest: int | None = None
    for node in nodes:
        if getrefcount(node) > _OUTER + node.uses:
            operation = node.operation
            maker = node.inputs[0].index if operation is not None and operation.primitive is PICK else node.index
            if maker != latest:
                groups.append([])
                latest = maker
            groups[-1].append(node.index)
    return tuple([position for group in reversed(groups) for position in group])


def _donated(leaves: list[Node], results: list[Any]) -> tuple[int, ...]:
    """Positions of leaves whose memory a result of the same shape and type may take over."""
    room: dict[Aval, int] = {}
    for aval in results:
        if isinstance(aval, Aval):
            room[aval] = room.get(aval, 0) + 1
    found: list[int] = []
    for node in leaves:
        if getrefcount(node) > _OUTER + node.uses or not room.get(node.aval):
            continue
        if getrefcount(node.value) <= _OWN_VALUE:
            room[node.aval] -= 1
            found.append(-1 - node.index)
    return tuple(found)


def _outer_references() -> int:
    """References ``_outputs`` sees to a node held by nothing but the list it is given and its caller's."""
    seen = 0

    def look(nodes: list[Node]) -> None:
        nonlocal seen
        for node in nodes:
            seen = getrefcount(node)

    look([Node(None, (), None)])
    return seen


class _Value:
    """Something weightless to count references of."""


def _value_references() -> int:
    node = Node(None, (), None, _Value())
    return getrefcount(node.value)


_OUTER = _outer_references()
_OWN_VALUE = _value_references()
