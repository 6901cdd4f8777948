"""Tensors as the pickle describes them: a view of a storage, checked against the storage's bounds."""

from typing import Final, cast

from flambeau.base.errors import BadTensor, LimitExceeded, ViewOutOfStorage
from flambeau.checkpoint.context import Context, Permitted
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.limits import DIMENSIONS
from flambeau.checkpoint.narrowing import as_dict, as_tuple
from flambeau.checkpoint.records import (
    CallRecord,
    GlobalRecord,
    ObjectRecord,
    StorageRecord,
    StorageView,
    TensorRecord,
)

__all__ = [
    "TENSOR_CLASSES",
    "built_tensor",
    "checked_lengths",
    "checked_view",
    "make_parameter",
    "make_tensor",
    "make_tensor_with_attributes",
    "make_typed_tensor",
]

_END: Final = 1 << 63
_METADATA: Final = frozenset(("conj", "neg"))
_NEGATABLE: Final = frozenset(("float16", "float32", "float64", "complex64", "complex128"))
# Classes a tensor with attributes may have; a subclass is no plain tensor.
TENSOR_CLASSES: Final = frozenset(("torch.Tensor", "torch.nn.parameter.Buffer"))
_FROM_TYPE: Final = "torch._tensor._rebuild_from_type_v2"
# Estimated bytes of Python objects, for the budget.
_TENSOR, _ITEM = 600, 32


def make_tensor(context: Context, *arguments: object) -> object:
    """Make a tensor whose elements have the type of its storage."""
    return built_tensor(context, _describe(context, *arguments))


def make_typed_tensor(context: Context, *arguments: object) -> object:
    """Make a tensor that names the type of its elements itself."""
    return built_tensor(context, _describe_typed(context, *arguments))


def make_tensor_with_attributes(
    context: Context, function: object, kind: object, arguments: object, state: object
) -> object:
    """Make a tensor on which Python attributes were set (an `nn.Buffer`, for one), or one of a class of its own."""
    name = function.name if isinstance(function, GlobalRecord) else ""
    view = as_tuple(arguments)
    plain = isinstance(kind, GlobalRecord) and kind.name in TENSOR_CLASSES
    if name not in _DESCRIPTIONS or view is None:
        if context.as_records:
            context.budget.charge(_TENSOR)
            return CallRecord(_FROM_TYPE, (function, kind, arguments, state))
        raise context.error(BadTensor, "a tensor with attributes is made by something other than a tensor's function")
    recorded = isinstance(kind, GlobalRecord) and not plain and context.as_records
    if not (plain or recorded or isinstance(kind, type)):  # a class that is a value is one that is known
        raise context.error(BadTensor, "a tensor with attributes has a class other than torch.Tensor")
    record = cast("TensorRecord", _DESCRIPTIONS[name].call(context, name, view))
    if isinstance(kind, GlobalRecord) and recorded:
        return ObjectRecord(kind.name, (built_tensor(context, record),), state)
    record.attributes = _attributes(context, state)
    if plain:
        return built_tensor(context, record)
    built = context.builders.subclass(kind, record)
    context.tensors[id(built)] = built, record
    return built


def built_tensor(context: Context, record: TensorRecord) -> object:
    """Turn a record into what it becomes, and remember that this is a tensor."""
    built = context.builders.tensor(record)
    context.tensors[id(built)] = built, record
    return built


def _describe(
    context: Context,
    storage: object,
    offset: object,
    shape: object,
    stride: object,
    requires_grad: object = False,
    hooks: object = None,
    metadata: object = None,
) -> TensorRecord:
    """Describe a tensor whose elements have the type of its storage."""
    if not isinstance(storage, StorageRecord):
        raise context.error(BadTensor, "a tensor views something other than a storage")
    return checked_view(context, storage, storage.dtype, (offset, shape, stride), requires_grad, metadata)


def _describe_typed(
    context: Context,
    storage: object,
    offset: object,
    shape: object,
    stride: object,
    requires_grad: object,
    hooks: object,
    dtype: object,
    metadata: object = None,
) -> TensorRecord:
    """Describe a tensor that names the type of its elements itself."""
    if not isinstance(storage, StorageRecord):
        raise context.error(BadTensor, "a tensor views something other than a storage")
    for name, built in context.dtypes.items():
        if built is dtype:
            context.order.arrange(storage, ELEMENTS[name].swap)
            return checked_view(context, storage, name, (offset, shape, stride), requires_grad, metadata)
    raise context.error(BadTensor, "the type of a tensor's elements is something other than a dtype")


