"""Convolutions."""

from collections.abc import Sequence
from typing import Any, cast

from flambeau.base.shapes import hashable
from flambeau.nn.functional.convolution_settings import convolution_settings, is_batched, transposed_settings
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
    "convolution",
]

Sizes = int | Sequence[int]


def _shapes(input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Any, Any, Any]:
    return input.shape, weight.shape, None if bias is None else bias.shape


def _convolve(
    rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """Normalize the arguments, and convolve."""
    tensor_argument(f"conv{rank}d", 1, input)
    batched = is_batched(f"conv{rank}d", input.shape, rank)
    input = input if batched else input.unsqueeze(0)
    sizes = map(hashable, (stride, padding, dilation))
    static = convolution_settings(_shapes(input, weight, bias), *sizes, groups)
    result: Tensor = call(p.convolution, (input, weight, *(() if bias is None else (bias,))), static)
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
    batched = is_batched(f"conv_transpose{rank}d", input.shape, rank)
    input = input if batched else input.unsqueeze(0)
    sizes = map(hashable, (stride, padding, output_padding, dilation))
    static = transposed_settings(_shapes(input, weight, bias), *sizes, groups)
    result: Tensor = call(p.convolution_transpose, (input, weight, *(() if bias is None else (bias,))), static)
    return result if batched else result.squeeze(0)


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


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """The convolution behind all others, of a batch: along as many dimensions as the weight has after two.

    Args:
        input: (N, C_in, ...).
        weight: (C_out, C_in / groups, ...), or (C_in, C_out / groups, ...) if transposed.
        bias: (C_out,).
        stride, padding, dilation, output_padding: as ``conv2d`` and ``conv_transpose2d`` have them, as sequences.
        transposed: which of the two it is.
        groups: parts into which the channels are divided.

    Raises:
        TypeError: a setting is no sequence of whole numbers.
        RuntimeError: channels, sizes or data types do not fit.

    Example:
        >>> import flambeau as torch
        >>> line = torch.ones(1, 1, 3)
        >>> torch.convolution(line, torch.ones(1, 1, 2), None, [1], [0], [1], False, [0], 1)
        tensor([[[2., 2.]]])
    """
    settings = {"stride": (4, stride), "padding": (5, padding), "dilation": (6, dilation)}
    for name, (position, given) in {**settings, "output_padding": (8, output_padding)}.items():
        _check_numbers(name, position, given)
    if len(weight.shape) > 5:
        raise RuntimeError("unsupported ConvNd parameters")
    sizes = (tuple(stride), tuple(padding))
    operands, shapes = (input, weight, *(() if bias is None else (bias,))), _shapes(input, weight, bias)
    if transposed:
        static = transposed_settings(shapes, *sizes, tuple(output_padding), tuple(dilation), groups)
        return call(p.convolution_transpose, operands, static)
    return call(p.convolution, operands, convolution_settings(shapes, *sizes, tuple(dilation), groups))


def _check_numbers(name: str, position: int, given: Any) -> None:
    """Raise TypeError, in PyTorch's words, unless a setting of ``convolution`` is a sequence of whole numbers."""
    label = f"convolution(): argument '{name}' (position {position}) must be tuple of ints"
    if not isinstance(given, (tuple, list)):
        raise TypeError(f"{label}, not {type(given).__name__}")
    for place, item in enumerate(cast("Sequence[Any]", given)):
        if not hasattr(item, "__index__"):
            raise TypeError(f"{label}, but found element of type {type(item).__name__} at pos {place}")


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
