"""The worker processes of a loader: what they are told, what they answer, and what they run.

A worker is started afresh, because JAX must not be forked. It is handed the dataset and hands over batches as pickles,
in which a tensor is an array of NumPy.
"""

import pickle
import queue
import random
import sys
import traceback
from collections.abc import Callable
from multiprocessing import parent_process
from typing import Any, NamedTuple

import numpy as np

from flambeau.generators.streams import default_stream
from flambeau.utils.data.fetching import Recipe, fetcher

__all__ = ["Ended", "Failure", "Job", "WorkerInfo", "get_worker_info", "work"]

_PATIENCE_S = 5.0
"""How long a worker waits for work before it looks whether its parent is still there."""


class WorkerInfo(NamedTuple):
    """What a worker knows of itself.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what its random streams were started from.
        dataset: its copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What the calling worker process of a loader knows of itself; None in the main process.

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.get_worker_info
    """
    return _info


class Failure(NamedTuple):
    """An error on its way to the main process: its class and its text with the worker's traceback."""

    kind: type[BaseException]
    text: str

    def reraise(self) -> None:
        """Raise it: as its own class if that is made from a text, else as a RuntimeError."""
        if issubclass(self.kind, KeyError):
            raise self.kind(_Verbatim(self.text))
        try:
            error = self.kind(self.text)
        except Exception:  # noqa: BLE001  (a user's class may want any arguments and raise anything)
            raise RuntimeError(self.text) from None
        raise error


class _Verbatim(str):
    """A text that a KeyError shows as it is, with its line breaks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Ended(NamedTuple):
    """The worker's stream is at its end."""

    worker: int


class Job(NamedTuple):
    """What a worker is started with.

    Attributes:
        recipe: how to make batches.
        prepare: ``worker_init_fn``, called with the worker's number.
        base_seed: what the seeds of all workers are counted from.
        workers: how many workers there are.
    """

    recipe: Recipe
    prepare: Callable[[int], Any] | None
    base_seed: int
    workers: int


def work(number: int, packed: bytes, tasks: Any, answers: Any) -> None:
    """Run a worker: fetch what ``tasks`` asks for, pairs (task number, keys), until it says None.

    Args:
        number: the worker's number.
        packed: its ``Job``, pickled.
        tasks: queue of tasks; a task of keys ``...`` means to start over with a new epoch.
        answers: queue of pickled pairs (task number, batch); first comes None, once the worker is ready.
    """
    fetch: Callable[[Any], Any] | None = None
    failure: Failure | None = None
    recipe: Recipe | None = None
    try:
        recipe = _prepared(number, pickle.loads(packed))
        fetch = fetcher(recipe)
    except Exception:  # noqa: BLE001  (whatever it is, it is raised in the main process)
        failure = _failure(number)
    answers.put(pickle.dumps(None))
    while (task := _next_task(tasks)) is not None:
        place, keys = task
        if keys is ... and recipe is not None:
            fetch, answer = fetcher(recipe), ...
        elif failure is not None or fetch is None:
            answer = failure
        else:
            answer = _answer(number, fetch, keys)
        answers.put(_packed(number, place, answer))
    answers.close()


def _prepared(number: int, job: Job) -> Recipe:
    """Start the worker's random streams, and run the user's preparation."""
    global _info  # noqa: PLW0603  (a process is one worker)
    seed = job.base_seed + number
    random.seed(seed)
    default_stream().manual_seed(seed)
    words = [number, job.base_seed & 0xFFFFFFFF, job.base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))  # users' transforms draw from this one
    _info = WorkerInfo(number, job.workers, seed, job.recipe.dataset)
    if job.prepare is not None:
        job.prepare(number)
    return job.recipe


def _next_task(tasks: Any) -> Any:
    """The next task; None if the parent says so, or is gone."""
    while True:
        try:
            return tasks.get(timeout=_PATIENCE_S)
        except queue.Empty:
            parent = parent_process()
            if parent is not None and not parent.is_alive():
                return None
        except KeyboardInterrupt:
            return None


def _answer(number: int, fetch: Callable[[Any], Any], keys: Any) -> Any:
    try:
        return fetch(keys)
    except StopIteration:
        return Ended(number)
    except Exception:  # noqa: BLE001  (whatever it is, it is raised in the main process)
        return _failure(number)


def _packed(number: int, place: int, answer: Any) -> bytes:
    try:
        return pickle.dumps((place, answer), pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001  (a batch may hold anything)
        return pickle.dumps((place, _failure(number)), pickle.HIGHEST_PROTOCOL)


def _failure(number: int) -> Failure:
    """The error being handled, in PyTorch's words."""
    kind, _, _ = sys.exc_info()
    assert kind is not None
    text = f"Caught {kind.__name__} in DataLoader worker process {number}.\nOriginal {traceback.format_exc()}"
    try:
        pickle.dumps(kind)
    except Exception:  # noqa: BLE001  (a class made inside a function has no name to find it by)
        kind = RuntimeError
    return Failure(kind, text)
