"""Windows of pooling: how many there are, and what PyTorch refuses, in its words and in the order of its checks.

PyTorch pools one dimension as two, the first of size 1, except for ``max_pool1d`` without indices.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import index
from typing import Any, cast

from flambeau.base.shapes import normalize_axis
from flambeau.primitives.pooling import Window

__all__ = ["WRONG_RANK", "each", "windows"]

WRONG_RANK = (
    "Expected 2 to 3 dimensions, but got {}-dimensional tensor for argument #1 'self' (while checking arguments for {})"
)
_COUNTS = {2: "two ints", 3: "three ints"}
_POSITIONS = {"kernel_size": 2, "stride": 3, "padding": 4, "dilation": 5}
_FLAT = (1, 1, 0, 1)  # size, stride, padding and dilation of a window's dimension that does nothing


@lru_cache(maxsize=4096)
def windows(
    name: str,
    shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    rank: int,
) -> tuple[Window, ...]:
    """The windows of all pooled dimensions, remembered; raises as PyTorch does."""
    if rank == 1 and name != "max_pool1d" and len(shape) not in (2, 3):
        raise RuntimeError(WRONG_RANK.format(len(shape), name.removesuffix("_with_indices")))
    if name == "max_pool1d":
        _check_shape(name, shape, rank, "max_pool1d: ")
    kernels = each(name, "kernel_size", kernel_size, rank)
    omitted = stride is None or (isinstance(stride, tuple) and not stride)
    steps = kernels if omitted else each(name, "stride", stride, rank)
    pads, gaps = each(name, "padding", padding, rank), each(name, "dilation", dilation, rank)
    if name == "max_pool1d":
        _check_line(kernels[0], steps[0], pads[0], gaps[0])
    parts = list(zip(kernels, steps, pads, gaps, strict=True))
    if rank == 1 and name != "max_pool1d":
        shape, parts = (*shape[:-1], 1, *shape[-1:]), [_FLAT, *parts]
    counts = _counts(name, shape, parts, ceil_mode)
    if min(counts) < 1:
        raise RuntimeError(_too_small(name, shape, counts))
    return tuple([Window(*part, count) for part, count in zip(parts, counts, strict=True)])[-rank:]


def each(name: str, label: str, value: Any, rank: int) -> tuple[int, ...]:
    """One number for each pooled dimension."""
    try:
        return (index(value),) * rank
    except TypeError:
        pass
    if not isinstance(value, Sequence) or isinstance(value, str):
        place = f"{name}(): argument '{label}' (position {_POSITIONS[label]})"
        raise TypeError(f"{place} must be tuple of ints, not {type(value).__name__}")
    found = tuple([int(item) for item in cast("Sequence[Any]", value)])
    if len(found) == 1:
        return found * rank
    if len(found) != rank:
        raise RuntimeError(_miscounted(name, label, len(found), rank))
    return found


def _miscounted(name: str, label: str, count: int, rank: int) -> str:
    """PyTorch's words for too many or too few numbers, which differ from function to function."""
    if name == "max_pool1d":
        either = {"stride": "None, an int, list of ints,", "padding": "an int, list of ints,"}
        kinds = either.get(label, "an int, list of ints")
        return f"max_pool1d() {label} must be {kinds} or tuple of ints of size 1 but got size {count}"
    if rank == 1:
        return f"{name.removesuffix('_with_indices')}() argument '{label}' should contain one int (got {count})"
    if label == "dilation":
        must = "must be either"
    else:
        must = "must" if name == "avg_pool3d" else "must either"
        must += " be omitted," if label == "stride" else " be"
    return f"{name}: {label} {must} a single int, or a tuple of {_COUNTS[rank]}"


def _counts(
    name: str, shape: tuple[int, ...], parts: Sequence[tuple[int, int, int, int]], ceil_mode: bool
) -> list[int]:
    """Number of windows along each dimension."""
    rank = len(parts)
    if name == "avg_pool2d" and len(shape) < 3:
        normalize_axis(-3, len(shape))  # raises
    if name in ("max_pool2d", "max_pool3d", "avg_pool3d") and len(shape) not in (rank + 1, rank + 2):
        raise RuntimeError(f"non-empty {rank + 1}D or {rank + 2}D (batch mode) tensor expected for input")
    if name == "max_pool1d":
        return [_count(list(shape)[-1], *parts[0], ceil_mode)]
    counts = [_checked_count(size, *part, ceil_mode) for size, part in zip(shape[-rank:], parts, strict=True)]
    _check_parts(name, shape, parts)
    return counts


