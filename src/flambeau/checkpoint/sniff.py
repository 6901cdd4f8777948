"""The first step of reading: which container is it? Told by its first bytes only."""

from typing import Final

from flambeau.base.errors import AmbiguousContainer, NotACheckpoint
from flambeau.checkpoint.container import LEGACY, TAR, ZIP
from flambeau.checkpoint.source import ByteSource

__all__ = ["INDEX", "LEGACY_MAGICS", "NPY", "NPZ", "SAFETENSORS", "sniff", "without_pickle"]

# Kinds of file without a pickle.
SAFETENSORS: Final = "safetensors file"
NPZ: Final = "NumPy archive"
NPY: Final = "NumPy array"
INDEX: Final = "index of shards"

_MAGIC: Final = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # 0x1950A86A20F9469CFC6C, pickled
_FRAME: Final = b"\x95\x0d\0\0\0\0\0\0\0"  # how newer protocols begin

# The same in every protocol that it could be written with.
LEGACY_MAGICS: Final = (
    b"L119547037146038801333356L\n.",
    b"\x80\x02" + _MAGIC,
    b"\x80\x03" + _MAGIC,
    b"\x80\x04" + _FRAME + _MAGIC,
    b"\x80\x05" + _FRAME + _MAGIC,
)

# Offset, magic bytes, container.
_SIGNATURES: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"PK\x03\x04", ZIP),
    (257, b"ustar", TAR),
    *((0, magic, LEGACY) for magic in LEGACY_MAGICS),
)

# Offset, magic bytes, and what it is; none of these is a checkpoint.
_STRANGERS: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"\x80\x02", "a bare pickle"),
    (0, b"\x80\x03", "a bare pickle"),
    (0, b"\x80\x04", "a bare pickle"),
    (0, b"\x80\x05", "a bare pickle"),
    (0, b"\x1f\x8b", "a gzip file; decompress it first"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"version https://git-lfs", "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (0, b"<!DOCTYPE", "a web page; the download went wrong"),
    (0, b"<html", "a web page; the download went wrong"),
    (0, b'{"', "a JSON file"),
    (0, b"\x7fELF", "a program or library"),
)

_HEAD: Final = 512
_NAME = slice(26, 28)  # in a zip record's own header: the length of its name, which begins at byte 30
_SHOWN: Final = 8


def sniff(source: ByteSource) -> str:
    """Name the container of a file that is read; refuse every other, by its name where it is known.

    Args:
        source: the file's bytes.

    Raises:
        UnsupportedContainer: a kind of checkpoint that is not read.
        AmbiguousContainer: two kinds at once.
        NotACheckpoint: something else.
    """
    head = bytes(source.view(0, min(source.size, _HEAD)))
    kind = without_pickle(head)
    if kind is not None:
        return kind
    found = [container for offset, magic, container in _SIGNATURES if head.startswith(magic, offset)]
    if found[:1] == [ZIP]:
        return ZIP  # whatever a reader makes of the rest, it looks for this first
    if len(found) > 1:
        raise AmbiguousContainer(f"{source.name}: this could be read as a {found[0]}, and as a {found[1]}")
    if found:
        return found[0]
    for offset, magic, stranger in _STRANGERS:
        if head.startswith(magic, offset):
            raise NotACheckpoint(f"{source.name}: this is not a checkpoint but {stranger}")
    if head[:_SHOWN].isascii() and head[:_SHOWN].decode("ascii").isprintable():
        raise NotACheckpoint(f"{source.name}: this is not a checkpoint but text: it begins with {head[:_SHOWN]!r}")
    raise NotACheckpoint(
        f"{source.name}: this is not a checkpoint: it begins with {head[:_SHOWN]!r}, which no known container does"
    )


def without_pickle(head: bytes) -> str | None:
    """Name the container of a file of tensors without a pickle, or None."""
    if head.startswith(b"PK\x03\x04") and head[30 : 30 + int.from_bytes(head[_NAME], "little")].endswith(b".npy"):
        return NPZ
    if head.startswith(b"\x93NUMPY"):
        return NPY
    if head[8:9] == b"{" and head[4:8] == bytes(4):  # a header of less than 4 GiB, which begins as it should
        return SAFETENSORS
    if head.lstrip(b" \t\r\n").startswith((b'{"', b"{\n", b"{\r", b"{ ", b"{\t")):
        return INDEX
    return None
