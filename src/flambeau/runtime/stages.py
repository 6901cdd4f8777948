"""Programs called again without a record: what a replay needs of the runtime."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from sys import getrefcount
from types import NoneType
from typing import Any

import jax
import numpy as np

from flambeau.graph.node import Node
from flambeau.runtime.compiling import Program
from flambeau.runtime.cut import Cut
from flambeau.runtime.force import CAPTURES, RUNS, exclusive, force
from flambeau.runtime.placement import values_on_device

__all__ = ["captured", "copied", "exclusive", "gathered", "run", "spare"]


@contextmanager
def captured(capture: Callable[[Cut, Program], None]) -> Generator[None]:
    """Have ``capture`` called with every program that the block runs."""
    with exclusive():
        CAPTURES.append(capture)
        try:
            yield
        finally:
            CAPTURES.remove(capture)


_value_of = attrgetter("value")


def gathered(nodes: list[Node]) -> list[Any]:
    """The values of nodes, on their device; what is pending is run."""
    if NoneType in map(type, map(_value_of, nodes)):
        force(nodes)
    return values_on_device(nodes)


def spare(nodes: list[Node], values: list[Any], positions: Sequence[int], holders: int) -> None:
    """Put copies in place of those values among the given ones that somebody else refers to.

    A program overwrites them. ``holders`` is how many references to a node there are when only its tensor, the two
    lists and whoever calls this hold it.
    """
    for position in positions:
        if getrefcount(nodes[position]) > _OWN_NODE + holders or getrefcount(values[position]) > _OWN_VALUE:
            values[position] = copied(values[position])


def copied(value: Any) -> Any:
    """A value once more, for a program to overwrite."""
    with jax.enable_x64(True):
        return value.copy()


def run(program: Program, numbers: tuple[Any, Any, Any], values: Sequence[Any]) -> Sequence[Any]:
    """Call a program; its results."""
    RUNS["programs"] += 1
    with jax.enable_x64(True):
        return program.run(numbers, *values)


def _references() -> tuple[int, int]:
    """References to a node, and to its value, that ``spare`` sees where only the lists hold them, and the node."""
    nodes, values = [Node(None, (), None, np.empty(0))], []
    values = [node.value for node in nodes]
    for position in (0,):
        found = getrefcount(nodes[position]), getrefcount(values[position])
    return found  # pyright: ignore[reportPossiblyUnboundVariable]


_OWN_NODE, _OWN_VALUE = _references()
