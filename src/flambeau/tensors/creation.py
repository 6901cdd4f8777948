"""Making tensors: from Python's and NumPy's values, and constants."""

import builtins
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from flambeau.devices.device import as_device
from flambeau.dtypes import kinds
from flambeau.dtypes.fitting import check_fits
from flambeau.dtypes.kinds import dtype, from_numpy_dtype, get_default_dtype, python_dtype
from flambeau.graph.record import forget
from flambeau.primitives import creation as p
from flambeau.runtime.force import force_all
from flambeau.tensors.core import Core, call, operands, wrap_array
from flambeau.tensors.data import array_of, converted
from flambeau.tensors.options import (
    Device,
    Options,
    Settings,
    as_dtype,
    hollow,
    settings,
    shape_of,
    tensor_argument,
)
from flambeau.tensors.outputs import takes_out

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "Creation",
    "as_tensor",
    "asarray",
    "complex",
    "empty",
    "empty_like",
    "empty_strided",
    "from_dlpack",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "get_default_dtype",
    "ones",
    "ones_like",
    "polar",
    "scalar_tensor",
    "set_default_dtype",
    "tensor",
    "to_dlpack",
    "zeros",
    "zeros_like",
]


def set_default_dtype(d: dtype) -> None:
    """Set the data type of tensors made from Python floats, and of operations that mix whole numbers with floats.

    Runs what is pending first: it was recorded under the old type.

    Raises:
        TypeError: ``d`` is no floating type.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_default_dtype.html
    """
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if d is not get_default_dtype():
        force_all()
        kinds.set_default_dtype(d)
        forget()


# -- constants -----------------------------------------------------------------------------------------------------


def _constant(shape: tuple[int, ...], value: Any, chosen: Settings) -> "Tensor":
    """A tensor of one number."""
    check_fits(value, chosen.dtype)
    if chosen.device.type == "meta":
        return chosen.deliver(hollow(shape, chosen.dtype, chosen.device))
    kind = chosen.dtype.numpy
    zero = value == 0 and not isinstance(value, float)
    array = np.zeros(shape, kind) if zero else np.full(shape, np.asarray(value).astype(kind))
    return chosen.deliver(wrap_array(array, chosen.dtype, chosen.device))


def zeros(*size: Any, **options: Any) -> "Tensor":
    """A tensor of zeros.

    Args:
        size: the shape, as numbers or as one sequence (also by name).
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Raises:
        TypeError: the shape is missing, or an option is unknown.
        RuntimeError: a size is negative.

    Example:
        >>> import flambeau as torch
        >>> torch.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.zeros.html
    """
    shape = shape_of("zeros", size, options.pop("size", None), negative="zeros: Dimension size must be non-negative.")
    return _constant(shape, 0, settings("zeros", options))


def ones(*size: Any, **options: Any) -> "Tensor":
    """A tensor of ones.

    Args:
        size: the shape, as numbers or as one sequence (also by name).
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Example:
        >>> import flambeau as torch
        >>> torch.ones(3, dtype=torch.int64)
        tensor([1, 1, 1])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.ones.html
    """
    shape = shape_of("ones", size, options.pop("size", None))
    return _constant(shape, 1, settings("ones", options))


def empty(*size: Any, **options: Any) -> "Tensor":
    """A tensor whose values are not specified (they are zeros here).

    Args:
        size: the shape, as numbers or as one sequence (also by name).
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.empty.html
    """
    shape = shape_of("empty", size, options.pop("size", None))
    return _constant(shape, 0, settings("empty", options))


def full(size: Sequence[int], fill_value: Any, **options: Unpack[Options]) -> "Tensor":
    """A tensor of one number.

    Args:
        size: the shape, a sequence.
        fill_value: the number; without ``dtype`` it decides the data type.
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Raises:
        RuntimeError: the number does not fit the data type.

    Example:
        >>> import flambeau as torch
        >>> torch.full((2,), 7)
        tensor([7, 7])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.full.html
    """
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    value = _fill_value("full", fill_value)
    return _constant(shape_of("full", (size,)), value, settings("full", options, python_dtype(value.__class__)))


def _fill_value(name: str, value: Any) -> Any:
    """A number as Python's own; raises TypeError in PyTorch's words."""
    found: Any = value
    if isinstance(value, np.generic) or (isinstance(value, Core) and not value.aval.shape):
        return found.item()
    if not isinstance(value, (bool, int, float, builtins.complex)):
        kind = "Tensor" if isinstance(value, Core) else type(value).__name__
        raise TypeError(f"{name}(): argument 'fill_value' (position 2) must be Number, not {kind}")
    return value


