"""Questions about tensors and their types."""

from typing import Any, cast

from flambeau.dtypes.kinds import dtype
from flambeau.dtypes.promotion import Category, can_cast, promote_types
from flambeau.dtypes.promotion import result_type as result_type_of
from flambeau.tensors.tensor import Tensor

__all__ = [
    "can_cast",
    "is_complex",
    "is_floating_point",
    "is_storage",
    "is_tensor",
    "numel",
    "promote_types",
    "result_type",
]


def is_tensor(obj: Any) -> bool:
    """Whether this is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any, /) -> bool:
    """Whether this is a storage: nothing is, as tensors have none that could be named."""
    return False


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are real numbers."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers."""
    return input.is_complex()


def numel(input: Tensor) -> int:
    """Number of elements; raises TypeError unless it is a tensor."""
    if not isinstance(input, Tensor):
        raise TypeError(f"numel(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return input.numel()


def _operand(value: Any) -> tuple[dtype | type, Category]:
    """Type and promotion category of an operand."""
    if isinstance(value, Tensor):
        return value.dtype, "tensor" if value.shape else "scalar"
    return cast("type[Any]", type(value)), "number"


def result_type(tensor: Any, other: Any) -> dtype:
    """Type of the result of an operation on two tensors or numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.result_type(torch.tensor([1, 2]), 1.0)
        torch.float32

    Source: https://docs.pytorch.org/docs/stable/generated/torch.result_type.html
    """
    return result_type_of([_operand(tensor), _operand(other)])
