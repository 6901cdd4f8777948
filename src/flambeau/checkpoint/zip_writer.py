"""A zip archive as PyTorch 2.13 lays it out, byte for byte, written as a stream.

Every record is stored as it is and its bytes begin at a multiple of 64. A record's checksum and sizes follow it, so
that nothing has to be known in advance. PyTorch computes where a storage lies instead of looking it up, so the layout
is part of the format: padding is an extra field "FB" filled with "Z", the 64-bit fields appear where sizes or offsets
need them, and the archive ends with both the 64-bit and the 32-bit end record.
"""

import struct
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from flambeau.base.errors import SaveError

__all__ = ["ALIGNMENT", "ByteSink", "ZipWriter"]

ALIGNMENT: Final = 64

_WIDE: Final = 0xFFFFFFFF
_MANY: Final = 0xFFFF
_MANY_BYTES: Final = 4 << 20
_PIECE: Final = 1 << 20  # measured on Linux: 1 MiB at a time is up to three times as fast as 16 MiB
_UTF8: Final = 0x0800
_HAS_DESCRIPTOR: Final = 0x0008
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END: Final = struct.Struct("<4s4H2LH")
_MADE_BY, _NEEDED = 0x031E, 45  # of the 64-bit end record: Unix, version 4.5


class ByteSink(Protocol):
    """Where an archive is written to."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take all the bytes."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record that was written."""

    name: bytes
    flags: int
    crc: int
    size: int
    offset: int


class ZipWriter:
    """Writes records one after another, then the directory.

    Args:
        sink: where the bytes go.
        top: the folder under which every record lies; empty for none.
    """

    def __init__(self, sink: ByteSink, top: str) -> None:
        self._sink = sink
        self._prefix = f"{top}/" if top else ""
        self._position = 0
        self._data_start = 0
        self._entries: list[_Entry] = []

    def checksums(self) -> Iterable[tuple[bytes, int]]:
        """Names and checksums of the records written so far."""
        return [(entry.name, entry.crc) for entry in self._entries]

    def add(self, name: str, size: int, chunks: Iterable[bytes | memoryview]) -> None:
        """Write a record.

        Args:
            name: its name below the top folder.
            size: number of bytes.
            chunks: the bytes, piece by piece.

        Raises:
            SaveError: there were more or fewer bytes than `size`.
        """
        raw_name = f"{self._prefix}{name}".encode()
        flags = _UTF8 | (_HAS_DESCRIPTOR if size else 0)
        offset = self._position
        self._write_header(raw_name, flags, size)
        crc = 0
        for chunk in chunks:
            crc = self._write_checked(chunk, crc)
        self._entries.append(_Entry(raw_name, flags, crc, size, offset))
        if self._position != self._data_start + size:
            raise SaveError(f"record {name!r} has {self._position - self._data_start} bytes instead of {size}")
        if size:
            layout = "<4sL2Q" if max(size, offset) >= _WIDE else "<4s3L"
            self._write(struct.pack(layout, b"PK\x07\x08", crc, size, size))

    def finish(self) -> None:
        """Write the directory and the end records."""
        start = self._position
        for entry in self._entries:
            self._write_entry(entry)
        size, end, count = self._position - start, self._position, len(self._entries)
        self._write(
            _END64.pack(b"PK\x06\x06", _END64.size - 12, _MADE_BY, _NEEDED, 0, 0, count, count, size, start)
            + _LOCATOR.pack(b"PK\x06\x07", 0, end, 1)
            + _END.pack(
                b"PK\x05\x06", 0, 0, min(count, _MANY), min(count, _MANY), min(size, _WIDE), min(start, _WIDE), 0
            )
        )

    def _write(self, data: bytes | memoryview) -> None:
        """Pass bytes on, counting them."""
        self._sink.write(data)
        self._position += len(data)

    def _write_checked(self, chunk: bytes | memoryview, crc: int) -> int:
        """Write bytes and continue their checksum: for many bytes both at once, for neither needs the interpreter."""
        if len(chunk) < _MANY_BYTES:
            self._write(chunk)
            return zlib.crc32(chunk, crc)
        checksums: list[int] = []
        thread = threading.Thread(target=lambda: checksums.append(zlib.crc32(chunk, crc)), name="flambeau-checksum")
        thread.start()
        try:
            for at in range(0, len(chunk), _PIECE):
                self._write(chunk[at : at + _PIECE])
        finally:
            thread.join()
        return checksums[0]

    def _write_header(self, name: bytes, flags: int, size: int) -> None:
        """Write a record's own header, with padding up to the next multiple of the alignment."""
        offset = self._position
        wide = b""
        if size >= _WIDE:
            wide += struct.pack("<2Q", size, 0)
        if offset >= _WIDE:
            wide += struct.pack("<Q", offset)
        extra = struct.pack("<2H", 1, len(wide)) + wide if wide else b""
        padding = -(offset + _LOCAL.size + len(name) + len(extra) + 4) % ALIGNMENT
        extra += struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        self._write(_LOCAL.pack(b"PK\x03\x04", 0, flags, 0, 0, 0, 0, 0, 0, len(name), len(extra)) + name + extra)
        self._data_start = self._position

    def _write_entry(self, entry: _Entry) -> None:
        """Write a record's entry in the directory."""
        wide = b""
        if entry.size >= _WIDE:
            wide += struct.pack("<2Q", entry.size, entry.size)
        if entry.offset >= _WIDE:
            wide += struct.pack("<Q", entry.offset)
        extra = struct.pack("<2H", 1, len(wide)) + wide if wide else b""
        size, offset = min(entry.size, _WIDE), min(entry.offset, _WIDE)
        fields = (b"PK\x01\x02", 0, 0, entry.flags, 0, 0, 0, entry.crc, size, size, len(entry.name), len(extra))
        self._write(_ENTRY.pack(*fields, 0, 0, 0, 0, offset) + entry.name + extra)
