"""Tensors that share a storage, in a format that knows no storages: said in the file's metadata, restored from there.

A tensor that shows exactly what an earlier one shows is tied to it: its bytes are written once, under the first name,
and other readers of the format find that name only. Tensors whose stretches of one storage overlap are written in full,
each under its own name, so that other readers find them all; the metadata tell how they view their common storage.

What the metadata say is believed only as far as it fits the tensors in the file: another program may have changed these
and carried the metadata along.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, cast

import numpy as np

from flambeau.base.errors import BadSharing, StorageDisagreement
from flambeau.base.shapes import contiguous_strides
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.json_text import JsonText
from flambeau.checkpoint.limits import INFLATE_RATIO, INFLATED_BYTES_FREE
from flambeau.checkpoint.narrowing import as_dict, as_sequence
from flambeau.checkpoint.records import ByteArray, StorageRecord, TensorRecord
from flambeau.checkpoint.row_order import row_bytes

__all__ = ["KEY", "Sharing", "find_sharing", "parse_sharing", "restore_sharing"]

KEY: Final = "flambeau.sharing"
_ALIGNMENT: Final = 16  # bytes: a common storage begins where elements of every type may begin


@dataclass(frozen=True, slots=True)
class _View:
    """How a tensor views the common storage: offset and strides in elements."""

    offset: int
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Common:
    """A storage that several tensors view."""

    nbytes: int
    views: dict[str, _View]


@dataclass(slots=True)
class Sharing:
    """Which tensors of a file share storages.

    Attributes:
        ties: name of a tensor that is not in the file itself -> the tensor it is tied to, and its place in the order.
        storages: common storages, with the tensors that view them.
    """

    ties: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    storages: list[_Common] = field(default_factory=list[_Common])

    def text(self) -> str:
        """Write it as text, for the metadata."""
        storages = [
            {
                "nbytes": common.nbytes,
                "views": {name: [view.offset, view.stride] for name, view in common.views.items()},
            }
            for common in self.storages
        ]
        return json.dumps({"ties": self.ties, "storages": storages}, separators=(",", ":"), ensure_ascii=False)


# Writing ------------------------------------------------------------------------------------------------------------


def find_sharing(tensors: Mapping[str, TensorRecord]) -> Sharing:
    """Find out which tensors share a storage.

    Args:
        tensors: the tensors by name.

    Example:
        >>> weight = TensorRecord.from_array(np.zeros((2, 2)))
        >>> find_sharing({"embedding": weight, "head": weight}).ties
        {'head': ('embedding', 1)}
    """
    sharing = Sharing()
    kept: dict[tuple[object, ...], str] = {}
    stretches: dict[int, list[tuple[int, int, str]]] = {}
    for position, (name, record) in enumerate(tensors.items()):
        if 0 in record.shape:
            continue
        bits = tuple(sorted(bit for bit, on in record.metadata.items() if on))
        look = (id(record.storage), record.dtype, record.shape, record.stride, record.storage_offset, bits)
        if kept.setdefault(look, name) != name:
            sharing.ties[name] = (kept[look], position)
        elif not bits:
            stretches.setdefault(id(record.storage), []).append((*_stretch(record), name))
    for found in stretches.values():
        for names in _overlapping(sorted(found)):
            sharing.storages.extend(_common({name: tensors[name] for name in names}))
    return sharing


def _stretch(record: TensorRecord) -> tuple[int, int]:
    """First byte, and end, of what a tensor shows of its storage."""
    size = ELEMENTS[record.dtype].size
    return record.storage_offset * size, (_last(record.storage_offset, record.shape, record.stride) + 1) * size


def _last(offset: int, shape: Iterable[int], stride: Iterable[int]) -> int:
    """Last element that a view shows."""
    return offset + sum((length - 1) * step for length, step in zip(shape, stride, strict=True))


def _overlapping(stretches: list[tuple[int, int, str]]) -> list[list[str]]:
    """Put together the names whose stretches, which come sorted, overlap; those alone are left out."""
    groups: list[list[str]] = []
    reached = -1
    for start, end, name in stretches:
        if start >= reached:
            groups.append([])
        groups[-1].append(name)
        reached = max(reached, end)
    return [names for names in groups if len(names) > 1]


def _common(records: Mapping[str, TensorRecord]) -> list[_Common]:
    """Describe the part of a storage that some tensors view, where they do not leave most of it unseen."""
    stretches = [_stretch(record) for record in records.values()]
    start = min(first for first, _ in stretches) // _ALIGNMENT * _ALIGNMENT
    nbytes = max(end for _, end in stretches) - start
    if nbytes > _most(row_bytes(record) for record in records.values()):
        return []
    views = {
        name: _View(record.storage_offset - start // ELEMENTS[record.dtype].size, record.stride)
        for name, record in records.items()
    }
    return [_Common(nbytes, views)]


def _most(sizes: Iterable[int]) -> int:
    """Largest storage that tensors of these sizes may claim to share."""
    return INFLATED_BYTES_FREE + INFLATE_RATIO * sum(sizes)


# Reading ------------------------------------------------------------------------------------------------------------


def parse_sharing(file: str, text: str) -> Sharing:
    """Read what the metadata say.

    Args:
        file: how errors call the file.
        text: the metadata's text.

    Raises:
        BadSharing: it is malformed.
    """
    where = f"{file}: metadata {KEY!r}"
    sharing = Sharing()
    json_text = JsonText(where, text.encode(), BadSharing, BadSharing)

    def member(name: str, at: int) -> int:
        value, end = json_text.value(at)
        if name == "ties" and isinstance(value, dict):
            for alias, tie in cast("dict[str, object]", value).items():
                sharing.ties[alias] = _tie(where, tie)
        elif name == "storages" and isinstance(value, list):
            sharing.storages.extend(_parsed(where, common) for common in cast("list[object]", value))
        else:
            raise BadSharing(f"{where}: {name[:80]!r} does not belong there")
        return end

    json_text.walk(member)
    return sharing


def _tie(where: str, value: object) -> tuple[str, int]:
    """Check one tie: a name and a place."""
    parts = as_sequence(value) or ()
    if len(parts) == 2 and isinstance(parts[0], str) and type(parts[1]) is int and parts[1] >= 0:
        return parts[0], parts[1]
    raise BadSharing(f"{where}: a tie is {str(value)[:80]} instead of a name and a place")


def _parsed(where: str, value: object) -> _Common:
    """Check one common storage: its size, and views by name."""
    parts = as_dict(value) or {}
    nbytes, views = parts.get("nbytes"), as_dict(parts.get("views"))
    if len(parts) != 2 or not _natural(nbytes) or views is None:
        raise BadSharing(f"{where}: a storage is {str(value)[:80]} instead of nbytes and views")
    return _Common(cast("int", nbytes), {str(name): _parsed_view(where, view) for name, view in views.items()})


def _parsed_view(where: str, value: object) -> _View:
    """Check one view: an offset and strides."""
    parts = as_sequence(value) or ()
    if len(parts) == 2 and _natural(parts[0]) and isinstance(parts[1], list):
        stride = cast("list[object]", parts[1])
        if all(map(_natural, stride)):
            return _View(cast("int", parts[0]), tuple(cast("list[int]", stride)))
    raise BadSharing(f"{where}: a view is {str(value)[:80]} instead of an offset and strides")


def _natural(value: object) -> bool:
    """Tell whether a value is a natural number of 63 bits."""
    return type(value) is int and 0 <= value < 1 << 63


def restore_sharing(
    file: str, tensors: dict[str, TensorRecord], metadata: dict[str, str]
) -> tuple[dict[str, TensorRecord], dict[str, str]]:
    """Let tensors share their storages again, and give tied ones their names.

    Where another program wrote the file, the ties are restored that ``safetensors.torch.save_model`` notes: entries of
    the metadata from a name that is no tensor's to one that is.

    Args:
        file: how errors call the file.
        tensors: the tensors of the file by name.
        metadata: the file's metadata.

    Returns:
        All tensors, in their order, and the metadata that remain.

    Raises:
        BadSharing: the metadata are malformed.
    """
    rest = dict(metadata)
    text = rest.pop(KEY, None)
    if text is None:
        noted = {alias: name for alias, name in rest.items() if name in tensors and alias not in tensors}
        sharing = Sharing({alias: (name, len(tensors)) for alias, name in noted.items()})
        rest = {name: value for name, value in rest.items() if name not in noted}
    else:
        sharing = parse_sharing(file, text)
    apart = dict(tensors)
    for common in sharing.storages:
        _share(file, apart, common)
    return _with_ties(tensors, sharing.ties), rest


def _with_ties(tensors: dict[str, TensorRecord], ties: Mapping[str, tuple[str, int]]) -> dict[str, TensorRecord]:
    """Give tied tensors their names, each at its place."""
    fitting = [
        (position, alias) for alias, (name, position) in ties.items() if name in tensors and alias not in tensors
    ]
    pending = sorted(fitting, reverse=True)
    found: dict[str, TensorRecord] = {}
    for name, record in [*tensors.items(), ("", None)]:
        while pending and (record is None or pending[-1][0] <= len(found)):
            alias = pending.pop()[1]
            found[alias] = _twin(tensors[ties[alias][0]])
        if record is not None:
            found[name] = record
    return found


def _twin(record: TensorRecord) -> TensorRecord:
    """Describe a second tensor that shows what another shows."""
    return TensorRecord(record.dtype, record.shape, record.stride, record.storage_offset, record.storage)


def _share(file: str, apart: dict[str, TensorRecord], common: _Common) -> None:
    """Let tensors that stand apart so far view one storage, where the metadata fit them."""
    records = {name: apart[name] for name in common.views if name in apart}
    if len(records) < 2 or common.nbytes > _most(row_bytes(record) for record in records.values()):
        return
    for name, record in records.items():
        view = common.views[name]
        if len(view.stride) != len(record.shape) or 0 in record.shape:
            return
        if (_last(view.offset, record.shape, view.stride) + 1) * ELEMENTS[record.dtype].size > common.nbytes:
            return
    parts = {
        name: (TensorRecord(record.dtype, record.shape, record.stride, 0, record.storage), common.views[name])
        for name, record in records.items()
    }
    first = next(iter(records.values()))
    storage = StorageRecord(first.dtype, common.nbytes, cache(lambda: _assembled(file, common.nbytes, parts)))
    storage.key = first.storage.key
    for name, record in records.items():
        del apart[name]
        record.storage = storage
        record.storage_offset, record.stride = common.views[name].offset, common.views[name].stride


def _assembled(file: str, nbytes: int, parts: Mapping[str, tuple[TensorRecord, _View]]) -> ByteArray:
    """Put a common storage together from the tensors that view it, which must agree where they overlap."""
    whole = [part for part, view in parts.values() if _is_whole(part, view, nbytes)]
    if whole:
        data = whole[0].storage.load()
    else:
        data = np.zeros(nbytes, np.uint8)
        for part, view in parts.values():
            _shown(data, part, view)[...] = _opaque(part)
        data.flags.writeable = False
    for name, (part, view) in parts.items():
        if not np.array_equal(_shown(data, part, view), _opaque(part)):
            raise StorageDisagreement(
                f"{file}: tensor {name[:200]!r} shares its storage with others, but they disagree about what is in it: "
                f"a program that does not know the metadata {KEY!r} changed the file. `flambeau edit --unshare` makes "
                "a file without them"
            )
    return data


def _is_whole(part: TensorRecord, view: _View, nbytes: int) -> bool:
    """Tell whether a tensor shows its whole storage in row order."""
    return view.offset == 0 and row_bytes(part) == nbytes and view.stride == contiguous_strides(part.shape)


def _opaque(part: TensorRecord) -> np.ndarray[Any, np.dtype[Any]]:
    """Show a tensor's elements as bytes, so that they are compared bit by bit."""
    size = ELEMENTS[part.dtype].size
    return part.storage.load().view(f"u{size}").reshape(part.shape)


def _shown(data: ByteArray, part: TensorRecord, view: _View) -> np.ndarray[Any, np.dtype[Any]]:
    """Show what a view shows of a storage, as bytes."""
    size = ELEMENTS[part.dtype].size
    strides = tuple(step * size for step in view.stride)
    return np.ndarray(part.shape, f"u{size}", buffer=data, offset=view.offset * size, strides=strides)
