"""What `flambeau edit` does to a checkpoint's object: new names, fewer tensors, other types. Nothing is copied.

Names are changed in dictionaries whose keys are text, which are what state dicts are made of; an optimizer's numbered
state keeps its names. What is dropped or kept is chosen by the whole name, as `flambeau ls` shows it.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final, cast

import numpy as np

from flambeau.base.errors import BadEdit
from flambeau.base.shapes import contiguous_strides
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.records import ByteArray, ObjectRecord, StorageRecord, TensorRecord
from flambeau.checkpoint.row_order import row_bytes
from flambeau.tools.tree import Path, as_tensor, dotted, is_named, parts

__all__ = ["FLOATING", "Edit", "Edited", "edited"]

_DEPTH: Final = 100

# Types that --cast knows: of numbers with a point, which are the only ones it changes.
FLOATING: Final = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
)


@dataclass(frozen=True, slots=True)
class Edit:
    """What is asked for, in the order in which it is done.

    Attributes:
        drop: patterns of what is left out.
        keep: patterns of what alone is left; empty for everything.
        strip: beginnings that are taken off names.
        rename: old and new names, or beginnings of names up to a dot.
        add: beginning put before names.
        cast: type for numbers with a point, or None.
        unshare: give every tensor a storage of its own.
    """

    drop: Sequence[str] = ()
    keep: Sequence[str] = ()
    strip: Sequence[str] = ()
    rename: Sequence[tuple[str, str]] = ()
    add: str = ""
    cast: str | None = None
    unshare: bool = False


@dataclass(slots=True)
class Edited:
    """What came of it.

    Attributes:
        obj: the new object.
        renamed: names that were changed.
        dropped: things that were left out.
        cast: tensors whose type was changed.
        overflowed: numbers that are no longer finite, by the new type; known when the tensors have been written.
    """

    obj: Any = None
    renamed: int = 0
    dropped: int = 0
    cast: int = 0
    overflowed: list[int] = field(default_factory=list[int])


def edited(obj: object, edit: Edit) -> Edited:
    """Change an object as asked; the old one stays as it is.

    Args:
        obj: plain values and records.
        edit: what is asked for.

    Raises:
        BadEdit: a name is not found, two names become one, or nothing would be left.

    Example:
        >>> edited({"epoch": 3, "optimizer": {"lr": 0.1}}, Edit(drop=["optimizer"])).obj
        {'epoch': 3}
    """
    editor = _Editor(edit)
    result = editor.result
    result.obj = editor.edit((), obj)
    if result.obj is _GONE:
        raise BadEdit("nothing would be left: no name fits what is to be kept, or every name what is to be dropped")
    unused = [text for text, used in editor.used.items() if not used]
    if unused:
        raise BadEdit(f"nothing in the file fits {', '.join(map(repr, unused))}; `flambeau ls` shows the names in it")
    return result


_GONE: Final = object()


class _Editor:
    """Walks an object and makes a new one."""

    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        self.result = Edited()
        wanted = (*edit.drop, *edit.keep, *edit.strip, *(old for old, _ in edit.rename))
        self.used = dict.fromkeys(wanted, False)
        self._storages: dict[tuple[int, str], StorageRecord] = {}
        self._records: dict[int, tuple[object, object]] = {}

    def edit(self, path: Path, value: object, kept: bool = False, named: bool = True) -> object:
        """Give what becomes of a value."""
        if len(path) > _DEPTH:
            raise BadEdit(f"the object is nested more than {_DEPTH} deep")
        if path and self._fits(self._edit.drop, path):
            self.result.dropped += 1
            return _GONE
        kept = kept or not self._edit.keep or bool(path and self._fits(self._edit.keep, path))
        named = named and is_named(value)
        held = None if isinstance(value, ObjectRecord) else parts(value)
        if held is None:
            if not kept:
                self.result.dropped += 1
            return self._leaf(value) if kept else _GONE
        made = [(key, self.edit((*path, key), part, kept, named)) for key, part in held]
        left = [(key, part) for key, part in made if part is not _GONE]
        if held and not left:
            return _GONE
        if not isinstance(value, dict):
            items = [part for _, part in left]
            return items if isinstance(value, list) else tuple(items)
        return self._dictionary(path, cast("dict[object, object]", value), left, named)

    def _fits(self, patterns: Sequence[str], path: Path) -> bool:
        """Tell whether a name fits one of the patterns."""
        name = dotted(path)
        fitting = [pattern for pattern in patterns if fnmatchcase(name, pattern)]
        self.used.update(dict.fromkeys(fitting, True))
        return bool(fitting)

    def _dictionary(
        self, path: Path, old: dict[object, object], left: list[tuple[object, object]], named: bool
    ) -> dict[object, object]:
        """Make a dictionary, with new names where it holds tensors by name."""
        renames = named and any(as_tensor(part) is not None for _, part in left)
        made: dict[object, object] = OrderedDict() if isinstance(old, OrderedDict) else {}
        for key, part in left:
            name = self._renamed(cast("str", key)) if renames and _is_name(key, part) else key
            if name in made:
                raise BadEdit(f"two tensors would be called {dotted((*path, name))!r}")
            self.result.renamed += name != key
            made[name] = part
        if isinstance(old, OrderedDict):
            vars(made).update(vars(old))
            metadata = vars(old).get("_metadata")
            if renames and isinstance(metadata, dict):
                vars(made)["_metadata"] = self._renamed_metadata(cast("dict[object, object]", metadata))
        return made

    def _renamed_metadata(self, metadata: dict[object, object]) -> dict[object, object]:
        """Rename the modules in a state dict's metadata, as the names of their tensors are renamed."""
        made: dict[object, object] = OrderedDict()
        for key, value in metadata.items():
            module = key if isinstance(key, str) else ""
            made[self._renamed(f"{module}." if module else "", empty=True).removesuffix(".")] = value
        return made

    def _renamed(self, name: str, empty: bool = False) -> str:
        """Give a name its new form, which may be empty for a module's, with a dot behind it."""
        for beginning in self._edit.strip:
            rest = name.removeprefix(beginning).removeprefix(".")
            if (rest or empty) and name.startswith(beginning):
                self.used[beginning] = True
                name = rest
        for old, new in self._edit.rename:
            stem, other = old.removesuffix("."), new.removesuffix(".")
            if name == old:
                self.used[old], name = True, new
            elif name.startswith(f"{stem}."):
                rest = name[len(stem) + 1 :]
                self.used[old], name = True, f"{other}.{rest}" if other and rest else other + rest
        return self._edit.add + name

    def _leaf(self, value: object) -> object:
        """Give what becomes of a tensor, the same for the same; other values stay."""
        if isinstance(value, ObjectRecord) and (self._edit.cast or self._edit.unshare):
            raise BadEdit(
                f"the file holds an object of class {value.name}, whose tensors cannot be changed in it; "
                "convert the file to .safetensors first, which takes its tensors by name"
            )
        if not isinstance(value, TensorRecord):
            return value
        known = self._records.get(id(value))
        if known is None:
            known = self._records[id(value)] = (value, self._tensor(value))
        return known[1]

    def _tensor(self, record: TensorRecord) -> TensorRecord:
        """Cast a tensor, and give it a storage of its own, where that is asked for."""
        target = self._edit.cast
        if target is not None and record.dtype in FLOATING and record.dtype != target:
            self.result.cast += 1
            record = replace(record, dtype=target, storage=self._cast(record.storage, record.dtype, target))
        return _alone(record) if self._edit.unshare else record

    def _cast(self, storage: StorageRecord, dtype: str, target: str) -> StorageRecord:
        """Describe a storage of another type; it is made when its bytes are asked for, and not kept."""
        known = self._storages.get((id(storage), dtype))
        if known is None:
            load = _casting(storage, dtype, target, self.result.overflowed)
            nbytes = storage.nbytes // ELEMENTS[dtype].size * ELEMENTS[target].size
            known = StorageRecord(target, nbytes, load, storage.key, storage.location)
            self._storages[id(storage), dtype] = known
        return known


