"""What is refused of tensors of positions and of masks, in PyTorch's words and in the order of its checks.

Positions themselves are looked at only where their values are there already.
"""

from typing import Any

from flambeau.base.shapes import broadcast, normalize_axis
from flambeau.dtypes.fitting import check_fits
from flambeau.tensors.core import Core, operand
from flambeau.tensors.known import known
from flambeau.tensors.subscripts import check_positions

__all__ = [
    "check_copied",
    "check_filled",
    "check_gathered",
    "check_mask_filled",
    "check_mask_scattered",
    "check_masked",
    "check_put",
    "check_scattered",
    "check_selected",
    "check_slices",
    "check_taken",
]

_WHOLE = ("int32", "int64")


def _kind(tensor: Core) -> str:
    return tensor.dtype.tensor_type.removesuffix("Tensor")


def _size(shape: tuple[int, ...], axis: int) -> int:
    """The size along an axis; a tensor without dimensions counts as one with a single element."""
    return shape[normalize_axis(axis, len(shape))] if shape else 1


def _check_inside(tensor: Core, axis: int, index: Core, error: type[Exception], prefix: str = "") -> None:
    size = _size(tensor.shape, axis)
    message = f"{prefix}index {{}} is out of bounds for dimension {axis} with size {size}"
    check_positions(index, size, message, error, negative=False)


def _check_as_many(index: Core, tensor: Core, name: str) -> int:
    """Raise unless an index has as many dimensions as a tensor, which is their number."""
    rank = max(len(index.shape), 1)
    if rank != max(len(tensor.shape), 1):
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {name} tensor")
    return rank


def check_selected(tensor: Core, dim: int, index: Core) -> int:
    """Check ``index_select``; returns the axis."""
    axis = normalize_axis(dim, len(tensor.shape))
    if len(index.shape) > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    count = index.shape.numel()
    if not tensor.shape and count != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {count} value(s)")
    if index.dtype.name not in _WHOLE:
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    size = _size(tensor.shape, axis)
    if not size and count:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    check_positions(index, size, "index out of range in self", negative=False)
    return axis


def check_gathered(tensor: Core, dim: int, index: Core) -> int:
    """Check ``gather``; returns the axis."""
    axis = normalize_axis(dim, len(tensor.shape))
    if not index.shape.numel():  # nothing is looked up, whatever the index's type and rank
        return axis
    if index.dtype.name not in _WHOLE:
        raise RuntimeError("gather(): Expected dtype int32/int64 for index")
    for other in range(_check_as_many(index, tensor, "input")):
        if other != axis and _size(index.shape, other) > _size(tensor.shape, other):
            raise RuntimeError(
                f"Size does not match at dimension {other} expected index {list(index.shape)} to be no larger than "
                f"self {list(tensor.shape)} apart from dimension {axis}"
            )
    _check_inside(tensor, axis, index, RuntimeError)
    return axis


def check_scattered(tensor: Core, dim: int, index: Core, src: Any) -> int:
    """Check ``scatter`` of a tensor or a number; returns the axis."""
    axis = normalize_axis(dim, len(tensor.shape))
    if index.shape.numel() and index.dtype.name not in _WHOLE:
        raise RuntimeError("scatter(): Expected dtype int32/int64 for index")
    if isinstance(src, Core) and src.dtype is not tensor.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if not index.shape.numel():
        return axis
    sizes = [_size(index.shape, other) for other in range(_check_as_many(index, tensor, "self"))]
    wrong = any(other != axis and size > _size(tensor.shape, other) for other, size in enumerate(sizes))
    place = f"Expected index {list(index.shape)} to be no larger than self {list(tensor.shape)} apart from dimension"
    if isinstance(src, Core):
        wrong = wrong or any(size > _size(src.shape, other) for other, size in enumerate(sizes))
        _check_as_many(index, src, "src")
        if wrong:
            raise RuntimeError(f"{place} {axis} and to be no larger size than src {list(src.shape)}")
    elif wrong:
        raise RuntimeError(f"{place} {axis}")
    _check_inside(tensor, axis, index, RuntimeError)
    return axis


def check_slices(name: str, tensor: Core, dim: int, index: Core, source: Core) -> int:
    """Check ``index_add_`` or ``index_reduce_``, of slices at positions along a dimension; returns the axis."""
    axis = normalize_axis(dim, len(tensor.shape))
    if len(index.shape) > 1:
        kinds = f"dim: {len(index.shape)} with type: {_kind(index)} and size: {list(index.shape)}"
        raise IndexError(f"{name}(): Index is supposed to be a vector, but got {kinds}")
    if index.dtype.name not in _WHOLE:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index but got: {_kind(index)}")
    if source.dtype is not tensor.dtype:
        kinds = f"self ({_kind(tensor)}) and source ({_kind(source)})"
        raise RuntimeError(f"{name}(): {kinds} must have the same scalar type")
    rank = len(source.shape)
    if axis and axis >= rank:
        raise RuntimeError(f"{name}(): Indexing dim {axis} is out of bounds of the source tensor with dim {rank}")
    count, given = index.shape.numel(), _size(source.shape, axis)
    if count != given:
        if not rank:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        counts = f"Number of indices ({count}) should be equal to source.size(dim): ({given})"
        raise RuntimeError(f"{name}(): {counts}, for dim: {axis}")
    sizes = [item.shape for item in (tensor, source)]
    if all(sizes):
        sizes = [shape[:axis] + shape[axis + 1 :] for shape in sizes]
    if sizes[0] != sizes[1]:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(tensor.shape)} source.shape = {list(source.shape)}"
        )
    _check_inside(tensor, axis, index, RuntimeError)
    return axis


