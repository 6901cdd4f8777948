"""Pooling layers."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from flambeau.base.constructors import own_constructor
from flambeau.nn import functional as F
from flambeau.nn.modules.fractional_pooling import FractionalMaxPool2d, FractionalMaxPool3d
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.unpooling import MaxUnpool1d, MaxUnpool2d, MaxUnpool3d
from flambeau.tensors.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

Sizes = int | Sequence[int]


class _MaxPoolNd(Module):
    """What the max pooling layers have in common."""

    __constants__: ClassVar[list[str]] = ["kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode"]
    return_indices: bool
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _windows(self) -> tuple[Any, ...]:
        """The arguments of the function behind the layer."""
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices

    def extra_repr(self) -> str:
        """Sizes of the window."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Largest value of each window of a sequence; see ``MaxPool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) to (N, C, L_out)."""
        return F.max_pool1d(input, *self._windows())


class MaxPool2d(_MaxPoolNd):
    """Largest value of each window of an image; see ``nn.functional.max_pool2d``.

    Args:
        kernel_size: size of the window, one number or one for each dimension.
        stride: steps of the window; its size if None.
        padding: minus infinity added on every side.
        dilation: distance between the elements of the window.
        return_indices: whether to return also where the values stand.
        ceil_mode: whether a window may reach past the end.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MaxPool2d(2)(torch.ones(1, 1, 4, 4)).shape
        torch.Size([1, 1, 2, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) to (N, C, H_out, W_out)."""
        return F.max_pool2d(input, *self._windows())


class MaxPool3d(_MaxPoolNd):
    """Largest value of each window of a volume; see ``MaxPool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool3d.html
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) to (N, C, D_out, H_out, W_out)."""
        return F.max_pool3d(input, *self._windows())


class _AvgPoolNd(Module):
    """What the average pooling layers have in common."""

    __constants__: ClassVar[list[str]] = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"]
    kernel_size: Any
    stride: Any
    padding: Any
    ceil_mode: bool
    count_include_pad: bool

    def extra_repr(self) -> str:
        """Sizes of the window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """Mean of each window of a sequence; see ``AvgPool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(stride if stride is not None else kernel_size)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, L_out)."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


def _single(value: Any) -> tuple[int, ...]:
    return tuple(cast("Sequence[int]", value)) if isinstance(value, Sequence) else (value,)


class _AvgPoolWithDivisor(_AvgPoolNd):
    """Average pooling that can divide by another number."""

    __constants__: ClassVar[list[str]] = [*_AvgPoolNd.__constants__, "divisor_override"]
    divisor_override: int | None

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def _windows(self) -> tuple[Any, ...]:
        """The arguments of the function behind the layer."""
        return (
            self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override
        )  # fmt: skip


@own_constructor
class AvgPool2d(_AvgPoolWithDivisor):
    """Mean of each window of an image; see ``nn.functional.avg_pool2d``.

    Args:
        kernel_size: size of the window, one number or one for each dimension.
        stride: steps of the window; its size if None.
        padding: zeros added on every side.
        ceil_mode: whether a window may reach past the end.
        count_include_pad: whether the zeros count.
        divisor_override: what to divide by instead of the number of elements.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H_out, W_out)."""
        return F.avg_pool2d(input, *self._windows())


@own_constructor
class AvgPool3d(_AvgPoolWithDivisor):
    """Mean of each window of a volume; see ``AvgPool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool3d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, C, D_out, H_out, W_out)."""
        return F.avg_pool3d(input, *self._windows())


class _LPPoolNd(Module):
    """What the power-average pooling layers have in common."""

    __constants__: ClassVar[list[str]] = ["norm_type", "kernel_size", "stride", "ceil_mode"]
    norm_type: float
    ceil_mode: bool

    def __init__(
        self, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        """Order of the norm, and sizes of the window."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """(sum of x ** norm_type) ** (1 / norm_type) for each window of a sequence.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool1d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, L_out)."""
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPoolNd):
    """(sum of x ** norm_type) ** (1 / norm_type) for each window of an image.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool2d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H_out, W_out)."""
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPoolNd):
    """(sum of x ** norm_type) ** (1 / norm_type) for each window of a volume.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool3d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, C, D_out, H_out, W_out)."""
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class _AdaptiveAvgPoolNd(Module):
    """What the adaptive average pooling layers have in common."""

    __constants__: ClassVar[list[str]] = ["output_size"]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """Size of the result."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Mean pooling of a sequence to a given length; see ``AdaptiveAvgPool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool1d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, L_out)."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Mean pooling of an image to a given size; see ``nn.functional.adaptive_avg_pool2d``.

    Args:
        output_size: (H_out, W_out), or one number for both; None keeps a size.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H_out, W_out)."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Mean pooling of a volume to a given size; see ``AdaptiveAvgPool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool3d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, C, D_out, H_out, W_out)."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPoolNd(Module):
    """What the adaptive max pooling layers have in common."""

    __constants__: ClassVar[list[str]] = ["output_size", "return_indices"]
    return_indices: bool

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        """Size of the result."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Max pooling of a sequence to a given length.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool1d.html
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) to (N, C, L_out)."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Max pooling of an image to a given size; see ``AdaptiveAvgPool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) to (N, C, H_out, W_out)."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Max pooling of a volume to a given size; see ``AdaptiveAvgPool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool3d.html
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) to (N, C, D_out, H_out, W_out)."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)