def make_parameter(
    context: Context, data: object, requires_grad: object, hooks: object, state: object = None
) -> object:
    """Make a parameter of a tensor that was rebuilt before."""
    if id(data) not in context.tensors:
        raise context.error(BadTensor, "a parameter is made of something other than a tensor")
    if type(requires_grad) is not bool:
        raise context.error(BadTensor, "the requires_grad of a parameter is not a bool")
    return context.builders.parameter(data, requires_grad, _attributes(context, state))


def _attributes(context: Context, state: object) -> dict[str, object]:
    """Check the attributes of a tensor: a dictionary, perhaps paired with the values of its slots."""
    attributes: dict[str, object] = {}
    parts = as_tuple(state)
    for part in (state,) if parts is None else parts:
        if part is None:
            continue
        named = as_dict(part)
        if named is None:
            raise context.error(BadTensor, "the attributes of a tensor are not a dictionary")
        context.budget.charge(_ITEM * len(named))
        for name, value in named.items():
            if not isinstance(name, str):
                raise context.error(BadTensor, "the name of a tensor's attribute is not a string")
            attributes[name] = value
    return attributes


def checked_view(
    context: Context,
    storage: StorageRecord,
    dtype: str,
    view: tuple[object, object, object],
    requires_grad: object,
    metadata: object,
) -> TensorRecord:
    """Check and describe a view of a storage."""
    context.budget.charge(_TENSOR)
    offset, shape, stride = (
        view[0],
        checked_lengths(context, "shape", view[1]),
        checked_lengths(context, "stride", view[2]),
    )
    if type(offset) is not int or not 0 <= offset < _END:
        raise context.error(BadTensor, "the storage offset of a tensor is not a natural number")
    if len(shape) != len(stride):
        raise context.error(BadTensor, f"a tensor has {len(shape)} sizes and {len(stride)} strides")
    if type(requires_grad) is not bool:
        raise context.error(BadTensor, "the requires_grad of a tensor is not a bool")
    size = ELEMENTS[dtype].size
    _check_bounds(context, storage, size, offset, shape, stride)
    if isinstance(storage, StorageView):
        if storage.start % size:
            raise context.error(BadTensor, f"a tensor begins within an element of {size} bytes")
        storage, offset = storage.base, offset + storage.start // size
    bits = _bits(context, dtype, metadata)
    return TensorRecord(dtype, shape, stride, offset, storage, requires_grad=requires_grad, metadata=bits)


def checked_lengths(context: Context, what: str, value: object) -> tuple[int, ...]:
    """Check a shape or strides: natural numbers, not too many."""
    if not isinstance(value, tuple):
        raise context.error(BadTensor, f"the {what} of a tensor is not a tuple")
    numbers = cast("tuple[object, ...]", value)
    if len(numbers) > DIMENSIONS:
        raise context.error(LimitExceeded, f"a tensor has {len(numbers)} dimensions, the limit is {DIMENSIONS}")
    if not all(type(number) is int and 0 <= number < _END for number in numbers):
        raise context.error(BadTensor, f"the {what} of a tensor holds something other than natural numbers")
    return tuple(cast("tuple[int, ...]", numbers))


def _check_bounds(
    context: Context, storage: StorageRecord, size: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    """Check that a view shows nothing beyond its storage, and that its elements can be counted."""
    if 0 in shape:
        return
    count = size
    for length in shape:
        count *= length
    if count >= _END:
        raise context.error(BadTensor, f"a tensor of shape {shape} has more bytes than can be addressed")
    last = offset + sum((length - 1) * step for length, step in zip(shape, stride, strict=True))
    if (last + 1) * size > storage.nbytes:
        raise context.error(
            ViewOutOfStorage,
            f"a tensor of shape {shape}, strides {stride} and offset {offset} reaches element {last}, but storage "
            f"{storage.key!r} has {storage.nbytes // size} elements of {size} bytes",
        )


def _bits(context: Context, dtype: str, metadata: object) -> dict[str, object]:
    """Check the bits that change the meaning of a tensor's elements."""
    if metadata is None:
        return {}
    bits = as_dict(metadata)
    if bits is None:
        raise context.error(BadTensor, "the metadata of a tensor is not a dictionary")
    context.budget.charge(_ITEM * len(bits))
    if not all(name in _METADATA and type(value) is bool for name, value in bits.items()):
        raise context.error(BadTensor, "the metadata of a tensor holds something other than conj and neg")
    if any(bits.values()) and dtype not in _NEGATABLE:
        raise context.error(BadTensor, f"a tensor of type {dtype} cannot have a conj or neg bit")
    return {str(name): value for name, value in bits.items()}


# Functions that describe a tensor, by the names they have in files.
_DESCRIPTIONS: Final = {
    "torch._utils._rebuild_tensor": Permitted(_describe, 4, 4),
    "torch._utils._rebuild_tensor_v2": Permitted(_describe, 6, 7),
    "torch._utils._rebuild_tensor_v3": Permitted(_describe_typed, 7, 8),
}
