"""The storages that a file's tensors view: each described in one way only, its bytes found in the container."""

from collections.abc import Callable
from typing import Final, Protocol

from flambeau.base.errors import BadTensor, StorageDisagreement, StorageSizeMismatch, ViewOutOfStorage
from flambeau.checkpoint.allowlist import STORAGE_CLASSES
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.narrowing import as_ascii, as_tuple
from flambeau.checkpoint.records import ByteArray, GlobalRecord, StorageRecord, StorageView

__all__ = ["StorageTable", "StoredBytes", "view_of"]

_END: Final = 1 << 63
_STORAGE: Final = 500  # estimated bytes of Python objects, for the budget


class StoredBytes(Protocol):
    """The bytes of one storage in a container."""

    size: int

    def array(self) -> ByteArray:
        """Give the bytes."""
        ...


class StorageTable:
    """Describes storages, each the first time it is met.

    Args:
        context: what the file may ask for.
        find: gives the bytes of the storage with a key, which should be so many; raises MissingRecord.

    Attributes:
        records: every storage met so far, by its key.
    """

    def __init__(self, context: Context, find: Callable[[str, int], StoredBytes]) -> None:
        self._context = context
        self._find = find
        self.records: dict[str, StorageRecord] = {}

    def persistent(self, identifier: object) -> object:
        """Give the storage with an identifier: ("storage", class, key, location, number of elements)."""
        parts = as_tuple(identifier)
        if parts is None or len(parts) != 5:
            raise self._context.error(BadTensor, "a storage's identifier is not a tuple of five")
        if as_ascii(parts[0]) != "storage":
            raise self._context.error(BadTensor, "Only persistent_load of storage is allowed")
        return self.get(*parts[1:])

    def get(self, kind: object, key: object, location: object, count: object) -> StorageRecord:
        """Give a storage, which has to be described as it was before.

        Args:
            kind: the mention of its class.
            key: its name in the file.
            location: where it lived when it was saved.
            count: number of its elements.

        Raises:
            BadTensor: the description is malformed.
            StorageDisagreement: it was described in another way before.
            StorageSizeMismatch: its bytes are not as many.
        """
        dtype = STORAGE_CLASSES.get(kind.name) if isinstance(kind, GlobalRecord) else None
        if dtype is None:
            raise self._context.error(BadTensor, "Only persistent_load of storage is allowed")
        key, location = as_ascii(key), as_ascii(location)
        if key is None or location is None or type(count) is not int or not 0 <= count < _END:
            raise self._context.error(BadTensor, "a storage's identifier is malformed")
        known = self.records.get(key)
        if known is None:
            known = self.records[key] = self._describe(key, dtype, location, count)
        elif known.nbytes == count == 0 and known.location == location:
            return StorageRecord(dtype, 0, known.load, key, location)  # PyTorch views nothing as any type
        elif (known.dtype, known.location, known.nbytes // ELEMENTS[dtype].size) != (dtype, location, count):
            raise self._context.error(StorageDisagreement, f"storage {key[:80]!r} is described in two different ways")
        return known

    def _describe(self, key: str, dtype: str, location: str, count: int) -> StorageRecord:
        """Describe a storage met for the first time."""
        self._context.budget.charge(_STORAGE)
        element = ELEMENTS[dtype]
        stored = self._find(key, count * element.size)
        # A rest that is no whole element is what PyTorch leaves when bytes are viewed as a wider type.
        if stored.size // element.size != count:
            raise self._context.error(
                StorageSizeMismatch,
                f"storage {key[:80]!r} should have {count} elements of {element.size} bytes, but its record has "
                f"{stored.size} bytes",
            )
        record = StorageRecord(dtype, stored.size, stored.array, key, location)
        self._context.order.arrange(record, element.swap)
        return record


def view_of(context: Context, base: StorageRecord, key: str, offset: object, count: object) -> StorageView:
    """Describe a part of a storage that old versions treated as a storage of its own; offset and count in elements."""
    context.budget.charge(_STORAGE)
    if type(offset) is not int or type(count) is not int or not (0 <= offset < _END and 0 <= count < _END):
        raise context.error(BadTensor, f"the view {key[:80]!r} of a storage is not described by two natural numbers")
    size = ELEMENTS[base.dtype].size
    start, end = offset * size, (offset + count) * size
    if end > base.nbytes:
        raise context.error(
            ViewOutOfStorage,
            f"the view {key[:80]!r} reaches element {offset + count} of storage {base.key[:80]!r}, which has "
            f"{base.nbytes // size}",
        )
    return StorageView(
        base.dtype, end - start, lambda: base.load()[start:end], key, base.location, base=base, start=start
    )
