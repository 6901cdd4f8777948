"""What of each storage goes into a file: all of it where tensors share it, else only what its one tensor shows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from flambeau.base.errors import SaveError, StorageTypeConflict
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.records import StorageRecord, TensorRecord

__all__ = ["SavedStorage", "View"]

_VIEWED: Final = 16 << 20  # bytes of a piece that is only looked at
_GATHERED: Final = 1 << 20  # bytes of a piece that has to be put together


@dataclass(frozen=True, slots=True)
class View:
    """How a tensor views its storage in the file: offset and strides in elements."""

    offset: int
    stride: tuple[int, ...]


@dataclass(eq=False, slots=True)
class SavedStorage:
    """A storage on its way into a file.

    Attributes:
        record: the storage.
        key: its name in the file.
        dtype: its element type in the file, ``"uint8"`` where the tensors' type has no storage class.
        whole: whether it is saved for itself, not for the tensors that view it.
        tensors: the tensors that view it.
    """

    record: StorageRecord
    key: str
    dtype: str
    whole: bool = False
    tensors: list[TensorRecord] = field(default_factory=list[TensorRecord])

    def add(self, tensor: TensorRecord) -> None:
        """Add a tensor that views the storage.

        Raises:
            StorageTypeConflict: another views it as a different type.
            SaveError: the tensor reaches beyond the storage.
        """
        self._check_type(storage_type(tensor.dtype))
        if _span(tensor) and tensor.storage_offset + _span(tensor) > self.record.nbytes // ELEMENTS[tensor.dtype].size:
            raise SaveError(
                f"a tensor of shape {tensor.shape} reaches beyond its storage of {self.record.nbytes} bytes"
            )
        self.tensors.append(tensor)

    def keep_whole(self, dtype: str) -> None:
        """Save the storage for itself, as elements of a type.

        Raises:
            StorageTypeConflict: a tensor views it as a different type.
        """
        self._check_type(dtype)
        self.whole = True

    def _check_type(self, dtype: str) -> None:
        """Refuse a second element type."""
        if self.dtype != dtype:
            raise StorageTypeConflict(
                "Cannot save multiple tensors or storages that view the same data as different types: "
                f"{self.dtype} and {dtype}"
            )

    @property
    def alone(self) -> TensorRecord | None:
        """The only tensor that views the storage, where there is just one and the storage is not saved for itself."""
        return self.tensors[0] if len(self.tensors) == 1 and not self.whole else None

    @property
    def count(self) -> int:
        """Number of elements in the file, of the type the file gives the storage."""
        return self.nbytes // ELEMENTS[self.dtype].size

    @property
    def nbytes(self) -> int:
        """Number of bytes in the file."""
        if self.alone is None:
            size = ELEMENTS[self.dtype].size
            return self.record.nbytes // size * size
        shown = _span(self.alone) if _is_dense(self.alone) else _shown(self.alone)
        return shown * ELEMENTS[self.alone.dtype].size

    def view(self, tensor: TensorRecord) -> View:
        """Tell how one of the tensors views the storage in the file."""
        if self.alone is None:
            return View(tensor.storage_offset, tensor.stride)
        return View(0, tensor.stride if _is_dense(tensor) else _compact(tensor))

    def chunks(self) -> Iterator[memoryview]:
        """Yield the storage's bytes piece by piece; a piece is valid until the next is asked for."""
        data = self.record.load()
        start = 0
        if self.alone is not None:
            if not _is_dense(self.alone):
                yield from _gathered(self.alone, data)
                return
            start = self.alone.storage_offset * ELEMENTS[self.alone.dtype].size
        stretch = data.data[start : start + self.nbytes]
        for at in range(0, len(stretch), _VIEWED):
            yield stretch[at : at + _VIEWED]


def storage_type(dtype: str) -> str:
    """Element type that a storage has in the file when tensors of this type view it."""
    return dtype if ELEMENTS[dtype].storage is not None else "uint8"


def _span(tensor: TensorRecord) -> int:
    """Number of storage elements from the first to the last that a tensor shows."""
    if 0 in tensor.shape:
        return 0
    return 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))


def _shown(tensor: TensorRecord) -> int:
    """Number of storage elements that a tensor shows, one shown many times by a zero stride counted once."""
    count = 1
    for size, step in zip(tensor.shape, tensor.stride, strict=True):
        count *= size if step else min(size, 1)
    return count


def _is_dense(tensor: TensorRecord) -> bool:
    """Tell whether a tensor shows every element between its first and its last."""
    return _span(tensor) <= _shown(tensor)


def _compact(tensor: TensorRecord) -> tuple[int, ...]:
    """Strides without gaps, in the order of the tensor's own; a zero stride stays."""
    stride = [0] * len(tensor.shape)
    step = 1
    for axis in sorted(range(len(stride)), key=lambda axis: (tensor.stride[axis], -axis)):
        if tensor.stride[axis]:
            stride[axis] = step
            step *= tensor.shape[axis]
    return tuple(stride)


def _gathered(tensor: TensorRecord, data: np.ndarray[Any, np.dtype[Any]]) -> Iterator[memoryview]:
    """Yield the elements that a tensor shows, in the order of its strides, without gathering them all at once."""
    size = ELEMENTS[tensor.dtype].size
    axes = sorted(
        (axis for axis in range(len(tensor.shape)) if tensor.stride[axis]),
        key=lambda axis: (-tensor.stride[axis], axis),
    )
    elements: np.ndarray[Any, np.dtype[np.void]] = np.ndarray(
        tuple(tensor.shape[axis] for axis in axes),
        np.dtype((np.void, size)),
        buffer=data,
        offset=tensor.storage_offset * size,
        strides=tuple(tensor.stride[axis] * size for axis in axes),
    )
    pieces = np.nditer(elements, flags=["external_loop", "buffered"], order="C", buffersize=_GATHERED // size)
    for piece in pieces:
        yield np.ascontiguousarray(piece).view(np.uint8).data