def _check_line(kernel: int, stride: int, padding: int, dilation: int) -> None:
    """The checks of ``max_pool1d`` without indices, which are its own."""
    for label, size in (("kernel_size", kernel), ("stride", stride)):
        if size <= 0:
            raise RuntimeError(f"max_pool1d() {label} must be greater than zero, but got {size}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        rule = "max_pool1d() padding should be at most half of kernel size"
        raise RuntimeError(f"{rule}, but got padding={padding} and kernel_size={kernel}")
    if dilation <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {dilation}")


def _checked_count(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Number of positions of a window along one dimension, if stride and padding are possible there."""
    if stride == 0:
        raise RuntimeError("stride should not be zero")
    if padding < 0:
        raise RuntimeError(f"pad must be non-negative, but got pad: {padding}")
    if padding > int(((kernel - 1) * dilation + 1) / 2):  # rounded towards zero
        raise RuntimeError(
            f"pad should be at most half of effective kernel size, but got pad={padding}, kernel_size={kernel} and "
            f"dilation={dilation}"
        )
    return _count(size, kernel, stride, padding, dilation, ceil_mode)


def _count(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Number of positions of a window; in ceil_mode the last one may reach past the end, but must start before it."""
    free = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (free + (stride - 1 if ceil_mode else 0)) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def _check_parts(name: str, shape: tuple[int, ...], parts: Sequence[tuple[int, int, int, int]]) -> None:
    """The checks of all dimensions together."""
    kernels, strides, pads, gaps = ([part[item] for part in parts] for item in range(4))
    letters = "THW"[3 - len(parts) :]
    for rule, prefix, sizes in (
        ("kernel size", "k", kernels),
        ("stride", "d", strides),
        ("dilation", "dilation", gaps),
    ):
        if min(sizes) <= 0:
            raise RuntimeError(f"{rule} should be greater than zero, but got {_listed(prefix, letters, sizes)}")
    _check_shape(name, shape, len(parts))
    if name == "avg_pool3d" and any(size < kernel for size, kernel in zip(shape[-3:], kernels, strict=True)):
        image, kernel = _listed("", letters, shape[-3:]), _listed("k", letters, kernels)
        raise RuntimeError(f"input image ({image}) smaller than kernel size ({kernel})")
    if any(pad > kernel // 2 for pad, kernel in zip(pads, kernels, strict=True)):
        rule = "pad should be smaller than or equal to half of kernel size, but got"
        if len(parts) == 2:
            raise RuntimeError(f"{rule} padW = {pads[1]}, padH = {pads[0]}, kW = {kernels[1]}, kH = {kernels[0]}")
        order = [0, 2, 1]
        both = [
            _listed(prefix, "TWH", [sizes[item] for item in order]) for prefix, sizes in (("k", kernels), ("pad", pads))
        ]
        raise RuntimeError(f"{rule} {' '.join(both)}")


def _listed(prefix: str, letters: str, sizes: Sequence[int]) -> str:
    return " ".join([f"{prefix}{letter}: {size}" for letter, size in zip(letters, sizes, strict=True)])


def _check_shape(name: str, shape: tuple[int, ...], rank: int, label: str = "") -> None:
    """Raise unless there are channels, a batch dimension or none, and nothing else is empty."""
    if rank == 3:
        if 0 in shape[-4:]:
            place = "max_pool3d_with_indices_out_cpu_template" if name == "max_pool3d" else name
            raise RuntimeError(
                f"{place}(): Expected input's non-batch dimensions to have positive length, but input has a shape of "
                f"{list(shape)} and non-batch dimension 0 has length zero!"
            )
    elif len(shape) not in (rank + 1, rank + 2) or 0 in shape[-rank - 1 :]:
        kinds = f"{rank + 1}D or {rank + 2}D (batch mode) tensor with optional 0 dim batch size"
        raise RuntimeError(f"{label}Expected {kinds} for input, but got:{list(shape)}")


def _too_small(name: str, shape: tuple[int, ...], counts: Sequence[int]) -> str:
    if name == "max_pool1d":
        return f"max_pool1d() Invalid computed output size: {counts[0]}"
    before, after = ["x".join(map(str, (shape[-len(counts) - 1], *sizes))) for sizes in (shape[-len(counts) :], counts)]
    return f"Given input size: ({before}). Calculated output size: ({after}). Output size is too small"
