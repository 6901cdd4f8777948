"""A tar archive's headers, read strictly: four plain records with fixed names, and nothing that a path could mean.

Why not Python's `tarfile`: see docs/decisions/containers.md.

Source: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
"""

from dataclasses import dataclass
from typing import Final

from flambeau.base.errors import (
    BadTar,
    DuplicateRecord,
    HiddenBytes,
    LimitExceeded,
    MissingRecord,
    TrailingBytes,
    TruncatedFile,
    UnsafeMember,
)
from flambeau.checkpoint.limits import PAX_BYTES
from flambeau.checkpoint.source import ByteSource

__all__ = ["MEMBERS", "TarMember", "read_members"]

MEMBERS: Final = ("sys_info", "pickle", "tensors", "storages")

_BLOCK: Final = 512
_RECORD: Final = 20 * _BLOCK  # the file is padded with zeros to a multiple of this
_ZEROS: Final = bytes(_BLOCK)

_NAME, _SIZE, _CHECKSUM, _TYPE = slice(0, 100), slice(124, 136), slice(148, 156), slice(156, 157)
_MAGIC, _PREFIX = slice(257, 265), slice(345, 500)
_PLAIN: Final = (b"0", b"\0")
_EXTENDED: Final = b"x"  # facts about the next member
_TYPES: Final[dict[bytes, str]] = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder",
    b"6": "a pipe",
    b"g": "a header for all that follow",
}
# Facts in extended headers that say nothing about the content.
_IGNORED: Final = frozenset(("mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"))


@dataclass(frozen=True, slots=True)
class TarMember:
    """Where a member's bytes lie."""

    start: int
    size: int


def read_members(source: ByteSource) -> dict[str, TarMember]:
    """Read an archive's headers up to its end.

    Args:
        source: the archive's bytes.

    Raises:
        BadTar: a header is malformed.
        UnsafeMember: a member is something other than one of the four plain records.
        DuplicateRecord: two members have one name.
        MissingRecord: one of the four is not there.
        HiddenBytes: the padding behind a member is not empty.
        TrailingBytes: something follows the archive's end.
        TruncatedFile: bytes are missing.
    """
    members: dict[str, TarMember] = {}
    position, extended, wide = 0, False, None
    while (header := _block(source, position)) != _ZEROS:
        _check_header(source.name, position, header)
        kind, length = header[_TYPE], _number(source.name, position, header[_SIZE])
        start = position + _BLOCK
        if kind == _EXTENDED:
            if extended:
                raise BadTar(f"{source.name}: at byte {position} an extended header follows another")
            extended, wide = True, _wide_size(source, start, length)
        else:
            length, extended, wide = length if wide is None else wide, False, None
            name = _member_name(source.name, position, header)
            if name in members:
                raise DuplicateRecord(f"{source.name}: two members have the name {name!r}, the second at {position}")
            members[name] = TarMember(start, length)
        position = _after(source, start, length)
    _check_end(source, position, dangling=extended)
    for name in MEMBERS:
        if name not in members:
            raise MissingRecord(f"{source.name}: the tar archive has no member {name!r}")
    return members


def _block(source: ByteSource, position: int) -> bytes:
    """Read a block of the archive."""
    if position + _BLOCK > source.size:
        raise TruncatedFile(f"{source.name}: the tar archive has no end: it should go on at byte {position}")
    return bytes(source.view(position, _BLOCK))


def _check_header(file: str, position: int, header: bytes) -> None:
    """Check that a block is a header: its checksum and its signature."""
    stated = _number(file, position, header[_CHECKSUM])
    found = sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")
    if stated != found:
        raise BadTar(f"{file}: the header at byte {position} is damaged: its sum should be {stated}, but is {found}")
    if header[_MAGIC] != b"ustar\x0000":
        raise BadTar(f"{file}: the header at byte {position} is not of the kind 'ustar' that PyTorch wrote")


def _number(file: str, position: int, field: bytes) -> int:
    """Read a number written in octal digits."""
    digits = field.strip(b" \0")
    if not digits or not all(digit in b"01234567" for digit in digits):
        raise BadTar(f"{file}: the header at byte {position} holds {field!r} where a number should be")
    return int(digits, 8)


def _member_name(file: str, position: int, header: bytes) -> str:
    """Check that a member is one of the plain records."""
    kind = header[_TYPE]
    name = header[_NAME].rstrip(b"\0").decode("ascii", "backslashreplace")
    if kind not in _PLAIN:
        shown = _TYPES.get(kind, f"of type {kind!r}")
        raise UnsafeMember(f"{file}: member {name!r} at byte {position} is {shown}, not a plain record")
    if name not in MEMBERS or header[_PREFIX].strip(b"\0"):
        raise UnsafeMember(
            f"{file}: member {name!r} at byte {position} is none of the records of a checkpoint: {', '.join(MEMBERS)}"
        )
    return name


def _wide_size(source: ByteSource, start: int, length: int) -> int | None:
    """Read an extended header: lines of the form "length key=value"; give the member's size, where it holds one."""
    if length > PAX_BYTES:
        raise LimitExceeded(f"{source.name}: an extended header has {length} bytes, the limit is {PAX_BYTES}")
    if start + length > source.size:
        raise TruncatedFile(f"{source.name}: the extended header at byte {start} is cut short")
    data, position, size = bytes(source.view(start, length)), 0, None
    while position < len(data):
        digits, space, _ = data[position : position + 8].partition(b" ")
        end = position + (int(digits) if space and digits.isdigit() else 0)
        key, equals, value = data[position + len(digits) + 1 : end - 1].partition(b"=")
        if not equals or end > len(data) or data[end - 1 : end] != b"\n":
            raise BadTar(f"{source.name}: the extended header at byte {start} is malformed")
        name = key.decode("ascii", "backslashreplace")
        if name == "size" and value.isdigit() and len(value) < 20 and size is None:
            size = int(value)
        elif name not in _IGNORED:
            raise BadTar(f"{source.name}: the extended header at byte {start} gives a member the {name[:80]!r}")
        position = end
    return size


def _after(source: ByteSource, start: int, length: int) -> int:
    """Tell where the next header is; the padding before it has to be empty."""
    end = start + length
    following = -(-end // _BLOCK) * _BLOCK
    if following > source.size:
        raise TruncatedFile(
            f"{source.name}: {length} bytes should follow byte {start}, but the file has {source.size} bytes"
        )
    if any(source.view(end, following - end)):
        raise HiddenBytes(f"{source.name}: the padding at byte {end} is not empty")
    return following


def _check_end(source: ByteSource, position: int, dangling: bool) -> None:
    """Check the end: two empty blocks, and nothing but zeros up to the end of the file."""
    if dangling:
        raise BadTar(f"{source.name}: an extended header is the last of the archive")
    end = -(-(position + 2 * _BLOCK) // _RECORD) * _RECORD
    if source.size < end:
        raise TruncatedFile(
            f"{source.name}: the tar archive ends at byte {position}, but its padding is cut short: the file should "
            f"have {end} bytes, but has {source.size}"
        )
    if source.size > end or any(source.view(position, end - position)):
        raise TrailingBytes(f"{source.name}: something follows the end of the tar archive at byte {position}")
