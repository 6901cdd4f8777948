"""Max pooling with windows at random places."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from flambeau.base.constructors import own_constructor
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]

Sizes = int | Sequence[int]
Ratios = float | Sequence[float]


class _FractionalMaxPoolNd(Module):
    """What the fractional pooling layers have in common."""

    __constants__: ClassVar[list[str]] = ["kernel_size", "return_indices", "output_size", "output_ratio"]
    _rank: ClassVar[int]
    _random_samples: Tensor | None
    return_indices: bool

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = self._each(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else self._each(output_size)
        self.output_ratio = None if output_ratio is None else self._each(output_ratio)
        if output_size is None and output_ratio is None:
            raise ValueError(f"{type(self).__name__} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def _each(self, value: Any) -> tuple[Any, ...]:
        """One number for each dimension."""
        return tuple(cast("Sequence[Any]", value)) if isinstance(value, Sequence) else (value,) * self._rank

    def _arguments(self) -> tuple[Any, ...]:
        """The arguments of the function behind the layer."""
        return self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples


@own_constructor
class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Largest value of windows at random places of an image; see ``nn.functional.fractional_max_pool2d``.

    Args:
        kernel_size: size of the window, one number or one for each dimension.
        output_size: size of the result, one number or one for each dimension.
        output_ratio: or its share of the input's size, between 0 and 1.
        return_indices: whether to return also where the values stand.

    Raises:
        ValueError: not exactly one of a size and a ratio is given, or a ratio is not between 0 and 1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.FractionalMaxPool2d.html
    """

    _rank = 2

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) to (N, C, H_out, W_out)."""
        return F.fractional_max_pool2d(input, *self._arguments())


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Largest value of windows at random places of a volume; see ``FractionalMaxPool2d``.

    Raises:
        ValueError: as for ``FractionalMaxPool2d``, or a window has no elements.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.FractionalMaxPool3d.html
    """

    _rank = 3

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        if any(size <= 0 for size in self._each(kernel_size)):
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        super().__init__(kernel_size, output_size, output_ratio, return_indices, _random_samples)

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) to (N, C, D_out, H_out, W_out)."""
        return F.fractional_max_pool3d(input, *self._arguments())
