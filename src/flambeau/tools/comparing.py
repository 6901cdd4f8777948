"""What `flambeau diff` finds: how two checkpoints differ, name by name, value by value."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

import numpy as np

from flambeau.base.errors import BadEdit
from flambeau.checkpoint.records import TensorRecord
from flambeau.checkpoint.row_order import row_bytes
from flambeau.tools.listing import summary
from flambeau.tools.tree import as_tensor, leaves

__all__ = ["Change", "Comparison", "compare", "named"]

_PIECE: Final = 1 << 20  # elements that are compared at a time


@dataclass(slots=True)
class Change:
    """How something that is in both differs.

    Attributes:
        name: the path with dots.
        what: ``"shape"``, ``"dtype"``, ``"values"``, ``"value"`` (of no tensor), or ``"kind"`` (only one is a tensor).
        before, after: the shapes, types or values.
        count: elements that differ.
        total: elements.
        absolute: largest difference.
        relative: largest difference in relation to the larger of the two numbers.
        index: where the largest difference is.
    """

    name: str
    what: str
    before: str = ""
    after: str = ""
    count: int = 0
    total: int = 0
    absolute: float = 0.0
    relative: float = 0.0
    index: tuple[int, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Describe it in terms of JSON, which has no infinity."""
        if self.what != "values":
            return {"name": self.name, "what": self.what, "before": self.before, "after": self.after}
        return {
            "name": self.name,
            "what": self.what,
            "count": self.count,
            "total": self.total,
            "absolute": self.absolute if math.isfinite(self.absolute) else str(self.absolute),
            "relative": self.relative if math.isfinite(self.relative) else str(self.relative),
            "index": list(self.index),
        }


@dataclass(slots=True)
class Comparison:
    """How two checkpoints differ.

    Attributes:
        only_before, only_after: what is in one of them only, by name.
        changes: what differs.
        equal: number of equal tensors.
        equal_values: number of equal plain values.
    """

    only_before: dict[str, str] = field(default_factory=dict[str, str])
    only_after: dict[str, str] = field(default_factory=dict[str, str])
    changes: list[Change] = field(default_factory=list[Change])
    equal: int = 0
    equal_values: int = 0

    def as_json(self) -> dict[str, object]:
        """Describe the whole in terms of JSON."""
        return {
            "equal_tensors": self.equal,
            "equal_values": self.equal_values,
            "only_before": self.only_before,
            "only_after": self.only_after,
            "changes": [change.as_json() for change in self.changes],
        }

    @property
    def differ(self) -> bool:
        """Whether there is any difference."""
        return bool(self.only_before or self.only_after or self.changes)


def named(obj: object) -> dict[str, object]:
    """Give every tensor and plain value of an object by its dotted name.

    Args:
        obj: plain values and records.

    Raises:
        BadEdit: two have the same name.
    """
    found: dict[str, object] = {}
    for leaf in leaves(obj):
        if leaf.name in found:
            raise BadEdit(
                f"two things in the file are called {leaf.name!r}, by different paths: they cannot be told apart"
            )
        found[leaf.name] = leaf.value
    return found


def compare(
    before: object,
    after: object,
    *,
    absolute: float = 0.0,
    relative: float = 0.0,
    report: Callable[[int], object] = lambda _: None,
) -> Comparison:
    """Compare two objects. NaN equals NaN.

    Args:
        before, after: what two checkpoints hold.
        absolute: difference of two numbers up to which they count as equal.
        relative: the same in relation to the larger number.
        report: takes the number of bytes of each tensor that was compared.

    Raises:
        LoadError: the bytes of a tensor are damaged.

    Example:
        >>> compare({"epoch": 3}, {"epoch": 4}).changes[0].after
        '4'
    """
    first, second = named(before), named(after)
    result = Comparison(
        {name: describe(value) for name, value in first.items() if name not in second},
        {name: describe(value) for name, value in second.items() if name not in first},
    )
    for name, value in first.items():
        if name not in second:
            continue
        one, other = as_tensor(value), as_tensor(second[name])
        if one is None or other is None:
            _compare_values(result, name, (value, second[name]), one is not other)
            continue
        changes = list(_compare_tensors(name, one, other, absolute, relative))
        result.changes.extend(changes)
        result.equal += not changes
        report(row_bytes(one))
    return result


