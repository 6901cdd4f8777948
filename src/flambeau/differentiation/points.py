"""``Point``: a place on the tape at which a function transform differentiates."""

from collections.abc import Iterable, Sequence
from typing import Any

from flambeau.differentiation.tape import Edge, GradFn, Tracked

__all__ = ["Point", "connected", "exits_of"]


class Point(GradFn):
    """A value's place on the tape within one transform: gradients pass it unchanged, on to the value's own place.

    Attributes:
        open: whether the transform is still running.
    """

    __slots__ = ("is_leaf", "open")

    count = 1

    def __init__(self, edge: Edge | None = None, *, open: bool = True, is_leaf: bool = False) -> None:
        super().__init__(None, (), (), (edge,))
        self.open = open
        self.is_leaf = is_leaf

    def pull(self, cotangents: Sequence[Tracked | None], wanted: Sequence[bool], create: bool) -> list[Tracked | None]:
        """The gradient as it comes."""
        return [cotangents[0]]

    def release(self) -> None:
        """Nothing is saved."""


def connected(edges: Iterable[Edge | None]) -> bool:
    """Whether anybody could ask for a gradient that passes here: a leaf, or a transform that is still running."""
    seen: set[int] = set()
    stack: list[Any] = [edge[0] for edge in edges if edge is not None]
    while stack:
        target = stack.pop()
        if id(target) in seen:
            continue
        seen.add(id(target))
        if not isinstance(target, GradFn) or (isinstance(target, Point) and target.open):
            return True
        stack.extend([edge[0] for edge in target.edges if edge is not None])
    return False


def exits_of(edges: Sequence[Edge | None], start: int) -> list[Edge]:
    """Where the tape leaves what was recorded since ``start``."""
    exits: dict[Edge, None] = {}
    seen: set[int] = set()
    stack = [edge for edge in edges if edge is not None]
    while stack:
        edge = stack.pop()
        function = edge[0]
        if not isinstance(function, GradFn) or function.serial < start:
            exits[edge] = None
        elif id(function) not in seen:
            seen.add(id(function))
            stack.extend([item for item in function.edges if item is not None])
    return list(exits)
