"""The first step of reading: which container is it? Told by its first bytes only."""

from typing import Final

from flambeau.base.errors import NotACheckpoint, UnsupportedContainer
from flambeau.checkpoint.source import ByteSource

__all__ = ["INDEX", "NPY", "NPZ", "SAFETENSORS", "sniff"]

# Kinds of file without a pickle.
SAFETENSORS: Final = "safetensors file"
NPZ: Final = "NumPy archive"
NPY: Final = "NumPy array"
INDEX: Final = "index of shards"

_ZIP: Final = "zip archive"

# Offset, magic bytes, container, and what to do about it where it is not read (None: it is read).
_SIGNATURES: Final[tuple[tuple[int, bytes, str, str | None], ...]] = (
    (0, b"PK\x03\x04", _ZIP, None),
    (
        0,
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
        "PyTorch file from before version 1.6",
        "load it with PyTorch and save it again",
    ),
    (257, b"ustar", "tar file, PyTorch's format of 2016", "load it with PyTorch and save it again"),
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
)

_HEAD: Final = 512
_NAME = slice(26, 28)  # in a zip record's own header: the length of its name, which begins at byte 30


def sniff(source: ByteSource) -> str:
    """Name the container of a file that is read; refuse every other, by its name where it is known.

    Args:
        source: the file's bytes.

    Raises:
        UnsupportedContainer: a kind of checkpoint that is not read.
        NotACheckpoint: something else.
    """
    head = bytes(source.view(0, min(source.size, _HEAD)))
    without_pickle = _without_pickle(head)
    if without_pickle is not None:
        return without_pickle
    for offset, magic, container, remedy in _SIGNATURES:
        if head.startswith(magic, offset):
            if remedy is None:
                return container
            raise UnsupportedContainer(f"{source.name}: this is a {container}, which is not read; {remedy}")
    for offset, magic, stranger in _STRANGERS:
        if head.startswith(magic, offset):
            raise NotACheckpoint(f"{source.name}: this is not a checkpoint but {stranger}")
    raise NotACheckpoint(
        f"{source.name}: this is not a checkpoint: it begins with {head[:8]!r}, which no known container does"
    )


def _without_pickle(head: bytes) -> str | None:
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
