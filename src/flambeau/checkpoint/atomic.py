"""Replacing a file in one step: whatever happens, the path holds the complete old content or the complete new one.

The new content goes into a file beside the old one, is brought to the disk, and takes the old one's name; then the
folder is brought to the disk. Where the system can make a file without a name (Linux), it has none until it is
complete, so that not even a killed process leaves anything behind: a new file gets its name at once, and one that
replaces another has a name of its own only for the instant between two calls of the system.

Source: https://man7.org/linux/man-pages/man2/open.2.html (O_TMPFILE), https://lwn.net/Articles/457667/
"""

import errno
import os
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final

from flambeau.base.errors import MissingParent, WriteFailed

__all__ = ["SyncedFile", "replacing"]

_SYNC_EVERY: Final = 128 << 20  # bytes: the disk works while the processor computes checksums, and flushes seldom
_DESCRIPTORS: Final = "/proc/self/fd"
_UNNAMED: Final[int] = getattr(os, "O_TMPFILE", 0) if os.path.isdir(_DESCRIPTORS) else 0


class SyncedFile:
    """A file that is brought to the disk while it is still being written.

    Args:
        file: the file, opened for writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pending = 0
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        """Write all the bytes."""
        written = self._file.write(data)
        self._pending += written
        if self._pending >= _SYNC_EVERY and (self._thread is None or not self._thread.is_alive()):
            self.wait()
            self._pending = 0
            self._thread = threading.Thread(target=self._sync, name="flambeau-sync")
            self._thread.start()
        return written

    def finish(self) -> None:
        """Bring everything to the disk.

        Raises:
            OSError: something did not get there.
        """
        self.wait()
        self._file.flush()
        os.fsync(self._file.fileno())

    def wait(self) -> None:
        """Wait until nothing is on its way to the disk, and raise what went wrong on the way."""
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _sync(self) -> None:
        """Bring to the disk what has been written so far."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._failure = error


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Generator[SyncedFile]:
    """Open a file for writing that takes the place of `path` when the context is left without an exception.

    A symbolic link is followed. A new file's permissions follow the umask, an existing one keeps its own. A device or a
    pipe is written to as it is.

    Args:
        path: the file to be replaced or made.

    Raises:
        MissingParent: its folder does not exist.
        WriteFailed: the system refused something; the old content is untouched.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise MissingParent(f"Parent directory {os.path.dirname(os.fspath(path)) or '.'} does not exist.")
    try:
        old = _existing(target)
        if old is not None and not stat.S_ISREG(old.st_mode):
            with open(target, "wb") as file:
                yield SyncedFile(file)
        else:
            with _folder(folder) as descriptor:
                yield from _replace(target, old, descriptor)
    except OSError as error:
        if isinstance(error, WriteFailed):
            raise
        raise WriteFailed(error.errno, error.strerror or str(error), os.fspath(path)) from error


def _existing(target: str) -> os.stat_result | None:
    """Look at the file to be replaced; refuse a folder, and a file that may not be written."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return status


@contextmanager
def _folder(folder: str) -> Generator[int | None]:
    """Open a folder, where the system allows it (Windows does not)."""
    if not hasattr(os, "O_DIRECTORY"):
        yield None
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(target: str, old: os.stat_result | None, folder: int | None) -> Generator[SyncedFile]:
    """Yield a new file, then put it in the old one's place; take it away again if anything fails."""
    temporary = os.path.join(os.path.dirname(target), f".flambeau-{os.urandom(6).hex()}.tmp")
    descriptor, named = _create(temporary, folder)
    try:
        with open(descriptor, "wb") as file:
            synced = SyncedFile(file)
            try:
                yield synced
            finally:
                synced.wait()
            synced.finish()
            if old is not None:
                _take_over(descriptor, old)
            if named or old is not None or not _named_at_once(descriptor, target, folder):
                if not named:
                    _link(descriptor, temporary, folder)
                os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if folder is not None:
        os.fsync(folder)


def _create(temporary: str, folder: int | None) -> tuple[int, bool]:
    """Make a new file, without a name where the system can; tell whether it has one."""
    if _UNNAMED and folder is not None:
        with suppress(OSError):
            return os.open(os.path.dirname(temporary), _UNNAMED | os.O_WRONLY | os.O_CLOEXEC, 0o666), False
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.open(temporary, flags, 0o666), True


def _link(descriptor: int, path: str, folder: int | None) -> None:
    """Give a file without a name this one."""
    os.link(f"{_DESCRIPTORS}/{descriptor}", path, dst_dir_fd=folder, follow_symlinks=True)


def _named_at_once(descriptor: int, path: str, folder: int | None) -> bool:
    """Give a file without a name this one, unless somebody has taken it meanwhile."""
    try:
        _link(descriptor, path, folder)
    except FileExistsError:
        return False
    return True


def _take_over(descriptor: int, old: os.stat_result) -> None:
    """Give a new file the owner, where that is allowed, and the permissions of the old one."""
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with suppress(OSError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
