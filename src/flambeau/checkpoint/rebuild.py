"""The last step of reading: what the pickle's names, calls and storages stand for, through the allowlist."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from flambeau.base.errors import BadPickle, BadTensor, StorageDisagreement, StorageSizeMismatch
from flambeau.checkpoint.allowlist import CALLABLES, DTYPES, INERT, STORAGE_CLASSES, full_name, refusal
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.narrowing import as_tuple
from flambeau.checkpoint.numpy_values import build_array, build_dtype
from flambeau.checkpoint.plain_values import build_ordered_dict
from flambeau.checkpoint.records import ByteArray, GlobalRecord, StorageRecord

__all__ = ["Rebuilder", "StoredBytes"]

_STORAGE: Final = 500  # estimated bytes of Python objects, for the budget

# Types whose objects get a state after they were made.
_BUILDERS: Final[tuple[tuple[type, Callable[[Context, object, object], None]], ...]] = (
    (OrderedDict, build_ordered_dict),
    (np.ndarray, build_array),
    (np.dtype, build_dtype),
)


class StoredBytes(Protocol):
    """The bytes of one storage in a container."""

    size: int

    def array(self) -> ByteArray:
        """Give the bytes."""
        ...


class Rebuilder:
    """Gives a pickle's names their meaning.

    Args:
        context: what the functions behind the names may use.
        find_storage: gives the bytes of the storage with a key, or raises MissingRecord.

    Attributes:
        storages: every storage met so far, by its key.
    """

    def __init__(self, context: Context, find_storage: Callable[[str], StoredBytes]) -> None:
        self._context = context
        self._find_storage = find_storage
        self.storages: dict[str, StorageRecord] = {}

    def find(self, module: str, name: str) -> object:
        """Give what a name stands for: an element type, or the inert name of what may be called or mentioned."""
        full = full_name(module, name)
        if full in DTYPES:
            return self._dtype(DTYPES[full])
        if full in CALLABLES or full in STORAGE_CLASSES or full in INERT:
            self._context.budget.charge(64)
            return GlobalRecord(full)
        raise refusal(self._context.name, full)

    def call(self, function: object, arguments: tuple[object, ...]) -> object:
        """Call our function behind a permitted name."""
        name = function.name if isinstance(function, GlobalRecord) else None
        permitted = CALLABLES.get(name) if name is not None else None
        if name is None or permitted is None:
            raise self._context.error(BadPickle, f"Trying to call reduce for unrecognized function {_shown(function)}")
        return permitted.call(self._context, name, arguments)

    def build(self, target: object, state: object) -> None:
        """Give an object its state, where it is of a type that has one."""
        for kind, build in _BUILDERS:
            if issubclass(type(target), kind):
                build(self._context, target, state)
                return
        raise self._context.error(BadPickle, f"Can only build OrderedDict, but got {_shown(target)}")

    def persistent(self, identifier: object) -> StorageRecord:
        """Give the storage with an identifier: ("storage", class, key, location, number of elements)."""
        parts = as_tuple(identifier)
        if parts is None or len(parts) != 5:
            raise self._context.error(BadTensor, "a storage's identifier is not a tuple of five")
        tag, kind, key, location, count = parts
        dtype = STORAGE_CLASSES.get(kind.name) if isinstance(kind, GlobalRecord) else None
        if not isinstance(tag, str) or tag != "storage" or dtype is None:
            raise self._context.error(BadTensor, "Only persistent_load of storage is allowed")
        if not isinstance(key, str) or not isinstance(location, str) or type(count) is not int or count < 0:
            raise self._context.error(BadTensor, "a storage's identifier is malformed")
        size = ELEMENTS[dtype].size
        known = self.storages.get(key)
        if known is None:
            known = self.storages[key] = self._storage(key, dtype, location, count)
        elif (known.dtype, known.location, known.nbytes // size) != (dtype, location, count):
            raise self._context.error(StorageDisagreement, f"storage {key[:80]!r} is described in two different ways")
        return known

    def _storage(self, key: str, dtype: str, location: str, count: int) -> StorageRecord:
        """Describe a storage met for the first time."""
        self._context.budget.charge(_STORAGE)
        stored = self._find_storage(key)
        element = ELEMENTS[dtype]
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

    def _dtype(self, name: str) -> object:
        """Give what an element type becomes, the same each time."""
        if name not in self._context.dtypes:
            self._context.dtypes[name] = self._context.builders.dtype(name)
        return self._context.dtypes[name]


def _shown(value: object) -> str:
    """Name a value in an error."""
    return value.name if isinstance(value, GlobalRecord) else f"an object of type {type(value).__name__!r}"
