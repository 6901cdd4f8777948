"""Reading a safetensors file: its tensors as records that view mapped bytes.

Source: https://github.com/huggingface/safetensors#format
"""

from dataclasses import dataclass
from typing import Final

from flambeau.base.shapes import contiguous_strides
from flambeau.checkpoint.aligned import AlignedBytes
from flambeau.checkpoint.byte_order import ByteOrder
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.records import StorageRecord, TensorRecord
from flambeau.checkpoint.safetensors_header import read_header
from flambeau.checkpoint.sharing import restore_sharing
from flambeau.checkpoint.source import ByteSource

__all__ = ["ArrayFile", "read_tensors"]

_BYTE_ORDER: Final = "little"


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """A file of named tensors without a pickle, as it was read.

    Attributes:
        tensors: the tensors by name, in the file's order.
        metadata: text by name.
        stored: names of the tensors that the file itself holds; the others are tied to one of them.
    """

    tensors: dict[str, TensorRecord]
    metadata: dict[str, str]
    stored: frozenset[str]


def read_tensors(source: ByteSource) -> ArrayFile:
    """Read a safetensors file's header; tensors view the bytes of the source.

    Args:
        source: the file's bytes. One whose bytes do not last is read now.

    Raises:
        BadSafetensors: one of its subclasses, by the reason.
        UnsupportedTensor: a tensor has a type that PyTorch does not have.
    """
    header = read_header(source)
    order = ByteOrder(source.name, _BYTE_ORDER)
    tensors: dict[str, TensorRecord] = {}
    for stored in header.tensors.values():
        element = ELEMENTS[stored.dtype]
        nbytes = stored.end - stored.start
        stretch = AlignedBytes(source, header.start + stored.start, nbytes, element.swap)
        storage = StorageRecord(stored.dtype, nbytes, stretch.load, stored.name)
        order.arrange(storage, element.swap)
        stride = contiguous_strides(stored.shape)
        tensors[stored.name] = TensorRecord(stored.dtype, stored.shape, stride, 0, storage)
    return ArrayFile(*restore_sharing(source.name, tensors, header.metadata), frozenset(tensors))
