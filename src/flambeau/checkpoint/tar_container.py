"""PyTorch's container of 2016: a tar archive of four records. It is read where it lies; nothing is ever extracted.

- ``sys_info``: facts about the writer's machine.
- ``storages``: how many; for each a pickle (id, location, class), then the number of elements (int64) and the elements;
  at the end a list of storages that are parts of others: (id, id of the whole, offset, number of elements).
- ``tensors``: how many; for each a pickle (id, id of the storage, class), then the number of dimensions, sizes, strides
  and the offset.
- ``pickle``: the object, in which tensors and storages are mentioned by their ids.
"""

import struct
from typing import Final

from flambeau.base.errors import (
    BadTar,
    BadTensor,
    DuplicateRecord,
    LimitExceeded,
    MissingRecord,
    StorageDisagreement,
    TrailingBytes,
)
from flambeau.checkpoint.allowlist import STORAGE_CLASSES
from flambeau.checkpoint.container import TAR
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.limits import DIMENSIONS
from flambeau.checkpoint.machine import Meaning
from flambeau.checkpoint.narrowing import as_ascii, as_sequence, as_tuple, shown
from flambeau.checkpoint.pickle_stream import PickleStream
from flambeau.checkpoint.plain_meaning import PlainMeaning
from flambeau.checkpoint.records import GlobalRecord, StorageRecord
from flambeau.checkpoint.source import ByteSource, lasting
from flambeau.checkpoint.storage_table import StorageTable, view_of
from flambeau.checkpoint.tar_directory import read_members
from flambeau.checkpoint.tensors import make_tensor

__all__ = ["TarContainer"]

_OBJECT: Final = 200  # estimated bytes of Python objects, for the budget

# Classes of tensors -> element type.
_TENSORS: Final[dict[str, str]] = {
    name.removesuffix("Storage") + "Tensor": dtype for name, dtype in STORAGE_CLASSES.items() if "Untyped" not in name
}


class TarContainer:
    """The four records of a tar archive.

    Args:
        source: the archive's bytes.
        check: has no effect, for the archive holds checksums of its headers only.
    """

    kind = TAR
    description = "pickle"
    byteorder = "little"
    checksums = False

    def __init__(self, source: ByteSource, check: bool) -> None:
        self._source = lasting(source)
        self._members = read_members(self._source)

    def outside(self, context: Context) -> "TarObjects":
        """Read the storages and tensors."""
        self._whole(context, "sys_info", PlainMeaning(context))
        objects = TarObjects(self._source.name, context, self._stream(context, "storages"))
        objects.read_storages()
        objects.read_tensors(self._stream(context, "tensors"))
        return objects

    def unpickle(self, context: Context, meaning: Meaning) -> object:
        """Run the pickle that describes the object."""
        return self._whole(context, self.description, meaning)

    def load(self) -> None:
        """Do nothing: a source that does not last was read as a whole."""

    def verify(self) -> None:
        """Do nothing: the records have no checksums."""

    def _stream(self, context: Context, name: str) -> PickleStream:
        """Read a member from its beginning on."""
        member = self._members[name]
        return PickleStream(self._source, context, member.start, member.start + member.size)

    def _whole(self, context: Context, name: str, meaning: Meaning) -> object:
        """Run a pickle that is a whole member."""
        stream = self._stream(context, name)
        obj = stream.unpickle(name, meaning)
        _refuse_rest(self._source.name, name, stream)
        return obj


