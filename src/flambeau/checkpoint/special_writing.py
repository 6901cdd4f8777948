"""Tensors that are no view of one storage, as the calls that PyTorch writes for them."""

from collections import OrderedDict

from flambeau.checkpoint.records import CallRecord, DtypeRecord, GlobalRecord, LayoutRecord, SizeRecord
from flambeau.checkpoint.special_records import MetaRecord, NestedRecord, SparseRecord, SpecialRecord

__all__ = ["as_call"]


def as_call(record: SpecialRecord) -> CallRecord:
    """Describe how PyTorch rebuilds a tensor."""
    name, arguments = _call(record)
    return CallRecord(f"torch._utils._rebuild_{name}", arguments)


def _call(record: SpecialRecord) -> tuple[str, tuple[object, ...]]:
    """Name the function and its arguments."""
    if isinstance(record, MetaRecord):
        return "meta_tensor_no_storage", (DtypeRecord(record.dtype), record.shape, record.stride, record.requires_grad)
    if isinstance(record, NestedRecord):
        return "nested_tensor", (record.buffer, record.sizes, record.strides, record.offsets)
    if isinstance(record, SparseRecord):
        coalesced = () if record.coalesced is None else (record.coalesced,)
        parts = (*record.parts.values(), SizeRecord(record.shape), *coalesced)
        return "sparse_tensor", (LayoutRecord(record.layout), parts)
    stride, size = [1] * len(record.shape), 1
    for axis in reversed(range(len(record.shape))):
        stride[axis], size = size, size * record.shape[axis]
    packed = record.data.shape != record.shape
    axis = () if record.axis is None else (record.axis,)
    return "qtensor", (
        record.data.storage,
        record.data.storage_offset,
        record.shape,
        tuple(stride) if packed else record.data.stride,
        (GlobalRecord(f"torch.{record.scheme}"), record.scale, record.zero_point, *axis),
        record.requires_grad,
        OrderedDict[object, object](),
    )
