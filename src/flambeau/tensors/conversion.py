"""Conversions: to other types and devices, to Python and to NumPy."""

import copyreg
import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flambeau.devices import device as devices
from flambeau.differentiation.modes import MODE
from flambeau.dtypes.kinds import DTYPES, dtype, from_numpy_dtype
from flambeau.dtypes.layouts import LAYOUTS
from flambeau.graph.node import Aval, leaf
from flambeau.primitives import pointwise as p
from flambeau.runtime.force import host_value, transferred
from flambeau.tensors.core import Core, Storage, call, wrap_array

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Conversion", "attributes", "destination", "set_attributes"]


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
            RuntimeError: there is more than one element, or none; or the tensor is on the meta device.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.item.html
        """
        count = self.shape.numel()
        if count != 1:
            raise RuntimeError(f"a Tensor with {count} elements cannot be converted to Scalar")
        if self.device.type == "meta":
            raise RuntimeError("Tensor.item() cannot be called on meta tensors")
        found = self.host().reshape(()).item()
        return float(found) if self.dtype.is_floating_point else found

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; of a 0-d tensor the number itself.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.tolist.html
        """
        value = self.host()
        return (value.astype(np.float64) if self.dtype.is_floating_point else value).tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """The values as an array of NumPy, read-only: tensors do not share memory with it.

        Args:
            force: accept tensors on the tape and on other devices, too.

        Raises:
            RuntimeError: the tensor requires a gradient and ``force`` is not set.
            TypeError: NumPy has no such data type (bfloat16 and the float8 kinds), or the tensor is elsewhere.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html
        """
        if self._requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.device.type != "cpu" and not (force and self.device.type != "meta"):
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        if self.dtype.name.startswith(("bfloat", "float8")):
            name = "BFloat16" if self.dtype.name == "bfloat16" else self.dtype.name.capitalize()
            raise TypeError(f"Got unsupported ScalarType {name}")
        value = self.host().view()
        value.flags.writeable = False
        return value

    __array_priority__ = 1000  # NumPy's operators leave the operation to the tensor's

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        value = self.numpy()
        return np.array(value, dtype) if copy else np.asarray(value, dtype)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> "Tensor":
        """What a function of NumPy made of the tensor, as a tensor; truth values become uint8, as in PyTorch."""
        array = np.array(array, np.uint8 if array.dtype == np.bool_ else array.dtype)
        return wrap_array(array, from_numpy_dtype(array.dtype), devices.CPU)

    def __dlpack__(self, **options: Any) -> Any:
        """The values for another library to look at, by DLPack; on the CPU a copy of them.

        Raises:
            BufferError: the tensor requires a gradient.
        """
        if self._requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        host = self.host()
        if self.device.type == "cpu" and host.dtype.kind != "V" and host.dtype.isbuiltin == 1:
            return np.array(host).__dlpack__(**options)
        value: Any = self.read().value
        return value.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0) if self.device.type == "cpu" else (2, self.device.index or 0)

    # -- Python's own conversions ----------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        count = self.shape.numel()
        if count != 1:
            kind = "no values" if count == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {kind} is ambiguous")
        if self.aval.mapped:
            raise RuntimeError(
                "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't "
                "support that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
            )
        return bool(self.item())

    def is_nonzero(self) -> "bool":  # pyright: ignore[reportInvalidTypeForm]  # bool is a method here
        """Whether the only element is not zero."""
        return self.__bool__()

    def _scalar(self) -> Any:
        """The only element; raises ValueError in PyTorch's words if there are several."""
        if self.shape.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        value = self.item()
        return value

    def __float__(self) -> float:
        self._warn_of_gradients()
        return float(_real(self._scalar()))

    def __int__(self) -> int:
        return int(_real(self._scalar()))

    def __complex__(self) -> complex:
        self._warn_of_gradients()
        return complex(self._scalar())

    def _warn_of_gradients(self) -> None:
        """Warn, in PyTorch's words, of a number that takes no gradient along."""
        if MODE.grad and self._requires_grad:
            warnings.warn(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                "Consider using tensor.detach() first.",
                stacklevel=3,
            )

    def __index__(self) -> int:
        if self.dtype.is_floating_point or self.dtype.is_complex or self.shape.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, (Core, int, float, complex)):
            raise RuntimeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
            )
        return bool((cast("Tensor", self) == element).any())

    # -- copies ------------------------------------------------------------------------------------------------------

    def __copy__(self) -> Any:
        result = self._shell()
        result.take_storage(self)
        result.__dict__.update(attributes(self))
        return result

    def __deepcopy__(self, memo: "dict[int, Any]") -> Any:  # pyright: ignore[reportInvalidTypeForm]  # int is a method here
        if id(self) in memo:
            return memo[id(self)]
        if self._grad_fn is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
                "moment.  If you were attempting to deepcopy a module, this may be because of a "
                "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
            )
        storage = memo.get(id(self._storage))
        if storage is None:
            # Nodes never change: a new cell with the same one is a copy, made at the first write.
            storage = memo[id(self._storage)] = Storage(self._storage.node)
        result = memo[id(self)] = self._shell()
        result._storage, result._steps = storage, self._steps
        if self._grad is not None:
            result._grad = deepcopy(self._grad, memo)
        result.__dict__.update(deepcopy(attributes(self), memo))
        return result

    def _shell(self) -> Any:
        """A tensor of the same class that shows nothing yet."""
        result = object.__new__(type(self))
        result._requires_grad = self._requires_grad
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        whole = self._storage if not self._steps else Storage(call(p.UNARY["clone"], (self.alias(),)).read())
        return _unpickled, (type(self), whole, self._requires_grad, attributes(self))

    # -- types and devices -----------------------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> "Tensor":
        """Converted to a data type and moved to a device; itself if nothing changes.

        Called as ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``, each with ``non_blocking``
        (accepted) and ``copy`` after it or by name, and with ``memory_format`` by name (accepted: XLA orders memory).

        Raises:
            TypeError: the arguments are none of these.
            RuntimeError: the memory format is for another number of dimensions.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.to.html
        """
        kind, place, copy = destination(args, kwargs)
        _check_format(kwargs.get("memory_format"), len(self.shape))
        result = cast("Tensor", self)
        if place is not None and place != self.device:
            result = _moved(result, place)
        if kind is not None and kind is not self.dtype:
            return call(p.cast, (result,), (kind,))
        if copy and result is self:
            return call(p.UNARY["clone"], (self,))
        return result

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """Name of the tensor's type, or the tensor converted to a type."""
        if dtype is None:
            where = "" if self.device.type == "cpu" else f"{self.device.type}."
            return f"torch.{where}{self.dtype.tensor_type}"
        if isinstance(dtype, str):
            named = {f"torch.{kind.tensor_type}": kind for kind in DTYPES.values()}
            if dtype not in named:
                raise ValueError(f"invalid type: '{dtype}'")
            dtype = named[dtype]
        return self.to(getattr(dtype, "dtype", dtype))

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
    layout = LAYOUTS["strided"]

    def is_same_size(self, other: "Tensor") -> "bool":  # pyright: ignore[reportInvalidTypeForm]  # bool is a method here
        """Whether another tensor has the same shape."""
        return self.shape == other.shape

    def get_device(self) -> "int":  # pyright: ignore[reportInvalidTypeForm]  # int is a method here
        """Number of the accelerator the values are on; -1 for the CPU."""
        return -1 if self.device.type in ("cpu", "meta") else self.device.index or 0

    def is_pinned(self, device: Any = None) -> "bool":  # pyright: ignore[reportInvalidTypeForm]  # bool is a method here
        """Whether the values are in page-locked memory: never, memory is XLA's business."""
        return False

    def pin_memory(self, device: Any = None) -> "Tensor":
        """The tensor itself: memory is XLA's business."""
        return cast("Tensor", self)