class TarObjects:
    """The storages and tensors that the object mentions.

    Args:
        file: how errors call the archive.
        context: what the file may ask for.
        storages: the member with the storages.

    Attributes:
        records: every storage, by its id.
    """

    def __init__(self, file: str, context: Context, storages: PickleStream) -> None:
        self._file = file
        self._context = context
        self._storages = storages
        self._objects: dict[str, object] = {}
        self._table = StorageTable(context, lambda key, nbytes: storages.stretch(f"storage {key}", nbytes))
        self.records = self._table.records

    def persistent(self, identifier: object) -> object:
        """Give a tensor or a storage by its id, or a class that was saved with its source text, which is ignored."""
        parts = as_tuple(identifier)
        if parts is not None and len(parts) == 3:
            return parts[0]
        key = str(identifier) if _is_id(identifier) else as_ascii(identifier)
        if key is None:
            raise self._context.error(BadTensor, "the id of a tensor or storage is not a number")
        if key not in self._objects:
            raise MissingRecord(f"{self._file}: pickle: there is no tensor or storage with the id {shown(key)}")
        return self._objects[key]

    def read_storages(self) -> None:
        """Read every storage, then those that are parts of others."""
        stream = self._storages
        meaning = PlainMeaning(self._context, STORAGE_CLASSES.keys())
        for _ in range(self._count(stream, "storages", meaning)):
            key, location, kind = self._triple(stream, "storages", meaning)
            count = self._length(f"storage {key}")
            self._add(key, self._table.get(kind, key, location, count))
        views = as_sequence(stream.unpickle("storages", PlainMeaning(self._context)))
        if views is None:
            raise BadTar(f"{self._file}: storages: the list of views is not a list")
        for view in views:
            self._add_view(as_sequence(view) or ())
        _refuse_rest(self._file, "storages", stream)

    def read_tensors(self, stream: PickleStream) -> None:
        """Read every tensor.

        Args:
            stream: the member with the tensors.
        """
        meaning = PlainMeaning(self._context, _TENSORS.keys())
        for _ in range(self._count(stream, "tensors", meaning)):
            key, storage_key, kind = self._triple(stream, "tensors", meaning)
            storage = self._objects.get(str(storage_key)) if _is_id(storage_key) else None
            if not isinstance(storage, StorageRecord):
                raise MissingRecord(
                    f"{self._file}: tensors: tensor {key} views storage {shown(storage_key)}, which is not in the file"
                )
            if not isinstance(kind, GlobalRecord) or _TENSORS.get(kind.name) != storage.dtype:
                raise StorageDisagreement(
                    f"{self._file}: tensors: tensor {key} and its storage {storage.key} have different element types"
                )
            self._add(key, make_tensor(self._context, storage, *self._layout(stream, f"tensor {key}")))
        _refuse_rest(self._file, "tensors", stream)

    def _count(self, stream: PickleStream, what: str, meaning: Meaning) -> int:
        """Read how many records follow."""
        count = stream.unpickle(what, meaning)
        if type(count) is not int or count < 0:
            raise BadTar(f"{self._file}: {what}: the number of records is {shown(count)}")
        return count

    def _triple(self, stream: PickleStream, what: str, meaning: Meaning) -> tuple[str, object, object]:
        """Read what comes before the bytes of a record: an id and two facts."""
        at = stream.position
        parts = as_tuple(stream.unpickle(what, meaning)) or ()
        if len(parts) != 3 or not _is_id(parts[0]):
            raise BadTar(f"{self._file}: {what}: the record at byte {at} does not begin with an id and two facts")
        if str(parts[0]) in self._objects:
            raise DuplicateRecord(f"{self._file}: {what}: the id {parts[0]} at byte {at} was used before")
        return str(parts[0]), parts[1], parts[2]

    def _length(self, what: str) -> int:
        """Read a storage's number of elements."""
        at = self._storages.position
        count = int.from_bytes(self._storages.take(f"the length of {what}", 8), "little", signed=True)
        if count < 0:
            raise BadTar(f"{self._file}: storages: {what} has {count} elements at byte {at}")
        return count

    def _add_view(self, parts: "list[object] | tuple[object, ...]") -> None:
        """Add a storage that is a part of another."""
        if len(parts) != 4 or not _is_id(parts[0]) or not _is_id(parts[1]):
            raise BadTar(f"{self._file}: storages: a view is not described by two ids and two numbers")
        base, key = self.records.get(str(parts[1])), str(parts[0])
        if base is None:
            raise MissingRecord(f"{self._file}: storages: {key} is a part of {parts[1]}, which is not in the file")
        if key in self._objects:
            raise DuplicateRecord(f"{self._file}: storages: the id {key} of a view was used before")
        self._add(key, view_of(self._context, base, key, parts[2], parts[3]))

    def _add(self, key: str, value: object) -> None:
        """Add a tensor or a storage."""
        self._context.budget.charge(_OBJECT)
        self._objects[key] = value

    def _layout(self, stream: PickleStream, what: str) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """Read a tensor's offset, sizes and strides."""
        # The number of dimensions had four bytes, but eight were written: the others are whatever lay there.
        (dimensions,) = struct.unpack("<i4x", stream.take(f"the number of dimensions of {what}", 8))
        if not 0 <= dimensions <= DIMENSIONS:
            raise LimitExceeded(f"{self._file}: {what} has {dimensions} dimensions, the limit is {DIMENSIONS}")
        length = 8 * (2 * dimensions + 1)
        *layout, offset = struct.unpack(f"<{2 * dimensions + 1}q", stream.take(f"the sizes of {what}", length))
        return offset, tuple(layout[:dimensions]), tuple(layout[dimensions:])


def _is_id(value: object) -> bool:
    """Tell whether a value is an id: the address that an object had."""
    return type(value) is int and 0 <= value < 1 << 64


def _refuse_rest(file: str, name: str, stream: PickleStream) -> None:
    """Refuse what follows the content of a member."""
    if stream.left:
        raise TrailingBytes(f"{file}: {name}: {stream.left} bytes follow its content, at byte {stream.position}")
