"""What a checkpoint holds beside plain Python values, as inert records: no code, no device, no JAX."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from flambeau.checkpoint.elements import ELEMENTS, element_of

__all__ = [
    "ByteArray",
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
    """A permitted class or function that the file holds as a value, by its full name. It cannot be called."""

    name: str


@dataclass(eq=False, slots=True)
class ObjectRecord:
    """An object of a class that is not read, as the file describes it: no class is looked up, nothing of it runs.

    Attributes:
        name: full name of the class.
        arguments: what the class was called with.
        state: what the object was given as its state, usually a dictionary of its attributes; None where it has none.
        items: what was appended to it.
        pairs: the keys and values that were set in it.
    """

    name: str
    arguments: tuple[object, ...] = ()
    state: object = None
    items: list[object] = field(default_factory=list[object])
    pairs: list[tuple[object, object]] = field(default_factory=list[tuple[object, object]])


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
