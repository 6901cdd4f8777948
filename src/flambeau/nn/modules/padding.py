"""Padding layers."""

from collections.abc import Sequence
from typing import ClassVar

from flambeau.base.constructors import own_constructor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

Sizes = int | Sequence[int]


class _PadNd(Module):
    """What the padding layers have in common: amounts for ``_rank`` dimensions, the last one first."""

    __constants__: ClassVar[list[str]] = ["padding"]
    _rank: ClassVar[int]
    padding: tuple[int, ...]

    def __init__(self, padding: Sizes) -> None:
        super().__init__()
        self._keep(padding)

    def _keep(self, padding: Sizes) -> None:
        """Keep the amounts: one number stands for all of them."""
        self.padding = (padding,) * (2 * self._rank) if isinstance(padding, int) else tuple(padding)

    def extra_repr(self) -> str:
        """The amounts."""
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    """Continues every dimension with its other end."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) or (C, ...), larger."""
        low = self._rank + 1
        if input.dim() not in (low, low + 1):
            raise ValueError(f"expected {low}D or {low + 1}D input (got {input.dim()}D input)")
        return F.pad(input, self.padding, "circular")


class _ReflectionPadNd(_PadNd):
    """Mirrors the last dimensions at their ends."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) or (C, ...), larger."""
        return F.pad(input, self.padding, "reflect")


class _ReplicationPadNd(_PadNd):
    """Repeats the elements at the ends."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) or (C, ...), larger."""
        return F.pad(input, self.padding, "replicate")


class _ConstantPadNd(_PadNd):
    """Adds a number at the ends."""

    __constants__: ClassVar[list[str]] = ["padding", "value"]
    value: float

    def __init__(self, padding: Sizes, value: float) -> None:
        Module.__init__(self)
        self.value = value
        self._keep(padding)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, larger in the last dimensions."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The amounts and the number."""
        return f"padding={self.padding}, value={self.value}"


@own_constructor
class CircularPad1d(_CircularPadNd):
    """Continues the last dimension with its other end; see ``CircularPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CircularPad1d.html
    """

    _rank = 1


@own_constructor
class CircularPad2d(_CircularPadNd):
    """Continues each of the last two dimensions with its other end.

    Args:
        padding: one number, or (left, right, top, bottom); negative ones cut off.

    Raises:
        RuntimeError: there are not enough elements to pad with.
        ValueError: the input has neither 3 nor 4 dimensions.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CircularPad2d((1, 0, 0, 0))(torch.tensor([[[1.0, 2.0]]]))
        tensor([[[2., 1., 2.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CircularPad2d.html
    """

    _rank = 2


@own_constructor
class CircularPad3d(_CircularPadNd):
    """Continues each of the last three dimensions with its other end; see ``CircularPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CircularPad3d.html
    """

    _rank = 3


@own_constructor
class ConstantPad1d(_ConstantPadNd):
    """Adds a number at the ends of the last dimension; see ``ConstantPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConstantPad1d.html
    """

    _rank = 1


@own_constructor
class ConstantPad2d(_ConstantPadNd):
    """Adds a number at the ends of each of the last two dimensions.

    Args:
        padding: one number, or (left, right, top, bottom); negative ones cut off.
        value: what to add.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConstantPad2d((1, 0, 0, 0), 9.0)(torch.tensor([[[1.0, 2.0]]]))
        tensor([[[9., 1., 2.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConstantPad2d.html
    """

    _rank = 2


@own_constructor
class ConstantPad3d(_ConstantPadNd):
    """Adds a number at the ends of each of the last three dimensions; see ``ConstantPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConstantPad3d.html
    """

    _rank = 3


@own_constructor
class ReflectionPad1d(_ReflectionPadNd):
    """Mirrors the last dimension at its ends, which are not repeated; see ``ReflectionPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReflectionPad1d.html
    """

    _rank = 1


@own_constructor
class ReflectionPad2d(_ReflectionPadNd):
    """Mirrors each of the last two dimensions at its ends, which are not repeated.

    Args:
        padding: one number, or (left, right, top, bottom); negative ones cut off.

    Raises:
        RuntimeError: there are not enough elements to pad with.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReflectionPad2d((1, 0, 0, 0))(torch.tensor([[[1.0, 2.0]]]))
        tensor([[[2., 1., 2.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReflectionPad2d.html
    """

    _rank = 2


@own_constructor
class ReflectionPad3d(_ReflectionPadNd):
    """Mirrors each of the last three dimensions at its ends, which are not repeated; see ``ReflectionPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReflectionPad3d.html
    """

    _rank = 3


@own_constructor
class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the elements at the ends of the last dimension; see ``ReplicationPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReplicationPad1d.html
    """

    _rank = 1


@own_constructor
class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the elements at the ends of each of the last two dimensions.

    Args:
        padding: one number, or (left, right, top, bottom); negative ones cut off.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReplicationPad2d((1, 0, 0, 0))(torch.tensor([[[1.0, 2.0]]]))
        tensor([[[1., 1., 2.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReplicationPad2d.html
    """

    _rank = 2


@own_constructor
class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the elements at the ends of each of the last three dimensions; see ``ReplicationPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReplicationPad3d.html
    """

    _rank = 3


class ZeroPad1d(ConstantPad1d):
    """Adds zeros at the ends of the last dimension; see ``ConstantPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ZeroPad1d.html
    """

    def __init__(self, padding: Sizes) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The amounts."""
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Adds zeros at the ends of each of the last two dimensions; see ``ConstantPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ZeroPad2d.html
    """

    def __init__(self, padding: Sizes) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The amounts."""
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Adds zeros at the ends of each of the last three dimensions; see ``ConstantPad2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ZeroPad3d.html
    """

    def __init__(self, padding: Sizes) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The amounts."""
        return f"{self.padding}"