def describe(value: object) -> str:
    """Say in a few words what something is.

    Example:
        >>> describe(5)
        '5'
    """
    record = as_tensor(value)
    return summary(value) if record is None else f"{list(record.shape)} {record.dtype}"


def _compare_values(result: Comparison, name: str, values: tuple[object, object], mixed: bool) -> None:
    """Compare what is no tensor, or only one of the two."""
    if mixed:
        result.changes.append(Change(name, "kind", describe(values[0]), describe(values[1])))
    elif _equal(*values):
        result.equal_values += 1
    else:
        result.changes.append(Change(name, "value", summary(values[0]), summary(values[1])))


def _equal(one: object, other: object) -> bool:
    """Tell whether two plain values are equal, of the same type."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(cast("Any", one), cast("Any", other))
    return type(one) is type(other) and repr(one) == repr(other)


def _compare_tensors(
    name: str, one: TensorRecord, other: TensorRecord, absolute: float, relative: float
) -> Iterator[Change]:
    """Yield how two tensors differ."""
    if one.shape != other.shape:
        yield Change(name, "shape", str(list(one.shape)), str(list(other.shape)))
        return
    if one.dtype != other.dtype:
        yield Change(name, "dtype", one.dtype, other.dtype)
    change = Change(name, "values", total=int(np.prod(one.shape, dtype=np.int64)))
    first, second = _flat(one), _flat(other)
    for at in range(0, change.total, _PIECE):
        _compare_piece(change, first[at : at + _PIECE], second[at : at + _PIECE], at, (absolute, relative))
    if change.count:
        change.index = tuple(int(part) for part in np.unravel_index(change.index[0], one.shape)) if one.shape else ()
        yield change


def _flat(record: TensorRecord) -> np.ndarray[Any, np.dtype[Any]]:
    """Give a tensor's elements in row order: where they lie so without a copy."""
    return np.ascontiguousarray(record.array()).reshape(-1)


def _compare_piece(
    change: Change,
    one: np.ndarray[Any, np.dtype[Any]],
    other: np.ndarray[Any, np.dtype[Any]],
    at: int,
    tolerance: tuple[float, float],
) -> None:
    """Compare two flat stretches, and note the largest difference."""
    if one.dtype == other.dtype and np.array_equal(one.view(np.uint8), other.view(np.uint8)):
        return
    first, second = _numbers(one), _numbers(other)
    with np.errstate(all="ignore"):
        gap = _gap(first, second)
        larger = np.maximum(np.abs(first), np.abs(second)).astype(np.float64)
        share = np.where(gap == 0, 0.0, gap / larger)
        gap, share = (np.where(np.isnan(part), np.inf, part) for part in (gap, share))
        differs = (gap > 0) & (gap > tolerance[0]) & (share > tolerance[1])
    count = int(differs.sum())
    if not count:
        return
    largest = float(gap[differs].max())
    if not change.count or largest > change.absolute:
        change.absolute = largest
        change.index = (at + int(np.argmax(np.where(differs, gap, -1.0))),)
    change.relative = max(change.relative, float(share[differs].max()))
    change.count += count


def _gap(one: np.ndarray[Any, np.dtype[Any]], other: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, Any]:
    """Distances of numbers; none where both are NaN, or the same infinity."""
    if one.dtype.kind in "iu" and one.dtype == other.dtype:
        unsigned = f"u{one.dtype.itemsize}"
        wide = np.maximum(one, other).view(unsigned) - np.minimum(one, other).view(unsigned)  # exact, with wraparound
        return wide.astype(np.float64)
    if one.dtype != other.dtype:
        one, other = one.astype(np.complex128), other.astype(np.complex128)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.where(same, 0.0, np.abs(one - other).astype(np.float64))


def _numbers(array: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    """Give numbers as NumPy can calculate with them."""
    if array.dtype.names is not None:  # half-precision complex numbers
        halves = array.view(np.float16).astype(np.float64)
        return halves[0::2] + 1j * halves[1::2]
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind in "iuc":
        return array
    return array.astype(np.float64)
