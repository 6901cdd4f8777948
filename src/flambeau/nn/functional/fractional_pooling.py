"""Max pooling with windows at random places, to any smaller size."""

from collections.abc import Sequence
from typing import Any, cast

from flambeau.base.shapes import normalize_axis
from flambeau.primitives import fractional_pooling as p
from flambeau.tensors.core import call
from flambeau.tensors.gradient_checks import check_constants
from flambeau.tensors.random import rand
from flambeau.tensors.tensor import Tensor

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

Sizes = int | Sequence[int]
Ratios = float | Sequence[float]

# PyTorch's names of the dimensions, and of its own functions.
_AXES = {2: ("height", "width"), 3: ("time", "height", "width")}
_KERNELS = {2: "fractional_max_pool2d", 3: "fractional_max_pool3d_out"}
_TUPLES = {2: "tuple of Ints", 3: "tuple of three Ints"}


def _each(name: str, label: str, value: Sizes, rank: int) -> tuple[int, ...]:
    sizes = (value,) if isinstance(value, int) else tuple([int(item) for item in value])
    if len(sizes) not in (1, rank):
        raise RuntimeError(f"{name}: {label} must either be a single Int or {_TUPLES[rank]}")
    return sizes if len(sizes) == rank else sizes * rank


def _outputs(name: str, input: Tensor, output_size: Sizes | None, output_ratio: Any, rank: int) -> tuple[int, ...]:
    """Size of the result, from a size or a share of the input's size."""
    if output_size is not None:
        return _each(name, "output_size", output_size, rank)
    if output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if rank == 2 and len(output_ratio) > 2:
        raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
    ratios: tuple[float, ...] = (
        tuple(cast("Sequence[float]", output_ratio)) if isinstance(output_ratio, Sequence) else (output_ratio,) * rank
    )
    return tuple([int(input.size(axis - rank) * ratios[axis]) for axis in range(rank)])


def _check(input: Tensor, samples: Tensor, kernels: Sequence[int], outputs: Sequence[int]) -> None:
    """Raise RuntimeError, in PyTorch's words, where sizes do not fit."""
    rank, shape = len(kernels), input.shape
    label = _KERNELS[rank]
    check_constants(f"fractional_max_pool{rank}d", random_samples=samples)
    for axis in range(len(shape) - rank - 1, len(shape)):
        if shape[axis] == 0:
            raise RuntimeError(
                f"{label}(): Expected input to have non-zero size for non-batch dimensions, but got{list(shape)} with "
                f"dimension {axis} being empty."
            )
    if len(shape) not in (rank + 1, rank + 2):
        raise RuntimeError(f"{label}(): Expected {rank + 1}D or {rank + 2}D tensor, but got: {list(shape)}")
    if samples.dtype != input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if len(samples.shape) != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {len(samples.shape)}")
    if samples.shape[0] < (shape[0] if len(shape) == rank + 2 else 1):
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != shape[-rank - 1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.shape[2] != rank:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {rank}; got {samples.shape[2]}.")
    for axis, size, kernel, count in zip(_AXES[rank], shape[-rank:], kernels, outputs, strict=True):
        if count + kernel - 1 + (rank == 3) > size:  # in three dimensions PyTorch asks for one element more
            raise RuntimeError(f"{label}(): pool {axis} {kernel} too large relative to input {axis} {size}")


def _fractional_max_pool(
    rank: int, input: Tensor, kernel_size: Sizes, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{rank}d"
    outputs = _outputs(name, input, output_size, output_ratio, rank)
    shape = input.shape
    lone = len(shape) == rank + 1
    if samples is None:
        channels = shape[normalize_axis(-rank - 1, len(shape))]
        samples = rand(1 if lone else shape[0], channels, rank, dtype=input.dtype, device=input.device)
    kernels = _each(name, "kernel_size", kernel_size, rank)
    _check(input, samples, kernels, outputs)
    batch = input.unsqueeze(0) if lone else input
    values, indices = call(p.FRACTIONAL_MAX_POOL[rank], (batch, samples.detach()), (kernels, outputs))
    return (values.squeeze(0), indices.squeeze(0)) if lone else (values, indices)


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """``fractional_max_pool2d`` with ``return_indices``."""
    return _fractional_max_pool(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Largest value of windows at random places of an image, pooled to any smaller size.

    The places are drawn from the default generator, and are PyTorch's.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the window, one number or one for each dimension.
        output_size: size of the result, one number or one for each dimension.
        output_ratio: or its share of the input's size, a pair of numbers between 0 and 1.
        return_indices: whether to return also where the values stand in the flattened image.

    Returns:
        (N, C, H_out, W_out); with ``return_indices`` a pair.

    Raises:
        ValueError: neither a size nor a ratio is given.
        RuntimeError: sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.fractional_max_pool2d(torch.ones(1, 1, 5, 5), 2, (3, 3)).shape
        torch.Size([1, 1, 3, 3])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.fractional_max_pool2d.html
    """
    pair = _fractional_max_pool(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return pair if return_indices else pair[0]


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """``fractional_max_pool3d`` with ``return_indices``."""
    return _fractional_max_pool(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Largest value of windows at random places of a volume; see ``fractional_max_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.fractional_max_pool3d.html
    """
    pair = _fractional_max_pool(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return pair if return_indices else pair[0]
