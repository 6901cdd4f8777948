"""Resampling of images, and channels that move."""

import warnings
from collections.abc import Sequence
from typing import Any, cast

from flambeau.primitives import resampling as p
from flambeau.primitives.pooling import ADAPTIVE_AVG_POOL
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = [
    "channel_shuffle",
    "interpolate",
    "native_channel_shuffle",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

# mode: the number of spatial dimensions it is for; 0 for any.
_MODES = {
    "nearest": 0, "nearest-exact": 0, "area": 0, "linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2, "lanczos": 2
}  # fmt: skip
_UNALIGNED = ("nearest", "area", "nearest-exact")
_SMOOTH = ("bilinear", "bicubic", "lanczos")
_LETTERS = {1: "W", 2: "HW", 3: "DHW"}
# Where the name of a mode tells that the input's rank is wrong, and not that there is no such mode.
_RANKED = {"linear": 3, "bilinear": 4, "trilinear": 5}


def _parts(label: str, given: Any, shape: Sequence[int], example: str) -> tuple[Any, ...]:
    """One value for each spatial dimension."""
    if not isinstance(given, (list, tuple)):
        return (given,) * len(shape)
    values = tuple(cast("Sequence[Any]", given))
    if len(values) != len(shape):
        shown = "output size of" if label == "output" else "scale_factor of shape"
        kind = "output size" if label == "output" else label
        raise ValueError(
            f"Input and {label} must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(shape)} and {shown} {given}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
            f"{kind} in {example} format."
        )
    return values


def _target(
    shape: Sequence[int], size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Sizes of the result, and how many input elements each of its elements stands for."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None:
        wanted = _parts("output", size, shape, "(o1, o2, ...,oK)")
        if not all(hasattr(item, "__index__") for item in wanted):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size "
                f"with types {[type(item) for item in wanted]}"
            )
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        sizes = tuple([int(item) for item in wanted])
    else:
        factors = _parts("scale_factor", scale_factor, shape, "(s1, s2, ...,sK)")
        sizes = tuple([int(float(own) * float(factor)) for own, factor in zip(shape, factors, strict=True)])
        if not recompute:
            return sizes, tuple([1.0 / float(factor) for factor in factors])
    return sizes, tuple([own / (new or 1) for own, new in zip(shape, sizes, strict=True)])


def _check_mode(rank: int, mode: str, align_corners: bool | None, antialias: bool) -> None:
    """Raise unless there is such a mode for this number of spatial dimensions."""
    if antialias and not (mode in _SMOOTH and rank == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if rank in (1, 2, 3) and _MODES.get(mode) in (0, rank):
        if mode == "lanczos" and align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if mode == "lanczos" and not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
        return
    if rank in (1, 2, 3) and mode in _RANKED:
        raise NotImplementedError(f"Got {rank + 2}D input, but {mode} mode needs {_RANKED[mode]}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank + 2}D) for the modes: nearest | linear | "
        f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _check_sizes(shape: Sequence[int], sizes: Sequence[int]) -> None:
    """Raise RuntimeError, in PyTorch's words, unless there is something to resample, and to."""
    rank = len(sizes)
    if min(*shape[2:], *sizes) <= 0:
        before, after = [
            ", ".join([f"{letter}: {size}" for letter, size in zip(_LETTERS[rank], found, strict=True)])
            for found in (shape[2:], sizes)
        ]
        joined = " and" if rank == 1 else ""
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({before}){joined} output ({after})"
        )
    if shape[1] == 0:
        raise RuntimeError(f"Non-empty {rank + 2}D data tensor expected but got a tensor with sizes {list(shape)}")


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
        mode: ``"nearest"``, ``"nearest-exact"``, ``"area"``, ``"linear"`` (W), ``"bilinear"``, ``"bicubic"`` and
            ``"lanczos"`` (H, W), or ``"trilinear"`` (D, H, W).
        align_corners: whether the corners' centers, not their edges, lie on one another (modes that weigh neighbors).
        recompute_scale_factor: whether the factor is that of the rounded sizes.
        antialias: whether the filter widens as the image shrinks (``"bilinear"``, ``"bicubic"``, ``"lanczos"``).

    Returns:
        The input's shape, with other spatial sizes.

    Raises:
        ValueError: not exactly one of ``size`` and ``scale_factor`` is given, or an option does not go with the mode.
        RuntimeError: a size is not positive.
        NotImplementedError: the mode does not exist, or not for this rank or data type.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.interpolate(torch.tensor([[[0.0, 1.0]]]), 3, mode="linear", align_corners=True)
        tensor([[[0.0000, 0.5000, 1.0000]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
    """
    if align_corners is not None and mode in _UNALIGNED:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    recompute = bool(recompute_scale_factor) or (mode == "area" and size is None)
    rank = len(input.shape) - 2
    sizes, ratios = _target(input.shape[2:], size, scale_factor, recompute)
    _check_mode(rank, mode, align_corners, antialias)
    if mode == "area":
        return call(ADAPTIVE_AVG_POOL[rank], (input,), (sizes,))
    _check_sizes(input.shape, sizes)
    if mode == "nearest":
        return call(p.NEAREST[rank], (input,), (sizes, ratios, 0.0))
    if mode == "nearest-exact":
        return call(p.NEAREST_EXACT[rank], (input,), (sizes, ratios, 0.5))
    return call(p.FILTERED[mode, antialias], (input,), (sizes, ratios, bool(align_corners)))


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """An older name of ``interpolate``; warns.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.upsample.html
    """
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """An older name of ``interpolate``; warns.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.upsample_nearest.html
    """
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """An older name of ``interpolate`` with ``mode="bilinear"`` and ``align_corners=True``; warns.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.upsample_bilinear.html
    """
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of all groups in turn: channel c of group g becomes channel c * groups + g.

    Args:
        input: (N, C, ...), with three dimensions or more.
        groups: number of groups of neighboring channels; divides C.

    Raises:
        RuntimeError: the input has fewer dimensions, or C is not divisible by ``groups``.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.channel_shuffle(torch.arange(4.0).reshape(1, 4, 1), 2).flatten()
        tensor([0., 2., 1., 3.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.channel_shuffle.html
    """
    shape = input.shape
    if len(shape) <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} groups."
        )
    return call(p.channel_shuffle, (input,), (int(groups),))


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """``channel_shuffle``, under the name of PyTorch's kernel; here it has a gradient, too.

    Source: https://docs.pytorch.org/docs/stable/nn.functional.html
    """
    return channel_shuffle(input, groups)


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
