"""The partial inverse of max pooling."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from flambeau.primitives import unpooling as p
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

Sizes = int | Sequence[int]


def _each(value: Sizes, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _outputs(
    shape: Sequence[int], kernels: Sequence[int], strides: Sequence[int], pads: Sequence[int], output_size: Any
) -> tuple[int, ...]:
    """Size of the result: what the pooling most likely started from, or the size asked for if that is possible."""
    rank = len(kernels)
    usual = [
        (size - 1) * stride + kernel - 2 * pad
        for size, kernel, stride, pad in zip(shape[len(shape) - rank :], kernels, strides, pads, strict=True)
    ]
    given = usual
    if output_size is not None:
        given = output_size[2:] if len(output_size) == rank + 2 else output_size
        if len(given) != rank:
            raise ValueError(
                f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it has a length of "
                f"'{len(given)}'"
            )
        for axis, (size, wanted, stride) in enumerate(zip(given, usual, strides, strict=True)):
            if not wanted - stride < size < wanted + stride:
                raise ValueError(
                    f'invalid output_size "{given}" (dim {axis} must be between {wanted - stride} and '
                    f"{wanted + stride})"
                )
    for axis, size in enumerate(given):
        if size < 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, but got "
                f"output_size[{axis}]={size}"
            )
    return tuple([int(size) for size in given])


def _check(input: Tensor, indices: Tensor, outputs: tuple[int, ...]) -> None:
    """Raise RuntimeError, in PyTorch's words, where shapes, types or (on the host) positions do not fit."""
    rank, shape = len(outputs), input.shape
    if indices.dtype.name != "int64":
        found = f" but got: {indices.dtype.tensor_type.removesuffix('Tensor')}" if rank == 2 else ""
        raise RuntimeError(f"elements in indices should be type int64{found}")
    if len(shape) not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Input to max_unpooling{rank}d should be a {rank + 1}d or {rank + 2}d Tensor, but got a tensor with "
            f"{len(shape)} dimensions."
        )
    if shape != indices.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(shape)}) but got indices tensor "
            f"with shape: {list(indices.shape)}"
        )
    for axis in range(1, len(shape)):
        if shape[axis] == 0:
            raise RuntimeError(
                f"max_unpooling{rank}d_forward_out_cpu(): Expected input to have non-zero size for non-batch "
                f"dimensions, but got {list(shape)} with dimension {axis} being empty."
            )
    known: Any = indices.read().value
    if isinstance(known, np.ndarray):
        wrong = (known < 0) | (known >= prod(outputs))
        if wrong.any():
            sizes = "x".join(map(str, outputs))
            raise RuntimeError(f"Found an invalid max index: {known[wrong][0]} (output volumes are of size {sizes})")


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values of a pooled sequence (N, C, L) or (C, L) back in their places; see ``max_unpool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool1d.html
    """
    kernels = _each(kernel_size, 1)
    strides = kernels if stride is None else _each(stride, 1)
    outputs = (*_outputs(input.shape, kernels, strides, _each(padding, 1), output_size), 1)
    values, positions = input.unsqueeze(-1), indices.unsqueeze(-1)
    _check(values, positions, outputs)
    return call(p.MAX_UNPOOL[2], (values, positions), (outputs,)).squeeze(-1)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values of a pooled image back in their places, zeros elsewhere.

    Args:
        input: what ``max_pool2d`` returned, (N, C, H, W) or (C, H, W).
        indices: the positions it returned, int64, the same shape.
        kernel_size: size of its window, one number or one for each dimension.
        stride: its steps; the size of the window if None.
        padding: its padding.
        output_size: size of the result, where several are possible.

    Returns:
        (N, C, H_out, W_out), with H_out = (H - 1) stride - 2 padding + kernel unless ``output_size`` is given.

    Raises:
        ValueError: ``output_size`` is not possible.
        RuntimeError: shapes, types or (where they are on the host) positions do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.max_unpool2d(torch.tensor([[[4.0]]]), torch.tensor([[[3]]]), 2)
        tensor([[[0., 0.],
                 [0., 4.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool2d.html
    """
    kernels = _each(kernel_size, 2)
    strides = kernels if stride is None else _each(stride, 2)
    outputs = _outputs(input.shape, kernels, strides, _each(padding, 2), output_size)
    _check(input, indices, outputs)
    return call(p.MAX_UNPOOL[2], (input, indices), (outputs,))


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Values of a pooled volume (N, C, D, H, W) or (C, D, H, W) back in their places; see ``max_unpool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool3d.html
    """
    kernels = _each(kernel_size, 3)
    strides = kernels if stride is None else _each(stride, 3)
    outputs = _outputs(input.shape, kernels, strides, _each(padding, 3), output_size)
    if min(strides) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {list(strides)}")
    _check(input, indices, outputs)
    return call(p.MAX_UNPOOL[3], (input, indices), (outputs,))
