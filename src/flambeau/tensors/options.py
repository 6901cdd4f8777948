"""What every function that makes a tensor accepts: ``dtype``, ``device``, ``requires_grad`` and their like."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np

from flambeau.devices import device as devices
from flambeau.devices.backend import jax_device
from flambeau.dtypes import kinds
from flambeau.dtypes.layouts import LAYOUTS, layout, memory_format
from flambeau.tensors.arguments import sizes
from flambeau.tensors.core import Core, kind_name, wrap_array
from flambeau.tensors.outputs import resize

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Device", "Options", "Settings", "hollow", "settings", "shape_of"]

Device = str | devices.device | int | None


class Options(TypedDict, total=False):
    """Keywords of functions that make tensors.

    Attributes:
        dtype: data type; a Python class (``float``) means PyTorch's type of it.
        device: where the tensor lives; the default device if None.
        requires_grad: whether operations on it are taped.
        out: a tensor to write the result into; it takes the result's shape.
        layout: ``torch.strided``; tensors have no other.
        pin_memory, names: accepted as far as they change nothing.
        memory_format: accepted; XLA orders memory by itself.
    """

    dtype: kinds.dtype | type | None
    device: Device
    requires_grad: bool
    out: Any
    layout: layout | None
    pin_memory: bool | None
    memory_format: memory_format | None


class Settings(NamedTuple):
    """Options once they are checked and filled in."""

    dtype: kinds.dtype
    device: devices.device
    requires_grad: bool
    out: Any
    name: str

    def deliver(self, result: "Tensor") -> "Tensor":
        """The result as the caller asked for it: written into ``out``, or with its flag set."""
        out = self.out
        if out is not None:
            if out.shape != result.shape:
                resize(self.name, out, result)
                return out
            return out.copy_(result)
        return result.requires_grad_() if self.requires_grad else result

    def wrap(self, values: Any) -> "Tensor":
        """Values that nobody else writes to, as a tensor as the caller asked for it."""
        return self.deliver(wrap_array(values, self.dtype, self.device))


_PYTHON = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}
_NAMES = Options.__annotations__.keys() | {"names"}


def settings(
    name: str, options: Options | dict[str, Any], default: kinds.dtype | None = None, place: Device = None
) -> Settings:
    """Check the options of a function and fill in what was not given.

    Args:
        name: the function's name, for messages.
        options: what the caller gave.
        default: data type if none is given; the default floating type if None.
        place: device if none is given; the default device if None.

    Raises:
        TypeError: an option is unknown or of the wrong type.
        RuntimeError: a gradient is asked of whole numbers.
        NotImplementedError: the layout is not ``torch.strided``.
        AssertionError: this machine has no such device.
    """
    given: dict[str, Any] = dict(options)
    for key in given.keys() - _NAMES:
        raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    wanted = given.get("layout")
    if wanted is not None and wanted is not LAYOUTS["strided"]:
        raise NotImplementedError(f"{name}(layout={wanted}) is not supported: every tensor is torch.strided (dense)")
    if given.get("names") is not None:
        raise NotImplementedError(f"{name}(names=...) is not supported: dimensions have no names")
    out = given.get("out")
    kind = as_dtype(name, given.get("dtype"))
    if out is not None:
        if kind is not None and kind is not out.dtype:
            names = [item.tensor_type.removesuffix("Tensor") for item in (kind, out.dtype)]
            raise RuntimeError(f"dtype {names[0]} does not match dtype of out parameter ({names[1]})")
        kind, place = out.dtype, out.device
    kind = kind or default or kinds.get_default_dtype()
    where = devices.as_device(place if given.get("device") is None else given["device"])
    if where.type not in ("cpu", "meta"):
        jax_device(where)  # raises if this machine has none
    requires_grad = bool(given.get("requires_grad", False))
    if requires_grad and not (kind.is_floating_point or kind.is_complex):
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return Settings(kind, where, requires_grad, out, name)


def as_dtype(name: str, given: Any) -> kinds.dtype | None:
    """The data type a caller means; raises TypeError in PyTorch's words."""
    if given is None or isinstance(given, kinds.dtype):
        return given
    if given in _PYTHON:
        return kinds.DTYPES[_PYTHON[given]]
    raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(given).__name__}")


def shape_of(name: str, arguments: Sequence[Any], named: Any = None, negative: str = "") -> tuple[int, ...]:
    """A shape given as sizes one by one, as one sequence, or by the name ``size``; ``negative`` is an error's text.

    Raises:
        TypeError: the sizes are missing, or no whole numbers.
        RuntimeError: a size is negative.
    """
    shape = sizes(name, arguments if named is None else (named,))
    for size in shape:
        if size < 0:
            text = f"Trying to create tensor with negative dimension {size}: {list(shape)}"
            raise RuntimeError(negative or text)
    return shape


def hollow(shape: tuple[int, ...], kind: kinds.dtype, place: devices.device) -> "Tensor":
    """A tensor of the meta device: a shape without values."""
    return wrap_array(np.broadcast_to(np.zeros((), kind.numpy), shape), kind, place)


def tensor_argument(name: str, position: int, value: Any, argument: str = "input") -> Any:
    """The value if it is a tensor; raises TypeError in PyTorch's words."""
    if isinstance(value, Core):
        return value
    raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {kind_name(value)}")
