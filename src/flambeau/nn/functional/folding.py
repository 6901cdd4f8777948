"""Sliding blocks: taking an image apart, and adding it up again."""

from collections.abc import Sequence
from typing import cast

from flambeau.base.shapes import normalize_axis
from flambeau.primitives import folding as p
from flambeau.primitives.pooling import Window
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["fold", "unfold"]

Sizes = int | Sequence[int]
Pair = tuple[int, int]

# argument: (its rule, the least value, how it is named height by width)
_RULES = {
    "kernel_size": ("kernel size should be greater than zero", 1, "kernel"),
    "dilation": ("dilation should be greater than zero", 1, "dilation"),
    "padding": ("padding should be non-negative", 0, "pad"),
    "stride": ("stride should be greater than zero", 1, "stride"),
}
# PyTorch's order of checks.
_ORDERS = {"fold": ("kernel_size", "stride", "dilation", "padding"), "unfold": tuple(_RULES)}


def _pair(name: str, value: Sizes) -> Pair:
    """A number for the height and one for the width; raises RuntimeError in PyTorch's words."""
    sizes = (value, value) if isinstance(value, int) else tuple([int(item) for item in value])
    if len(sizes) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(sizes)}")
    return sizes


def _windows(function: str, sizes: Pair, given: dict[str, Sizes]) -> tuple[Window, Window]:
    """The blocks along both dimensions, however many fit; raises RuntimeError in PyTorch's words."""
    pairs = {name: _pair(name, value) for name, value in given.items()}
    for name in _ORDERS[function]:
        rule, least, label = _RULES[name]
        height, width = pairs[name]
        if min(height, width) < least:
            raise RuntimeError(f"{rule}, but got {label}_height: {height} {label}_width: {width}")
    found = [
        Window(kernel, stride, pad, gap, (size + 2 * pad - gap * (kernel - 1) - 1) // stride + 1)
        for size, kernel, stride, pad, gap in zip(
            sizes, pairs["kernel_size"], pairs["stride"], pairs["padding"], pairs["dilation"], strict=True
        )
    ]
    return found[0], found[1]


def _described(windows: tuple[Window, Window], *fields: str) -> str:
    """Fields of both windows as PyTorch writes them: ``kernel_size=(2, 2), dilation=(1, 1)``."""
    names = {"kernel_size": "kernel"}
    values = [(name, [getattr(window, names.get(name, name)) for window in windows]) for name in fields]
    return ", ".join([f"{name}=({height}, {width})" for name, (height, width) in values])


def unfold(input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Tensor:
    """Every block that a window sees as it slides over an image, as a column (im2col).

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the window, one number or (height, width).
        dilation: distance between the elements of the window.
        padding: zeros added on every side.
        stride: steps of the window.

    Returns:
        (N, C * kernel_H * kernel_W, L), with L the number of the window's places.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.unfold(torch.arange(4.0).reshape(1, 1, 2, 2), (1, 2))
        tensor([[[0., 2.],
                 [1., 3.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html
    """
    shape = input.shape
    given = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    if len(shape) < 3:
        normalize_axis(len(shape), len(shape))
    windows = _windows("unfold", cast("Pair", tuple(shape[-2:])), given)
    if len(shape) > 4 or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(shape)}"
        )
    if min(window.places for window in windows) < 1:
        raise RuntimeError(
            f"Given input with spatial size ({shape[-2]}, {shape[-1]}), "
            f"{_described(windows, 'kernel_size', 'dilation', 'padding')}, calculated shape of the array of sliding "
            f"blocks as ({windows[0].places}, {windows[1].places}), but its components must be at least one."
        )
    if len(shape) == 3:
        return call(p.unfold, (input.unsqueeze(0),), (windows,)).squeeze(0)
    return call(p.unfold, (input,), (windows,))


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Columns put back as blocks of an image; where blocks overlap they add up (col2im).

    Args:
        input: (N, C * kernel_H * kernel_W, L) or without N; L is the number of the window's places.
        output_size: size of the image, one number or (height, width).
        kernel_size: size of the window, one number or (height, width).
        dilation: distance between the elements of the window.
        padding: zeros that were added on every side.
        stride: steps of the window.

    Returns:
        (N, C, height, width).

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.fold(torch.ones(1, 2, 2), (1, 3), (1, 2))
        tensor([[[[1., 2., 1.]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.fold.html
    """
    sizes = _pair("output_size", output_size)
    given = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    windows = _windows("fold", sizes, given)
    _check_columns(input.shape, sizes, windows)
    if len(input.shape) == 2:
        return call(p.fold, (input.unsqueeze(0),), (windows, sizes)).squeeze(0)
    return call(p.fold, (input,), (windows, sizes))


def _check_columns(shape: Sequence[int], sizes: Pair, windows: tuple[Window, Window]) -> None:
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(shape)}"
        )
    axis = len(shape) - 2
    height, width = windows
    if shape[axis] % (height.kernel * width.kernel):
        raise RuntimeError(
            f"Expected size of input's dimension {axis} to be divisible by the product of kernel_size, but got "
            f"input.size({axis})={shape[axis]} and {_described(windows, 'kernel_size')}."
        )
    count = height.places * width.places
    if shape[axis + 1] != count or min(height.places, width.places) < 1:
        raise RuntimeError(
            f"Given output_size=({sizes[0]}, {sizes[1]}), "
            f"{_described(windows, 'kernel_size', 'dilation', 'padding', 'stride')}, expected size of input's "
            f"dimension {axis + 1} to match the calculated number of sliding blocks {height.places} * {width.places} "
            f"= {count}, but got input.size({axis + 1})={shape[axis + 1]}."
        )
