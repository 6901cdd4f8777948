"""What a checkpoint holds, walked once: every tensor and every plain value, with the way to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import numpy as np

from flambeau.base.errors import LimitExceeded
from flambeau.checkpoint.elements import element_of
from flambeau.checkpoint.records import ObjectRecord, TensorRecord

__all__ = ["Leaf", "Path", "as_tensor", "dotted", "is_named", "leaves", "parts"]

Path: TypeAlias = tuple[object, ...]

_FOLDERS: Final = ("_parameters", "_buffers", "_modules")
_DEPTH: Final = 100
_MOST: Final = 4_000_000  # a few bytes can describe lists of lists without end


@dataclass(frozen=True, slots=True)
class Leaf:
    """A tensor or a plain value.

    Attributes:
        path: keys and indices that lead to it.
        value: a `TensorRecord`, or anything that holds no other value.
    """

    path: Path
    value: object

    @property
    def name(self) -> str:
        """The path with dots between its parts."""
        return dotted(self.path)


def dotted(path: Path) -> str:
    """Write a path with dots between its parts.

    Example:
        >>> dotted(("optimizer", "state", 0, "step"))
        'optimizer.state.0.step'
    """
    return ".".join(str(part) for part in path)


def parts(value: object) -> list[tuple[object, object]] | None:
    """Give what a container holds, with its keys or indices; None for what is no container."""
    if isinstance(value, dict):
        return list(cast("dict[object, object]", value).items())
    if type(value) in (list, tuple):
        return list(enumerate(cast("list[object]", value)))
    return _of_object(value) if isinstance(value, ObjectRecord) else None


def _of_object(record: ObjectRecord) -> list[tuple[object, object]]:
    """Give what the file says of an object. A module's members go by their names in its state dict."""
    held: list[tuple[object, object]] = [("arguments", record.arguments)] if record.arguments else []
    if isinstance(record.state, dict):
        state = cast("dict[object, object]", record.state)
        folders = [cast("dict[object, object]", state.get(name)) for name in _FOLDERS]
        if all(isinstance(folder, dict) for folder in folders):
            held.extend((name, part) for folder in folders for name, part in folder.items() if part is not None)
            state = {name: part for name, part in state.items() if not str(name).startswith("_")}
        held.extend(state.items())
    elif record.state is not None:
        held.append(("state", record.state))
    held.extend(enumerate(record.items))
    return held + record.pairs


def is_named(value: object) -> bool:
    """Tell whether a value is a dictionary with nothing but text for keys, such as a state dict."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in cast("dict[object, object]", value))


def as_tensor(value: object) -> TensorRecord | None:
    """Give a tensor's record, that of a NumPy array as well; None for what is neither."""
    if isinstance(value, TensorRecord):
        return value
    if isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, np.dtype[Any]]", value)
        return None if element_of(array.dtype) is None else TensorRecord.from_array(array)
    return None


def _holds(value: object) -> bool:
    """Tell whether a value is a tensor or a container."""
    return parts(value) is not None or as_tensor(value) is not None


def leaves(obj: object) -> Iterator[Leaf]:
    """Yield every tensor and plain value of an object; a container of nothing but plain values in a row is one, too.

    Args:
        obj: plain values and records, nested in any way.

    Raises:
        LimitExceeded: it is nested too deep, or without end.

    Example:
        >>> [leaf.name for leaf in leaves({"betas": (0.9, 0.99), "groups": [{"lr": 0.1}]})]
        ['betas', 'groups.0.lr']
    """
    pending: list[tuple[Path, object]] = [((), obj)]
    seen = 0
    while pending:
        path, value = pending.pop()
        seen += 1
        if len(path) > _DEPTH or seen > _MOST:
            raise LimitExceeded(f"the object is nested more than {_DEPTH} deep, or holds more than {_MOST:,} values")
        held = parts(value)
        if held and (isinstance(value, dict | ObjectRecord) or any(_holds(part) for _, part in held)):
            pending.extend(((*path, key), part) for key, part in reversed(held))
        else:
            yield Leaf(path, value)
