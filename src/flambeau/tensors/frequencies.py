"""Frequencies of a spectrum, and their order, as ``flambeau.fft`` has them.

Source: https://docs.pytorch.org/docs/stable/fft.html
"""

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Unpack

from flambeau.base.shapes import normalize_axis
from flambeau.tensors.arguments import whole
from flambeau.tensors.joining import cat
from flambeau.tensors.options import Options, Settings, settings, tensor_argument
from flambeau.tensors.ranges import arange

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def _settings(name: str, count: int, options: Any) -> Settings:
    """The options of a range of frequencies; raises, in PyTorch's words, where there is none."""
    chosen = settings(name, options)
    if not (chosen.dtype.is_floating_point or chosen.dtype.is_complex):
        raise RuntimeError(f"{name} requires a floating point or complex dtype")
    if chosen.dtype.is_complex:
        kind = chosen.dtype.tensor_type.removesuffix("Tensor")
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{kind}'")
    if count < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {count}: [{count}]")
    return chosen


def _step(count: int, d: float) -> float:
    """Distance of two frequencies."""
    return 1.0 / (count * d) if count * d else inf


def fftfreq(n: int, d: float = 1.0, **options: Unpack[Options]) -> "Tensor":
    """Frequencies of ``fft``: ``[0, 1, ..., (n - 1) // 2, -(n // 2), ..., -1] / (n d)``.

    Args:
        n: length of the transform.
        d: distance of two samples.
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Returns:
        A tensor (n,).

    Raises:
        RuntimeError: ``n`` is negative, or the type is not one of floating-point numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.fftfreq(4)
        tensor([ 0.0000,  0.2500, -0.5000, -0.2500])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fftfreq.html
    """
    count = whole("fft_fftfreq", "n", n)
    chosen = _settings("fftfreq", count, options)
    where: Any = {"dtype": chosen.dtype, "device": chosen.device}
    middle = (count + 1) // 2
    positions = cat([arange(middle, **where), arange(-(count // 2), 0, **where)])
    return chosen.deliver(positions * _step(count, d))


def rfftfreq(n: int, d: float = 1.0, **options: Unpack[Options]) -> "Tensor":
    """Frequencies of ``rfft``: ``[0, 1, ..., n // 2] / (n d)``.

    Args:
        n: length of the transform of the whole signal.
        d: distance of two samples.
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Returns:
        A tensor (n // 2 + 1,).

    Raises:
        RuntimeError: ``n`` is negative, or the type is not one of floating-point numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.rfftfreq(4)
        tensor([0.0000, 0.2500, 0.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.rfftfreq.html
    """
    count = whole("fft_rfftfreq", "n", n)
    chosen = _settings("rfftfreq", count, options)
    positions = arange(count // 2 + 1, dtype=chosen.dtype, device=chosen.device)
    return chosen.deliver(positions * _step(count, d))


def _turned(name: str, input: Any, dim: int | Sequence[int] | None, shift: Any) -> "Tensor":
    """The input rolled along dimensions, each by a share of its size."""
    tensor: Tensor = tensor_argument(f"fft_{name}", 1, input)
    rank = len(tensor.shape)
    dims = range(rank) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = [normalize_axis(axis, rank) for axis in dims]
    return tensor.roll([shift(tensor.shape[axis]) for axis in axes], axes)


def fftshift(input: "Tensor", dim: int | Sequence[int] | None = None) -> "Tensor":
    """A spectrum with frequency 0 moved to the middle.

    Args:
        input: a tensor (...).
        dim: the dimensions to reorder; by default all.

    Returns:
        A tensor of the same shape.

    Raises:
        IndexError: there is no such dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.fft.fftshift(torch.fft.fftfreq(4))
        tensor([-0.5000, -0.2500,  0.0000,  0.2500])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fftshift.html
    """
    return _turned("fftshift", input, dim, lambda size: size // 2)


def ifftshift(input: "Tensor", dim: int | Sequence[int] | None = None) -> "Tensor":
    """Inverse of ``fftshift``.

    Args:
        input: a tensor (...).
        dim: the dimensions to reorder; by default all.

    Returns:
        A tensor of the same shape.

    Raises:
        IndexError: there is no such dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ifftshift.html
    """
    return _turned("ifftshift", input, dim, lambda size: (size + 1) // 2)
