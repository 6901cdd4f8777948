"""PyTorch's container before version 1.6: pickles one after another, then the raw bytes of the storages.

In this order: the magic number, the protocol, facts about the writer's machine, the object, the list of storages; then
for each storage in the list its number of elements (int64) and its elements, both little-endian. There is no checksum,
so everything that is said twice has to agree, and the file has to end where the last storage ends.
"""

from typing import Final

from flambeau.base.errors import (
    BadStream,
    BadTensor,
    DuplicateRecord,
    HiddenBytes,
    MissingRecord,
    StorageDisagreement,
    StorageSizeMismatch,
    TrailingBytes,
    UnsupportedContainer,
)
from flambeau.checkpoint.container import LEGACY
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.machine import Meaning
from flambeau.checkpoint.narrowing import as_ascii, as_sequence, as_tuple, shown
from flambeau.checkpoint.pickle_stream import PickleStream
from flambeau.checkpoint.plain_meaning import PlainMeaning
from flambeau.checkpoint.records import StorageRecord, StorageView
from flambeau.checkpoint.source import ByteSource, lasting
from flambeau.checkpoint.storage_table import StorageTable, view_of
from flambeau.checkpoint.stretch import Stretch
from flambeau.checkpoint.survey import Survey

__all__ = ["MAGIC", "PROTOCOL", "LegacyContainer"]

MAGIC: Final = 0x1950A86A20F9469CFC6C
PROTOCOL: Final = 1001


class LegacyStorages:
    """The storages of a stream: described by the object's pickle, located only behind it.

    Args:
        source: the file's bytes.
        context: what the file may ask for.
    """

    def __init__(self, source: ByteSource, context: Context) -> None:
        self._source = source
        self._context = context
        self._table = StorageTable(context, self._promise)
        self._views: dict[str, StorageView] = {}
        self.records = self._table.records
        self.stretches: dict[str, Stretch] = {}

    def persistent(self, identifier: object) -> object:
        """Give a storage, a part of one, or a class that was saved with its source text, which is ignored."""
        parts = as_tuple(identifier) or ()
        tag = as_ascii(parts[0]) if parts else None
        if tag == "module" and len(parts) == 4:
            return parts[1]
        if tag != "storage":
            raise self._context.error(BadTensor, "Only persistent_load of storage is allowed")
        if len(parts) != 6:
            raise self._context.error(BadTensor, "a storage's identifier is not a tuple of six")
        storage = self._table.get(*parts[1:5])
        return storage if parts[5] is None else self._view(storage, parts[5])

    def _promise(self, key: str, nbytes: int) -> Stretch:
        """Stand for bytes whose place comes later."""
        stretch = self.stretches[key] = Stretch(self._source, nbytes)
        return stretch

    def _view(self, base: StorageRecord, described: object) -> StorageView:
        """Give the part of a storage that is described by a key, an offset and a number of elements."""
        parts = as_tuple(described)
        key = as_ascii(parts[0]) if parts is not None and len(parts) == 3 else None
        if parts is None or key is None:
            raise self._context.error(BadTensor, "the view of a storage is not described by a key and two numbers")
        view = view_of(self._context, base, key, *parts[1:])
        known = self._views.setdefault(key, view)
        if (known.base, known.start, known.nbytes) != (view.base, view.start, view.nbytes):
            raise self._context.error(StorageDisagreement, f"the view {key[:80]!r} is described in two different ways")
        return known


class LegacyContainer:
    """The pickles and storages of a stream.

    Args:
        source: the file's bytes.
        check: has no effect, for the file holds no checksums.
    """

    kind = LEGACY
    description = "object"
    byteorder = "little"
    checksums = False

    def __init__(self, source: ByteSource, check: bool) -> None:
        self._source = lasting(source)
        self._storages: LegacyStorages | None = None

    def outside(self, context: Context) -> LegacyStorages:
        """Give the storages, whose bytes are located by `unpickle`."""
        self._storages = LegacyStorages(self._source, context)
        return self._storages

    def unpickle(self, context: Context, meaning: Meaning) -> object:
        """Run every pickle. The object's is run twice: its storages have to be located before it is rebuilt."""
        storages = self._storages if self._storages is not None else self.outside(context)
        stream = PickleStream(self._source, context, 0, self._source.size)
        plain = PlainMeaning(context)
        for what, expected in (("magic number", MAGIC), ("protocol version", PROTOCOL)):
            found = stream.unpickle(what, plain)
            if type(found) is not int or found != expected:
                raise UnsupportedContainer(
                    f"{self._source.name}: Invalid {what}: {shown(found)}; this version is not read"
                )
        stream.unpickle("system information", plain)
        start = stream.position
        stream.unpickle(self.description, Survey(context, storages))
        self._locate(stream, storages, stream.unpickle("list of storages", plain))
        stream.position = start
        return stream.unpickle(self.description, meaning)

    def load(self) -> None:
        """Do nothing: a source that does not last was read as a whole."""

    def verify(self) -> None:
        """Do nothing: the file holds no checksums."""

    def _locate(self, stream: PickleStream, storages: LegacyStorages, listed: object) -> None:
        """Find the bytes of every storage, in the order of the list; nothing may be left over."""
        file = self._source.name
        keys = self._keys(listed)
        missing = next((key for key in storages.records if key not in keys), None)
        if missing is not None:
            raise MissingRecord(f"{file}: storage {missing[:80]!r}, which a tensor needs, is not in the file")
        for key in keys:
            record = storages.records.get(key)
            if record is None:
                raise HiddenBytes(f"{file}: storage {key[:80]!r} is in the list of storages, but no tensor views it")
            self._locate_one(stream, record, storages.stretches[key])
        if stream.left:
            raise TrailingBytes(f"{file}: {stream.left} bytes follow the last storage, at byte {stream.position}")

    def _keys(self, listed: object) -> dict[str, None]:
        """Check the list of storages: each of them once."""
        file = self._source.name
        keys: dict[str, None] = {}
        items = as_sequence(listed)
        for item in (None,) if items is None else items:
            key = as_ascii(item)
            if key is None:
                raise BadStream(f"{file}: the list of storages is not a list of strings")
            if key in keys:
                raise DuplicateRecord(f"{file}: storage {key[:80]!r} is twice in the list of storages")
            keys[key] = None
        return keys

    def _locate_one(self, stream: PickleStream, record: StorageRecord, stretch: Stretch) -> None:
        """Find the bytes of one storage, which have to be as many as its description says."""
        what = f"storage {record.key[:80]!r}"
        at = stream.position
        count = int.from_bytes(stream.take(f"the length of {what}", 8), "little", signed=True)
        size = ELEMENTS[record.dtype].size
        if count * size != record.nbytes:
            raise StorageSizeMismatch(
                f"{self._source.name}: {what} should have {record.nbytes // size} elements of {size} bytes, but at "
                f"byte {at} the file says {count}"
            )
        stretch.start = stream.stretch(what, record.nbytes).start
