"""Subscripts taken apart: what is a view, and which positions are looked up afterwards."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from flambeau.base.shapes import broadcast
from flambeau.dtypes.kinds import DTYPES
from flambeau.tensors.core import Core, wrap_array
from flambeau.tensors.creation import tensor as make_tensor

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Parsed", "check_positions", "looked_up", "nonzero_positions", "parse", "parts", "position",
           "refuse_dynamic"]  # fmt: skip

_MASKS = ("bool", "uint8")
_BYTES = "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead."
_PARTS = (Core, np.ndarray, Sequence, slice)
_VALID = "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices"


class Parsed(NamedTuple):
    """A subscript taken apart: what is basic, and the tensors to look up afterwards, by axis of the basic result."""

    spec: tuple[Any, ...]
    numbers: tuple[int, ...]
    tensors: "list[tuple[int, Tensor]]"
    masked: bool  # whether positions came out of a mask


# -- taking a subscript apart -------------------------------------------------------------------------------------


def _item(item: Any) -> Any:
    """One part of a subscript: a Python number, slice, None, Ellipsis or bool, or a tensor with dimensions."""
    if item is None or item is Ellipsis or isinstance(item, (bool, int, slice)):
        return cast("Any", item)
    if isinstance(item, Core):
        if not item.shape and item.dtype.name == "bool":
            return bool(item)
        whole = not (item.dtype.is_floating_point or item.dtype.is_complex)
        if not item.shape and whole and item.dtype.name != "uint8":
            return int(item)  # pyright: ignore[reportArgumentType]  # every Core is a Tensor
        if item.dtype.name not in ("bool", "uint8", "int32", "int64"):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        if item.dtype.name == "uint8":
            warnings.warn(_BYTES, stacklevel=4)
        return item
    if isinstance(item, (np.generic, np.ndarray)):
        return _item(item.item() if item.ndim == 0 else make_tensor(item))
    if isinstance(item, Sequence) and not isinstance(item, str):
        listed = cast("Sequence[Any]", item)
        return _item(make_tensor(list(listed), dtype=None if listed else DTYPES["int64"]))
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    raise IndexError(f"{_VALID} (got {type(item).__name__})")


def _width(item: Any) -> int:
    """How many dimensions of the tensor a part of a subscript stands for."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Core) and item.dtype.name in _MASKS:
        return len(item.shape)
    return 1


def position(index: int, shape: Sequence[int], axis: int) -> int:
    """Position counted from the start; raises IndexError if it is out of bounds."""
    size = shape[axis]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for dimension {axis} with size {size}")
    return index + size if index < 0 else index


def _sliced(item: slice, size: int) -> tuple[Any, tuple[int, ...]]:
    """A slice's part of the spec, and its number."""
    start, stop, step = item.indices(size)
    if step < 0:
        raise ValueError("step must be greater than zero")
    count = max(0, (stop - start + step - 1) // step)
    if count == size:
        return ("all",), ()
    if count == 0:
        return ("fixed", 0, 0, 1), ()
    return ("slice", count, step if count > 1 else 1), (start,)


def _mask_positions(mask: "Tensor", shape: Sequence[int], axis: int, out: int) -> "list[Tensor]":
    """Where a mask is true, a tensor of positions for each of its dimensions; waits for its values."""
    for offset, size in enumerate(mask.shape):
        if size != shape[axis + offset]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {offset} does not match the shape of the indexed "
                f"tensor {list(shape)} at index {out + offset}"
            )
    if mask.aval.mapped:
        raise RuntimeError(
            "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over "
            "indexing with a boolean mask."
        )
    return nonzero_positions(mask)


def refuse_dynamic(tensor: Core, name: str) -> None:
    """Raise RuntimeError, in PyTorch's words, if the result's shape would differ from example to example."""
    if tensor.aval.mapped:
        raise RuntimeError(
            "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over "
            f"aten::{name}. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature."
        )


def nonzero_positions(tensor: "Tensor") -> "list[Tensor]":
    """Where a tensor is not zero: a tensor of positions for each dimension; waits for its values."""
    refuse_dynamic(tensor, "nonzero")
    found = np.nonzero(np.atleast_1d(tensor.host()))
    return [wrap_array(part.astype(np.int64), DTYPES["int64"], tensor.device) for part in found]


