"""The data types, one row each: PyTorch's name, its aliases, the NumPy type, and the name of its tensor type."""

from typing import Any, Final

import ml_dtypes
import numpy as np

__all__ = ["DTYPES", "dtype", "from_numpy_dtype", "get_default_dtype", "python_dtype", "set_default_dtype"]


class dtype:  # noqa: N801  (PyTorch's name)
    """Data type of a tensor's elements, such as ``torch.float32``.

    Attributes:
        name: PyTorch's name without the module, such as ``"float32"``.
        numpy: the NumPy data type of the same bits.
        itemsize: bytes an element takes.
        is_floating_point: whether the type holds real numbers.
        is_complex: whether the type holds complex numbers.
        is_signed: whether the type holds negative numbers.
        tensor_type: name of PyTorch's tensor type, such as ``"FloatTensor"``.

    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html
    """

    __module__ = "flambeau"  # where everybody finds it

    __slots__ = ("is_complex", "is_floating_point", "is_signed", "itemsize", "name", "numpy", "rank", "tensor_type")

    def __init__(self, name: str, numpy: Any, tensor_type: str, rank: int) -> None:
        self.name: Final = name
        self.numpy: Final = np.dtype(numpy)
        self.itemsize: Final = self.numpy.itemsize
        self.tensor_type: Final = tensor_type
        self.rank: Final = rank
        self.is_complex: Final = name.startswith("complex")
        self.is_floating_point: Final = name.startswith(("float", "bfloat"))
        self.is_signed: Final = not name.startswith(("uint", "bool")) and name != "float8_e8m0fnu"

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return named, (self.name,)

    @property
    def cpp_name(self) -> str:
        """What PyTorch's messages call the type where they speak C++, such as ``"float"`` or ``"c10::Half"``."""
        return _CPP_NAMES.get(self.name, self.name)

    def to_real(self) -> "dtype":
        """Type of the real part of this type."""
        return named(_REAL.get(self.name, self.name))

    def to_complex(self) -> "dtype":
        """Type of complex numbers whose parts have this type."""
        return self if self.is_complex else named(_COMPLEX.get(self.name, "complex64"))


_CPP_NAMES = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
    "int64": "long int",
    "int32": "int",
    "int16": "short int",
    "int8": "signed char",
    "uint8": "unsigned char",
}
_REAL = {"complex64": "float32", "complex128": "float64"}
_COMPLEX = {"float64": "complex128"}

# Rank orders the types inside the chain bool < integers < floats < complex; see promotion.
DTYPES: Final[dict[str, dtype]] = {
    row[0]: dtype(*row)
    for row in (
        ("bool", np.bool_, "BoolTensor", 0),
        ("uint8", np.uint8, "ByteTensor", 1),
        ("int8", np.int8, "CharTensor", 1),
        ("int16", np.int16, "ShortTensor", 2),
        ("int32", np.int32, "IntTensor", 3),
        ("int64", np.int64, "LongTensor", 4),
        ("uint16", np.uint16, "UInt16Tensor", 2),
        ("uint32", np.uint32, "UInt32Tensor", 3),
        ("uint64", np.uint64, "UInt64Tensor", 4),
        ("float16", np.float16, "HalfTensor", 6),
        ("bfloat16", ml_dtypes.bfloat16, "BFloat16Tensor", 6),
        ("float32", np.float32, "FloatTensor", 7),
        ("float64", np.float64, "DoubleTensor", 8),
        ("complex64", np.complex64, "ComplexFloatTensor", 10),
        ("complex128", np.complex128, "ComplexDoubleTensor", 11),
        ("float8_e4m3fn", ml_dtypes.float8_e4m3fn, "Float8_e4m3fnTensor", 5),
        ("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, "Float8_e4m3fnuzTensor", 5),
        ("float8_e5m2", ml_dtypes.float8_e5m2, "Float8_e5m2Tensor", 5),
        ("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, "Float8_e5m2fnuzTensor", 5),
        ("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, "Float8_e8m0fnuTensor", 5),
    )
}

ALIASES: Final = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "cfloat": "complex64",
    "cdouble": "complex128",
}

_BY_NUMPY = {entry.numpy: entry for entry in DTYPES.values()}
_BY_PYTHON = {bool: DTYPES["bool"], int: DTYPES["int64"]}
_default = DTYPES["float32"]


def named(name: str) -> dtype:
    """Data type of this PyTorch name (``"float32"`` or an alias such as ``"float"``)."""
    return DTYPES[ALIASES.get(name, name)]


def from_numpy_dtype(numpy: Any) -> dtype:
    """Data type of the same bits as a NumPy type; raises TypeError where there is none."""
    found = _BY_NUMPY.get(np.dtype(numpy).newbyteorder("="))
    if found is None:
        message = (
            f"can't convert np.ndarray of type numpy.{np.dtype(numpy).type.__name__}. The only supported types are: "
            "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, "
            "uint8, and bool."
        )
        raise TypeError(message)
    return found


def python_dtype(kind: type) -> dtype:
    """Data type a Python number of this class has as a tensor."""
    if kind is float:
        return _default
    if kind is complex:
        return _default.to_complex()
    return _BY_PYTHON[kind]


def get_default_dtype() -> dtype:
    """Data type of tensors made from Python floats."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the data type of tensors made from Python floats; raises TypeError unless it is a floating one."""
    global _default  # noqa: PLW0603  (PyTorch keeps one default a process)
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, but got {d!r}")
    _default = d