# -- copies and pickles --------------------------------------------------------------------------------------------

# What a tensor's ``__dict__`` may hold besides its user's own attributes.
_OWN = frozenset(name for name in Core.__annotations__ if name.startswith("_")) | {"_retains"}


def attributes(tensor: Core) -> dict[str, Any]:
    """Attributes that the user set."""
    return {name: value for name, value in tensor.__dict__.items() if name not in _OWN}


def set_attributes(tensor: Core, named: dict[str, Any]) -> None:
    """Set attributes that come from a file: not those that make up a tensor, and none in place of a method."""
    own = {name: value for name, value in named.items() if name not in _OWN and not hasattr(type(tensor), name)}
    tensor.__dict__.update(own)


def _unpickled(kind: Any, storage: Storage, requires_grad: bool, named: dict[str, Any]) -> Any:
    """A tensor from what ``__reduce_ex__`` tells of it."""
    result: Any = object.__new__(kind)
    result._storage = storage
    result._requires_grad = requires_grad
    result.__dict__.update(named)
    return result


def _reduced_storage(storage: Storage) -> Any:
    """A storage as plain pickle writes it, once for all tensors that share it: an array of NumPy and its place."""
    aval = storage.node.aval
    array = None if aval.device.type == "meta" else np.asarray(host_value(storage.node))
    return _restored_storage, (array, tuple(aval.shape), aval.dtype, aval.device)


