"""``out=``: the tensor a function writes its result into."""

import warnings
from typing import TYPE_CHECKING, Any, cast

from flambeau.differentiation.modes import MODE
from flambeau.dtypes.promotion import can_cast
from flambeau.tensors.core import Core

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["delivered"]


def delivered(name: str, result: "Tensor", out: Any) -> "Tensor":
    """The result; or ``out``, of which it becomes the content.

    Args:
        name: what PyTorch calls the function.
        result: what the function found.
        out: a tensor or None. One of another shape is resized; PyTorch wants it to be empty, and warns otherwise.

    Raises:
        RuntimeError: the tensors are on the tape, or the types do not fit.
    """
    if out is None:
        return result
    if not isinstance(out, Core):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if MODE.grad and (result.requires_grad or out._requires_grad):
        kind = "functions with out=... arguments don't support automatic differentiation"
        raise RuntimeError(f"{name}(): {kind}, but one of the arguments requires grad.")
    if not can_cast(result.dtype, out.dtype):
        names = [kind.tensor_type.removesuffix("Tensor") for kind in (result.dtype, out.dtype)]
        raise RuntimeError(f"result type {names[0]} can't be cast to the desired output type {names[1]}")
    target = cast("Tensor", out)
    if target.shape != result.shape:
        _resize(target, result)
    return target.copy_(result)


def _resize(target: "Tensor", result: "Tensor") -> None:
    """Give an output tensor the result's shape; raises NotImplementedError for a part of another tensor."""
    if target._steps:
        raise NotImplementedError(
            f"out= has shape {list(target.shape)} and the result has shape {list(result.shape)}: a view cannot be "
            "resized; assign the result instead"
        )
    if target.numel():
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(target.shape)}, which does not "
            f"match the required output shape {list(result.shape)}. This behavior is deprecated, and in a future "
            "PyTorch release outputs will not be resized unless they have zero elements. You can explicitly reuse an "
            "out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
            UserWarning,
            stacklevel=4,
        )
    target.take_storage(result.to(target.dtype).clone())
