"""Conversions: to other types and devices, to Python and to NumPy."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flambeau.differentiation.tape import Tracked
from flambeau.devices import device as devices
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.primitives import pointwise as p
from flambeau.runtime.force import host_value, transferred
from flambeau.tensors.core import Core, call, wrap_array

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Conversion"]


def _typed(name: str) -> "Callable[[Conversion], Tensor]":
    """A method that converts to one data type."""

    def method(self: "Conversion", memory_format: Any = None) -> "Tensor":
        return self.to(DTYPES[name])

    method.__doc__ = f"Converted to ``torch.{name}``; itself if it is that already."
    return method


class Conversion(Core):
    """Methods that take values elsewhere."""

    def host(self) -> Any:
        """The values as a read-only array of NumPy; waits for them."""
        if self.device.type == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        return host_value(self.read())

    def item(self) -> Any:
        """The only element as a Python number.

        Raises:
            RuntimeError: there is more than one element, or none.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.item.html
        """
        value = self.host()
        if value.size != 1:
            raise RuntimeError(f"a Tensor with {value.size} elements cannot be converted to Scalar")
        found = value.reshape(()).item()
        return float(found) if self.dtype.is_floating_point else found

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        value = self.host()
        return (value.astype(np.float32) if value.dtype.kind == "V" or value.dtype.itemsize < 4 and
                self.dtype.is_floating_point else value).tolist()  # fmt: skip

    def numpy(self, *, force: bool = False) -> Any:
        """The values as an array of NumPy, read-only: tensors do not share memory with it.

        Raises:
            RuntimeError: the tensor requires a gradient and ``force`` is not set.
            TypeError: NumPy has no such data type (bfloat16 and the float8 kinds).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html
        """
        if self._requires_grad and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        if self.dtype.name.startswith(("bfloat", "float8")):
            name = "BFloat16" if self.dtype.name == "bfloat16" else self.dtype.name.capitalize()
            raise TypeError(f"Got unsupported ScalarType {name}")
        if self.device.type not in ("cpu", "meta") and not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        value = self.host().view()
        value.flags.writeable = False
        return value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        value = self.numpy()
        return np.array(value, dtype) if copy else np.asarray(value, dtype)

    def __dlpack__(self, **options: Any) -> Any:
        """The values for another library to look at, by DLPack."""
        if self._requires_grad:
            raise RuntimeError("Can't export tensors that require gradient, use tensor.detach()")
        node = self.read()
        if node.value is None:
            self.host()
        return np.array(node.value).__dlpack__() if isinstance(node.value, np.ndarray) else node.value.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0) if self.device.type == "cpu" else (2, self.device.index or 0)

    # -- Python's own conversions ----------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        count = self.shape.numel()
        if count != 1:
            kind = "no values" if count == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {kind} is ambiguous")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.is_floating_point or self.dtype.is_complex or self.shape.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __contains__(self, element: Any) -> bool:
        return bool((cast("Tensor", self) == element).any())

    # -- types and devices -----------------------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> "Tensor":
        """Converted to a data type and moved to a device; itself if nothing changes.

        Called as ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``, with ``non_blocking``,
        ``copy`` and ``memory_format`` accepted.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.to.html
        """
        kind, place = _destination(args, kwargs)
        result = cast("Tensor", self)
        if place is not None and place != self.device:
            result = _moved(result, place)
        if kind is not None and kind is not self.dtype:
            return call(p.cast, (result,), (kind,))
        if kwargs.get("copy", False) and result is self:
            return call(p.UNARY["clone"], (self,))
        return result

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """Name of the tensor's type, or the tensor converted to a type."""
        if dtype is None:
            return f"torch.{self.dtype.tensor_type}"
        if isinstance(dtype, str):
            named = {f"torch.{kind.tensor_type}": kind for kind in DTYPES.values()}
            dtype = named[dtype]
        return self.to(dtype)

    def type_as(self, other: "Tensor") -> "Tensor":
        """Converted to another tensor's type."""
        return self.to(other.dtype)

    def cpu(self) -> "Tensor":
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False) -> "Tensor":
        """On a GPU; raises AssertionError where there is none."""
        return self.to("cuda" if device is None else device)

    bool = _typed("bool")
    byte = _typed("uint8")
    char = _typed("int8")
    short = _typed("int16")
    int = _typed("int32")
    long = _typed("int64")
    half = _typed("float16")
    bfloat16 = _typed("bfloat16")
    float = _typed("float32")
    double = _typed("float64")
    cfloat = _typed("complex64")
    cdouble = _typed("complex128")

    # -- small facts ------------------------------------------------------------------------------------------------

    def is_floating_point(self) -> "bool":  # pyright: ignore[reportInvalidTypeForm]  # bool is a method here
        """Whether the elements are real numbers."""
        return self.dtype.is_floating_point

    def is_complex(self) -> "bool":  # pyright: ignore[reportInvalidTypeForm]  # bool is a method here
        """Whether the elements are complex numbers."""
        return self.dtype.is_complex

    def element_size(self) -> "int":  # pyright: ignore[reportInvalidTypeForm]  # int is a method here
        """Bytes an element takes."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> "int":  # pyright: ignore[reportInvalidTypeForm]  # int is a method here
        """Bytes an element takes."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> "int":  # pyright: ignore[reportInvalidTypeForm]  # int is a method here
        """Bytes all elements take."""
        return self.shape.numel() * self.dtype.itemsize

    def data_ptr(self) -> "int":  # pyright: ignore[reportInvalidTypeForm]  # int is a method here
        """A number that is equal for tensors that start at the same element of the same storage; no address."""
        return id(self._storage) + self.geometry()[0] * self.dtype.itemsize

    @property
    def is_cuda(self) -> "bool":  # pyright: ignore[reportInvalidTypeForm]  # bool is a method here
        """Whether the values are on a GPU."""
        return self.device.type == "cuda"

    @property
    def is_meta(self) -> "bool":  # pyright: ignore[reportInvalidTypeForm]  # bool is a method here
        """Whether the tensor has a shape only, and no values."""
        return self.device.type == "meta"

    is_sparse = False
    is_quantized = False
    layout = "torch.strided"


def _destination(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dtype | None, "devices.device | None"]:
    """Data type and device that the arguments of ``to`` name."""
    kind: dtype | None = kwargs.get("dtype")
    place = kwargs.get("device")
    for argument in (*args, kwargs.get("other")):
        if isinstance(argument, dtype):
            kind = argument
        elif isinstance(argument, (str, devices.device)) or (type(argument) is int):
            place = argument
        elif isinstance(argument, Core):
            kind, place = argument.dtype, argument.device
    return kind, None if place is None else devices.as_device(place)


def _moved(tensor: "Tensor", place: "devices.device") -> "Tensor":
    """A copy on another device; its gradient comes back to this one."""
    if tensor.device.type == "meta":
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    if place.type == "meta":
        return wrap_array(np.broadcast_to(np.zeros((), tensor.dtype.numpy), tensor.shape), tensor.dtype, place)
    if tensor.requires_grad and tensor.edge() is not None:
        raise NotImplementedError(
            f"moving a tensor that requires a gradient from {tensor.device} to {place} inside a taped computation is "
            "not supported; move it before requires_grad_(), or use .detach().to(device)"
        )
    return wrap_array(transferred(tensor.read(), place), tensor.dtype, place)


_ = (sys, Tracked)
