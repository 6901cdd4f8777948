"""PyTorch's container since version 1.6: a zip archive with everything under one folder."""

from typing import Final

from flambeau.base.errors import BadPickle, BadZip, MissingRecord, NotACheckpoint, UnsupportedContainer
from flambeau.checkpoint.container import SCRIPT, ZIP
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.machine import Machine, Meaning
from flambeau.checkpoint.opcodes import execute
from flambeau.checkpoint.source import ByteSource
from flambeau.checkpoint.storage_table import StorageTable
from flambeau.checkpoint.zip_reader import ZipReader, ZipRecord

__all__ = ["ZipContainer"]

_VERSIONS: Final = range(1, 11)  # of the archive format, those that PyTorch 2.13 reads
_BYTE_ORDERS: Final = ("little", "big")
# Records that describe the archive itself: checked as soon as it is opened.
_STRUCTURE: Final = ("byteorder", "version", ".format_version", ".storage_alignment", ".data/serialization_id")


class ZipContainer:
    """The named records of a PyTorch zip archive.

    Args:
        source: the archive's bytes.
        check: whether storages are compared with their checksums; what describes the object always is.

    Attributes:
        byteorder: byte order of the tensors in the file, ``"little"`` or ``"big"``.
        checksums: whether the archive holds checksums.
        kind: kind of archive: one that holds ``constants.pkl`` was written by TorchScript.
    """

    description = "data.pkl"

    def __init__(self, source: ByteSource, check: bool) -> None:
        self._name = source.name
        archive = ZipReader(source)
        self.checksums = archive.checksums
        self._trusting = not check or not self.checksums
        self._records = self._below_top(archive.records)
        self.kind = SCRIPT if "constants.pkl" in self._records else ZIP
        if "model.json" in self._records:
            raise UnsupportedContainer(
                f"{self._name}: this is a TorchScript archive of PyTorch 1.0 to 1.3, which is not read; load it with "
                "torch.jit.load and save its state_dict()"
            )
        if "data.pkl" not in self._records:
            raise NotACheckpoint(f"{self._name}: this zip archive is not a checkpoint: it has no record 'data.pkl'")
        structure = {name: self._text(name) for name in _STRUCTURE if name in self._records}
        self._check_version(structure.get("version", "3"))
        self.byteorder = structure.get("byteorder", "little")
        if self.byteorder not in _BYTE_ORDERS:
            raise BadZip(f"{self._name}: record 'byteorder': expected little or big, found {self.byteorder[:80]!r}")

    def outside(self, context: Context) -> StorageTable:
        """Give the storages."""
        return StorageTable(context, self._storage)

    def unpickle(self, context: Context, meaning: Meaning) -> object:
        """Run the pickle that describes the object; nothing may follow it."""
        data = self._records[self.description].array().tobytes()
        context.budget.allow(len(data))
        machine = Machine(context.name, data, meaning, context.budget, encoding=context.encoding)
        obj = execute(machine)
        if machine.position != len(data):
            raise machine.error(BadPickle, f"{len(data) - machine.position} bytes follow the pickle")
        return obj

    def _storage(self, key: str, nbytes: int) -> ZipRecord:
        """Find the record of a storage, whose own length tells how many bytes it has."""
        record = self._records.get(f"data/{key}")
        if record is None:
            raise MissingRecord(f"{self._name}: the archive has no record 'data/{key[:80]}', which a tensor needs")
        record.trusted = self._trusting
        return record

    def load(self) -> None:
        """Read every record now, so that the source may be closed."""
        for record in self._records.values():
            record.array()

    def verify(self) -> None:
        """Compare every record with its checksum.

        Raises:
            ChecksumMismatch: a record is damaged.
        """
        if self.checksums:
            for record in self._records.values():
                record.verify()

    def _below_top(self, records: dict[str, ZipRecord]) -> dict[str, ZipRecord]:
        """Name the records without the one folder that holds them all."""
        top = next(iter(records), "").partition("/")[0] + "/"
        for name in records:
            if not name.startswith(top):
                raise NotACheckpoint(
                    f"{self._name}: this zip archive is not a checkpoint: record {name!r} is not in the folder {top!r}"
                )
        return {name.removeprefix(top): record for name, record in records.items()}

    def _text(self, name: str) -> str:
        """Read a short text record."""
        return self._records[name].array()[:1024].tobytes().decode("ascii", "replace")

    def _check_version(self, text: str) -> None:
        """Refuse versions of the archive format that came after those we know."""
        digits = text.removesuffix("\n")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 5 and int(digits) in _VERSIONS):
            raise UnsupportedContainer(f"{self._name}: version {digits[:80]!r} of the archive format is not read")
