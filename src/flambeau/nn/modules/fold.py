"""Sliding blocks as layers."""

from collections.abc import Sequence
from typing import ClassVar

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = ["Fold", "Unfold"]

Sizes = int | Sequence[int]


class Fold(Module):
    """Columns put back as blocks of an image, which add up where they overlap; see ``nn.functional.fold``.

    Args:
        output_size: size of the image, one number or (height, width).
        kernel_size: size of the window.
        dilation: distance between the elements of the window.
        padding: zeros that were added on every side.
        stride: steps of the window.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Fold.html
    """

    __constants__: ClassVar[list[str]] = ["output_size", "kernel_size", "dilation", "padding", "stride"]

    def __init__(
        self, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """(N, C * kernel_H * kernel_W, L) to (N, C, H, W)."""
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """Every block that a window sees as it slides over an image, as a column; see ``nn.functional.unfold``.

    Args:
        kernel_size: size of the window, one number or (height, width).
        dilation: distance between the elements of the window.
        padding: zeros added on every side.
        stride: steps of the window.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Unfold((2, 3))(torch.ones(2, 5, 3, 4)).shape
        torch.Size([2, 30, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Unfold.html
    """

    __constants__: ClassVar[list[str]] = ["kernel_size", "dilation", "padding", "stride"]

    def __init__(self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C * kernel_H * kernel_W, L)."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
