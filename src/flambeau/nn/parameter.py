"""``torch.nn.parameter``: the tensors that belong to a module. They stand with ``Tensor``; this is PyTorch's path."""

from flambeau.tensors.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter"]
