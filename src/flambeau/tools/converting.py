"""Writing what one file held as another kind of file: what `convert`, `edit` and `merge` end with."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from flambeau.base.errors import BadEdit, CannotSave
from flambeau.checkpoint.numpy_writer import is_numpy, write_npy, write_npz
from flambeau.checkpoint.records import StorageRecord, TensorRecord
from flambeau.checkpoint.safetensors_writer import PYTORCH, write_safetensors
from flambeau.checkpoint.shard_writer import ShardFormat
from flambeau.checkpoint.sniff import INDEX, SAFETENSORS
from flambeau.checkpoint.writer import write
from flambeau.tools.editing import Edit, edited
from flambeau.tools.opening import Opened
from flambeau.tools.sizes import shown_count
from flambeau.tools.tree import as_tensor, leaves

__all__ = ["SUFFIXES", "Flat", "flattened", "format_of", "save", "shard_format", "storages_of"]

# End of a file's name -> format.
SUFFIXES: Final = {
    ".pth": "pytorch",
    ".pt": "pytorch",
    ".bin": "pytorch",
    ".ckpt": "pytorch",
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".npy": "npy",
}
_ALONE: Final = "tensor"  # name of a tensor that has none
_NAMED: Final = 5  # things that are named in a warning


@dataclass(slots=True)
class Flat:
    """Tensors by name, for formats that hold nothing else.

    Attributes:
        tensors: every tensor by its dotted name.
        nested: whether a name was put together from several keys.
        left_out: names of what is no tensor.
    """

    tensors: dict[str, TensorRecord] = field(default_factory=dict[str, TensorRecord])
    nested: bool = False
    left_out: list[str] = field(default_factory=list[str])

    @property
    def warnings(self) -> list[str]:
        """What the names and tensors do not say of the object."""
        found: list[str] = []
        if self.nested:
            found.append("the file holds names only: those of nested values are joined by dots")
        if self.left_out:
            count = len(self.left_out)
            what = "1 value that is no tensor is" if count == 1 else f"{count:,} values that are no tensors are"
            found.append(f"{what} left out: {_listed(self.left_out)}")
        return found


def flattened(obj: object) -> Flat:
    """Give every tensor of an object a name of its own.

    Args:
        obj: plain values and records.

    Raises:
        BadEdit: two tensors would have the same name.

    Example:
        >>> flattened({"model": {}, "epoch": 3}).left_out
        ['model', 'epoch']
    """
    flat = Flat()
    for leaf in leaves(obj):
        name = leaf.name or _ALONE
        record = as_tensor(leaf.value)
        if record is None:
            flat.left_out.append(name)
            continue
        if name in flat.tensors:
            raise BadEdit(f"two tensors would be called {name!r}, by different paths")
        flat.nested |= len(leaf.path) > 1
        flat.tensors[name] = record
    return flat


def format_of(path: str) -> str:
    """Tell by a path's end which format is meant.

    Args:
        path: a path to be written.

    Raises:
        BadEdit: none that is known.

    Example:
        >>> format_of("model.pth")
        'pytorch'
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise BadEdit(f"{path}: the end of its name should say what to write: one of {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]


def save(obj: object, path: str, metadata: Mapping[str, str] | None = None) -> list[str]:
    """Write an object in the format that the path's end says; an old file is replaced in one step.

    Args:
        obj: plain values and records.
        path: where to.
        metadata: text by name, for a format that can hold it.

    Returns:
        Warnings about what the format cannot hold.

    Raises:
        BadEdit: the path's end says nothing, or there is no tensor to be written.
        SaveError: one of its subclasses, by the reason.
    """
    kind = format_of(path)
    if kind == "pytorch":
        write(obj, path)
        extra = sorted(set((metadata or {}).items()) - set(PYTORCH.items()))
        return [f"metadata are left out: {_listed([name for name, _ in extra])}"] if extra else []
    flat = flattened(obj)
    if not flat.tensors:
        raise BadEdit(f"{path}: there is no tensor to be written")
    if kind == "safetensors":
        write_safetensors(flat.tensors, path, metadata=metadata or None)
        return flat.warnings
    return flat.warnings + _save_arrays(flat.tensors, path, kind)


def _save_arrays(tensors: dict[str, TensorRecord], path: str, kind: str) -> list[str]:
    """Write NumPy's files, whose elements are of NumPy's own types."""
    warnings: list[str] = []
    tied = len(tensors) - len({_look(record) for record in tensors.values()})
    foreign = sorted({record.dtype for record in tensors.values() if not is_numpy(record.dtype)})
    if foreign:
        warnings.append(f"NumPy has no {', '.join(foreign)}: written as float32, which holds the same numbers")
        tensors = {
            name: record if is_numpy(record.dtype) else edited(record, Edit(cast="float32")).obj
            for name, record in tensors.items()
        }
    if kind == "npz":
        if tied:
            warnings.append(f"the format knows no ties: {shown_count(tied, 'tied tensor')} written once more")
        write_npz(tensors, path)
        return warnings
    if len(tensors) != 1:
        raise CannotSave(
            f"{path}: an .npy file holds one array, but there are {len(tensors)} tensors; write an .npz file"
        )
    write_npy(next(iter(tensors.values())), path)
    return warnings


def _look(record: TensorRecord) -> tuple[object, ...]:
    """What two tied tensors have in common."""
    return id(record.storage), record.dtype, record.shape, record.stride, record.storage_offset


def shard_format(opened: Opened) -> ShardFormat:
    """Choose the format of shards by that of the file they come from.

    Args:
        opened: the file.
    """
    kind = format_of(opened.path.removesuffix(".index.json")) if opened.kind == INDEX else opened.kind
    return "safetensors" if kind in (SAFETENSORS, "safetensors") else "pytorch"


def storages_of(obj: object) -> list[StorageRecord]:
    """Give every storage that an object's tensors view, once.

    Args:
        obj: plain values and records.
    """
    found: dict[int, StorageRecord] = {}
    for leaf in leaves(obj):
        if isinstance(leaf.value, TensorRecord):
            found[id(leaf.value.storage)] = leaf.value.storage
    return list(found.values())


def _listed(names: list[str]) -> str:
    """List names."""
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
