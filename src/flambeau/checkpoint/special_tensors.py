"""Tensors that are no view of one storage, as the pickle describes them: sparse, quantized, nested, meta, foreign."""

import math
from typing import Any, Final, cast

import numpy as np

from flambeau.base.errors import BadTensor, UnsupportedTensor
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.narrowing import as_tuple
from flambeau.checkpoint.records import GlobalRecord, ObjectRecord, StorageRecord, TensorRecord
from flambeau.checkpoint.special_records import MetaRecord, NestedRecord, QuantizedRecord, SparseRecord, SpecialRecord
from flambeau.checkpoint.tensors import built_tensor, checked_lengths, checked_view

__all__ = [
    "SCHEMES",
    "make_from_cpu",
    "make_from_numpy",
    "make_meta_tensor",
    "make_nested_tensor",
    "make_quantized_tensor",
    "make_sparse_tensor",
    "make_wrapper",
]

# Schemes of quantized tensors, which files name as values of PyTorch's.
SCHEMES: Final = frozenset(
    f"torch.per_{name}"
    for name in (
        *("tensor_affine", "tensor_symmetric", "channel_affine", "channel_symmetric"),
        "channel_affine_float_qparams",
    )
)
# The parts of a sparse tensor, by its layout, in the order of the file.
_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "sparse_coo": ("indices", "values"),
    "sparse_csr": ("crow_indices", "col_indices", "values"),
    "sparse_csc": ("ccol_indices", "row_indices", "values"),
    "sparse_bsr": ("crow_indices", "col_indices", "values"),
    "sparse_bsc": ("ccol_indices", "row_indices", "values"),
}
_PACKED: Final = {"quint4x2": 2, "quint2x4": 4}  # elements in one byte
_RECORD: Final = 600  # estimated bytes of Python objects, for the budget


def make_sparse_tensor(context: Context, layout: object, data: object) -> object:
    """Make the record of a sparse tensor of its layout, its parts, its shape and whether it is coalesced."""
    name = next((name for name, built in context.layouts.items() if built is layout), "")
    names, values = _PARTS.get(name), as_tuple(data)
    if names is None or values is None or len(values) not in (len(names) + 1, len(names) + 2):
        raise context.error(BadTensor, "a sparse tensor is made of something other than a layout and its parts")
    parts = {part: _tensor(context, values[index]) for index, part in enumerate(names)}
    shape = checked_lengths(context, "shape", values[len(names)])
    coalesced = values[-1] if len(values) == len(names) + 2 else None
    if coalesced is not None and type(coalesced) is not bool:
        raise context.error(BadTensor, "a sparse tensor is coalesced is something other than a bool")
    return _built(context, SparseRecord(name, shape, parts, coalesced))


def make_quantized_tensor(
    context: Context,
    storage: object,
    offset: object,
    shape: object,
    stride: object,
    quantizer: object,
    requires_grad: object,
    hooks: object,
) -> object:
    """Make the record of a quantized tensor of its whole numbers, and of the scale and zero point(s) of its scheme."""
    if not isinstance(storage, StorageRecord) or not storage.dtype.startswith(("qint", "quint")):
        raise context.error(BadTensor, "a quantized tensor views something other than a storage of its type")
    sizes = checked_lengths(context, "shape", shape)
    packed = _PACKED.get(storage.dtype)
    view = (offset, shape, stride) if packed is None else (0, (-(-math.prod(sizes) // packed),), (1,))
    data = checked_view(context, storage, storage.dtype, view, requires_grad, None)
    parts = as_tuple(quantizer) or ()
    scheme = parts[0].name if parts and isinstance(parts[0], GlobalRecord) else ""
    name, wanted = scheme.removeprefix("torch."), bool(requires_grad)
    if scheme in SCHEMES and len(parts) == 3 and type(parts[1]) is float and type(parts[2]) is int:
        scale, zero_point, axis = parts[1], parts[2], None
    elif scheme in SCHEMES and len(parts) == 4 and type(parts[3]) is int:
        scale, zero_point, axis = _tensor(context, parts[1]), _tensor(context, parts[2]), parts[3]
    else:
        raise context.error(BadTensor, "a quantized tensor has no scheme with a scale and a zero point")
    return _built(context, QuantizedRecord(sizes, data, name, scale, zero_point, axis, wanted))


def make_nested_tensor(context: Context, buffer: object, sizes: object, strides: object, offsets: object) -> object:
    """Make the record of a nested tensor of its buffer, and of how its parts lie in there."""
    return _built(context, NestedRecord(*(_tensor(context, part) for part in (buffer, sizes, strides, offsets))))


def make_meta_tensor(context: Context, dtype: object, shape: object, stride: object, requires_grad: object) -> object:
    """Make the record of a tensor without values."""
    sizes, steps = checked_lengths(context, "shape", shape), checked_lengths(context, "stride", stride)
    if len(sizes) != len(steps) or type(requires_grad) is not bool:
        raise context.error(BadTensor, "a tensor on the meta device is described by something other than its geometry")
    return _built(context, MetaRecord(_dtype(context, dtype), sizes, steps, requires_grad))


def make_from_cpu(context: Context, data: object, dtype: object, device: object, requires_grad: object) -> object:
    """Give a tensor of a device that PyTorch saves through the CPU: the values are those of the tensor it saved."""
    _tensor(context, data)
    return data


def make_from_numpy(context: Context, data: object, dtype: object, device: object, requires_grad: object) -> object:
    """Make a tensor of an array, as which PyTorch saved those of some devices."""
    if not isinstance(data, np.ndarray) or type(requires_grad) is not bool:
        raise context.error(BadTensor, "a tensor is made of something other than an array of its type")
    array = cast("np.ndarray[Any, np.dtype[Any]]", data)
    if array.dtype != ELEMENTS[_dtype(context, dtype)].numpy:
        raise context.error(BadTensor, "a tensor is made of an array of another type")
    context.budget.charge(_RECORD + array.nbytes)
    return built_tensor(context, TensorRecord.from_array(array, requires_grad=requires_grad))


def make_wrapper(context: Context, kind: object, *description: object) -> object:
    """Make the record of a tensor of a class of its own, which says nothing of its values."""
    if context.as_records and isinstance(kind, GlobalRecord):
        context.budget.charge(_RECORD)
        return ObjectRecord(kind.name, description)
    raise context.error(
        UnsupportedTensor, 'a tensor subclass is not rebuilt; unknown="record" gives what the file says about it'
    )


def _built(context: Context, record: SpecialRecord) -> object:
    """Turn a record into what it becomes, and remember that this is a tensor."""
    context.budget.charge(_RECORD)
    built = context.builders.special(record)
    context.tensors[id(built)] = built, record
    return built


def _tensor(context: Context, value: object) -> TensorRecord:
    """Find the record of a tensor that was rebuilt before."""
    _, record = context.tensors.get(id(value), (None, None))
    if not isinstance(record, TensorRecord):
        raise context.error(BadTensor, "a part of a tensor is something other than a tensor")
    return record


def _dtype(context: Context, dtype: object) -> str:
    """Name an element type."""
    for name, built in context.dtypes.items():
        if built is dtype:
            return name
    raise context.error(BadTensor, "the type of a tensor's elements is something other than a dtype")
