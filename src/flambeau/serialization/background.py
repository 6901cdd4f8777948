"""``BackgroundSave``: a save that goes on while the program does.

Values are immutable arrays, so what is to be written is fixed, without a copy, before ``save`` returns: later steps
make other arrays. One thread writes one file after another, in the order they were asked for.
"""

import atexit
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

__all__ = ["BackgroundSave", "in_background", "raise_failed", "wait_for_all"]


class BackgroundSave:
    """A save under way.

    A failure is raised once: by ``wait``, or by the next save, or else it is reported when the process ends.

    Attributes:
        path: the file, as it was given.

    Example:
        >>> import io
        >>> import flambeau as torch
        >>> file = io.BytesIO()
        >>> saving = torch.save({"weight": torch.ones(2)}, file, background=True)
        >>> saving.wait()
        >>> saving.done()
        True
    """

    def __init__(self, path: object, write: Callable[[], None]) -> None:
        self.path = path
        self._write: Callable[[], None] | None = write
        self._finished = threading.Event()
        self._failure: BaseException | None = None

    def done(self) -> bool:
        """Whether the save has ended, well or not."""
        return self._finished.is_set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the file is complete and on the disk.

        Args:
            timeout: seconds to wait at the most; None means without end.

        Raises:
            SaveError: the save failed; the old file is untouched.
            TimeoutError: it has not ended in time; it goes on.
        """
        if not self.ended(timeout):
            raise TimeoutError(f"the save of {self.path} has not ended within {timeout} s; it goes on")
        failure = self.take_failure()
        if failure is not None:
            raise failure

    def ended(self, timeout: float | None = None) -> bool:
        """Whether the save has ended, well or not, within so many seconds."""
        return self._finished.wait(timeout)

    def take_failure(self) -> BaseException | None:
        """What went wrong, the first time it is asked for."""
        failure, self._failure = self._failure, None
        return failure

    def run(self) -> None:
        """Write the file; called by the thread."""
        assert self._write is not None
        try:
            self._write()
        except BaseException as error:  # noqa: BLE001  (whatever it is, the program that asked is told)
            self._failure = error
        finally:
            self._write = None  # what was written may go
            self._finished.set()

    def __repr__(self) -> str:
        return f"<BackgroundSave of {self.path}: {'ended' if self.done() else 'under way'}>"


class _Writer:
    """The thread that writes, and the saves nobody has waited for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: SimpleQueue[BackgroundSave | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.open: list[BackgroundSave] = []

    def add(self, saving: BackgroundSave) -> None:
        """Have a save done after those before it."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flambeau-save", daemon=True)
                self._thread.start()
            self.open.append(saving)
            self._queue.put(saving)

    def failures(self) -> list[tuple[BackgroundSave, BaseException]]:
        """What went wrong in saves that have ended, as far as nobody was told."""
        with self._lock:
            ended = [saving for saving in self.open if saving.done()]
            self.open = [saving for saving in self.open if not saving.done()]
        found = [(saving, saving.take_failure()) for saving in ended]
        return [(saving, failure) for saving, failure in found if failure is not None]

    def _run(self) -> None:
        while True:
            saving = self._queue.get()
            assert saving is not None
            saving.run()


_WRITER: Final = _Writer()


def in_background(path: object, write: Callable[[], None]) -> BackgroundSave:
    """Have ``write`` called by the thread that writes.

    Raises:
        SaveError: an earlier save failed, and nobody was told yet.
    """
    raise_failed()
    saving = BackgroundSave(path, write)
    _WRITER.add(saving)
    return saving


def raise_failed() -> None:
    """Raise what went wrong in an earlier background save, if nobody was told yet."""
    failures = _WRITER.failures()
    for saving, failure in failures[1:]:
        failures[0][1].add_note(f"the background save of {saving.path} failed, too: {failure}")
    for saving, failure in failures[:1]:
        failure.add_note(f"this is the background save of {saving.path}, which was begun earlier")
        raise failure


def wait_for_all() -> None:
    """Wait for every save under way.

    Raises:
        SaveError: one failed, and nobody was told yet.
    """
    for saving in list(_WRITER.open):
        saving.ended()
    raise_failed()


def _at_exit() -> None:
    """Let no save be cut off, and no failure go unseen, by the end of the process."""
    try:
        wait_for_all()
    except BaseException as error:
        sys.stderr.write(f"flambeau: a background save failed: {error}\n")
        raise


atexit.register(_at_exit)
