"""Tensors that are no view of one storage, as inert records: sparse, quantized, nested, and without values."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from flambeau.checkpoint.records import TensorRecord

__all__ = ["MetaRecord", "NestedRecord", "QuantizedRecord", "SparseRecord", "SpecialRecord"]


@dataclass(frozen=True, eq=False, slots=True)
class MetaRecord:
    """A tensor on the meta device: a shape without values.

    Attributes:
        dtype: element type, by PyTorch's name without the module.
        shape: sizes of the dimensions.
        stride: distances between neighbors along each dimension, in elements.
        requires_grad: whether operations on it are recorded for differentiation.
    """

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class SparseRecord:
    """A sparse tensor: its indices and values, which are not compared with its shape.

    Attributes:
        layout: PyTorch's name of the layout without the module: ``"sparse_coo"``, ``"sparse_csr"``, ...
        shape: sizes of the dimensions.
        parts: the tensors that describe it: ``indices`` and ``values`` for COO, ``crow_indices``, ``col_indices`` and
            ``values`` for CSR and BSR, ``ccol_indices``, ``row_indices`` and ``values`` for CSC and BSC.
        coalesced: whether no index is there twice, for COO; None where the file does not say.
    """

    layout: str
    shape: tuple[int, ...]
    parts: dict[str, TensorRecord]
    coalesced: bool | None = None

    requires_grad = False

    def array(self, part: str = "values") -> np.ndarray[Any, np.dtype[Any]]:
        """Give one of the parts as a NumPy array.

        Raises:
            KeyError: there is no part of this name.
        """
        return self.parts[part].array()


@dataclass(frozen=True, eq=False, slots=True)
class QuantizedRecord:
    """A quantized tensor: whole numbers q, which stand for (q - zero_point) * scale.

    Attributes:
        shape: sizes of the dimensions.
        data: the whole numbers, as a tensor of type ``"qint8"``, ``"quint8"`` or ``"qint32"``; those of ``"quint4x2"``
            and ``"quint2x4"`` as a row of bytes, in which they are packed.
        scheme: PyTorch's name of the scheme without the module, such as ``"per_tensor_affine"``.
        scale: distance between neighbors; a tensor of one for each channel in the schemes per channel.
        zero_point: the whole number that stands for zero; likewise.
        axis: the dimension of the channels; None in the schemes per tensor.
        requires_grad: whether operations on it are recorded for differentiation.
    """

    shape: tuple[int, ...]
    data: TensorRecord
    scheme: str
    scale: float | TensorRecord
    zero_point: int | TensorRecord
    axis: int | None = None
    requires_grad: bool = False

    def array(self) -> np.ndarray[Any, np.dtype[Any]]:
        """Give the whole numbers as a NumPy array."""
        return self.data.array()


@dataclass(frozen=True, eq=False, slots=True)
class NestedRecord:
    """A nested tensor: several tensors in one buffer, which are not compared with its length.

    Attributes:
        buffer: all elements.
        sizes: a row of sizes for each tensor.
        strides: a row of strides for each tensor.
        offsets: the place in the buffer of each tensor's first element.
    """

    buffer: TensorRecord
    sizes: TensorRecord
    strides: TensorRecord
    offsets: TensorRecord

    requires_grad = False

    def array(self) -> np.ndarray[Any, np.dtype[Any]]:
        """Give the buffer as a NumPy array."""
        return self.buffer.array()


SpecialRecord: TypeAlias = MetaRecord | SparseRecord | QuantizedRecord | NestedRecord
