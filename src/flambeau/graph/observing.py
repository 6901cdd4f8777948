"""Who watches a function while it is recorded for replay, and who plays it again.

Recording tells what is computed. What else a function does has to be told: that it drew random numbers, that Python
read a value, that an optimizer or a schedule went a step. Those who do such things ask here for the calling thread's
``Observer``, and in a replay for its ``Player``; nearly always there is none.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from flambeau.graph.node import Node

__all__ = ["MismatchError", "Observer", "Player", "observed_by", "observer", "played_by", "player", "unobserved"]


class MismatchError(Exception):
    """A replay would not do what the recording did; nothing has been changed that cannot be put back."""


class Observer(Protocol):
    """Watches a function that runs for the first time."""

    def breaks(self, reason: str) -> None:
        """The function does what a replay could not do."""
        ...

    def ran(self) -> None:
        """Something pending is about to be run."""
        ...

    def looked(self, node: Node) -> None:
        """Python reads a value that is known."""
        ...

    def varies(self, node: Node) -> bool:
        """Whether a known value may be another one in a replay."""
        ...

    def drew(self, node: Node, stream: Any, again: Callable[[Any], Any]) -> None:
        """A leaf holds numbers drawn from a stream; ``again(stream)`` draws the next ones."""
        ...

    def step_begins(self, update_group: Callable[[dict[str, Any]], Any]) -> None:
        """An optimizer's step begins; ``update_group(group)`` records a group's update."""
        ...

    def step_ends(self) -> None:
        """It ends."""
        ...

    def keep(self, found: Any) -> None:
        """A step has found out something that a replay of it need not find out again."""
        ...

    def updated(self, node: Node, numbers: Sequence[float], flags: tuple[Any, ...]) -> None:
        """A step has recorded an update with these Python numbers."""
        ...

    def wrote(self, storage: Any) -> None:
        """A step is about to write a storage without recording anything: a replay of the step writes it, too."""
        ...

    def repeated(self, call: Callable[[], Any]) -> Any:
        """Call something that records nothing, and that a replay has to call again."""
        ...

    def scheduled(self, call: Callable[[], Any], *, repeatable: bool) -> Any:
        """Go a schedule's step by calling ``call``."""
        ...


class Player(Protocol):
    """Plays an optimizer's step again."""

    def kept(self) -> Any:
        """What ``Observer.keep`` was given at this point."""
        ...

    def update(self, primitive: Any, numbers: Sequence[float], flags: tuple[Any, ...]) -> None:
        """Take an update's numbers; raises MismatchError if the update is another one."""
        ...

    def wrote(self, storage: Any) -> None:
        """A storage is about to be written, which a ``MismatchError`` that comes later has to undo."""
        ...


class _Mine(threading.local):
    """The calling thread's."""

    observer: Observer | None = None
    player: Player | None = None


_MINE = _Mine()
_active: list[object] = []  # one entry for each observer and player, in whatever thread


def observer() -> Observer | None:
    """The calling thread's observer."""
    return _MINE.observer if _active else None


def player() -> Player | None:
    """The calling thread's player."""
    return _MINE.player if _active else None


@contextmanager
def observed_by(watching: Observer) -> Generator[None]:
    """Have an observer watch the block."""
    _active.append(watching)
    _MINE.observer = watching
    try:
        yield
    finally:
        _MINE.observer = None
        _active.remove(watching)


def unobserved() -> None:
    """Have the calling thread watched by nobody any longer, though the block has not ended."""
    _MINE.observer = None


@contextmanager
def played_by(playing: Player) -> Generator[None]:
    """Have a player take the block's steps."""
    _active.append(playing)
    _MINE.player = playing
    try:
        yield
    finally:
        _MINE.player = None
        _active.remove(playing)