def _like(name: str, input: Any, value: Any, options: Any) -> "Tensor":
    """A constant of a tensor's shape, type and device."""
    source: Core = tensor_argument(name, 1, input)
    return _constant(tuple(source.shape), value, settings(name, options, source.dtype, source.device))


def zeros_like(input: "Tensor", **options: Unpack[Options]) -> "Tensor":
    """Zeros of a tensor's shape, data type and device.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.zeros_like.html
    """
    return _like("zeros_like", input, 0, options)


def ones_like(input: "Tensor", **options: Unpack[Options]) -> "Tensor":
    """Ones of a tensor's shape, data type and device.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.ones_like.html
    """
    return _like("ones_like", input, 1, options)


def empty_like(input: "Tensor", **options: Unpack[Options]) -> "Tensor":
    """Values that are not specified (zeros here), of a tensor's shape, data type and device.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.empty_like.html
    """
    return _like("empty_like", input, 0, options)


def full_like(input: "Tensor", fill_value: Any, **options: Unpack[Options]) -> "Tensor":
    """One number in a tensor's shape, data type and device.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.full_like.html
    """
    return _like("full_like", input, _fill_value("full_like", fill_value), options)


def empty_strided(size: Sequence[int], stride: Sequence[int], **options: Unpack[Options]) -> "Tensor":
    """Values that are not specified (zeros here), with these strides.

    Raises:
        RuntimeError: there are not as many strides as sizes.
        NotImplementedError: the strides are not those of a row-major tensor with its dimensions exchanged.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.empty_strided.html
    """
    shape, strides = shape_of("empty_strided", (size,)), tuple(stride)
    if len(shape) != len(strides):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(strides)})"
        )
    order = sorted(range(len(shape)), key=lambda axis: (-strides[axis], axis))
    step = 1
    for axis in reversed(order):
        if strides[axis] != step and shape[axis] > 1:
            raise NotImplementedError(
                f"empty_strided(stride={strides}) is not supported for shape {shape}: elements must lie one after "
                "another without gaps or repeats"
            )
        step *= max(shape[axis], 1)
    dense = _constant(tuple([shape[axis] for axis in order]), 0, settings("empty_strided", options))
    return dense if order == sorted(order) else dense.permute([order.index(axis) for axis in range(len(order))])


def scalar_tensor(s: Any, **options: Unpack[Options]) -> "Tensor":
    """A 0-d tensor of a number, of the default floating type unless another is named."""
    return _constant((), _fill_value("scalar_tensor", s), settings("scalar_tensor", options))


# -- from values ---------------------------------------------------------------------------------------------------


def tensor(
    data: Any,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> "Tensor":
    """A tensor of the given numbers, copied; nested lists, numbers, arrays of NumPy, and tensors.

    Args:
        data: the values; floats become the default floating type, whole numbers int64.
        dtype: data type; by default that of the values.
        device: where it lives; the default device if None, that of ``data`` if it is a tensor.
        requires_grad: whether operations on it are taped.
        pin_memory: accepted; memory is XLA's business.

    Raises:
        ValueError: the lists have no regular shape, or a number does not fit 64 bits.
        TypeError, RuntimeError: the values are no numbers, or do not fit the data type.

    Example:
        >>> import flambeau as torch
        >>> torch.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.tensor.html
    """
    options: Options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _from_data("torch.tensor", data, options, stacklevel=3)


def _from_data(name: str, data: Any, options: Options, stacklevel: int, default: Device = None) -> "Tensor":
    """A copy of values as a tensor."""
    wanted = as_dtype("tensor", options.get("dtype"))
    if isinstance(data, Core):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            f"sourceTensor.detach().clone().requires_grad_(True), rather than {name}(sourceTensor).",
            UserWarning,
            stacklevel=stacklevel,
        )
        source = cast("Tensor", data).detach()
        place = options.get("device")
        moved = source.to(dtype=wanted, device=source.device if place is None else place)
        return settings("tensor", {**options, "dtype": moved.dtype}).deliver(moved.clone())
    array, kind = array_of(data, wanted)
    chosen = settings("tensor", {**options, "dtype": kind}, place=default)
    if chosen.device.type == "meta":
        return chosen.deliver(hollow(array.shape, kind, chosen.device))
    return chosen.wrap(array)


