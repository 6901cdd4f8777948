"""A zip archive's directory: what its end says, read strictly, so that no two readers could find different content."""

import struct
from dataclasses import dataclass
from typing import Final

from flambeau.base.errors import (
    BadZip,
    DuplicateRecord,
    HeaderDisagreement,
    HiddenBytes,
    LimitExceeded,
    MultipleEndRecords,
    TruncatedFile,
    UnsupportedCompression,
)
from flambeau.checkpoint.limits import RECORDS
from flambeau.checkpoint.source import ByteSource

__all__ = ["DEFLATED", "STORED", "WIDE", "ZipEntry", "read_directory", "wide_sizes"]

STORED: Final = 0
DEFLATED: Final = 8
WIDE: Final = 0xFFFFFFFF  # a 32-bit field with this value stands for a 64-bit one in the zip64 extra field

_END: Final = struct.Struct("<4s4H2LH")  # signature, disks, counts, directory size and offset, comment length
_LOCATOR: Final = struct.Struct("<4sLQL")  # signature, disk, offset of the zip64 end record, disks
_END64: Final = struct.Struct("<4sQ2H2L4Q")  # signature, size, versions, disks, counts, directory size and offset
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_END_SIGNATURE: Final = b"PK\x05\x06"
_MAXIMUM_COMMENT: Final = 0xFFFF
_ENCRYPTED: Final = 0x2041  # plain, strong, and encrypted directory


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One record, as the directory tells of it."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    stored_size: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Extent:
    """Where the directory lies, and how many entries it has."""

    start: int
    size: int
    count: int


def read_directory(source: ByteSource) -> tuple[list[ZipEntry], int]:
    """Read an archive's directory.

    Args:
        source: the archive's bytes.

    Returns:
        The records in the directory's order, and the byte at which the directory begins.

    Raises:
        BadZip: one of its subclasses, by the reason.
        LimitExceeded: there are too many records.
    """
    extent = _find_directory(source)
    data = bytes(source.view(extent.start, extent.size))
    entries: list[ZipEntry] = []
    names: set[bytes] = set()
    position = 0
    for _ in range(extent.count):
        entry, position = _read_entry(source.name, data, position)
        if entry.raw_name in names:
            raise DuplicateRecord(f"{source.name}: two records have the name {entry.name!r}")
        names.add(entry.raw_name)
        entries.append(entry)
    if position != len(data):
        raise HiddenBytes(f"{source.name}: {len(data) - position} bytes follow the last entry of the directory")
    return entries, extent.start


def _find_directory(source: ByteSource) -> _Extent:
    """Find the directory through the end record; everything from the directory on must fit without a gap."""
    window = min(source.size, _END.size + _MAXIMUM_COMMENT)
    tail = bytes(source.view(source.size - window, window))
    ends = [at for at in _positions(tail, _END_SIGNATURE) if _reaches_the_end(tail, at)]
    if not ends:
        raise TruncatedFile(
            f"{source.name}: failed finding central directory: the archive has no end record. The file is cut short, "
            "or something was appended to it; an interrupted save or download leaves such files"
        )
    end = source.size - window + ends[-1]
    _, disk, directory_disk, disk_count, count, size, start, _ = _END.unpack_from(tail, ends[-1])
    extent, after = _Extent(start, size, count), end
    wide = _find_zip64(source, end)
    if wide is not None:
        narrow, (extent, after) = extent, wide
        _compare_ends(source.name, narrow, extent)
    if disk or directory_disk or disk_count != count:
        raise BadZip(f"{source.name}: the archive is one part of several")
    _check_extent(source, extent, after, tail, source.size - window, ends[-1])
    return extent


def _positions(data: bytes, pattern: bytes) -> list[int]:
    """List every place where a pattern begins."""
    found: list[int] = []
    at = data.find(pattern)
    while at >= 0:
        found.append(at)
        at = data.find(pattern, at + 1)
    return found


def _reaches_the_end(tail: bytes, at: int) -> bool:
    """Tell whether an end record with its comment ends exactly where the file ends."""
    if at + _END.size > len(tail):
        return False
    return at + _END.size + int(_END.unpack_from(tail, at)[-1]) == len(tail)


def _find_zip64(source: ByteSource, end: int) -> tuple[_Extent, int] | None:
    """Read the 64-bit end record, where the archive has one; tell also where it begins."""
    if end < _LOCATOR.size + _END64.size:
        return None
    signature, disk, at, disks = _LOCATOR.unpack(source.view(end - _LOCATOR.size, _LOCATOR.size))
    if signature != b"PK\x06\x07":
        return None
    if at != end - _LOCATOR.size - _END64.size:
        raise BadZip(f"{source.name}: the 64-bit end record is not where its locator says")
    fields = _END64.unpack(source.view(at, _END64.size))
    signature64, length, _, _, disk64, directory_disk, disk_count, count, size, start = fields
    if signature64 != b"PK\x06\x06" or length != _END64.size - 12:
        raise BadZip(f"{source.name}: the 64-bit end record is malformed")
    if disk or disk64 or directory_disk or disks != 1 or disk_count != count:
        raise BadZip(f"{source.name}: the archive is one part of several")
    return _Extent(start, size, count), at


