"""What all Fourier transforms share: their arguments, checked in PyTorch's words and order."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flambeau.base.shapes import normalize_axis
from flambeau.primitives import fft as p
from flambeau.primitives.primitive import Primitive
from flambeau.tensors.arguments import whole
from flambeau.tensors.core import call
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import delivered

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Sizes", "along_one", "along_several"]

Sizes = int | Sequence[int] | None

# Each family: what it computes, and whether forwards.
_FAMILIES: dict[str, tuple[Primitive, bool]] = {
    "fft": (p.complex_to_complex, True),
    "ifft": (p.complex_to_complex, False),
    "rfft": (p.real_to_half, True),
    "irfft": (p.half_to_real, False),
    "hfft": (p.half_to_real, True),
    "ihfft": (p.real_to_half, False),
}
_NORMS = {None: "backward", "backward": "backward", "forward": "forward", "ortho": "ortho"}


def _norm(norm: Any) -> str:
    if norm not in _NORMS:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return _NORMS[norm]


def _checked(size: int) -> int:
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")
    return size


def _refuse_complex(name: str, family: str, many: bool, input: "Tensor") -> None:
    """Raise RuntimeError, in PyTorch's words, for complex numbers where real ones are transformed."""
    if _FAMILIES[family][0] is not p.real_to_half or not input.dtype.is_complex:
        return
    kind = input.dtype.tensor_type.removesuffix("Tensor")
    if many and family == "ihfft":
        raise RuntimeError(f"Only supports floating-point dtypes, but found: {kind}")
    wanted = "rfftn expects a real-valued" if many else f"{name} expects a real"
    raise RuntimeError(f"{wanted} input tensor, but got {kind}")


def _check_out(name: str, family: str, out: Any) -> None:
    """Raise RuntimeError, in PyTorch's words, where the output's numbers are of the wrong kind."""
    if out is None or not hasattr(out, "dtype"):
        return
    real = _FAMILIES[family][0] is p.half_to_real
    if real == bool(out.dtype.is_complex) or not (out.dtype.is_complex or out.dtype.is_floating_point):
        kind = out.dtype.tensor_type.removesuffix("Tensor")
        wanted = "floating point" if real else "complex"
        raise RuntimeError(f"{name} expects a {wanted} output tensor, but got {kind}")


def along_one(name: str, input: Any, n: Any, dim: Any, norm: Any, out: Any) -> "Tensor":
    """A transform along one dimension."""
    tensor: Tensor = tensor_argument(f"fft_{name}", 1, input)
    count = None if n is None else whole(f"fft_{name}", "n", n, 2)
    wanted = whole(f"fft_{name}", "dim", dim, None)
    _refuse_complex(name, name, False, tensor)
    _check_out(name, name, out)
    if not tensor.shape:
        raise IndexError(f"Dimension specified as {wanted} but tensor has no dimensions")
    axis = normalize_axis(wanted, len(tensor.shape))
    primitive, forward = _FAMILIES[name]
    natural = 2 * (tensor.shape[axis] - 1) if primitive is p.half_to_real else tensor.shape[axis]
    size = _checked(natural if count is None else count)
    result = call(primitive, (tensor,), ((size,), (axis,), _norm(norm), forward))
    return delivered(f"fft.{name}", result, out)


def _axes(tensor: "Tensor", s: Sequence[int] | None, dim: Sequence[int] | None) -> tuple[int, ...]:
    """The dimensions to transform; raises, in PyTorch's words, where they do not fit the sizes."""
    rank = len(tensor.shape)
    if dim is None:
        count = rank if s is None else len(s)
        if count > rank:
            raise RuntimeError(f"Got shape with {count} values but input tensor only has {rank} dimensions.")
        return tuple(range(rank - count, rank))
    if dim and not rank:
        raise IndexError(f"Dimension specified as {dim[0]} but tensor has no dimensions")
    axes = tuple(normalize_axis(axis, rank) for axis in dim)
    if len(set(axes)) < len(axes):
        raise RuntimeError("FFT dims must be unique")
    if s is not None and len(s) != len(axes):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    return axes


def _sequence(value: Sizes) -> Sequence[int] | None:
    return (value,) if isinstance(value, int) else value


def along_several(name: str, input: Any, s: Sizes, dim: Sizes, norm: Any, out: Any) -> "Tensor":
    """A transform along several dimensions."""
    tensor: Tensor = tensor_argument(f"fft_{name}", 1, input)
    family = name[:-1]
    primitive, forward = _FAMILIES[family]
    _refuse_complex(name, family, True, tensor)
    _check_out("fftn" if family == "ifft" else f"{family}n", family, out)  # as PyTorch's refusals name it
    given = _sequence(s)
    axes = _axes(tensor, given, _sequence(dim))
    sizes = [-1] * len(axes) if given is None else list(given)
    sizes = [tensor.shape[axis] if size == -1 else size for axis, size in zip(axes, sizes, strict=True)]
    if primitive is not p.complex_to_complex and not axes:
        raise RuntimeError(f"{family}n must transform at least one axis")
    if primitive is p.half_to_real and (given is None or given[-1] == -1):
        sizes[-1] = 2 * (sizes[-1] - 1)
    static = (tuple(map(_checked, sizes)), axes, _norm(norm), forward)
    return delivered(f"fft.{name}", call(primitive, (tensor,), static), out)
