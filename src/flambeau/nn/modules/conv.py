"""Convolution layers."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from flambeau.base.constructors import own_constructor
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.lazy import LazyModuleMixin, materialize
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter, UninitializedParameter
from flambeau.tensors.creation import empty
from flambeau.tensors.tensor import Tensor

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

Sizes = int | Sequence[int]


def _each(value: Any, rank: int) -> tuple[int, ...]:
    """One number for each spatial dimension."""
    return tuple(cast("Sequence[int]", value)) if isinstance(value, Sequence) else (value,) * rank


class _ConvNd(Module):
    """What all convolution layers have: their sizes, a weight and a bias."""

    __constants__: ClassVar[list[str]] = [
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    ]
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check(in_channels, out_channels, stride, padding, groups, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = _amounts(padding, kernel_size, dilation)
        self.weight = Parameter(empty(self._weight_shape(), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        inward, outward, groups = self.in_channels, self.out_channels, self.groups
        channels = (inward, outward // groups) if self.transposed else (outward, inward // groups)
        return (*channels, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            shape = self.weight.shape
            fan_in = shape[1] * math.prod(shape[2:])
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Channels, kernel and stride, and what differs from the defaults."""
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
            "" if self.padding == (0,) * len(self.padding) else f"padding={self.padding}",
            "" if self.dilation == (1,) * len(self.dilation) else f"dilation={self.dilation}",
            "" if self.output_padding == (0,) * len(self.output_padding) else f"output_padding={self.output_padding}",
            "" if self.groups == 1 else f"groups={self.groups}",
            "bias=False" if self.bias is None else "",
            "" if self.padding_mode == "zeros" else f"padding_mode={self.padding_mode}",
        ]
        return ", ".join(part for part in parts if part)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


def _check(
    in_channels: int,
    out_channels: int,
    stride: tuple[int, ...],
    padding: str | tuple[int, ...],
    groups: int,
    padding_mode: str,
) -> None:
    """Raise ValueError, in PyTorch's words, for arguments that do not fit."""
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{name} must be divisible by groups")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string '{padding}', should be one of {{'same', 'valid'}}")
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    modes = ("zeros", "reflect", "replicate", "circular")
    if padding_mode not in modes:
        listed = ", ".join(map(repr, modes))
        raise ValueError(f"padding_mode must be one of {{{listed}}}, but got padding_mode='{padding_mode}'")


