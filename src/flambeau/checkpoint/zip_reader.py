"""A zip archive's records: each one's own header compared with the directory, its bytes given, inflated and checked."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np

from flambeau.base.errors import (
    BadDeflate,
    ChecksumMismatch,
    HeaderDisagreement,
    HiddenBytes,
    LimitExceeded,
    OverlappingRecords,
)
from flambeau.checkpoint.checksum import crc32
from flambeau.checkpoint.limits import INFLATE_RATIO, INFLATED_BYTES_FREE
from flambeau.checkpoint.records import ByteArray
from flambeau.checkpoint.source import ByteSource
from flambeau.checkpoint.zip_directory import DEFLATED, WIDE, ZipEntry, read_directory, wide_sizes

__all__ = ["ZipReader", "ZipRecord"]

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_HAS_DESCRIPTOR: Final = 0x0008
_DESCRIPTOR_SIGNATURE: Final = b"PK\x07\x08"
# Length of a data descriptor -> its fields: with or without signature, with 32-bit or 64-bit sizes.
_DESCRIPTORS: Final = {12: "<3L", 16: "<4x3L", 20: "<L2Q", 24: "<4xL2Q"}
_CHUNK: Final = 1 << 20


class ZipRecord:
    """One record: where its bytes lie, and how to get them.

    Attributes:
        name: full name in the archive.
        size: number of bytes, after inflating.
        trusted: whether the bytes are given without a look at their checksum.
    """

    __slots__ = ("_array", "_entry", "_source", "_start", "name", "size", "trusted")

    def __init__(self, source: ByteSource, entry: ZipEntry, start: int, trusted: bool) -> None:
        self.name = entry.name
        self.size = entry.size
        self.trusted = trusted
        self._source = source
        self._entry = entry
        self._start = start
        self._array: ByteArray | None = None

    def array(self) -> ByteArray:
        """Give the bytes, of shape ``(size,)``, read-only; the first time, compare them with their checksum.

        Raises:
            ChecksumMismatch: the bytes are damaged.
            BadDeflate: the compressed bytes are malformed.
        """
        if self._array is None:
            array = self._read()
            if not self.trusted:
                self._verify(array)
            self._array = array
        return self._array

    def head(self, most: int) -> bytes:
        """Give the first bytes, `most` of them at most, without a look at the checksum.

        Raises:
            BadDeflate: the compressed bytes are malformed.
        """
        length = min(most, self.size)
        if self._array is not None or self._entry.method != DEFLATED:
            return bytes((self._read() if self._array is None else self._array)[:length])
        found = b""
        try:
            for piece in _inflated_pieces(self._source.view(self._start, self._entry.stored_size), length):
                found += piece
        except zlib.error as error:
            raise BadDeflate(f"{self._source.name}: record {self.name!r} cannot be inflated: {error}") from None
        return found

    def verify(self) -> None:
        """Compare the bytes with their checksum, now.

        Raises:
            ChecksumMismatch: the bytes are damaged.
            BadDeflate: the compressed bytes are malformed.
        """
        self._verify(self._read() if self._array is None else self._array)

    def _verify(self, array: ByteArray) -> None:
        """Compare bytes with the checksum in the directory."""
        found = crc32(array)
        if found != self._entry.crc:
            raise ChecksumMismatch(
                f"{self._source.name}: record {self.name!r} is damaged: its checksum should be "
                f"{self._entry.crc:08x}, but its bytes have {found:08x}"
            )

    def _read(self) -> ByteArray:
        """Get the bytes, inflated where they are compressed."""
        stored = self._source.view(self._start, self._entry.stored_size)
        if self._entry.method == DEFLATED:
            return self._inflate(stored)
        return np.frombuffer(stored, np.uint8)

    def _inflate(self, stored: memoryview) -> ByteArray:
        """Inflate to exactly the declared size, and never further."""
        if self.size > max(INFLATED_BYTES_FREE, INFLATE_RATIO * self._entry.stored_size):
            raise LimitExceeded(
                f"{self._source.name}: record {self.name!r} would inflate from {self._entry.stored_size} to "
                f"{self.size} bytes, the limit is {INFLATE_RATIO} to 1"
            )
        inflated = np.empty(self.size, np.uint8)
        filled = 0
        try:
            for piece in _inflated_pieces(stored, self.size + 1):
                if filled + len(piece) > self.size:
                    raise BadDeflate(
                        f"{self._source.name}: record {self.name!r} inflates to more than {self.size} bytes"
                    )
                inflated[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
                filled += len(piece)
        except zlib.error as error:
            raise BadDeflate(f"{self._source.name}: record {self.name!r} cannot be inflated: {error}") from None
        if filled != self.size:
            raise BadDeflate(
                f"{self._source.name}: record {self.name!r} inflates to {filled} bytes instead of {self.size}"
            )
        inflated.flags.writeable = False
        return inflated


def _inflated_pieces(stored: memoryview, most: int) -> Iterator[bytes]:
    """Yield the inflated bytes in pieces, `most` of them at most; the stream must end where the record ends."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    position = 0
    while not stream.eof:
        pending = stream.unconsumed_tail
        if not pending:
            pending = bytes(stored[position : position + _CHUNK])
            position += len(pending)
        piece = stream.decompress(pending, min(_CHUNK, most))
        if not piece and not pending and not stream.eof:
            raise zlib.error("the compressed bytes end too early")
        yield piece
        most -= len(piece)
        if most <= 0:
            return
    if stream.unused_data or position < len(stored):
        raise zlib.error("bytes follow the compressed ones")


