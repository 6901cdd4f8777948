"""Reading a checkpoint: sniff, container, unpickle, rebuild."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from flambeau.checkpoint.budget import Budget
from flambeau.checkpoint.builders import Builders
from flambeau.checkpoint.byte_order import ByteOrder
from flambeau.checkpoint.container import LEGACY, SCRIPT, TAR, ZIP, Container, Outside
from flambeau.checkpoint.contents import READERS, Contents
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.legacy_container import LegacyContainer
from flambeau.checkpoint.python2 import python2_encoding
from flambeau.checkpoint.rebuild import Rebuilder
from flambeau.checkpoint.records import StorageRecord
from flambeau.checkpoint.script import ScriptRebuilder, script_refusal
from flambeau.checkpoint.shards import read_shards
from flambeau.checkpoint.sniff import INDEX, SAFETENSORS, sniff
from flambeau.checkpoint.source import ByteSource, ReadableFrom, open_source
from flambeau.checkpoint.tar_container import TarContainer
from flambeau.checkpoint.zip_container import ZipContainer

__all__ = ["Checkpoint", "Unknown", "read", "read_safetensors"]

Unknown: TypeAlias = Literal["error", "record"]

_CONTAINERS: Final[dict[str, Callable[[ByteSource, bool], Container]]] = {
    ZIP: ZipContainer,
    LEGACY: LegacyContainer,
    TAR: TarContainer,
}


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


def read(
    source: ReadableFrom,
    *,
    mmap: bool = True,
    check: bool = True,
    build: Builders | None = None,
    encoding: str | None = None,
    unknown: Unknown = "error",
) -> Checkpoint:
    """Read a checkpoint that any version of PyTorch, or `write`, wrote. No code of the file's is run or looked up.

    Tensors without a pickle are read as well: safetensors files, NumPy's arrays and archives of them, and an index of
    shards (``model.safetensors.index.json``) with the files that it names, as one dictionary.

    A tensor's bytes are mapped, not read: opening takes the same short time for a small and a large file. Whatever
    describes the object is compared with its checksum at once, a storage when its bytes are first asked for. Files from
    before PyTorch 1.6 hold no checksums.

    Args:
        source: a path; or the file's content; or a file opened in binary mode, which is read from its position on.
        mmap: map a path's bytes. False reads and checks them now, so that the file may change afterwards.
        check: compare the storages with their checksums. What describes the object is always checked.
        build: what the records in the object become; by default they stay records.
        encoding: how text that Python 2 wrote is read: ``"utf-8"``, ``"ascii"``, ``"latin1"``, or ``"bytes"`` to keep
            it as bytes. By default it is UTF-8, or else Latin-1 where it is no key of a dictionary.
        unknown: what becomes of objects of unknown classes: ``"error"``, or ``"record"``, which gives each as an
            ``ObjectRecord`` of what the file says about it.
            A TorchScript archive is read as such records only.

    Returns:
        The checkpoint. Arrays of its tensors are read-only.

    Raises:
        LoadError: one of its subclasses, by the reason.
        OSError: the file cannot be opened.
        ValueError: ``encoding`` is none of the four.

    Example:
        >>> import io
        >>> from flambeau.checkpoint import read, write
        >>> file = io.BytesIO()
        >>> write({"epoch": 20}, file)
        >>> read(file.getvalue()).obj
        {'epoch': 20}

    Source: https://docs.pytorch.org/docs/stable/generated/torch.load.html
    """
    if unknown not in ("error", "record"):
        raise ValueError(f"unknown: expected 'error' or 'record', but got {unknown!r}")
    options = _Options(mmap, check, build or Builders(), python2_encoding(encoding), unknown == "record")
    return _read(source, options)


@dataclass(frozen=True, slots=True)
class _Options:
    """How a file is read, and files inside it."""

    mmap: bool
    check: bool
    build: Builders
    encoding: str | None
    as_records: bool


def _read(source: ReadableFrom, options: _Options, inside: bool = False) -> Checkpoint:
    """Read a checkpoint, or one inside another."""
    with open_source(source, options.mmap) as opened:
        kind = sniff(opened)
        if kind in READERS:
            return _without_pickle(kind, READERS[kind](opened, options.build))
        if kind == INDEX:
            return _without_pickle(kind, read_shards(opened, source, lambda path: _read(path, options)))
        container = _CONTAINERS[kind](opened, options.check)
        context = _context(f"{opened.name}: {container.description}", container.byteorder, options)
        if not inside:
            context.nested = lambda data: _read(data, options, inside=True).obj
        outside = container.outside(context)
        obj = container.unpickle(context, _rebuilder(container.kind, context, outside))
        if not opened.lasting:
            container.load()
    return Checkpoint(obj, container.kind, container.byteorder, container.checksums, outside.records, container.verify)


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


def _context(name: str, byteorder: str, options: _Options) -> Context:
    """Make what everything shares that rebuilds one file's object."""
    order = ByteOrder(name, byteorder)
    return Context(name, options.build, Budget(name), order, options.encoding, as_records=options.as_records)


def _rebuilder(kind: str, context: Context, outside: Outside) -> Rebuilder:
    """Choose what the names in the pickle stand for."""
    if kind != SCRIPT:
        return Rebuilder(context, outside.persistent)
    if not context.as_records:
        raise script_refusal(context.name)
    return ScriptRebuilder(context, outside.persistent)
