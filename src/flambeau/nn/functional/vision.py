"""Resampling of images."""

import warnings
from collections.abc import Sequence
from math import floor
from typing import Any, cast

from flambeau.primitives import resampling as p
from flambeau.primitives.pooling import ADAPTIVE_AVG_POOL
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["interpolate", "pixel_shuffle", "pixel_unshuffle", "upsample"]

# mode: number of spatial dimensions it is for; 0 for any.
_MODES = {"nearest": 0, "nearest-exact": 0, "area": 0, "linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}


def _target(
    shape: Sequence[int], size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Sizes of the result, and how many input elements each of its elements stands for."""
    rank = len(shape)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    given: Any = scale_factor if size is None else size
    if isinstance(given, Sequence):
        parts: tuple[Any, ...] = tuple(cast("Sequence[Any]", given))
        if len(parts) != rank:
            name = "Output" if size is not None else "scale_factor"
            raise ValueError(
                f"Input and {name} must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(shape)} and {name.lower()} of {given}."
            )
    else:
        parts = (given,) * rank
    if size is not None:
        sizes = tuple([int(item) for item in parts])
        return sizes, tuple([own / wanted for own, wanted in zip(shape, sizes, strict=True)])
    sizes = tuple([floor(float(own) * float(factor)) for own, factor in zip(shape, parts, strict=True)])
    if recompute:
        return sizes, tuple([own / wanted for own, wanted in zip(shape, sizes, strict=True)])
    return sizes, tuple([1.0 / float(factor) for factor in parts])


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resample to another size.

    Args:
        input: (N, C, W), (N, C, H, W) or (N, C, D, H, W).
        size: the size of the result, one number or one for each spatial dimension.
        scale_factor: or how many times as large it is.
        mode: ``"nearest"``, ``"nearest-exact"``, ``"linear"``, ``"bilinear"``, ``"trilinear"`` or ``"area"``.
        align_corners: whether the corners' centers, not their edges, lie on one another (linear modes).
        recompute_scale_factor: whether the factor is that of the rounded sizes.
        antialias: not supported.

    Raises:
        ValueError: not exactly one of ``size`` and ``scale_factor`` is given, or ``align_corners`` with another mode.
        NotImplementedError: the mode does not exist, or not for this rank; ``"bicubic"`` and ``antialias``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
    """
    if align_corners is not None and mode not in ("linear", "bilinear", "bicubic", "trilinear"):
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    rank = len(input.shape) - 2
    sizes, ratios = _target(input.shape[2:], size, scale_factor, recompute_scale_factor)
    if antialias or mode == "bicubic":
        raise NotImplementedError("interpolate: bicubic mode and antialias=True are not supported")
    if rank not in (1, 2, 3) or mode not in _MODES:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank + 2}D) for the modes: nearest | "
            f"linear | bilinear | bicubic | trilinear | area | nearest-exact (got {mode})"
        )
    if _MODES[mode] not in (0, rank):
        raise NotImplementedError(f"Got {rank + 2}D input, but {mode} mode needs {_MODES[mode] + 2}D input")
    if mode == "area":
        return _area(input, sizes, rank)
    if mode == "nearest":
        return call(p.NEAREST[rank], (input,), (sizes, ratios, 0.0))
    if mode == "nearest-exact":
        return call(p.NEAREST_EXACT[rank], (input,), (sizes, ratios, 0.5))
    return call(p.LINEAR[rank], (input,), (sizes, ratios, bool(align_corners)))


def _area(input: Tensor, sizes: tuple[int, ...], rank: int) -> Tensor:
    return call(ADAPTIVE_AVG_POOL[rank], (input,), (sizes,))


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """An older name of ``interpolate``; warns.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.upsample.html
    """
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C r^2, H, W) to (..., C, H r, W r): channels become space.

    Raises:
        RuntimeError: the number of channels is not divisible by r^2.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pixel_shuffle.html
    """
    shape = input.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {len(shape)} dimension(s)"
        )
    if upscale_factor <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {upscale_factor}")
    if shape[-3] % upscale_factor**2:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={shape[-3]} is not divisible by {upscale_factor**2}"
        )
    return call(p.pixel_shuffle, (input,), (int(upscale_factor),))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H r, W r) to (..., C r^2, H, W): space becomes channels.

    Raises:
        RuntimeError: the height or the width is not divisible by r.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pixel_unshuffle.html
    """
    shape = input.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {len(shape)} dimension(s)"
        )
    if downscale_factor <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {downscale_factor}")
    for name, axis in (("height", -2), ("width", -1)):
        if shape[axis] % downscale_factor:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({axis})="
                f"{shape[axis]} is not divisible by {downscale_factor}"
            )
    return call(p.pixel_unshuffle, (input,), (int(downscale_factor),))
