"""``Crew``: a loader's worker processes, and the tasks under way with them."""

import contextlib
import itertools
import pickle
import queue
import time
from typing import Any

from flambeau.utils.data.worker import Ended, Failure, Job, work

__all__ = ["Crew"]

_LOOK_S = 1.0
"""How often the main process looks, while it waits, whether its workers are still there."""

_FAREWELL_S = 5.0
"""How long a worker may take to leave before it is stopped."""


class Crew:
    """Worker processes, each with a queue of tasks, and one queue of answers.

    Args:
        context: how processes are started.
        job: what each worker is started with.
        timeout: seconds to wait for a batch; 0 for no limit.

    Raises:
        TypeError: the job cannot be pickled.
    """

    def __init__(self, context: Any, job: Job, timeout: float) -> None:
        self._timeout = timeout
        self._open = True
        packed = _packed(job)
        self._answers = context.Queue()
        self._tasks: list[Any] = [context.Queue() for _ in range(job.workers)]
        self._processes: list[Any] = []
        self._starting = job.workers
        for number, tasks in enumerate(self._tasks):
            process = context.Process(target=work, args=(number, packed, tasks, self._answers), daemon=True)
            process.start()
            self._processes.append(process)
        self.start_over()

    def start_over(self) -> None:
        """Forget the tasks under way."""
        self._waiting: dict[int, int] = {}  # worker by number of task
        self._arrived: dict[int, Any] = {}
        self._next = itertools.count()
        self._turns = itertools.cycle(range(len(self._tasks)))
        self.idle: set[int] = set()  # workers whose stream is at its end

    def restart(self) -> None:
        """Have every worker begin a new epoch, after what it is still busy with."""
        for tasks in self._tasks:
            tasks.put((-1, ...))
        answered = 0
        while answered < len(self._tasks):
            place, answer = self._receive()
            answered += place == -1
            if place == -1 and isinstance(answer, Failure):
                self.close()
                answer.reraise()
        self.start_over()

    def can_ask(self) -> bool:
        """Whether a worker is left that can be given a task."""
        return len(self.idle) < len(self._tasks)

    def ask(self, keys: Any) -> None:
        """Give the next worker a task."""
        worker = next(number for number in self._turns if number not in self.idle)
        place = next(self._next)
        self._waiting[place] = worker
        self._tasks[worker].put((place, keys))

    def take(self, in_order: bool) -> Any:
        """The next batch, or ``Ended``; raises what went wrong in a worker, and StopIteration if no task is under way.

        Args:
            in_order: whether batches come in the order of their tasks, or as they arrive.
        """
        while True:
            self._forget_ended()
            if not self._waiting:
                raise StopIteration
            first = next(iter(self._waiting)) if in_order else next(iter(self._arrived), -1)
            if first in self._arrived:
                del self._waiting[first]
                answer = self._arrived.pop(first)
                break
            place, answer = self._receive()
            if place in self._waiting:
                self._arrived[place] = answer
            if isinstance(answer, Ended):
                self.idle.add(answer.worker)
        if isinstance(answer, Failure):
            self.close()
            answer.reraise()
        return answer

    def _forget_ended(self) -> None:
        """Drop tasks given to workers that had come to the end of their stream before."""
        for place, worker in list(self._waiting.items()):
            if worker in self.idle and not (place in self._arrived and not isinstance(self._arrived[place], Ended)):
                del self._waiting[place]
                self._arrived.pop(place, None)

    def _receive(self) -> tuple[int, Any]:
        """The next answer; looks after the workers while it waits."""
        began = time.monotonic()
        while True:
            limited = self._timeout > 0 and self._starting == 0  # starting a process is not part of fetching a batch
            left = began + self._timeout - time.monotonic() if limited else _LOOK_S
            try:
                answer = pickle.loads(self._answers.get(timeout=max(min(left, _LOOK_S), 0.0)))
            except queue.Empty:
                self._look_after()
                if limited and left <= 0:
                    self.close()
                    message = f"DataLoader timed out after {self._timeout} seconds"
                    raise RuntimeError(message) from None
                continue
            if answer is not None:
                return answer
            self._starting -= 1
            began = time.monotonic()

    def _look_after(self) -> None:
        """Raise RuntimeError if a worker is gone."""
        gone = [process for process in self._processes if not process.is_alive()]
        if gone:
            pids = ", ".join(str(process.pid) for process in gone)
            codes = ", ".join(str(process.exitcode) for process in gone)
            self.close()
            raise RuntimeError(
                f"DataLoader worker (pid(s) {pids}) exited unexpectedly with exit code {codes}. Rerunning with "
                "num_workers=0 may give better error trace."
            )

    def close(self) -> None:
        """Send the workers home."""
        if not self._open:
            return
        self._open = False
        for tasks in self._tasks:
            with contextlib.suppress(ValueError, OSError):
                tasks.put(None)
        for process in self._processes:
            process.join(timeout=_FAREWELL_S if process.is_alive() and self._timeout == 0 else 0.1)
            if process.is_alive():
                process.terminate()
                process.join(timeout=_FAREWELL_S)
        for channel in (*self._tasks, self._answers):
            channel.cancel_join_thread()
            channel.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


def _packed(job: Job) -> bytes:
    try:
        return pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(
            "DataLoader with num_workers > 0: the dataset, collate_fn or worker_init_fn cannot be sent to a worker "
            f"process ({error}). Workers are started afresh, because JAX must not be forked: define classes and "
            "functions at the top of a module instead of inside a function or as a lambda, or use num_workers=0."
        ) from error