def _restored_storage(array: Any, shape: tuple[int, ...], kind: dtype, place: "devices.device") -> Storage:
    if array is None:
        array = np.broadcast_to(np.zeros((), kind.numpy), shape)
    return Storage(leaf(array, Aval.of(shape, kind, place)))


copyreg.pickle(Storage, _reduced_storage)  # pyright: ignore[reportArgumentType]  # typed for functions of any object


# -- arguments -----------------------------------------------------------------------------------------------------


def _real(value: Any) -> Any:
    """A number as a real one; raises RuntimeError in PyTorch's words for a complex one."""
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError("value cannot be converted to type double without overflow")
        return value.real
    return value


_FLAGS = ("non_blocking", "copy")
_PYTHON = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}


def destination(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dtype | None, "devices.device | None", bool]:
    """Data type and device that the arguments of ``to`` name, and whether a copy is wanted."""
    kind, place = _as_kind(kwargs.get("dtype"), args, kwargs), kwargs.get("device")
    rest = list(args)
    if rest and isinstance(rest[0], Core):
        kind, place = rest[0].dtype, rest[0].device
        del rest[0]
    else:
        if rest and (isinstance(rest[0], (str, devices.device)) or type(rest[0]) is int or rest[0] is None):
            place = rest.pop(0)
        if rest and (isinstance(rest[0], dtype) or rest[0] in _PYTHON):
            kind = _as_kind(rest.pop(0), args, kwargs)
    flags = {**dict(zip(_FLAGS, rest, strict=False)), **{key: kwargs[key] for key in _FLAGS if key in kwargs}}
    wrong = kwargs.keys() - {"dtype", "device", "memory_format", *_FLAGS}
    if wrong or len(rest) > len(_FLAGS) or not all(isinstance(flag, bool) for flag in flags.values()):
        raise _misused(args, kwargs)
    return kind, None if place is None else devices.as_device(place), flags.get("copy", False)


def _as_kind(given: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dtype | None:
    if given is None or isinstance(given, dtype):
        return given
    if given in _PYTHON:
        return DTYPES[_PYTHON[given]]
    raise _misused(args, kwargs)


def _misused(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
    """The error for arguments that ``to`` does not take."""
    given = [type(item).__name__ for item in args] + [f"{key}={type(item).__name__}" for key, item in kwargs.items()]
    text = ", ".join(given) + (", " if kwargs else "")
    return TypeError(
        f"to() received an invalid combination of arguments - got ({text}), but expected one of:\n"
        " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False)\n"
        " * (torch.dtype dtype, bool non_blocking = False, bool copy = False)\n"
        " * (Tensor tensor, bool non_blocking = False, bool copy = False)\n"
        "each also with memory_format by name"
    )


_RANKS = {"channels_last": 4, "channels_last_3d": 5}


def _check_format(form: Any, rank: int) -> None:
    """Raise RuntimeError, in PyTorch's words, if a memory format is for another number of dimensions."""
    name = getattr(form, "name", "")
    if _RANKS.get(name, rank) != rank:
        raise RuntimeError(f"required rank {_RANKS[name]} tensor to use {name} format")


def _moved(tensor: "Tensor", place: "devices.device") -> "Tensor":
    """A copy on another device; its gradient comes back to this one."""
    if tensor.device.type == "meta":
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    if place.type == "meta":
        return wrap_array(np.broadcast_to(np.zeros((), tensor.dtype.numpy), tensor.shape), tensor.dtype, place)
    if MODE.grad and tensor.requires_grad and tensor.edge() is not None:
        raise NotImplementedError(
            f"moving a tensor that requires a gradient from {tensor.device} to {place} inside a taped computation is "
            "not supported; move it before requires_grad_(), or use .detach().to(device)"
        )
    return wrap_array(transferred(tensor.read(), place), tensor.dtype, place)
