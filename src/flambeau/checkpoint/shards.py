"""Checkpoints in several files, and the index that says which tensor is in which: read as one.

The index is a JSON object: ``weight_map`` gives a file of the same folder for each tensor, ``metadata`` holds at least
``total_size``, the bytes of all tensors together.

Source: https://huggingface.co/docs/transformers/big_models
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from flambeau.base.errors import (
    BadIndex,
    EscapingShard,
    LimitExceeded,
    MissingShard,
    MissingTensor,
    RepeatedTensor,
    UnlistedTensor,
    UnsupportedContainer,
)
from flambeau.checkpoint.contents import Contents
from flambeau.checkpoint.json_text import JsonText
from flambeau.checkpoint.limits import INDEX_BYTES
from flambeau.checkpoint.records import StorageRecord
from flambeau.checkpoint.sniff import SAFETENSORS
from flambeau.checkpoint.source import ByteSource, ReadableFrom

__all__ = ["Index", "Shard", "folder_of", "index_text", "read_index", "read_shards"]

_OUTSIDE: Final = ("", ".", "..")


class Shard(Protocol):
    """One of the files, as it was read."""

    @property
    def obj(self) -> object:
        """The tensors by name."""
        ...

    @property
    def container(self) -> str:
        """Kind of the file."""
        ...

    @property
    def storages(self) -> Mapping[str, StorageRecord]:
        """The storages by key; in a file without a pickle, by the names of the tensors it holds itself."""
        ...

    @property
    def checksums(self) -> bool:
        """Whether the file holds checksums."""
        ...

    def verify(self) -> None:
        """Compare everything with its checksum."""
        ...


@dataclass(slots=True)
class Index:
    """What an index says.

    Attributes:
        weight_map: name of each tensor -> file, relative to the index's folder.
        metadata: text by name; numbers are written as text.
    """

    weight_map: dict[str, str] = field(default_factory=dict[str, str])
    metadata: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def files(self) -> list[str]:
        """The files, in the order of their names."""
        return sorted(set(self.weight_map.values()))


def index_text(weight_map: Mapping[str, str], total_size: int) -> str:
    """Write an index as other programs do.

    Args:
        weight_map: name of each tensor -> file.
        total_size: bytes of all tensors together.

    Example:
        >>> print(index_text({"fc.weight": "model-00001-of-00001.safetensors"}, 8), end="")
        {
          "metadata": {
            "total_size": 8
          },
          "weight_map": {
            "fc.weight": "model-00001-of-00001.safetensors"
          }
        }
    """
    members = {"metadata": {"total_size": total_size}, "weight_map": dict(weight_map)}
    return json.dumps(members, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_index(source: ByteSource) -> Index:
    """Read an index.

    Args:
        source: its bytes.

    Raises:
        BadIndex: it is malformed.
        EscapingShard: it names a file outside its folder.
        LimitExceeded: it is too long.
    """
    if source.size > INDEX_BYTES:
        raise LimitExceeded(f"{source.name}: an index of {source.size} bytes; the limit is {INDEX_BYTES}")
    text = JsonText(source.name, bytes(source.view(0, source.size)), BadIndex, BadIndex)
    index = Index()
    found: set[str] = set()

    def member(name: str, at: int) -> int:
        found.add(name)
        if name == "weight_map":
            return text.walk_object(at, home)
        value, end = text.value(at)
        if name == "metadata":
            index.metadata = _metadata(source.name, value)
        return end

    def home(name: str, at: int) -> int:
        index.weight_map[name], end = text.string(at)
        return end

    text.walk(member)
    if "weight_map" not in found:
        raise BadIndex(f"{source.name}: this JSON file is no index of shards: it has no 'weight_map'")
    for shard in index.files:
        if any(part in _OUTSIDE for part in shard.split("/")) or "\\" in shard or ":" in shard or "\0" in shard:
            raise EscapingShard(f"{source.name}: {shard[:200]!r} is no file in the index's folder")
    return index


def _metadata(file: str, value: object) -> dict[str, str]:
    """Check the metadata: text or numbers by name."""
    if not isinstance(value, dict):
        raise BadIndex(f"{file}: 'metadata' is no object")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in
            cast("dict[str, object]", value).items()}  # fmt: skip


def folder_of(source: ByteSource, path: ReadableFrom) -> str:
    """Folder of the files that an index names.

    Args:
        source: the index's bytes.
        path: what it was opened by.

    Raises:
        UnsupportedContainer: this was no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise UnsupportedContainer(f"{source.name}: an index names files beside it: give its path instead of its bytes")
    return os.path.dirname(str(os.fspath(path)))


def read_shards(source: ByteSource, path: ReadableFrom, read: Callable[[str], Shard]) -> Contents:
    """Read the files that an index names, as one: their bytes stay where they are until they are needed.

    Args:
        source: the index's bytes.
        path: the index's path.
        read: reads one file.

    Raises:
        BadIndex: one of its subclasses, by the reason.
        UnsupportedContainer: the index is given without its path.
        LoadError: one of the files cannot be read.
    """
    index = read_index(source)
    folder = folder_of(source, path)
    missing = [file for file in index.files if not os.path.isfile(os.path.join(folder, file))]
    if missing:
        raise MissingShard(f"{source.name}: {len(missing)} of {len(index.files)} files are missing: {_listed(missing)}")
    shards = {file: read(os.path.join(folder, file)) for file in index.files}
    tensors: dict[str, object] = {}
    storages: dict[str, StorageRecord] = {}
    for file, shard in shards.items():
        tensors.update(_checked(source.name, index, file, shard))
        storages.update((f"{file}/{key}", storage) for key, storage in shard.storages.items())

    def verify() -> None:
        for shard in shards.values():
            shard.verify()

    checksums = all(shard.checksums for shard in shards.values())
    return Contents(tensors, storages, checksums, verify, index.metadata)


def _checked(name: str, index: Index, file: str, shard: Shard) -> dict[str, object]:
    """Compare the tensors in a file with those that the index says it holds."""
    if not isinstance(shard.obj, dict):
        raise BadIndex(f"{name}: {file} holds no tensors by name")
    tensors = cast("dict[str, object]", shard.obj)
    missing = [tensor for tensor, where in index.weight_map.items() if where == file and tensor not in tensors]
    if missing:
        raise MissingTensor(f"{name}: {file} lacks {len(missing)} of its tensors: {_listed(missing)}")
    repeated = [tensor for tensor in tensors if index.weight_map.get(tensor, file) != file]
    if repeated:
        raise RepeatedTensor(
            f"{name}: {file} holds tensors that the index says are in other files: {_listed(repeated)}"
        )
    # A tied tensor is not in a safetensors file itself, and so in no index.
    held = tensors if shard.container != SAFETENSORS else shard.storages
    unlisted = [tensor for tensor in held if tensor not in index.weight_map]
    if unlisted:
        raise UnlistedTensor(f"{name}: {file} holds tensors that the index does not list: {_listed(unlisted)}")
    return tensors


def _listed(names: list[str]) -> str:
    """List names in an error."""
    return ", ".join(repr(str(name)[:200]) for name in names[:8]) + (", ..." if len(names) > 8 else "")