def check_copied(tensor: Core, dim: int, index: Core, source: Core) -> int:
    """Check ``index_copy_``; returns the axis."""
    axis = normalize_axis(dim, len(tensor.shape))
    count, ranks = index.shape.numel(), [len(source.shape), len(tensor.shape)]
    if len(index.shape) > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {len(index.shape)})")
    if not ranks[0] and count != 1:
        raise IndexError(f"index_copy_(): When source is scalar, index should have one element (got {count})")
    if all(ranks) and ranks[0] != ranks[1]:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({ranks[0]}), destination dimensionality ({ranks[1]})"
        )
    if index.dtype.name != "int64":
        raise RuntimeError(f"index_copy_(): Expected a long tensor for index, but got {_kind(index)}")
    if source.dtype is not tensor.dtype:
        kinds = f"(self) {_kind(tensor)} and (source) {_kind(source)}"
        raise RuntimeError(f"index_copy_(): self and source expected to have the same dtype, but got {kinds}")
    slices = [shape[:axis] + shape[axis + 1 :] for shape in (tensor.shape, source.shape)]
    if slices[0] != slices[1]:
        spelled = [" ".join(map(str, shape)) for shape in slices]
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{spelled[0]} at dimension {axis} and source slice shape: {spelled[1]} at dimension 0."
        )
    given = _size(source.shape, axis)
    if source.shape and count != given:
        raise IndexError(f"index_copy_(): Number of indices ({count}) should be equal to source.size(dim) ({given})")
    _check_inside(tensor, axis, index, IndexError, "index_copy_(): ")
    return axis


def check_filled(tensor: Core, dim: int, index: Core, value: Any) -> int:
    """Check ``index_fill_``; returns the axis."""
    if isinstance(value, Core) and value.shape:
        rule = "index_fill_ only supports a 0-dimensional value tensor, but got tensor with"
        raise RuntimeError(f"{rule} {len(value.shape)} dimension(s).")
    if index.dtype.name != "int64":
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    axis = normalize_axis(dim, len(tensor.shape))
    if len(index.shape) > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    number = _representative(value)
    if isinstance(number, complex) and not tensor.dtype.is_complex:
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    check_fits(number, tensor.dtype)
    size = _size(tensor.shape, axis)
    check_positions(index, size, f"index {{}} is out of bounds for dimension {axis} with size {size}")
    return axis


def check_put(tensor: Core, index: Core, source: Core) -> None:
    """Check ``put_``."""
    if index.dtype.name != "int64":
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {_kind(index)}")
    if source.dtype is not tensor.dtype:
        kinds = f"self.dtype = {_kind(tensor)} and source.dtype = {_kind(source)}"
        raise RuntimeError(f"put_(): self and source expected to have the same dtype, but got {kinds}")
    counts = [source.shape.numel(), index.shape.numel()]
    if counts[0] != counts[1]:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{counts[0]}, index.numel() = {counts[1]}"
        )
    if counts[1] and not tensor.shape.numel():
        raise IndexError("put_(): Tried to put elements into an empty tensor")
    _check_flat(tensor, index)


def check_taken(tensor: Core, index: Core) -> None:
    """Check ``take``."""
    if index.dtype.name != "int64":
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {_kind(index)}")
    if index.shape.numel() and not tensor.shape.numel():
        raise IndexError("take(): tried to take from an empty tensor")
    _check_flat(tensor, index)


def _check_flat(tensor: Core, index: Core) -> None:
    size = tensor.shape.numel()
    check_positions(index, size, f"out of range: tried to access index {{}} on a tensor of {size} elements.")


def check_masked(tensor: Core, mask: Core) -> tuple[int, ...]:
    """The common shape of a tensor and its mask; raises unless they broadcast."""
    return tensor.shape if mask.shape == tensor.shape else broadcast(mask.shape, tensor.shape)


def check_mask_filled(tensor: Core, mask: Core, value: Any) -> None:
    """Check ``masked_fill_``, but for the shapes."""
    if isinstance(value, Core) and value.shape:
        rule = "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with"
        raise RuntimeError(f"{rule} {len(value.shape)} dimension(s).")
    if mask.dtype.name != "bool":
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype.cpp_name}")
    check_fits(_representative(value), tensor.dtype)


def _representative(value: Any) -> Any:
    """A number to check a fill value by: of a tensor that is not computed yet only its kind is known."""
    if not isinstance(value, Core):
        return operand(value)
    found = known(value)
    if found is None or value.dtype.is_complex:
        return 1j if value.dtype.is_complex else 0
    return found.item()


def check_mask_scattered(tensor: Core, mask: Core, source: Core) -> None:
    """Check ``masked_scatter_``, but for the shapes and the number of elements."""
    if source.dtype is not tensor.dtype:
        kinds = f"{_kind(tensor)} and {_kind(source)}"
        raise RuntimeError(f"masked_scatter: expected self and source to have same dtypes but got{kinds}")
    if mask.dtype.name != "bool":
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {_kind(mask)}")