def as_tensor(data: Any, dtype: dtype | None = None, device: Device = None) -> "Tensor":
    """``data`` as a tensor; a tensor of the right type on the right device is returned as it is.

    Values of NumPy are copied: tensors do not share memory with it.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.as_tensor.html
    """
    if isinstance(data, Core):
        return cast("Tensor", data).to(device=device, dtype=dtype)
    return tensor(data, dtype=dtype, device=device)


def asarray(
    obj: Any,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> "Tensor":
    """A tensor of anything that holds numbers: tensors, arrays, numbers, sequences, DLPack, buffers.

    Args:
        obj: the values.
        dtype: data type; by default that of the values (of a buffer: the default floating type).
        device: where it lives.
        copy: True for a copy also of a tensor; False for none, which only a tensor allows.
        requires_grad: whether operations on the result are taped; by default whether those on ``obj`` are.

    Raises:
        ValueError: ``copy`` is False and the values must be copied.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.asarray.html
    """
    if isinstance(obj, Core):
        source = cast("Tensor", obj)
        result = source.to(device=device, dtype=dtype, copy=bool(copy))
        if copy is False and result is not source:
            raise ValueError("can't alias tensor with a different dtype or device; leave copy=False out")
        wanted = source.requires_grad if requires_grad is None else requires_grad
        return result if result.requires_grad == wanted else result.detach().requires_grad_(wanted)
    if copy is False:
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    if hasattr(obj, "__dlpack__") and not isinstance(obj, (np.ndarray, np.generic)):
        result = from_dlpack(obj).to(device=device, dtype=dtype)
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        result = frombuffer(obj, dtype=dtype or get_default_dtype()).to(device=device)
    else:
        result = tensor(obj, dtype=dtype, device=device)
    return result.requires_grad_() if requires_grad else result


def from_numpy(ndarray: Any) -> "Tensor":
    """A tensor of an array's values, copied: tensors do not share memory with NumPy.

    Raises:
        TypeError: it is no array of NumPy, or one of no numbers.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.from_numpy.html
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    kind = from_numpy_dtype(ndarray.dtype)
    return wrap_array(converted(ndarray, kind), kind, as_device("cpu"))


def to_dlpack(tensor: "Tensor") -> Any:
    """A capsule of DLPack with a copy of the values, for a library that takes nothing newer; it can be used once.

    Raises:
        TypeError: it is no tensor.

    Example:
        >>> import flambeau as torch
        >>> torch.from_dlpack(torch.to_dlpack(torch.arange(3)))
        tensor([0, 1, 2])

    Source: https://docs.pytorch.org/docs/stable/dlpack.html#torch.utils.dlpack.to_dlpack
    """
    if not isinstance(tensor, Core):
        raise TypeError(f"_to_dlpack(): argument 'data' (position 1) must be Tensor, not {type(tensor).__name__}")
    return tensor.detach().__dlpack__()


class _Capsule:
    """A capsule of DLPack on the host as an object that gives it away."""

    def __init__(self, capsule: Any) -> None:
        if '"dltensor"' not in repr(capsule):  # a capsule's name stands in its text only, and changes as it is used
            raise RuntimeError(
                "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so "
                "you might have already constructed a tensor from it once."
            )
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(ext_tensor: Any, *, device: Device = None, copy: bool | None = None) -> "Tensor":
    """A tensor of what another library shows by DLPack, copied.

    Raises:
        ValueError: ``copy`` is False, which cannot be done.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.from_dlpack.html
    """
    if copy is False:
        raise ValueError("from_dlpack(copy=False) is not possible: tensors do not share memory; leave copy out")
    if isinstance(ext_tensor, Core):
        return cast("Tensor", ext_tensor).detach().to(device=device, copy=True)
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    if isinstance(ext_tensor, np.ndarray):
        return from_numpy(ext_tensor).to(device=device)
    array: Any = p.imported(ext_tensor)
    kind = from_numpy_dtype(array.dtype)
    return wrap_array(array, kind, as_device(p.platform_of(array))).to(device=device)


def frombuffer(buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> "Tensor":
    """A tensor of the numbers whose bytes a buffer holds, copied.

    Args:
        buffer: an object of Python's buffer protocol.
        dtype: data type of the numbers.
        count: how many; -1 means all.
        offset: position of the first one, in bytes.
        requires_grad: whether operations on the result are taped.

    Raises:
        ValueError: the buffer does not hold as many bytes.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.frombuffer.html
    """
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, size = view.nbytes, dtype.itemsize
    if length == 0 or count == 0:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) minus 1"
        )
    if count < 0:
        if (length - offset) % size:
            raise ValueError(
                f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of element "
                f"size ({size})"
            )
        count = (length - offset) // size
    elif offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be greater than "
            f"actual buffer length ({length} bytes)"
        )
    values = np.frombuffer(view, dtype.numpy, count, offset).copy()
    return settings("frombuffer", {"dtype": dtype, "requires_grad": requires_grad}, place="cpu").wrap(values)


# -- complex numbers -----------------------------------------------------------------------------------------------


@takes_out()
def complex(real: "Tensor", imag: "Tensor") -> "Tensor":
    """Complex numbers of these real and imaginary parts.

    Raises:
        RuntimeError: the parts have different types, or none that complex numbers have.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.creation import complex
        >>> complex(torch.tensor([1.0]), torch.tensor([2.0]))
        tensor([1.+2.j])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.complex.html
    """
    tensor_argument("complex", 1, real, "real")
    tensor_argument("complex", 2, imag, "imag")
    _check_parts(real, imag)
    return call(p.complex_of, (real, imag))


@takes_out()
def polar(abs: "Tensor", angle: "Tensor") -> "Tensor":
    """Complex numbers of these absolute values and angles (in radians).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.polar.html
    """
    tensor_argument("polar", 1, abs, "abs")
    tensor_argument("polar", 2, angle, "angle")
    abs, angle = operands("polar", abs, angle)
    _check_parts(abs, angle)
    return call(p.polar, (abs, angle))


def _check_parts(first: "Tensor", second: "Tensor") -> None:
    """Raise unless two tensors can be parts of complex numbers."""
    names = [item.dtype.tensor_type.removesuffix("Tensor") for item in (first, second)]
    if any(item.dtype.name not in ("float16", "float32", "float64") for item in (first, second)):
        raise RuntimeError(f"Expected both inputs to be Half, Float or Double tensors but got {' and '.join(names)}")
    if names[0] != names[1]:
        message = f"Expected object of scalar type {names[0]} but got scalar type {names[1]} for second argument"
        raise RuntimeError(message)
    if first.dtype.name == "float16":
        raise NotImplementedError("complex32 (ComplexHalf) is not supported; convert the parts to float32 first")


# -- like a tensor at hand -----------------------------------------------------------------------------------------


class Creation(Core):
    """Methods that make tensors of this one's data type and device."""

    def _new(self, name: str, size: tuple[Any, ...], value: Any, options: Any) -> "Tensor":
        shape = shape_of(name, size, options.pop("size", None))
        return _constant(shape, value, settings(name, options, self.dtype, self.device))

    def new_zeros(self, *size: Any, **options: Any) -> "Tensor":
        """Zeros of this tensor's data type and device.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.new_zeros.html
        """
        return self._new("new_zeros", size, 0, options)

    def new_ones(self, *size: Any, **options: Any) -> "Tensor":
        """Ones of this tensor's data type and device.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.new_ones.html
        """
        return self._new("new_ones", size, 1, options)

    def new_empty(self, *size: Any, **options: Any) -> "Tensor":
        """Values that are not specified (zeros here), of this tensor's data type and device.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.new_empty.html
        """
        return self._new("new_empty", size, 0, options)

    def new_full(self, size: Sequence[int], fill_value: Any, **options: Unpack[Options]) -> "Tensor":
        """One number in this tensor's data type and device.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.new_full.html
        """
        value = _fill_value("new_full", fill_value)
        return self._new("new_full", (tuple(size),), value, {**options})

    def new_empty_strided(self, size: Sequence[int], stride: Sequence[int], **options: Unpack[Options]) -> "Tensor":
        """``empty_strided`` of this tensor's data type and device."""
        found: Any = {"dtype": self.dtype, "device": self.device, **options}
        return empty_strided(size, stride, **found)

    def new_tensor(self, data: Any, **options: Unpack[Options]) -> "Tensor":
        """``tensor`` of this tensor's data type and device.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.new_tensor.html
        """
        given: Options = {**options}
        if given.get("dtype") is None:
            given["dtype"] = self.dtype
        return _from_data("tensor.new_tensor", data, given, stacklevel=3, default=self.device)
