"""Files of tensors without a pickle: what is in them, in the same terms as what is in a file with one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flambeau.checkpoint.builders import Builders
from flambeau.checkpoint.numpy_reader import read_npy, read_npz
from flambeau.checkpoint.records import StorageRecord, TensorRecord
from flambeau.checkpoint.safetensors_reader import read_tensors
from flambeau.checkpoint.sniff import NPY, NPZ, SAFETENSORS
from flambeau.checkpoint.source import ByteSource

__all__ = ["READERS", "Contents"]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds.

    Attributes:
        obj: what the builders made of its tensors, by their names; of an array that has none, that alone.
        storages: the storages by the names of the tensors that the file itself holds.
        checksums: whether the file holds checksums.
        verify: compares everything with its checksum.
        metadata: text by name.
    """

    obj: Any
    storages: Mapping[str, StorageRecord]
    checksums: bool
    verify: Callable[[], None]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


def _read_safetensors(source: ByteSource, builders: Builders) -> Contents:
    """Read a safetensors file, which holds no checksums."""
    file = read_tensors(source)
    storages = {name: record.storage for name, record in file.tensors.items() if name in file.stored}
    return Contents(_built(file.tensors, builders), storages, False, lambda: None, file.metadata)


def _read_npz(source: ByteSource, builders: Builders) -> Contents:
    """Read NumPy's archive of arrays."""
    tensors, archive = read_npz(source)

    def verify() -> None:
        for record in archive.records.values() if archive.checksums else ():
            record.verify()

    storages = {name: record.storage for name, record in tensors.items()}
    return Contents(_built(tensors, builders), storages, archive.checksums, verify)


def _read_npy(source: ByteSource, builders: Builders) -> Contents:
    """Read NumPy's file of one array, which holds no checksum."""
    record = read_npy(source)
    return Contents(builders.tensor(record), {"": record.storage}, False, lambda: None)


def _built(tensors: Mapping[str, TensorRecord], builders: Builders) -> dict[str, object]:
    """Let the builders make of the records what they make of them."""
    return {name: builders.tensor(record) for name, record in tensors.items()}


READERS: Final[dict[str, Callable[[ByteSource, Builders], Contents]]] = {
    SAFETENSORS: _read_safetensors,
    NPZ: _read_npz,
    NPY: _read_npy,
}