def _is_name(key: object, part: object) -> bool:
    """Tell whether a key of a state dict is a name in a model: a tensor's, or that of a module's extra state."""
    return as_tensor(part) is not None or str(key).endswith("_extra_state")


def _casting(storage: StorageRecord, dtype: str, target: str, overflowed: list[int]) -> Callable[[], ByteArray]:
    """Give what casts a storage's bytes."""

    def load() -> ByteArray:
        element = ELEMENTS[dtype]
        numbers = storage.load()[: storage.nbytes // element.size * element.size].view(element.numpy)
        with np.errstate(over="ignore", invalid="ignore"):
            made = numbers.astype(ELEMENTS[target].numpy)
        lost = int(np.isfinite(numbers).sum()) - int(np.isfinite(made).sum())
        if lost:
            overflowed.append(lost)
        return made.view(np.uint8)

    return load


def _alone(record: TensorRecord) -> TensorRecord:
    """Give a tensor a storage of its own, which is made when its bytes are asked for."""

    def load() -> ByteArray:
        return np.ascontiguousarray(record.array()).reshape(-1).view(np.uint8)

    storage = StorageRecord(record.dtype, row_bytes(record), load, record.storage.key, record.storage.location)
    stride = contiguous_strides(record.shape)
    return replace(record, stride=stride, storage_offset=0, storage=storage, metadata={})
