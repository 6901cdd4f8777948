"""``torch.nn.parameter``: the tensors that belong to a module. They stand with ``Tensor``; this is PyTorch's path."""

from flambeau.tensors.parameter import Buffer, Parameter
from flambeau.tensors.uninitialized import (
    UninitializedBuffer,
    UninitializedParameter,
    UninitializedTensorMixin,
    is_lazy,
)

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]
