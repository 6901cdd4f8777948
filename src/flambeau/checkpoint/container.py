"""What reading asks of a kind of file, so that every kind is read by the same list of steps."""

from collections.abc import Mapping
from typing import Final, Protocol

from flambeau.checkpoint.context import Context
from flambeau.checkpoint.machine import Meaning
from flambeau.checkpoint.records import StorageRecord

__all__ = ["LEGACY", "SCRIPT", "TAR", "ZIP", "Container", "Outside"]

# Kinds of file.
ZIP: Final = "zip archive"
SCRIPT: Final = "TorchScript archive"
LEGACY: Final = "PyTorch file from before version 1.6"
TAR: Final = "tar file, PyTorch's format of 2016"


class Outside(Protocol):
    """What lies outside the pickle that describes the object: its storages.

    Attributes:
        records: every storage met so far, by its key.
    """

    @property
    def records(self) -> Mapping[str, StorageRecord]:
        """Every storage met so far, by its key."""
        ...

    def persistent(self, identifier: object) -> object:
        """Give what an identifier in the pickle stands for."""
        ...


class Container(Protocol):
    """A file's outer structure: where its pickle and its storages lie.

    Attributes:
        kind: what kind of file it is.
        description: name of the record that describes the object.
        byteorder: byte order of the tensors in the file, ``"little"`` or ``"big"``.
        checksums: whether the file holds checksums of its records.
    """

    kind: str
    description: str
    byteorder: str
    checksums: bool

    def outside(self, context: Context) -> Outside:
        """Give what lies outside the pickle."""
        ...

    def unpickle(self, context: Context, meaning: Meaning) -> object:
        """Run the pickle that describes the object, and check what follows it."""
        ...

    def load(self) -> None:
        """Read every record now, so that the source may be closed."""
        ...

    def verify(self) -> None:
        """Compare every record with its checksum, where the file holds them."""
        ...
