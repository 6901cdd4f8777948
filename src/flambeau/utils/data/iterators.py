"""The two iterators of a loader: in this process, and with workers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flambeau.utils.data.crew import Crew
from flambeau.utils.data.fetching import Recipe, fetcher
from flambeau.utils.data.worker import Ended

__all__ = ["Progress", "SingleProcessIterator", "WorkersIterator"]


@dataclass(slots=True)
class Progress:
    """How far an epoch is.

    Attributes:
        streams: states of the random streams when it began, by the name of who draws from them.
        yielded: number of batches handed over.
        finished: whether its end was reached.
    """

    streams: dict[str, Any] = field(default_factory=dict[str, Any])
    yielded: int = 0
    finished: bool = False


class SingleProcessIterator:
    """Fetches each batch when it is asked for."""

    def __init__(self, recipe: Recipe, keys: Iterator[Any], progress: Progress) -> None:
        self._fetch = fetcher(recipe)
        self._keys = keys
        self._progress = progress

    def __iter__(self) -> "SingleProcessIterator":
        return self

    def __next__(self) -> Any:
        try:
            batch = self._fetch(next(self._keys))
        except StopIteration:
            self._progress.finished = True
            raise
        self._progress.yielded += 1
        return batch


class WorkersIterator:
    """Keeps workers busy some batches ahead.

    Args:
        crew: the workers.
        keys: keys of the batches.
        progress: where to note how far the epoch is.
        ahead: number of batches under way.
        in_order: whether batches come in the order of their keys.
        keep: whether the workers stay for the next epoch.
    """

    def __init__(
        self, crew: Crew, keys: Iterator[Any], progress: Progress, *, ahead: int, in_order: bool, keep: bool
    ) -> None:
        self._crew = crew
        self._keys = keys
        self._progress = progress
        self._in_order = in_order
        self._keep = keep
        for _ in range(ahead):
            self._ask()

    def _ask(self) -> None:
        """Give out one more task, if there is one and somebody to do it."""
        if not self._crew.can_ask():
            return
        try:
            keys = next(self._keys)
        except StopIteration:
            return
        self._crew.ask(keys)

    def __iter__(self) -> "WorkersIterator":
        return self

    def __next__(self) -> Any:
        try:
            while isinstance(batch := self._crew.take(self._in_order), Ended):
                self._ask()
        except StopIteration:
            self._progress.finished = True
            if not self._keep:
                self._crew.close()
            raise
        self._progress.yielded += 1
        self._ask()
        return batch
