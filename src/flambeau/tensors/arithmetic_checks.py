"""What arithmetic refuses, in PyTorch's words: whole numbers divided by zero, and data types that do not fit."""

from typing import Any

import numpy as np

from flambeau.tensors.core import Core
from flambeau.tensors.known import known

__all__ = ["check_divisor", "check_lerp", "factor"]


def _whole(value: Any) -> bool:
    if isinstance(value, Core):
        return not (value.dtype.is_floating_point or value.dtype.is_complex)
    return isinstance(value, int)


def check_divisor(value: Any, divisor: Any) -> None:
    """Raise PyTorch's error where whole numbers are divided by a zero, as far as the divisor is known already."""
    if not (_whole(value) and _whole(divisor)):
        return
    numbers = known(divisor) if isinstance(divisor, Core) else np.asarray(divisor)
    if numbers is None or numbers.all():
        return
    if all(item.shape.numel() for item in (value, divisor) if isinstance(item, Core)):
        raise RuntimeError("ZeroDivisionError")


def factor(name: str, value: Any, *operands: Any) -> Any:
    """The factor of ``addcmul`` and ``addcdiv`` in the operands' kind of type."""
    if not all(map(_whole, operands)):
        return value
    if name == "addcdiv":
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
            "true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value "
            "* torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / "
            "tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value "
            "* tensor1 / tensor2), for all dtypes."
        )
    if all(item.dtype.name == "bool" for item in operands):
        raise NotImplementedError("\"addcmul_cpu_out\" not implemented for 'Bool'")
    return int(value)


def check_lerp(start: Core, end: Any, weight: Any) -> None:
    """Raise, in PyTorch's words, for types that ``lerp`` does not take."""
    for name, item in (("end", end), ("weight", weight)):
        if isinstance(item, Core) and item.dtype is not start.dtype:
            kinds = f"{start.dtype.cpp_name} for `{name}` but got dtype {item.dtype.cpp_name}"
            raise RuntimeError(f"expected dtype {kinds}")
    if _whole(start):
        kernel = f"lerp_kernel_{'tensor' if isinstance(weight, Core) else 'scalar'}"
        kind = start.dtype.tensor_type.removesuffix("Tensor")
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{kind}'")
