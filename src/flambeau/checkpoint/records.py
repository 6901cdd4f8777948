"""What a checkpoint holds beside plain Python values, as inert records: no code, no device, no JAX."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

import numpy as np

from flambeau.base.errors import LimitExceeded
from flambeau.checkpoint.elements import ELEMENTS, element_of
from flambeau.checkpoint.limits import NAME_LENGTH, PATH_PARTS

__all__ = [
    "ByteArray",
    "CallRecord",
    "DeviceRecord",
    "DtypeRecord",
    "GlobalRecord",
    "LayoutRecord",
    "ObjectRecord",
    "SizeRecord",
    "StorageRecord",
    "StorageView",
    "TensorRecord",
]

ByteArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]


class SizeRecord(tuple[int, ...]):
    """A ``torch.Size``: the tuple of its sizes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A ``torch.device``, such as ``DeviceRecord("cuda", 1)``; the index is None where none was given."""

    type: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class DtypeRecord:
    """A ``torch.dtype``, by PyTorch's name without the module: ``DtypeRecord("float32")``."""

    name: str


@dataclass(frozen=True, slots=True)
class LayoutRecord:
    """A ``torch.layout``, by PyTorch's name without the module: ``LayoutRecord("strided")``."""

    name: str


@dataclass(frozen=True, slots=True)
class GlobalRecord:
    """A class or function that the file holds as a value, by its full name. It cannot be called."""

    name: str


@dataclass(eq=False, slots=True)
class StorageRecord:
    """A stretch of bytes that tensors view. Tensors that share a storage share this record.

    Attributes:
        dtype: element type of the storage, ``"uint8"`` for an untyped one.
        nbytes: number of bytes.
        load: gives the bytes, of shape ``(nbytes,)``, in this machine's byte order; may read them from the file.
        key: name of the storage inside its file.
        location: where the storage lived when it was saved, such as ``"cpu"`` or ``"cuda:0"``.
    """

    dtype: str
    nbytes: int
    load: Callable[[], ByteArray] = field(repr=False)
    key: str = ""
    location: str = "cpu"

    @classmethod
    def from_array(cls, array: np.ndarray[Any, np.dtype[Any]]) -> "StorageRecord":
        """Make a storage of an array's elements in row order, without a copy where they lie so.

        Args:
            array: array of any shape whose type a checkpoint can hold.

        Raises:
            TypeError: the type is none that a checkpoint can hold.

        Example:
            >>> import numpy as np
            >>> StorageRecord.from_array(np.zeros(3, np.float32)).nbytes
            12
        """
        element = element_of(array.dtype)
        if element is None:
            raise TypeError(f"array of type {array.dtype}: no tensor has elements of this type")
        data: ByteArray = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return cls(element.name, data.nbytes, lambda: data)


@dataclass(eq=False, slots=True)
class StorageView(StorageRecord):
    """A part of a storage that old versions of PyTorch treated as a storage of its own; it shares the bytes.

    Attributes:
        base: the whole storage.
        start: where the part begins, in bytes.
    """

    base: StorageRecord = field(kw_only=True)
    start: int = field(kw_only=True)


@dataclass(eq=False, slots=True)
class TensorRecord:
    """A tensor: how it views its storage.

    Attributes:
        dtype: element type, by PyTorch's name without the module: ``"bfloat16"``.
        shape: sizes of the dimensions.
        stride: distances between neighbors along each dimension, in elements.
        storage_offset: distance of the first element from the storage's beginning, in elements.
        storage: the bytes, perhaps shared with other tensors.
        requires_grad: whether operations on it are recorded for differentiation.
        is_parameter: whether it is an ``nn.Parameter``.
        metadata: bits that change the meaning of the elements: ``conj`` and ``neg``.
        attributes: Python attributes set on the tensor; an ``nn.Buffer`` is told by ``_is_buffer`` among them.
        kind: full name of its class, where it is written as one of its own.
    """

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    storage_offset: int
    storage: StorageRecord
    requires_grad: bool = False
    is_parameter: bool = False
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    attributes: dict[str, object] = field(default_factory=dict[str, object])
    kind: str = "torch.Tensor"

    @property
    def is_buffer(self) -> bool:
        """Whether it is an ``nn.Buffer``."""
        return self.attributes.get("_is_buffer") is True

    @classmethod
    def from_array(cls, array: np.ndarray[Any, np.dtype[Any]], *, requires_grad: bool = False) -> "TensorRecord":
        """Describe an array as a tensor with a storage of its own.

        Args:
            array: array of any shape whose type a checkpoint can hold.
            requires_grad: whether the tensor is recorded for differentiation.

        Raises:
            TypeError: the type is none that a checkpoint can hold.

        Example:
            >>> import numpy as np
            >>> TensorRecord.from_array(np.zeros((2, 3), np.float32)).stride
            (3, 1)
        """
        storage = StorageRecord.from_array(array)
        steps = np.cumprod((1, *(max(size, 1) for size in array.shape[:0:-1])))
        stride = tuple(int(step) for step in steps[::-1]) if array.ndim else ()
        return cls(storage.dtype, array.shape, stride, 0, storage, requires_grad=requires_grad)

    def array(self) -> np.ndarray[Any, np.dtype[Any]]:
        """Give the tensor's values as a NumPy array of its shape and strides.

        The array shows the storage itself, without a copy, and is read-only where the storage is; values behind a
        ``conj`` or ``neg`` bit are computed into a new one. Half-precision complex numbers, which NumPy does not have,
        come as pairs with the fields ``real`` and ``imag``.

        Raises:
            ChecksumMismatch: the bytes in the file are damaged.

        Example:
            >>> import numpy as np
            >>> TensorRecord.from_array(np.arange(6).reshape(2, 3)).array().tolist()
            [[0, 1, 2], [3, 4, 5]]
        """
        element = ELEMENTS[self.dtype]
        if 0 in self.shape:
            return np.empty(self.shape, element.numpy)
        view = np.ndarray(
            self.shape,
            element.numpy,
            buffer=self.storage.load(),
            offset=self.storage_offset * element.size,
            strides=tuple(step * element.size for step in self.stride),
        )
        if self.metadata.get("conj"):
            view = np.conj(view)
        if self.metadata.get("neg"):
            view = np.negative(view)
        return view