def _amounts(padding: str | tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Any:
    """The padding as ``nn.functional.pad`` takes it: (before, after) from the last dimension on."""
    if not isinstance(padding, str):
        return tuple([size for size in reversed(padding) for _ in range(2)])
    amounts: list[int] = []
    for size, step in zip(reversed(kernel), reversed(dilation), strict=True):
        total = step * (size - 1) if padding == "same" else 0
        amounts += [total // 2, total - total // 2]
    return amounts


class _Convolution(_ConvNd):
    """A convolution in ``_rank`` dimensions."""

    _rank = 0

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        rank = self._rank
        super().__init__(
            in_channels,
            out_channels,
            _each(kernel_size, rank),
            _each(stride, rank),
            padding if isinstance(padding, str) else _each(padding, rank),
            _each(dilation, rank),
            False,
            (0,) * rank,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input, and the zeros still to add: none where the mode pads with the input's own elements."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), (0,) * self._rank


@own_constructor
class Conv1d(_Convolution):
    """Convolution along one dimension; see ``Conv2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv1d.html
    """

    _rank = 1

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, L) to (N, out_channels, L_out)."""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv1d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


@own_constructor
class Conv2d(_Convolution):
    """Convolution of images; see ``nn.functional.conv2d``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: size of the window, one number or one for each dimension.
        stride: steps of the window.
        padding: elements added on every side, or ``"valid"`` or ``"same"``.
        dilation: distance between the elements of the window.
        groups: parts into which the channels are divided.
        bias: whether to add one.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: where the parameters live.
        dtype: their data type.

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size), uniform from [-b, b) with b = 1 / sqrt(fan_in).
        bias: (out_channels,), likewise; or None.

    Raises:
        ValueError: the channels are not divisible by ``groups``, or a padding is not known.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Conv2d(3, 6, 5)(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 6, 4, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """

    _rank = 2

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H_out, W_out)."""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


@own_constructor
class Conv3d(_Convolution):
    """Convolution of volumes; see ``Conv2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv3d.html
    """

    _rank = 3

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, D, H, W) to (N, out_channels, D_out, H_out, W_out)."""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution in ``_rank`` dimensions."""

    _rank = 0

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        rank = self._rank
        sizes = [_each(item, rank) for item in (kernel_size, stride, padding, dilation, output_padding)]
        kernel, steps, pads, spread, extra = sizes
        channels = (in_channels, out_channels)
        super().__init__(*channels, kernel, steps, pads, spread, True, extra, groups, bias, padding_mode, device, dtype)

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """What to add to the result, so that it has the size asked for."""
        if output_size is None:
            return self.output_padding
        rank = self._rank
        wanted = list(output_size)[-rank:]
        if len(output_size) not in (rank, len(input.shape)):
            raise ValueError(
                f"ConvTranspose{rank}D: for {len(input.shape)}D input, output_size must have {rank} or "
                f"{len(input.shape)} elements (got {len(output_size)})"
            )
        assert not isinstance(self.padding, str)
        least = [
            (size - 1) * step - 2 * pad + gap * (kernel - 1) + 1
            for size, step, pad, gap, kernel in zip(
                input.shape[-rank:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} (for an input of "
                f"{input.shape[-rank:]!r})"
            )
        return tuple([size - low for size, low in zip(wanted, least, strict=True)])


@own_constructor
class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution along one dimension; see ``ConvTranspose2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose1d.html
    """

    _rank = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, in_channels, L) to (N, out_channels, L_out)."""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, _plain(self.padding), extra, self.groups, self.dilation
        )


@own_constructor
class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution of images: the gradient of ``Conv2d`` as a layer.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: size of the window.
        stride: how far apart the input's elements are laid out.
        padding: elements cut off on every side of the result.
        output_padding: elements added at the end of the result.
        groups: parts into which the channels are divided.
        bias: whether to add one.
        dilation: distance between the elements of the window.
        padding_mode: ``"zeros"``.
        device: where the parameters live.
        dtype: their data type.

    Raises:
        ValueError: the channels are not divisible by ``groups``, or ``padding_mode`` is another.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html
    """

    _rank = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H_out, W_out)."""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, _plain(self.padding), extra, self.groups, self.dilation
        )


@own_constructor
class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of volumes; see ``ConvTranspose2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose3d.html
    """

    _rank = 3

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, in_channels, D, H, W) to (N, out_channels, D_out, H_out, W_out)."""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose3d(
            input, self.weight, self.bias, self.stride, _plain(self.padding), extra, self.groups, self.dilation
        )


def _plain(padding: str | tuple[int, ...]) -> tuple[int, ...]:
    """The padding of a transposed convolution, which has no named ones."""
    assert not isinstance(padding, str)
    return padding


class _LazyConvNd(LazyModuleMixin, _ConvNd):
    """What the convolution layers have in common that read ``in_channels`` off their first input."""

    _rank = 0

    def _make_lazy(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, once they have a shape."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take ``in_channels`` from an input."""
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._channels_of(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        materialize(self.weight, *self._weight_shape())
        materialize(self.bias, self.out_channels)
        self.reset_parameters()

    def _channels_of(self, input: Tensor) -> int:
        alone = self._rank + 1
        if input.dim() not in (alone, alone + 1):
            raise RuntimeError(
                f"Expected {alone}D (unbatched) or {alone + 1}D (batched) input to {type(self).__name__}, but got "
                f"input of size: {input.shape}"
            )
        return input.shape[input.dim() - alone]


class _LazyConvolution(_LazyConvNd, _Convolution):
    """A lazy convolution in ``_rank`` dimensions."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device=device, dtype=dtype
        )
        self._make_lazy(out_channels, bias, device, dtype)


class _LazyConvTransposeNd(_LazyConvNd, _ConvTransposeNd):
    """A lazy transposed convolution in ``_rank`` dimensions."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = (kernel_size, stride, padding, output_padding)
        super().__init__(0, 0, *sizes, groups, False, dilation, padding_mode, device=device, dtype=dtype)
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvolution, Conv1d):
    """A ``Conv1d`` that reads ``in_channels`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyConv1d.html
    """

    cls_to_become = Conv1d
    _rank = 1


class LazyConv2d(_LazyConvolution, Conv2d):
    """A ``Conv2d`` that reads ``in_channels`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyConv2d.html
    """

    cls_to_become = Conv2d
    _rank = 2


class LazyConv3d(_LazyConvolution, Conv3d):
    """A ``Conv3d`` that reads ``in_channels`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyConv3d.html
    """

    cls_to_become = Conv3d
    _rank = 3


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """A ``ConvTranspose1d`` that reads ``in_channels`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyConvTranspose1d.html
    """

    cls_to_become = ConvTranspose1d
    _rank = 1


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """A ``ConvTranspose2d`` that reads ``in_channels`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyConvTranspose2d.html
    """

    cls_to_become = ConvTranspose2d
    _rank = 2


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """A ``ConvTranspose3d`` that reads ``in_channels`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyConvTranspose3d.html
    """

    cls_to_become = ConvTranspose3d
    _rank = 3
