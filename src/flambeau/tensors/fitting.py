"""Numbers among the operands of an operation: whether they fit its data type."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flambeau.dtypes.fitting import check_fits
from flambeau.tensors.core import Core

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["assignable", "assigned", "fitted"]


def fitted(tensor: Core, *numbers: Any) -> "Tensor":
    """The tensor; raises RuntimeError, in PyTorch's words, unless the numbers fit its data type."""
    for number in numbers:
        if isinstance(number, (int, float, complex)):
            check_fits(number, tensor.dtype)
    return cast("Tensor", tensor)


def assignable(tensor: Core, *numbers: Any) -> "Tensor":
    """The same, but numbers too large for floating types of 16 bits fit: they become infinities, as in PyTorch."""
    return cast("Tensor", tensor) if _half(tensor) else fitted(tensor, *numbers)


def assigned(tensor: Core, value: Any) -> Any:
    """What ``tensor[...] = value`` writes, which has to fit as in ``assignable``."""
    if not _half(tensor) or not isinstance(value, (int, float)):
        fitted(tensor, value)
        return value
    with np.errstate(over="ignore"):
        return float(np.asarray(value).astype(tensor.dtype.numpy))


def _half(tensor: Core) -> bool:
    return tensor.dtype.is_floating_point and tensor.dtype.itemsize == 2