@dataclass(eq=False, repr=False)
class ObjectRecord:
    """An object of a class that is not built: what the file says of it, and nothing else.

    Attributes:
        name: dotted path of its class.
        arguments: what the object was to be made of; keyword arguments, where there are any, come last, as a
            dictionary.
        state: what was to become its attributes, mostly a dictionary; None where the file gives none.
        items: what was to be appended to it, in order.
        pairs: the keys and values that were to be set in it, in order.

    Example:
        >>> ObjectRecord("__main__.Config", state={"lr": 0.1})
        ObjectRecord('__main__.Config', state of 'lr')
    """

    name: str
    arguments: tuple[object, ...] = ()
    state: object = None
    items: list[object] = field(default_factory=list[object])
    pairs: list[tuple[object, object]] = field(default_factory=list[tuple[object, object]])

    def __repr__(self) -> str:
        parts = [repr(self.name)]
        if self.arguments:
            parts.append(f"{len(self.arguments)} argument{'s' * (len(self.arguments) > 1)}")
        if isinstance(self.state, dict):
            names = [str(name)[:40] for name in cast("dict[object, object]", self.state)]
            parts.append("state of " + ", ".join([*map(repr, names[:6]), *["..."] * (len(names) > 6)]))
        elif self.state is not None:
            parts.append(f"state: {type(self.state).__name__}")
        if self.items:
            parts.append(f"{len(self.items)} item{'s' * (len(self.items) > 1)}")
        if self.pairs:
            parts.append(f"{len(self.pairs)} pair{'s' * (len(self.pairs) > 1)}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def tensors(self) -> dict[str, Any]:
        """Collect the tensors inside, however deep, by their paths.

        The path of a tensor in a record of a module is its name in the module's ``state_dict()``. Of a tensor that is
        there several times, the first path counts.

        Example:
            >>> import numpy as np
            >>> weight = TensorRecord.from_array(np.zeros(2))
            >>> layer = ObjectRecord("__main__.Layer", state={"_parameters": {"weight": weight}})
            >>> list(ObjectRecord("__main__.Net", state={"_modules": {"fc": layer}}).tensors())
            ['fc.weight']
        """
        found: dict[str, Any] = {}
        seen: set[int] = set()
        pending: list[tuple[tuple[str, ...], object]] = [((), self)]
        while pending:
            path, value = pending.pop()
            if value is None or isinstance(value, str | bytes | int | float) or id(value) in seen:
                continue
            seen.add(id(value))
            if hasattr(type(value), "requires_grad"):
                found[_unused(".".join(path), found)] = value
                continue
            for name, part in reversed(list(_parts(value))):
                pending.append(((*path, name) if name else path, part))
            if len(path) > PATH_PARTS:
                raise LimitExceeded(f"{self.name}: its values are nested more than {PATH_PARTS} deep")
        return found


class CallRecord(ObjectRecord):
    """What a function that is not called would have returned; ``name`` is the function's.

    A class may stand in its place, where the file calls the class itself instead of making an empty object of it.
    """


# Names that a module keeps its members under; a member's path goes without them, as in a state dict.
_FOLDERS: Final = frozenset(("_parameters", "_buffers", "_modules"))


def _unused(path: str, found: dict[str, Any]) -> str:
    """Tell apart what would have the same path, such as the keys 1 and "1"."""
    while path in found:
        path = f"{path}#{len(found)}"
    return path


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """Yield what a value holds, each with its name in a path; an empty name adds nothing to it."""
    if isinstance(value, ObjectRecord):
        yield "arguments", value.arguments
        yield "", value.state
        yield "", value.items
        yield from ((_label(key), part) for key, part in value.pairs)
    elif isinstance(value, dict):
        yield from ((_label(key), part) for key, part in cast("dict[object, object]", value).items())
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from ((str(index), part) for index, part in enumerate(cast("list[object]", value)))
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        yield "", vars(value)


def _label(key: object) -> str:
    """Name what stands under a key."""
    if isinstance(key, str):
        return "" if key in _FOLDERS else key[:NAME_LENGTH]
    return str(key) if type(key) is int and key.bit_length() < 64 else type(key).__name__
