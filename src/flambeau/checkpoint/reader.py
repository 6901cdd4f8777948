"""Reading a checkpoint: sniff, container, unpickle, rebuild."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flambeau.base.errors import BadPickle
from flambeau.checkpoint.budget import Budget
from flambeau.checkpoint.builders import Builders
from flambeau.checkpoint.byte_order import ByteOrder
from flambeau.checkpoint.contents import READERS, Contents
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.machine import Machine
from flambeau.checkpoint.opcodes import execute
from flambeau.checkpoint.rebuild import Rebuilder
from flambeau.checkpoint.records import StorageRecord
from flambeau.checkpoint.shards import read_shards
from flambeau.checkpoint.sniff import INDEX, SAFETENSORS, sniff
from flambeau.checkpoint.source import ReadableFrom, open_source
from flambeau.checkpoint.zip_container import ZipContainer

__all__ = ["Checkpoint", "read", "read_safetensors"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read.

    Attributes:
        obj: the saved object: plain Python values and what the builders made of the records in it.
        container: kind of file it came from.
        byteorder: byte order of the tensors in the file.
        checksums: whether the file holds checksums of its records; one written without them cannot be verified.
        storages: the storages that the object's tensors view, by their keys.
        metadata: text by name that the file holds beside the object; only safetensors files and indexes of shards do.
    """

    obj: Any
    container: str
    byteorder: str
    checksums: bool
    storages: Mapping[str, StorageRecord]
    _verify: Callable[[], None] = field(repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])

    def verify(self) -> None:
        """Compare every record of the file with its checksum, now.

        Raises:
            ChecksumMismatch: a record is damaged.
        """
        self._verify()


def read(source: ReadableFrom, *, mmap: bool = True, check: bool = True, build: Builders | None = None) -> Checkpoint:
    """Read a checkpoint that `torch.save` or `write` wrote. No code of the file's is run, and none is looked up.

    Tensors without a pickle are read as well: safetensors files, NumPy's arrays and archives of them, and an index of
    shards (``model.safetensors.index.json``) with the files that it names, as one dictionary.

    A tensor's bytes are mapped, not read: opening takes the same short time for a small and a large file. Whatever
    describes the object is compared with its checksum at once, a storage when its bytes are first asked for.

    Args:
        source: a path; or the file's content; or a file opened in binary mode, which is read from its position on.
        mmap: map a path's bytes. False reads and checks them now, so that the file may change afterwards.
        check: compare the storages with their checksums. What describes the object is always checked.
        build: what the records in the object become; by default they stay records.

    Returns:
        The checkpoint. Arrays of its tensors are read-only.

    Raises:
        LoadError: one of its subclasses, by the reason.
        OSError: the file cannot be opened.

    Example:
        >>> import io
        >>> from flambeau.checkpoint import read, write
        >>> file = io.BytesIO()
        >>> write({"epoch": 20}, file)
        >>> read(file.getvalue()).obj
        {'epoch': 20}

    Source: https://docs.pytorch.org/docs/stable/generated/torch.load.html
    """
    with open_source(source, mmap) as opened:
        container_kind = sniff(opened)
        if container_kind in READERS:
            return _without_pickle(container_kind, READERS[container_kind](opened, build or Builders()))
        if container_kind == INDEX:
            shards = read_shards(opened, source, lambda path: read(path, mmap=mmap, check=check, build=build))
            return _without_pickle(container_kind, shards)
        container = ZipContainer(opened, check)
        pickle = container.pickle()
        name = f"{opened.name}: data.pkl"
        budget = Budget(name, len(pickle))
        order = ByteOrder(opened.name, container.byteorder)
        rebuilder = Rebuilder(Context(name, build or Builders(), budget, order), container.storage)
        obj = _unpickle(Machine(name, pickle, rebuilder, budget))
        if not opened.lasting:
            container.load()
    return Checkpoint(
        obj, container_kind, container.byteorder, container.checksums, rebuilder.storages, container.verify
    )


def read_safetensors(source: ReadableFrom, *, mmap: bool = True, build: Builders | None = None) -> Checkpoint:
    """Read what is known to be a safetensors file, so that each way in which it can be malformed has its own error.

    Args:
        source: a path; or the file's content; or a file opened in binary mode, which is read from its position on.
        mmap: map a path's bytes. False reads them now, so that the file may change afterwards.
        build: what the records in the object become; by default they stay records.

    Raises:
        BadSafetensors: one of its subclasses, by the reason.
        UnsupportedTensor: a tensor has a type that PyTorch does not have.
        OSError: the file cannot be opened.

    Example:
        >>> header = b'{"ready":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}'
        >>> file = len(header).to_bytes(8, "little") + header + bytes((1, 0))
        >>> read_safetensors(file).obj["ready"].array().tolist()
        [True, False]

    Source: https://github.com/huggingface/safetensors#format
    """
    with open_source(source, mmap) as opened:
        return _without_pickle(SAFETENSORS, READERS[SAFETENSORS](opened, build or Builders()))


def _without_pickle(kind: str, contents: Contents) -> Checkpoint:
    """Show the contents of a file without a pickle, whose numbers are read in this machine's order already."""
    return Checkpoint(
        contents.obj, kind, "little", contents.checksums, contents.storages, contents.verify, contents.metadata
    )


def _unpickle(machine: Machine) -> object:
    """Run the pickle; nothing may follow it."""
    obj = execute(machine)
    if machine.position != len(machine.data):
        raise machine.error(BadPickle, f"{len(machine.data) - machine.position} bytes follow the pickle")
    return obj
