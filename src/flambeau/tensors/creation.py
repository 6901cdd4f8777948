"""Making tensors: from Python and NumPy values, constants, ranges."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flambeau.devices.device import as_device, device
from flambeau.dtypes.kinds import DTYPES, dtype, from_numpy_dtype, get_default_dtype, python_dtype
from flambeau.graph.record import record
from flambeau.primitives.creation import full as full_primitive
from flambeau.tensors.core import Core, made, wrap_array
from flambeau.tensors.movement import sizes

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["as_tensor", "empty", "from_numpy", "full", "ones", "tensor", "zeros"]

Device = str | device | int | None


def filled(shape: tuple[int, ...], value: Any, kind: dtype, place: Device, requires_grad: bool = False) -> "Tensor":
    """A tensor of one number."""
    for size in shape:
        if size < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {size}: {list(shape)}")
    if not isinstance(value, (bool, int, float, complex)):
        value = value.item()
    result = made(record(full_primitive, (value,), (tuple(shape), kind, as_device(place))))
    return result.requires_grad_() if requires_grad else result


def zeros(
    *size: Any, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False, **_: Any
) -> "Tensor":
    """A tensor of zeros.

    Example:
        >>> import flambeau as torch
        >>> torch.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.zeros.html
    """
    return filled(sizes(size), 0, dtype or get_default_dtype(), device, requires_grad)


def ones(
    *size: Any, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False, **_: Any
) -> "Tensor":
    """A tensor of ones. Source: https://docs.pytorch.org/docs/stable/generated/torch.ones.html"""
    return filled(sizes(size), 1, dtype or get_default_dtype(), device, requires_grad)


def empty(
    *size: Any, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False, **_: Any
) -> "Tensor":
    """A tensor whose values are not specified (zeros, here).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.empty.html
    """
    return filled(sizes(size), 0, dtype or get_default_dtype(), device, requires_grad)


def full(
    size: Sequence[int],
    fill_value: Any,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
    **_: Any,
) -> "Tensor":
    """A tensor of one number. Source: https://docs.pytorch.org/docs/stable/generated/torch.full.html"""
    kind = dtype or (fill_value.dtype if isinstance(fill_value, Core) else python_dtype(type(fill_value)))
    return filled(sizes((size,)), fill_value, kind, device, requires_grad)


def tensor(
    data: Any,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> "Tensor":
    """A tensor of the given numbers, copied; nested lists, numbers, arrays of NumPy, and tensors.

    Args:
        data: the values; floats become the default floating type, whole numbers int64.
        dtype: data type; by default that of the values.
        device: where it lives; the default device if None.
        requires_grad: whether operations on it are taped.
        pin_memory: accepted; memory is XLA's business.

    Raises:
        ValueError: the lists have no regular shape.
        TypeError: the values are no numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.tensor.html
    """
    array, kind = _array_of(data, dtype)
    result = wrap_array(array, kind, as_device(device))
    return result.requires_grad_() if requires_grad else result


def _array_of(data: Any, wanted: dtype | None) -> tuple[Any, dtype]:
    """Values as an array of our own, and its data type."""
    if isinstance(data, Core):
        data = np.asarray(data.kind.host(data))
    elif isinstance(data, (list, tuple)) and _holds_tensors(data):  # pyright: ignore[reportUnknownArgumentType]
        data = _listed(data)
    if isinstance(data, (np.ndarray, np.generic)):
        kind = wanted or from_numpy_dtype(data.dtype)
        return np.array(data, dtype=kind.numpy, order="C"), kind
    array = np.array(data)
    if array.dtype == object or array.dtype.kind in "US":
        kind_name = type(data).__name__
        if array.dtype.kind in "US":
            raise ValueError(f"too many dimensions '{kind_name}'" if kind_name == "str" else "new(): invalid data type")
        raise TypeError(f"Could not infer dtype of {kind_name}")
    if wanted is None:
        wanted = from_numpy_dtype(array.dtype)
        if wanted.is_floating_point:
            wanted = get_default_dtype()
        elif wanted.is_complex:
            wanted = get_default_dtype().to_complex()
        if array.size == 0:
            wanted = get_default_dtype()
    return array.astype(wanted.numpy, order="C"), wanted


def _holds_tensors(data: Sequence[Any]) -> bool:
    """Whether nested lists hold tensors at their first place."""
    first: Any = data
    while isinstance(first, (list, tuple)):
        if not first:
            return False
        first = first[0]  # pyright: ignore[reportUnknownVariableType]
    return isinstance(first, Core)


def _listed(data: Any) -> Any:
    """Nested lists with tensors replaced by their values."""
    if isinstance(data, (list, tuple)):
        return [_listed(item) for item in data]  # pyright: ignore[reportUnknownVariableType]
    return data.tolist() if isinstance(data, Core) else data  # pyright: ignore[reportAttributeAccessIssue]


def as_tensor(data: Any, dtype: dtype | None = None, device: Device = None) -> "Tensor":
    """``data`` as a tensor; a tensor of the right type on the right device is returned as it is.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.as_tensor.html
    """
    if isinstance(data, Core):
        moved: Tensor = data.to(device=device, dtype=dtype)  # pyright: ignore[reportAttributeAccessIssue]
        return moved
    return tensor(data, dtype=dtype, device=device)


def from_numpy(ndarray: Any) -> "Tensor":
    """A tensor of an array's values, copied: tensors do not share memory with NumPy.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.from_numpy.html
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return tensor(ndarray)


_ = DTYPES
