"""Complex numbers as pairs of real ones, and back."""

from typing import TYPE_CHECKING

from flambeau.tensors.creation import complex as complex_of
from flambeau.tensors.joining import stack

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["view_as_complex", "view_as_real"]

_PARTS = ("float16", "float32", "float64")


def view_as_real(input: "Tensor") -> "Tensor":
    """Real and imaginary part of complex numbers, along a new last dimension; a copy, not a view.

    Raises:
        RuntimeError: the numbers are not complex.

    Example:
        >>> import flambeau as torch
        >>> torch.view_as_real(torch.tensor([1 + 2j]))
        tensor([[1., 2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.view_as_real.html
    """
    if not input.is_complex():
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return stack([input.real, input.imag], -1)


def view_as_complex(input: "Tensor") -> "Tensor":
    """Complex numbers of pairs along the last dimension; a copy, not a view.

    Raises:
        RuntimeError: the last dimension is not one of two, or the numbers are not floating-point ones.

    Example:
        >>> import flambeau as torch
        >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
        tensor([1.+2.j])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.view_as_complex.html
    """
    if input.dtype.name not in _PARTS:
        kind = input.dtype.tensor_type.removesuffix("Tensor")
        wanted = "half, float and double tensors"
        raise RuntimeError(f"view_as_complex is only supported for {wanted}, but got a tensor of scalar type: {kind}")
    if not input.shape:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return complex_of(input[..., 0], input[..., 1])
