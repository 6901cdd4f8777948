"""Pooling."""

from collections.abc import Sequence
from typing import Any

from flambeau.base.shapes import hashable
from flambeau.nn.functional.pooling_windows import WRONG_RANK, each, windows
from flambeau.primitives import pooling as p
from flambeau.tensors.core import call
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]

Sizes = int | Sequence[int]

# -- largest values ----------------------------------------------------------------------------------------------------


def _max_pool(
    rank: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> Any:
    sizes = map(hashable, (kernel_size, stride, padding, dilation))
    name = f"max_pool{rank}d{'_with_indices' * (indices and rank == 1)}"
    table = p.MAX_POOL_WITH_INDICES if indices else p.MAX_POOL
    return call(table[rank], (input,), (windows(name, input.shape, *sizes, ceil_mode, rank),))


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest value of each window of a sequence (N, C, L) or (C, L); see ``max_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool1d.html
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest value of each window of an image; its gradient goes to the first largest.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the window, one number or one for each dimension.
        stride: steps of the window; its size if None.
        padding: minus infinity added on every side.
        dilation: distance between the elements of the window.
        ceil_mode: whether a window may reach past the end.
        return_indices: whether to return also where the values stand in the flattened image.

    Returns:
        (N, C, H_out, W_out), with H_out = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1; with
        ``return_indices`` a pair.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.max_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
        tensor([[[4.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest value of each window of a volume (N, C, D, H, W) or (C, D, H, W); see ``max_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool3d.html
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """``max_pool1d`` with ``return_indices``."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, indices=True)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """``max_pool2d`` with ``return_indices``."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, indices=True)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """``max_pool3d`` with ``return_indices``."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, indices=True)


# -- averages ----------------------------------------------------------------------------------------------------------


def _avg_pool(
    rank: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    sizes = map(hashable, (kernel_size, stride, padding))
    found = windows(f"avg_pool{rank}d", input.shape, *sizes, 1, ceil_mode, rank)
    return call(p.AVG_POOL[rank], (input,), (found, bool(count_include_pad), divisor_override or 0))


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window of a sequence (N, C, L) or (C, L); see ``avg_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool1d.html
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@takes_out()
def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of an image.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the window, one number or one for each dimension.
        stride: steps of the window; its size if None.
        padding: zeros added on every side.
        ceil_mode: whether a window may reach past the end.
        count_include_pad: whether the zeros count.
        divisor_override: what to divide by instead of the number of elements.

    Returns:
        (N, C, H_out, W_out), with H_out = (H + 2 padding - kernel) // stride + 1.

    Raises:
        RuntimeError: sizes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@takes_out()
def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of a volume (N, C, D, H, W) or (C, D, H, W); see ``avg_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool3d.html
    """
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _lp_pool(rank: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    """(sum of x ** p) ** (1 / p) for each window, with PyTorch's treatment of sign and zero."""
    kernels = each(f"lp_pool{rank}d", "kernel_size", kernel_size, rank)
    count = 1
    for size in kernels:
        count *= size
    means = _avg_pool(rank, input.pow(norm_type), kernels, stride, 0, ceil_mode, True, None)
    return (means.sign() * means.abs().relu()).mul(count).pow(1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x ** norm_type) ** (1 / norm_type) for each window of a sequence.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool1d.html
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x ** norm_type) ** (1 / norm_type) for each window of an image.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool2d.html
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x ** norm_type) ** (1 / norm_type) for each window of a volume.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool3d.html
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# -- windows that split a dimension as evenly as possible ------------------------------------------------------------


def _outputs(name: str, input: Tensor, output_size: Any, rank: int) -> tuple[int, ...]:
    """Sizes of the result; None keeps a size."""
    shape = input.shape
    _check_output_rank(name, output_size, len(shape), rank)
    sizes = (output_size,) * rank if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(shape) not in (rank + 1, rank + 2):
        if rank == 1:
            raise RuntimeError(WRONG_RANK.format(len(shape), name))
        colon = ":" if "max" in name else ""
        raise RuntimeError(f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got{colon} {list(shape)}")
    for axis in range(len(shape) - rank - (len(shape) == rank + 1), len(shape)):
        if shape[axis] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(shape)} with dimension {axis} being empty"
            )
    found = tuple([own if size is None else int(size) for size, own in zip(sizes, shape[-rank:], strict=True)])
    if min(found) < 0:
        raise RuntimeError(_negative(name, shape, found))
    return found


def _check_output_rank(name: str, output_size: Any, dimensions: int, rank: int) -> None:
    """Raise, in PyTorch's words, unless there is a size for each pooled dimension."""
    if output_size is None and rank == 1:
        raise TypeError(f"{name}(): argument 'output_size' (position 2) must be tuple of ints, not NoneType")
    if output_size is None or isinstance(output_size, int):
        return
    count = len(output_size)
    if rank > 1 and dimensions <= count:
        raise ValueError(f"Input dimension should be at least {count + 1}")
    if count == rank:
        return
    if rank == 1:
        raise RuntimeError(f"{name}() argument 'output_size' should contain one int (got {count})")
    if "max" in name:
        raise RuntimeError(f"{name}(): internal error: output_size.size() must be {rank}")
    raise RuntimeError(f"{name}: output_size must be {rank}")


def _negative(name: str, shape: Sequence[int], sizes: tuple[int, ...]) -> str:
    """PyTorch's words for a negative size; it pools one dimension as two."""
    rank = len(sizes)
    flat = (1, *sizes) if rank == 1 else sizes
    if "max" in name:
        return f"Trying to create tensor with negative dimension {min(sizes)}: {[*shape[:-rank], *flat]}"
    parts = ", ".join(map(str, flat[:2])) + "".join([f",{size}" for size in flat[2:]])
    label = f"adaptive_avg_pool{len(flat)}d: elements of output_size must be greater than or equal to 0"
    return f"{label} but received {{{parts}}}"


def _adaptive_avg_pool(rank: int, input: Tensor, output_size: Any) -> Tensor:
    outputs = _outputs(f"adaptive_avg_pool{rank}d", input, output_size, rank)
    return call(p.ADAPTIVE_AVG_POOL[rank], (input,), (outputs,))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Mean pooling of a sequence to a given length; see ``adaptive_avg_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool1d.html
    """
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Mean pooling of an image to a given size.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: (H_out, W_out), or one number for both; None keeps a size. Window i of H spans the elements
            from floor(i H / H_out) to ceil((i + 1) H / H_out).

    Raises:
        RuntimeError: sizes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html
    """
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Mean pooling of a volume to a given size; see ``adaptive_avg_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool3d.html
    """
    return _adaptive_avg_pool(3, input, output_size)


def _adaptive_max_pool(rank: int, input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    outputs = _outputs(f"adaptive_max_pool{rank}d", input, output_size, rank)
    return call(p.ADAPTIVE_MAX_POOL[rank], (input,), (outputs,))


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling of a sequence to a given length.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool1d.html
    """
    pair = _adaptive_max_pool(1, input, output_size)
    return pair if return_indices else pair[0]


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling of an image to a given size; see ``adaptive_avg_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html
    """
    pair = _adaptive_max_pool(2, input, output_size)
    return pair if return_indices else pair[0]


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling of a volume to a given size; see ``adaptive_avg_pool2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool3d.html
    """
    pair = _adaptive_max_pool(3, input, output_size)
    return pair if return_indices else pair[0]


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """``adaptive_max_pool1d`` with ``return_indices``."""
    return _adaptive_max_pool(1, input, output_size)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """``adaptive_max_pool2d`` with ``return_indices``."""
    return _adaptive_max_pool(2, input, output_size)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """``adaptive_max_pool3d`` with ``return_indices``."""
    return _adaptive_max_pool(3, input, output_size)
