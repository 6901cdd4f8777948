"""``Variable``: what tensors on the tape were called before they were just tensors.

Source: https://docs.pytorch.org/docs/stable/autograd.html#variable-deprecated
"""

from typing import Any

from flambeau.tensors.tensor import Tensor

__all__ = ["Variable"]


class _VariableMeta(type):
    """Every tensor is a ``Variable``."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """``Variable(tensor, requires_grad)`` is another tensor of the same elements, off the tape.

    Example:
        >>> import flambeau as torch
        >>> torch.autograd.Variable(torch.ones(2), requires_grad=True)
        tensor([1., 1.], requires_grad=True)

    Source: https://docs.pytorch.org/docs/stable/autograd.html#variable-deprecated
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool | None = None) -> Tensor:  # pyright: ignore[reportInconsistentConstructor]  # noqa: D102  (the class says it)
        return data.detach().requires_grad_(requires_grad)
