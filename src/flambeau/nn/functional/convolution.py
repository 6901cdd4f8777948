"""Convolutions."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from flambeau.base.shapes import hashable
from flambeau.primitives import convolution as p
from flambeau.tensors.core import call
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]

Sizes = int | Sequence[int]


def _each(name: str, value: Any, rank: int) -> tuple[int, ...]:
    """One number for each dimension."""
    if isinstance(value, int):
        return (value,) * rank
    found = tuple([int(item) for item in value])
    if len(found) == 1:
        return found * rank
    if len(found) != rank:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {rank} values to match the convolution "
            f"dimensions, but got {name}={list(found)}"
        )
    return found


def _check_positive(stride: tuple[int, ...], dilation: tuple[int, ...], groups: int) -> None:
    for name, least in (("stride", min(stride)), ("groups", groups)):
        if least <= 0:
            raise RuntimeError(f"non-positive {name} is not supported")
    if min(dilation) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")


def _paddings(
    padding: Any, rank: int, kernel: Sequence[int], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Elements to add before and after, for each dimension."""
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * rank
        if padding != "same":
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        if any(step != 1 for step in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        totals = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
        return tuple([(total // 2, total - total // 2) for total in totals])
    sizes = _each("padding", padding, rank)
    if min(sizes) < 0:
        raise RuntimeError("negative padding is not supported")
    return tuple([(size, size) for size in sizes])


def _batched(name: str, input: Tensor, rank: int) -> bool:
    """Whether the input has a batch dimension; raises RuntimeError unless its rank fits."""
    found = len(input.shape)
    if found not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.shape)}"
        )
    return found == rank + 2


@lru_cache(maxsize=4096)
def _settings(
    rank: int, weight: tuple[int, ...], stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...], int]:
    """Stride, padding and dilation of every dimension; remembered, since a layer asks the same every time."""
    steps, spread = _each("stride", stride, rank), _each("dilation", dilation, rank)
    _check_positive(steps, spread, groups)
    if len(weight) != rank + 2:
        raise RuntimeError(
            f"weight should have at least three dimensions, and as many as the batched input ({rank + 2}), but got "
            f"weight of size {list(weight)}"
        )
    return steps, _paddings(padding, rank, weight[2:], steps, spread), spread, groups


def _convolve(
    rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """Normalize the arguments, and convolve."""
    tensor_argument(f"conv{rank}d", 1, input)
    batched = _batched(f"conv{rank}d", input, rank)
    static = _settings(rank, weight.shape, hashable(stride), hashable(padding), hashable(dilation), groups)
    operands = (input if batched else input.unsqueeze(0), weight, *(() if bias is None else (bias,)))
    result: Tensor = call(p.convolution, operands, static)
    return result if batched else result.squeeze(0)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution along one dimension; see ``conv2d``.

    Args:
        input: (N, C_in, L) or (C_in, L).
        weight: (C_out, C_in / groups, kernel).
        bias: (C_out,).
        stride: steps of the window.
        padding: zeros added at both ends, or ``"valid"`` (none) or ``"same"`` (as many as keep the length).
        dilation: distance between the elements of the window.
        groups: parts into which the channels are divided.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of images.

    out[n, o, i, j] = bias[o] + sum over c, a, b of weight[o, c, a, b] * in[n, c, i + a, j + b].

    Args:
        input: (N, C_in, H, W) or (C_in, H, W).
        weight: (C_out, C_in / groups, kernel height, kernel width).
        bias: (C_out,).
        stride: steps of the window, one number or one for each dimension.
        padding: zeros added on every side, or ``"valid"`` (none) or ``"same"`` (as many as keep the size).
        dilation: distance between the elements of the window.
        groups: parts into which the channels are divided.

    Returns:
        (N, C_out, H_out, W_out), with H_out = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    Raises:
        RuntimeError: channels, sizes or data types do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
        tensor([[[[4.]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html
    """
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: str | Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of volumes (N, C_in, D, H, W); see ``conv2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv3d.html
    """
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


def _transposed(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    """Normalize the arguments of a transposed convolution, and compute it."""
    batched = _batched(f"conv_transpose{rank}d", input, rank)
    steps, spread = _each("stride", stride, rank), _each("dilation", dilation, rank)
    pads, extra = _each("padding", padding, rank), _each("output_padding", output_padding, rank)
    _check_positive(steps, spread, groups)
    if min(pads) < 0:
        raise RuntimeError("negative padding is not supported")
    if any(size >= max(step, gap) for size, step, gap in zip(extra, steps, spread, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            + " ".join(_by_axis(label, sizes) for label, sizes in _labeled(rank, extra, steps, spread))
        )
    operands = (input if batched else input.unsqueeze(0), weight, *(() if bias is None else (bias,)))
    result: Tensor = call(p.convolution_transpose, operands, (steps, pads, extra, spread, groups))
    return result if batched else result.squeeze(0)


_AXES = ("depth", "height", "width")


def _labeled(rank: int, *settings: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Settings of a transposed convolution as messages name them; a sequence counts as an image of height 1."""
    output_padding, stride, dilation = settings
    if rank == 1:
        output_padding, stride, dilation = (0, *output_padding), (1, *stride), (1, *dilation)
    return [("output_padding", output_padding), ("stride", stride), ("dilation", dilation)]


def _by_axis(label: str, sizes: tuple[int, ...]) -> str:
    return " ".join(f"{label}_{axis}: {size}" for axis, size in zip(_AXES[-len(sizes) :], sizes, strict=True))


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution along one dimension; see ``conv_transpose2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose1d.html
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The gradient of ``conv2d`` with respect to its input, as an operation.

    Args:
        input: (N, C_in, H, W) or (C_in, H, W).
        weight: (C_in, C_out / groups, kernel height, kernel width).
        bias: (C_out,).
        stride: how far apart the input's elements are laid out.
        padding: elements cut off on every side of the result.
        output_padding: elements added at the end of the result.
        groups: parts into which the channels are divided.
        dilation: distance between the elements of the window.

    Returns:
        (N, C_out, H_out, W_out), H_out = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.

    Raises:
        RuntimeError: channels, sizes or data types do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution of volumes; see ``conv_transpose2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose3d.html
    """
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolution of sequences whose first dimension is the time.

    Args:
        input: (time, N, C_in).
        weight: (kernel, C_in, C_out).
        bias: (C_out,).
        pad: zeros added at both ends of the time.

    Returns:
        (time + 2 pad - kernel + 1, N, C_out).

    Raises:
        TypeError: the bias is no tensor.
        RuntimeError: sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.conv_tbc(torch.ones(3, 1, 1), torch.ones(2, 1, 1), torch.zeros(1)).flatten()
        tensor([2., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_tbc.html
    """
    if not isinstance(bias, Tensor):
        raise TypeError(f"conv_tbc(): argument 'bias' (position 3) must be Tensor, not {type(bias).__name__}")
    _check_tbc(input.shape, weight.shape, bias.shape, pad)
    result = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return result.permute(2, 0, 1)


def _check_tbc(input: Sequence[int], weight: Sequence[int], bias: Sequence[int], pad: int) -> None:
    """Raise RuntimeError, in PyTorch's words, where sizes do not fit."""
    if len(input) != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if len(weight) != 3:
        raise RuntimeError("Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.")
    if len(bias) != 1:
        raise RuntimeError("Bias must be 1-D")
    if input[2] != weight[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if weight[2] != bias[0]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    steps = input[0] + 2 * pad - weight[0] + 1
    if steps < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {steps}: [{steps}, {input[1]}, {weight[2]}]"
        )
