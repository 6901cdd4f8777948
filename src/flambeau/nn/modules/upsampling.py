"""Resampling layers."""

from typing import Any, ClassVar, cast

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Resample to another size; see ``nn.functional.interpolate``.

    Args:
        size: the size of the result, one number or one for each spatial dimension.
        scale_factor: or how many times as large it is.
        mode: ``"nearest"``, ``"linear"``, ``"bilinear"``, ``"bicubic"``, ``"trilinear"`` or another of its modes.
        align_corners: whether the corners' centers, not their edges, lie on one another.
        recompute_scale_factor: whether the factor is that of the rounded sizes.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Upsample(scale_factor=2)(torch.ones(1, 1, 2, 2)).shape
        torch.Size([1, 1, 4, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Upsample.html
    """

    __constants__: ClassVar[list[str]] = [
        "size", "scale_factor", "mode", "align_corners", "name", "recompute_scale_factor"
    ]  # fmt: skip
    name: str
    mode: str
    align_corners: bool | None
    recompute_scale_factor: bool | None

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple([float(factor) for factor in cast("tuple[Any, ...]", scale_factor)])
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) in another size."""
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Files of old versions of PyTorch hold layers that always recomputed their factor."""
        super().__setstate__(state if "recompute_scale_factor" in state else {**state, "recompute_scale_factor": True})

    def extra_repr(self) -> str:
        """Size or factor, and mode."""
        sizes = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{sizes}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """``Upsample`` with the mode ``"nearest"``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.UpsamplingNearest2d.html
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """``Upsample`` with the mode ``"bilinear"`` and ``align_corners=True``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.UpsamplingBilinear2d.html
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