def _compare_ends(name: str, narrow: _Extent, wide: _Extent) -> None:
    """Refuse two end records that disagree; a 32-bit field may instead say that it is too small."""
    for what, short, long, limit in (
        ("directory's offset", narrow.start, wide.start, WIDE),
        ("directory's size", narrow.size, wide.size, WIDE),
        ("number of records", narrow.count, wide.count, 0xFFFF),
    ):
        if short not in (long, limit):
            raise HeaderDisagreement(f"{name}: the {what} is {short} in one end record and {long} in the other")


def _check_extent(source: ByteSource, extent: _Extent, after: int, tail: bytes, tail_start: int, chosen: int) -> None:
    """Check that the directory ends where the end records begin, and that there is no other end record."""
    directory_end = extent.start + extent.size
    if any(at != chosen and at + tail_start >= directory_end for at in _positions(tail, _END_SIGNATURE)):
        raise MultipleEndRecords(f"{source.name}: the archive has more than one end record")
    if directory_end > after:
        raise TruncatedFile(
            f"{source.name}: the directory should have {extent.size} bytes at byte {extent.start}, but the end record "
            f"is at byte {after}"
        )
    if directory_end < after:
        raise HiddenBytes(f"{source.name}: {after - directory_end} bytes lie between the directory and the end record")
    if extent.count > RECORDS:
        raise LimitExceeded(f"{source.name}: the archive has {extent.count} records, the limit is {RECORDS}")


def _read_entry(file: str, data: bytes, position: int) -> tuple[ZipEntry, int]:
    """Read one entry of the directory; tell also where the next begins."""
    if position + _ENTRY.size > len(data):
        raise TruncatedFile(f"{file}: the directory is shorter than the entries it should have")
    fields = _ENTRY.unpack_from(data, position)
    signature, _, _, flags, method, _, _, crc, stored_size, size = fields[:10]
    name_length, extra_length, comment_length, disk, _, _, offset = fields[10:]
    name_end = position + _ENTRY.size + name_length
    extra_end = name_end + extra_length
    end = extra_end + comment_length
    if signature != b"PK\x01\x02" or end > len(data):
        raise BadZip(f"{file}: the directory's entry at its byte {position} is malformed")
    raw_name = data[position + _ENTRY.size : name_end]
    name = _decode_name(file, raw_name)
    size, stored_size, offset = wide_sizes(file, name, data[name_end:extra_end], (size, stored_size, offset))
    if disk:
        raise BadZip(f"{file}: record {name!r} lies in another part of the archive")
    if flags & _ENCRYPTED:
        raise UnsupportedCompression(f"{file}: record {name!r} is encrypted")
    if method not in (STORED, DEFLATED):
        raise UnsupportedCompression(f"{file}: record {name!r} is compressed by method {method}; only deflate is read")
    if method == STORED and size != stored_size:
        raise HeaderDisagreement(f"{file}: record {name!r} is stored as it is, but its two sizes differ")
    return ZipEntry(name, raw_name, flags, method, crc, stored_size, size, offset), end


def _decode_name(file: str, raw: bytes) -> str:
    """Decode a record's name."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadZip(f"{file}: the name of record {raw[:80]!r} is not UTF-8") from None
    if not name or "\0" in name:
        raise BadZip(f"{file}: {name[:80]!r} is not a record's name")
    return name


def wide_sizes(file: str, name: str, extra: bytes, narrow: tuple[int, ...]) -> tuple[int, ...]:
    """Replace the 32-bit fields that are too small by those of the zip64 extra field, in their order."""
    position = 0
    wide = b""
    while position < len(extra):
        if position + 4 > len(extra):
            raise BadZip(f"{file}: record {name!r} has a malformed extra field")
        kind, length = struct.unpack_from("<2H", extra, position)
        position += 4
        if position + length > len(extra):
            raise BadZip(f"{file}: record {name!r} has a malformed extra field")
        if kind == 1:
            wide = extra[position : position + length]
        position += length
    wanted = sum(value == WIDE for value in narrow)
    if len(wide) < 8 * wanted:
        raise BadZip(f"{file}: record {name!r} lacks its 64-bit sizes")
    values = iter(struct.unpack_from(f"<{wanted}Q", wide))
    return tuple(next(values) if value == WIDE else value for value in narrow)
