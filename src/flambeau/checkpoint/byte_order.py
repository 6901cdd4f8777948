"""The byte order of a file's tensors, turned into this machine's by element type."""

import sys
from functools import cache

import numpy as np

from flambeau.base.errors import StorageDisagreement
from flambeau.checkpoint.records import ByteArray, StorageRecord

__all__ = ["ByteOrder"]


class ByteOrder:
    """Turns storages from a file's byte order into this machine's.

    Args:
        name: how errors call the file.
        order: the file's byte order, ``"little"`` or ``"big"``.
    """

    def __init__(self, name: str, order: str) -> None:
        self._name = name
        self._foreign = order != sys.byteorder
        self._units: dict[str, int] = {}

    def arrange(self, storage: StorageRecord, unit: int) -> None:
        """Let a storage give its bytes in this machine's order.

        An untyped storage learns only from its tensors how many bytes change places, so this may be called again.

        Args:
            storage: the storage, as the file has it.
            unit: number of bytes that change places among themselves.

        Raises:
            StorageDisagreement: two tensors call for different orders of the same bytes.
        """
        if not self._foreign or unit == 1:
            return
        known = self._units.get(storage.key)
        if known == unit:
            return
        if known is not None:
            raise StorageDisagreement(
                f"{self._name}: storage {storage.key[:80]!r} is viewed as {known}-byte and as {unit}-byte elements, so "
                "its byte order cannot be told"
            )
        self._units[storage.key] = unit
        stored = storage.load

        @cache
        def load() -> ByteArray:
            array = stored()
            whole = array[: array.size // unit * unit]
            return np.concatenate((whole.view(f"u{unit}").byteswap().view(np.uint8), array[whole.size :]))

        storage.load = load
