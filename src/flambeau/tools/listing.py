"""What `flambeau ls` shows: a checkpoint as a tree with one line for each tensor; the rest is summarized."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from flambeau.checkpoint.records import ObjectRecord, TensorRecord
from flambeau.checkpoint.row_order import row_bytes
from flambeau.tools.opening import Opened
from flambeau.tools.sizes import shown_count, shown_size
from flambeau.tools.tree import Path, as_tensor, dotted, is_named, leaves, parts

__all__ = ["Listing", "Row", "listing"]

_TEXT: Final = 60  # characters of a value that are shown
_SHOWN: Final = 6  # parts of a container that are shown


@dataclass(frozen=True, slots=True)
class Row:
    """One line.

    Attributes:
        lines: for every level of the tree down to this line, whether it is the last of its level.
        label: the key or index.
        kind: ``"tensor"``, ``"group"`` for what is above others, ``"value"`` for the rest.
        shape, dtype, size: of a tensor; empty for others.
        note: what else there is to say.
    """

    lines: tuple[bool, ...]
    label: str
    kind: str
    shape: str = ""
    dtype: str = ""
    size: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A checkpoint's content.

    Attributes:
        opened: the checkpoint.
        tensors: every tensor by its path, in order.
        values: everything else by its path, in order.
        sharing: for a tensor that shares its storage with an earlier one, that one's path, and whether both show the
            same.
    """

    opened: Opened
    tensors: dict[Path, TensorRecord]
    values: dict[Path, object]
    sharing: dict[Path, tuple[Path, bool]] = field(default_factory=dict[Path, tuple[Path, bool]])

    @property
    def elements(self) -> int:
        """Number of elements of all tensors; what tensors share is counted once."""
        shown = (record for path, record in self.tensors.items() if path not in self.sharing)
        return sum(math.prod(record.shape) for record in shown)

    @property
    def title(self) -> str:
        """One line about the whole."""
        ties = sum(same for _, same in self.sharing.values())
        return ", ".join(
            (
                self.opened.kind,
                shown_size(self.opened.nbytes),
                shown_count(len(self.tensors), "tensor") + (f" ({ties} tied)" if ties else ""),
                shown_count(self.elements, "element"),
            )
        )

    def as_json(self) -> dict[str, object]:
        """Describe the whole in terms of JSON."""
        return {
            "file": self.opened.path,
            "kind": self.opened.kind,
            "bytes": self.opened.nbytes,
            "elements": self.elements,
            "metadata": dict(self.opened.checkpoint.metadata),
            "tensors": [self._tensor_json(path, record) for path, record in self.tensors.items()],
            "values": [
                {"name": dotted(path), "path": [_json_key(key) for key in path], "value": summary(value)}
                for path, value in self.values.items()
            ],
        }

    def _tensor_json(self, path: Path, record: TensorRecord) -> dict[str, object]:
        """Describe a tensor in terms of JSON."""
        other, same = self.sharing.get(path, ((), False))
        return {
            "name": dotted(path),
            "path": [_json_key(key) for key in path],
            "shape": list(record.shape),
            "dtype": record.dtype,
            "bytes": row_bytes(record),
            "parameter": record.is_parameter,
            "location": record.storage.location,
            "tied_to": dotted(other) if same else None,
            "shares_memory_with": dotted(other) if other and not same else None,
        }

    def rows(self, *, everything: bool = False) -> Iterator[Row]:
        """Yield the lines of the tree.

        Args:
            everything: show what is summarized otherwise.
        """
        obj = self.opened.checkpoint.obj
        if parts(obj):
            yield from self._rows((), obj, (), everything)
        else:
            yield self._leaf((), obj, "the object", ())

    def _rows(self, path: Path, value: object, lines: tuple[bool, ...], everything: bool) -> Iterator[Row]:
        """Yield the lines of what a container holds."""
        held = parts(value) or []
        for number, (key, part) in enumerate(held, 1):
            here, last = (*path, key), (*lines, number == len(held))
            label = key if isinstance(key, str) and key.isprintable() and key else ascii(key)
            inner = parts(part)
            if not inner or not (everything or self._unfolds(here, part)):
                yield self._leaf(here, part, label, last)
                continue
            count = sum(1 for _ in self._below(here, part))
            yield Row(last, label, "group", note=f"{_kind(part)} of {len(inner):,}" + (_counted(count)))
            yield from self._rows(here, part, last, everything)

    def _unfolds(self, path: Path, value: object) -> bool:
        """Tell whether a container is shown with what it holds: one with tensors under names."""
        return (is_named(value) or not isinstance(value, dict)) and any(True for _ in self._below(path, value))

    def _below(self, path: Path, value: object) -> Iterator[TensorRecord]:
        """Yield the tensors in a value."""
        for leaf in leaves(value):
            record = self.tensors.get((*path, *leaf.path))
            if record is not None:
                yield record

    def _leaf(self, path: Path, value: object, label: str, lines: tuple[bool, ...]) -> Row:
        """Describe a tensor, a value, or a container that is not unfolded."""
        record = self.tensors.get(path)
        if record is None:
            return Row(lines, label, "value", note=self._summary(path, value))
        note = ""
        if path in self.sharing:
            other, same = self.sharing[path]
            note = f"= {dotted(other)}" if same else f"shares memory with {dotted(other)}"
        size = "" if note.startswith("=") else shown_size(row_bytes(record))
        return Row(lines, label, "tensor", str(list(record.shape)), record.dtype, size, note)

    def _summary(self, path: Path, value: object) -> str:
        """Say in a few words what a value is."""
        tensors = list(self._below(path, value))
        held = parts(value)
        if tensors and held:
            names = dict.fromkeys(
                leaf.path[-1] for leaf in leaves(value) if (*path, *leaf.path) in self.tensors and leaf.path
            )
            texts = [name for name in names if isinstance(name, str)][:_SHOWN]
            size = shown_size(sum(map(row_bytes, tensors)))
            return f"{_kind(value)} of {len(held):,}{_counted(len(tensors))}, {size}" + (
                f": {', '.join(texts)}" if texts else ""
            )
        return summary(value)


