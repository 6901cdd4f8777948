"""Where a file's bytes come from: a memory map, bytes already in memory, or an open file."""

import io
import mmap
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Protocol, TypeAlias

from flambeau.base.errors import EmptyFile, TruncatedFile

__all__ = ["ByteSource", "ReadableFrom", "lasting", "open_source"]

ReadableFrom: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO


class ByteSource(Protocol):
    """Bytes that can be looked at anywhere.

    Attributes:
        name: how errors call the file.
        size: number of bytes.
        lasting: whether a look costs nothing and stays valid after the file is closed.
    """

    name: str
    size: int
    lasting: bool

    def view(self, start: int, length: int) -> memoryview:
        """Look at `length` bytes from `start` on, which the caller has compared with the size."""
        ...


class BufferSource:
    """Bytes in memory or in a memory map: a look is a slice."""

    lasting = True

    def __init__(self, name: str, buffer: bytes | bytearray | memoryview | mmap.mmap) -> None:
        self.name = name
        self._buffer = memoryview(buffer).toreadonly().cast("B")
        self.size = self._buffer.nbytes

    def view(self, start: int, length: int) -> memoryview:
        """Slice the buffer."""
        return self._buffer[start : start + length]


class FileSource:
    """An open file, from its current position to its end: a look is a read."""

    lasting = False

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self._file = file
        self._base = file.tell()
        self.size = file.seek(0, io.SEEK_END) - self._base

    def view(self, start: int, length: int) -> memoryview:
        """Read from the file."""
        self._file.seek(self._base + start)
        data = self._file.read(length)
        if len(data) != length:
            raise TruncatedFile(f"{self.name}: {length} bytes expected at byte {start}, found {len(data)}")
        return memoryview(data)


def _stream(name: str, file: BinaryIO) -> ByteSource:
    """Take a file from its position on: as it is where it can go back, else read into memory."""
    if file.seekable() if hasattr(file, "seekable") else hasattr(file, "seek"):
        with suppress(OSError, ValueError):  # gzip's files, for one, cannot seek from the end
            return FileSource(name, file)
    return BufferSource(name, file.read())


def lasting(source: ByteSource) -> ByteSource:
    """Give a source whose bytes stay valid: this one, or all its bytes read into memory."""
    return source if source.lasting else BufferSource(source.name, source.view(0, source.size))


@contextmanager
def _open_path(path: str | os.PathLike[str], mapped: bool) -> Generator[ByteSource]:
    """Open a file by its path, mapped where that is wanted and possible."""
    name = os.fspath(path)
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if mapped and stat.S_ISREG(status.st_mode) and status.st_size > 0:
            yield BufferSource(name, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        else:
            yield _stream(name, file)


@contextmanager
def open_source(source: ReadableFrom, mapped: bool) -> Generator[ByteSource]:
    """Open what a checkpoint is to be read from.

    Args:
        source: a path, the bytes themselves, or a file opened in binary mode.
        mapped: map a path into memory instead of reading it. The map outlives the context.

    Raises:
        EmptyFile: there are no bytes.
        TypeError: `source` is nothing that bytes can be read from.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        opened = BufferSource("<bytes>", source)
        _refuse_empty(opened)
        yield opened
    elif isinstance(source, str | os.PathLike):
        with _open_path(source, mapped) as opened:
            _refuse_empty(opened)
            yield opened
    elif isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise TypeError(
            f"source: expected a path, bytes or a file opened in binary mode ('rb'), but got {type(source).__name__}"
        )
    else:
        opened = _stream(str(getattr(source, "name", "<file>")), source)
        _refuse_empty(opened)
        yield opened


def _refuse_empty(source: ByteSource) -> None:
    """Refuse a file without content."""
    if source.size == 0:
        raise EmptyFile(f"{source.name}: the file is empty; an interrupted save or download leaves such files")
