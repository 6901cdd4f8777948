"""The pickles in a file of any container, found without reading what they describe."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from flambeau.base.errors import BadPickle
from flambeau.checkpoint.builders import Builders
from flambeau.checkpoint.contents import READERS
from flambeau.checkpoint.elements import ELEMENTS, STORAGES
from flambeau.checkpoint.narrowing import as_tuple
from flambeau.checkpoint.records import GlobalRecord
from flambeau.checkpoint.sniff import LEGACY_MAGICS, NPY, NPZ, without_pickle
from flambeau.checkpoint.source import ByteSource
from flambeau.checkpoint.zip_reader import ZipReader

__all__ = ["Part", "parts_of"]

_LEGACY_PICKLES: Final = 5  # magic number, protocol, system, object, keys of the storages
_BLOCK: Final = 512  # bytes of a header in a tar file, and what its members are padded to
_PICKLED: Final = (".pkl", ".pickle")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of bytes that begins with a pickle.

    Attributes:
        name: where it is, as reports call it.
        read: gives its bytes.
        follow: takes the bytes, the position behind a pickle and what the pickle described; gives the position of the
            next one, or None where there is none.
    """

    name: str
    read: Callable[[], bytes]
    follow: "Callable[[bytes, int, object], int | None]"


def parts_of(source: ByteSource) -> tuple[str, Iterator[Part]]:
    """Name a file's container, and yield its parts with pickles.

    Raises:
        BadZip: the archive is malformed.
        BadArrayFile: an array of NumPy's is malformed.
        UnsupportedTensor: an array of NumPy's holds objects, which are pickles of any kind.
    """
    head = bytes(source.view(0, min(source.size, _BLOCK)))
    kind = without_pickle(head)
    if kind is not None:
        if kind in (NPZ, NPY):
            READERS[kind](source, Builders())  # which refuses arrays of objects: these are pickles
        return kind, iter(())
    if head.startswith(b"PK\x03\x04"):
        return "zip archive", _of_zip(source)
    if head[257:262] == b"ustar":
        return "tar file", _of_tar(source)
    legacy = head.startswith(LEGACY_MAGICS)
    follow = _counted(_LEGACY_PICKLES) if legacy else _until_the_end
    part = Part("the file", lambda: bytes(source.view(0, source.size)), follow)
    return "PyTorch file from before version 1.6" if legacy else "bare pickle", iter((part,))


def _of_zip(source: ByteSource) -> Iterator[Part]:
    """Yield the records that hold pickles."""
    for name, record in ZipReader(source).records.items():
        if name.endswith(_PICKLED):
            yield Part(name, lambda record=record: record.array().tobytes(), _until_the_end)


def _of_tar(source: ByteSource) -> Iterator[Part]:
    """Yield the members that hold pickles; the last two have elements, or sizes, between them."""
    follows = {"storages": _after_a_storage, "tensors": _after_a_tensor}
    position = 0
    while position + _BLOCK <= source.size:
        header = bytes(source.view(position, _BLOCK))
        digits = header[124:136].strip(b" \0")
        if not header.strip(b"\0"):
            return
        if not digits.isdigit() or digits.strip(b"01234567"):
            raise BadPickle(f"{source.name}: the size of a member of the tar file is malformed")
        name = header[:100].partition(b"\0")[0].decode("latin1").removeprefix("./")
        start, size = position + _BLOCK, int(digits, 8)
        if start + size > source.size:
            raise BadPickle(f"{source.name}: member {name[:80]!r} of the tar file is cut short")
        position = start + -(-size // _BLOCK) * _BLOCK
        if size and header[156:157] in (b"0", b"\0"):
            follow = follows.get(name, _until_the_end)
            yield Part(name, lambda start=start, size=size: bytes(source.view(start, size)), follow)


def _until_the_end(data: bytes, position: int, described: object) -> int | None:
    """The next pickle follows at once, where anything follows."""
    return position if position < len(data) else None


def _counted(count: int) -> Callable[[bytes, int, object], int | None]:
    """Only the first pickles of a file are pickles; what follows them are elements."""
    left = [count]

    def follow(data: bytes, position: int, described: object) -> int | None:
        left[0] -= 1
        return position if left[0] else None

    return follow


def _after_a_storage(data: bytes, position: int, described: object) -> int | None:
    """In the member of storages each pickle but the first is followed by a number and as many elements."""
    parts = as_tuple(described)
    kind = parts[2].name if parts and len(parts) == 3 and isinstance(parts[2], GlobalRecord) else ""
    dtype = STORAGES.get(kind.rpartition(".")[2])
    if dtype is not None:
        count = int.from_bytes(data[position : position + 8], "little")
        position += 8 + count * ELEMENTS[dtype].size
    return position if position < len(data) else None


def _after_a_tensor(data: bytes, position: int, described: object) -> int | None:
    """In the member of tensors each pickle but the first is followed by a number of dimensions and their geometry."""
    if as_tuple(described):
        dimensions = int.from_bytes(data[position : position + 4], "little")
        position += 16 + 16 * dimensions
    return position if position < len(data) else None