def parse(tensor: Core, items: Sequence[Any]) -> Parsed:
    """Take a subscript apart; raises IndexError, ValueError and TypeError in PyTorch's words."""
    shape = tensor.shape
    missing = len(shape) - sum(map(_width, items))
    if missing < 0:
        if not shape and isinstance(items[0], int):
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                "convert a 0-dim tensor to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    spec: list[Any] = []
    numbers: list[int] = []
    tensors: list[tuple[int, Tensor]] = []
    axis = out = 0
    masked = False
    for item in items:
        if item is Ellipsis:
            spec += [("all",)] * missing
            axis, out, missing = axis + missing, out + missing, 0
        elif item is None or isinstance(item, bool):
            if item is not None:
                tensors.append((out, _switch(item, tensor)))
            spec.append(("new",))
            out += 1
        elif isinstance(item, int):
            spec.append(("int",))
            numbers.append(position(item, shape, axis))
            axis += 1
        elif isinstance(item, slice):
            part, start = _sliced(cast("slice[Any, Any, Any]", item), shape[axis])
            spec.append(part)
            numbers += start
            axis, out = axis + 1, out + 1
        else:
            found = [item]
            if item.dtype.name in _MASKS:
                masked = True
                found = _mask_positions(item, shape, axis, out)
            tensors += enumerate(found, out)
            spec += [("all",)] * len(found)
            axis, out = axis + len(found), out + len(found)
    while spec and spec[-1] == ("all",):
        spec.pop()
    return Parsed(tuple(spec), tuple(numbers), tensors, masked)


def _switch(on: bool, tensor: Core) -> "Tensor":
    """What a Python bool looks up in the axis of size 1 it stands for."""
    return wrap_array(np.zeros(int(on), np.int64), DTYPES["int64"], tensor.device)


def parts(index: Any) -> list[Any]:
    """The parts of a subscript; a list that holds more than numbers counts as a tuple, as it does in PyTorch."""
    if isinstance(index, list):
        listed = cast("list[Any]", index)
        if len(listed) < 32 and any(isinstance(item, _PARTS) or item is None or item is ... for item in listed):
            index = tuple(listed)
    return [_item(item) for item in cast("tuple[Any, ...]", index if isinstance(index, tuple) else (index,))]


def check_positions(
    positions: Core, size: int, message: str = "", error: type[Exception] = IndexError, negative: bool = True
) -> None:
    """Raise unless positions lie inside an axis. Only values that are there already are looked at: nothing waits.

    Args:
        positions: whole numbers.
        size: size of the axis.
        message: what the error says, with ``{}`` for the position.
        error: its class.
        negative: whether positions may count from the end.
    """
    value = positions.read().value
    if value is None or positions.device.type != "cpu" or not positions.shape.numel():
        return
    if not isinstance(value, np.ndarray) and not value.is_ready():
        return
    host: Any = np.asarray(cast("Any", value))
    if not negative and int(host.view(f"u{host.itemsize}").max()) < size:  # read without a sign, -1 is the largest
        return
    low, high = int(host.min()), int(host.max())
    if low < (-size if negative else 0) or high >= size:
        raise error(message.format(high if high >= size else low))


def looked_up(view: "Tensor", parsed: Parsed) -> "tuple[tuple[bool, ...], list[Tensor]]":
    """Which axes of the basic result are looked up, and the positions in order; raises if they do not fit."""
    axes = dict(parsed.tensors)
    shape = view.shape
    found = [axes[axis] for axis in sorted(axes)]
    try:
        broadcast(*[item.shape for item in found])
    except RuntimeError:
        shapes = ", ".join([str(list(item.shape)) for item in found])
        message = "shape mismatch: indexing tensors could not be broadcast together with shapes "
        raise IndexError(message + shapes) from None
    for axis, item in axes.items():
        message = f"index {{}} is out of bounds for dimension {axis} with size {shape[axis]}"
        check_positions(item, shape[axis], message)
    return tuple([axis in axes for axis in range(len(shape))]), found