def _json_key(key: object) -> object:
    """Give a key as JSON can hold it."""
    return key if isinstance(key, str | int) else repr(key)


def _counted(count: int) -> str:
    """Say how many tensors a container holds."""
    return f", {shown_count(count, 'tensor')}" if count else ""


def _kind(value: object) -> str:
    """Name a container's type."""
    return value.name if isinstance(value, ObjectRecord) else type(value).__name__.removesuffix("Record")


def summary(value: object) -> str:
    """Say in a few words what a plain value is.

    Example:
        >>> summary([0.1, 0.2]), summary({"lr": 0.1})
        ('list of 2: 0.1, 0.2', 'dict of 1: lr=0.1')
    """
    held = parts(value)
    if not held:
        return _cut(_text(value))
    keyed = not isinstance(value, list | tuple)
    texts = [
        (f"{key}=" if keyed else "") + (f"{_kind(part)} of {len(inner):,}" if (inner := parts(part)) else _text(part))
        for key, part in held[:_SHOWN]
    ]
    return f"{_kind(value)} of {len(held):,}: " + _cut(", ".join(texts) + (", ..." if len(held) > _SHOWN else ""))


def _text(value: object) -> str:
    """Write a value on one line."""
    if isinstance(value, str | bytes | bytearray) and len(value) > _TEXT:
        return f"{type(value).__name__} of {len(value):,}: {value[:_TEXT]!r}"
    return " ".join(repr(value).split())


def _cut(text: str) -> str:
    """Cut a text that is too long."""
    return text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."


def listing(opened: Opened) -> Listing:
    """Look through a checkpoint.

    Args:
        opened: the checkpoint.
    """
    tensors: dict[Path, TensorRecord] = {}
    values: dict[Path, object] = {}
    sharing: dict[Path, tuple[Path, bool]] = {}
    looks: dict[tuple[object, ...], Path] = {}
    storages: dict[int, Path] = {}
    for leaf in leaves(opened.checkpoint.obj):
        record = as_tensor(leaf.value)
        if record is None:
            values[leaf.path] = leaf.value
            continue
        tensors[leaf.path] = record
        look = (id(record.storage), record.dtype, record.shape, record.stride, record.storage_offset)
        same = looks.setdefault(look, leaf.path)
        first = storages.setdefault(id(record.storage), leaf.path)
        if same != leaf.path:
            sharing[leaf.path] = (same, True)
        elif first != leaf.path:
            sharing[leaf.path] = (first, False)
    return Listing(opened, tensors, values, sharing)
