"""PyTorch's oldest constructors: ``torch.Tensor(2, 3)``, ``torch.FloatTensor([1, 2])`` and their like."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from flambeau.devices.device import CPU, as_device, device
from flambeau.dtypes.kinds import DTYPES, dtype, get_default_dtype
from flambeau.tensors.core import Core, wrap_array
from flambeau.tensors.creation import empty, set_default_dtype
from flambeau.tensors.data import array_of

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "Legacy",
    "LongTensor",
    "ShortTensor",
    "set_default_tensor_type",
]


def built(arguments: tuple[Any, ...], kind: dtype, place: device) -> "Tensor":
    """A tensor from sizes, a ``Size``, a tensor to share, or values.

    Raises:
        TypeError: the argument is one number that is no size, text, or a tensor of another type.
    """
    if len(arguments) == 1 and not (isinstance(arguments[0], int) and not isinstance(arguments[0], bool)):
        return _converted(arguments[0], kind, place)
    return empty(*arguments or (0,), dtype=kind, device=place)


def _converted(data: Any, kind: dtype, place: device) -> "Tensor":
    """A tensor of values, or one that shares another's."""
    name = type(data).__name__
    if isinstance(data, Core):
        if data.dtype is not kind:
            raise TypeError(f"expected a tensor of dtype {kind!r} (got {data.dtype!r}); convert it with .to({kind!r})")
        return data.alias()
    if name == "Size":
        return empty(data, dtype=kind, device=place)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{name}'")
    if not hasattr(data, "__len__") or (isinstance(data, np.ndarray) and not data.ndim):
        raise TypeError(f"new(): data must be a sequence (got {name})")
    return wrap_array(array_of(data, kind)[0], kind, place)


class Legacy(Core):
    """``Tensor(...)``, called as a class."""

    def __new__(cls, *arguments: Any, device: Any = None, **named: Any) -> Any:  # noqa: D102  (its class says it)
        if "data" in named:
            arguments = (*arguments, named.pop("data"))
        if named:
            key = next(iter(named))
            raise TypeError(
                f"new() received an invalid combination of arguments: '{key}' is none of them; torch.tensor(data, "
                f"{key}=...) takes it"
            )
        place = CPU if device is None else as_device(device)
        if place.type == "meta":
            raise RuntimeError(f"legacy constructor expects device type: cpu but device type: {place.type} was passed")
        given = arguments[0] if len(arguments) == 1 else None
        kind = given.dtype if isinstance(given, Core) else get_default_dtype()
        result = object.__new__(cls)
        result.take_storage(built(arguments, kind, place))
        return result

    def new(self, *arguments: Any, device: Any = None) -> "Tensor":
        """A tensor of this one's data type, from sizes or values as ``torch.Tensor`` takes them."""
        return built(arguments, self.dtype, self.device if device is None else as_device(device))


class _TensorType(type):
    """Class of ``FloatTensor`` and its like: calling one makes a ``Tensor``, and every tensor of its type is one."""

    dtype: dtype

    def __call__(cls, *arguments: Any, device: Any = None) -> Any:
        return built(arguments, cls.dtype, CPU if device is None else as_device(device))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Core) and instance.dtype is cls.dtype and instance.device.type == "cpu"


def _tensor_type(name: str) -> Any:
    kind = DTYPES[name]
    text = f"``torch.{kind.tensor_type}(...)``: a tensor of ``torch.{name}`` from sizes or values."
    return _TensorType(kind.tensor_type, (), {"dtype": kind, "__module__": "torch", "__doc__": text})


FloatTensor = _tensor_type("float32")
DoubleTensor = _tensor_type("float64")
HalfTensor = _tensor_type("float16")
BFloat16Tensor = _tensor_type("bfloat16")
ByteTensor = _tensor_type("uint8")
CharTensor = _tensor_type("int8")
ShortTensor = _tensor_type("int16")
IntTensor = _tensor_type("int32")
LongTensor = _tensor_type("int64")
BoolTensor = _tensor_type("bool")


def set_default_tensor_type(t: Any, /) -> None:
    """Set the default data type by an old name: a class such as ``torch.DoubleTensor``, or its name as text.

    Warns:
        UserWarning: always, since it is deprecated.

    Raises:
        TypeError: ``t`` is no type of floating tensors, or one of another device.
        AttributeError: there is no class of this name.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     torch.set_default_tensor_type(torch.DoubleTensor)
        ...     kind = torch.ones(1).dtype
        ...     torch.set_default_tensor_type("torch.FloatTensor")
        >>> kind
        torch.float64

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_default_tensor_type.html
    """
    if isinstance(t, str):
        if t.startswith("torch.cuda."):
            raise TypeError(
                f"type {t} not available. Torch not compiled with CUDA enabled."
                "\n\tFix: call set_default_dtype and set_default_device."
            )
        home, _, name = t.rpartition(".")
        if home != "torch":
            raise ModuleNotFoundError(f"No module named '{home or name}'")
        t = globals().get(name)
        if not isinstance(t, _TensorType):
            raise AttributeError(f"module 'torch' has no attribute '{name}'")
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() as alternatives.",
        stacklevel=2,
    )
    if not isinstance(t, _TensorType):
        raise TypeError("invalid type object: only floating-point types are supported as the default type")
    if not t.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    set_default_dtype(t.dtype)
