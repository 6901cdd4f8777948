"""The partial inverse of max pooling."""

from collections.abc import Sequence
from typing import ClassVar

from flambeau.base.constructors import own_constructor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]

Sizes = int | Sequence[int]


class _MaxUnpoolNd(Module):
    """What the unpooling layers have in common."""

    _rank: ClassVar[int]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        self.kernel_size = self._each(kernel_size)
        self.stride = self._each(kernel_size if stride is None else stride)
        self.padding = self._each(padding)

    def _each(self, value: Sizes) -> tuple[int, ...]:
        """One number for each dimension."""
        return (value,) * self._rank if isinstance(value, int) else tuple(value)

    def extra_repr(self) -> str:
        """Sizes of the window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


@own_constructor
class MaxUnpool1d(_MaxUnpoolNd):
    """Values of a pooled sequence back in their places; see ``MaxUnpool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool1d.html
    """

    _rank = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """What ``MaxPool1d`` returned with ``return_indices``, to (N, C, L_out)."""
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


@own_constructor
class MaxUnpool2d(_MaxUnpoolNd):
    """Values of a pooled image back in their places, zeros elsewhere; see ``nn.functional.max_unpool2d``.

    Args:
        kernel_size: size of the pooling's window, one number or one for each dimension.
        stride: its steps; the size of the window if None.
        padding: its padding.

    Example:
        >>> import flambeau as torch
        >>> pool = torch.nn.MaxPool2d(2, return_indices=True)
        >>> torch.nn.MaxUnpool2d(2)(*pool(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])))
        tensor([[[0., 0.],
                 [0., 4.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool2d.html
    """

    _rank = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """What ``MaxPool2d`` returned with ``return_indices``, to (N, C, H_out, W_out)."""
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


@own_constructor
class MaxUnpool3d(_MaxUnpoolNd):
    """Values of a pooled volume back in their places; see ``MaxUnpool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool3d.html
    """

    _rank = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """What ``MaxPool3d`` returned with ``return_indices``, to (N, C, D_out, H_out, W_out)."""
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)
