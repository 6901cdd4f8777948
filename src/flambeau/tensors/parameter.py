"""``Parameter`` and ``Buffer``: the tensors that belong to a module."""

from collections import OrderedDict
from typing import Any

from flambeau.tensors.conversion import attributes
from flambeau.tensors.core import made
from flambeau.tensors.creation import empty
from flambeau.tensors.printing import tensor_text
from flambeau.tensors.tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class _ParameterType(type):
    """Class of ``Parameter``: a tensor of another class that was made a parameter is one, too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False)


class Parameter(Tensor, metaclass=_ParameterType):
    """A tensor that a module learns: assigned as an attribute of a module, it appears in ``parameters()``.

    It shows the elements of ``data``, which keep being shared: writing into one writes into the other.

    Args:
        data: a tensor; an empty one if None.
        requires_grad: whether operations on it are taped.

    Raises:
        AttributeError: ``data`` is no tensor.
        RuntimeError: ``data`` holds whole numbers and ``requires_grad`` is set.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Parameter(torch.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html
    """

    __module__ = "flambeau.nn.parameter"  # PyTorch's home of it

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:  # noqa: D102  (the class documents it)
        if data is None:
            data = empty(0)
        if type(data) not in (Tensor, Parameter):
            return _of_subclass(data, requires_grad)
        if requires_grad:
            _check_differentiable(data)
        result = object.__new__(cls)
        result.take_storage(data)
        if requires_grad:
            result.requires_grad_()
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> "Parameter":
        found = memo.get(id(self))
        if found is None:
            copy = made(self.read())  # nodes never change: a new cell with the same one is a copy
            if type(self) is Parameter:
                found = object.__new__(Parameter)
                found._storage, found._requires_grad = copy._storage, self._requires_grad
            else:
                found = type(self)(copy, self.requires_grad)
            memo[id(self)] = found
        return found

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        return "Parameter containing:\n" + tensor_text(self, "tensor", tensor_contents)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuilt, (type(self), self.data, self.requires_grad, OrderedDict(), attributes(self))


def _rebuilt(
    kind: type[Parameter], data: Tensor, requires_grad: bool, hooks: Any, attributes: dict[str, Any]
) -> Parameter:
    """A parameter from what ``__reduce_ex__`` tells of it."""
    result = kind(data, requires_grad)
    result.__dict__.update(attributes)
    return result


def _check_differentiable(data: Tensor) -> None:
    if not (data.dtype.is_floating_point or data.dtype.is_complex):
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")


def _of_subclass(data: Any, requires_grad: bool) -> Any:
    """A tensor of a class of the user's, marked as a parameter; its class stays."""
    result = data.detach()
    if requires_grad:
        _check_differentiable(result)
    result.requires_grad_(requires_grad)
    if type(result) is not type(data):
        name = type(data).__name__
        raise RuntimeError(
            f"Creating a Parameter from an instance of type {name} requires that detach() returns an instance of the "
            f"same type, but return type {type(result).__name__} was found instead. To use the type as a Parameter, "
            "please correct the detach() semantics defined by its __torch_dispatch__() implementation."
        )
    result._is_param = True
    return result


class _BufferType(type):
    """Class of ``Buffer``: every tensor marked as a buffer is one, whatever its own class."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return super().__instancecheck__(instance)


class Buffer(Tensor, metaclass=_BufferType):
    """A tensor that a module keeps without learning it: assigned as an attribute, it becomes one of its buffers.

    What is returned is an ordinary ``Tensor``, marked, that shows the elements of ``data``.

    Args:
        data: a tensor; an empty one if None.
        persistent: whether the buffer is part of the module's ``state_dict``.

    Example:
        >>> import flambeau as torch
        >>> module = torch.nn.Module()
        >>> module.mean = torch.nn.Buffer(torch.zeros(2))
        >>> list(module.state_dict())
        ['mean']

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Buffer.html
    """

    __module__ = "flambeau.nn.parameter"  # PyTorch's home of it
    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:  # noqa: D102  (the class documents it)
        if data is None:
            data = empty(0)
        result = data.detach()
        result.requires_grad_(data.requires_grad)
        result.persistent = persistent
        result._is_buffer = True
        return result