class ZipReader:
    """An archive's records by name, in the directory's order.

    Attributes:
        records: every record by its name; folders are left out.
        checksums: whether the archive holds checksums. A writer that does not compute them writes zeros everywhere.
    """

    def __init__(self, source: ByteSource) -> None:
        entries, directory = read_directory(source)
        self._source = source
        self.checksums = any(entry.crc for entry in entries)
        starts = self._data_starts(entries, directory)
        self.records = {
            entry.name: ZipRecord(source, entry, starts[entry.name], not self.checksums)
            for entry in entries
            if not entry.name.endswith("/")
        }

    def _data_starts(self, entries: list[ZipEntry], directory: int) -> dict[str, int]:
        """Find where each record's bytes begin; the records must cover the file without gap or overlap."""
        ordered = sorted(entries, key=lambda entry: entry.offset)
        starts: dict[str, int] = {}
        position = 0
        for entry, end in zip(ordered, [*(entry.offset for entry in ordered[1:]), directory], strict=True):
            if entry.offset > position:
                raise HiddenBytes(f"{self._source.name}: {entry.offset - position} bytes before record {entry.name!r}")
            starts[entry.name] = self._check_record(entry, end)
            position = end
        if position != directory:
            raise HiddenBytes(f"{self._source.name}: {directory - position} bytes before the directory")
        return starts

    def _check_record(self, entry: ZipEntry, end: int) -> int:
        """Compare a record's own header, and what follows its bytes up to `end`, with the directory."""
        file, name = self._source.name, entry.name
        header_end = entry.offset + _LOCAL.size + len(entry.raw_name)
        if header_end > end:
            raise OverlappingRecords(f"{file}: the header of record {name!r} overlaps what follows it")
        header = bytes(self._source.view(entry.offset, header_end - entry.offset))
        signature, _, flags, method, _, _, crc, stored_size, size, name_length, extra_length = _LOCAL.unpack_from(
            header
        )
        if signature != b"PK\x03\x04":
            raise HeaderDisagreement(f"{file}: there is no header at byte {entry.offset}, where {name!r} should begin")
        if name_length != len(entry.raw_name) or header[_LOCAL.size :] != entry.raw_name:
            raise HeaderDisagreement(f"{file}: record {name!r} has another name in its own header")
        if header_end + extra_length > end:
            raise OverlappingRecords(f"{file}: the header of record {name!r} overlaps what follows it")
        extra = bytes(self._source.view(header_end, extra_length))
        if WIDE in (size, stored_size):
            size, stored_size = wide_sizes(file, name, extra, (size, stored_size))
        else:
            wide_sizes(file, name, extra, ())
        self._compare(entry, flags, method, (crc, stored_size, size))
        start = header_end + extra_length
        self._check_end(entry, start + entry.stored_size, end)
        return start

    def _compare(self, entry: ZipEntry, flags: int, method: int, measures: tuple[int, int, int]) -> None:
        """Compare a record's own header with the directory; a streaming writer leaves zeros in the header."""
        pairs = [("flags", flags, entry.flags), ("method", method, entry.method)]
        for what, local, central in zip(
            ("checksum", "stored size", "size"), measures, (entry.crc, entry.stored_size, entry.size), strict=True
        ):
            if local or not flags & _HAS_DESCRIPTOR:
                pairs.append((what, local, central))
        for what, local, central in pairs:
            if local != central:
                raise HeaderDisagreement(
                    f"{self._source.name}: the {what} of record {entry.name!r} is {local} in its own header and "
                    f"{central} in the directory"
                )

    def _check_end(self, entry: ZipEntry, data_end: int, end: int) -> None:
        """Check what lies between a record's bytes and the next header: nothing, or its data descriptor."""
        file, rest = self._source.name, end - data_end
        if rest < 0:
            raise OverlappingRecords(f"{file}: the bytes of record {entry.name!r} overlap what follows it")
        if not entry.flags & _HAS_DESCRIPTOR:
            if rest:
                raise HiddenBytes(f"{file}: {rest} bytes follow record {entry.name!r}")
            return
        if rest not in _DESCRIPTORS:
            raise HiddenBytes(f"{file}: {rest} bytes follow record {entry.name!r}, which is no data descriptor")
        descriptor = bytes(self._source.view(data_end, rest))
        if rest in (16, 24) and not descriptor.startswith(_DESCRIPTOR_SIGNATURE):
            raise HiddenBytes(f"{file}: {rest} bytes follow record {entry.name!r}, which are no data descriptor")
        if struct.unpack(_DESCRIPTORS[rest], descriptor) != (entry.crc, entry.stored_size, entry.size):
            raise HeaderDisagreement(f"{file}: the data descriptor of record {entry.name!r} differs from the directory")
