"""Images sampled at the places of a grid."""

import warnings
from collections.abc import Sequence

from flambeau.primitives import sampling as p
from flambeau.tensors.core import call
from flambeau.tensors.tensor import Tensor

__all__ = ["affine_grid", "affine_grid_generator", "grid_sample"]

_SILENT = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
    "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details."
)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Where an affine map looks for every element of an image; for ``grid_sample``.

    Args:
        theta: the maps, (N, 2, 3) for images and (N, 3, 4) for volumes.
        size: shape of the image, (N, C, H, W) or (N, C, D, H, W).
        align_corners: whether -1 and 1 are the centers of the outermost elements, not their edges.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3): places from -1 to 1, the last dimension's first.

    Raises:
        ValueError: shapes or the data type do not fit.
        NotImplementedError: ``size`` has neither 4 nor 5 entries.

    Example:
        >>> import flambeau as torch
        >>> theta = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> torch.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=False)
        tensor([[[[-0.5000,  0.0000],
                  [ 0.5000,  0.0000]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.affine_grid.html
    """
    if align_corners is None:
        warnings.warn(_SILENT, stacklevel=2)
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{size}."
        )
    rank = len(size) - 2
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (rank, rank + 1):
        raise ValueError(
            f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size {size}. Got "
            f"{theta.shape!r}."
        )
    if align_corners and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This "
            "is not an intended use case of affine_grid. See the documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return affine_grid_generator(theta, size, align_corners)


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """``affine_grid`` of any sizes that fit each other, without its advice.

    Raises:
        RuntimeError: ``size`` has neither 4 nor 5 entries, or ``theta`` does not go with it.
    """
    rank = len(size) - 2
    if rank not in (2, 3):
        raise RuntimeError("AffineGridGenerator needs 4d (spatial) or 5d (volumetric) inputs.")
    if (theta.size(0), theta.size(2)) != (size[0], rank + 1):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{size[0]}, {rank + 1}] but got: "
            f"[{theta.shape[0]}, {theta.shape[2]}]."
        )
    return call(p.affine_grid, (theta,), (tuple([int(item) for item in size[2:]]), bool(align_corners)))


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """An image's values at any places.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: the places, (N, H_out, W_out, 2) or (N, D_out, H_out, W_out, 3), from -1 to 1, x before y before z.
        mode: ``"bilinear"`` (trilinear in volumes), ``"nearest"``, or for images ``"bicubic"``.
        padding_mode: what lies outside: ``"zeros"``, the elements at the ``"border"``, or a ``"reflection"``.
        align_corners: whether -1 and 1 are the centers of the outermost elements, not their edges.

    Returns:
        (N, C, H_out, W_out) or (N, C, D_out, H_out, W_out).

    Raises:
        ValueError: there is no such mode.
        RuntimeError: shapes or data types do not fit.

    Example:
        >>> import flambeau as torch
        >>> image = torch.tensor([[[[0.0, 1.0]]]])
        >>> torch.nn.functional.grid_sample(image, torch.tensor([[[[0.0, 0.0]]]]), align_corners=False)
        tensor([[[[0.5000]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_SILENT, stacklevel=2)
        align_corners = False
    _check_shapes(input.shape, grid.shape, mode)
    return call(p.GRID_SAMPLE[len(input.shape) - 2], (input, grid), (mode, padding_mode, bool(align_corners)))


def _check_shapes(shape: Sequence[int], grid: Sequence[int], mode: str) -> None:
    """Raise RuntimeError, in PyTorch's words, where shapes do not fit."""
    sizes = f"input with sizes {list(shape)} and grid with sizes {list(grid)}"
    if shape[0] != grid[0]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, but got {sizes}")
    if grid[-1] != len(shape) - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {len(shape) - 2} in last dimension, but got grid with sizes "
            f"{list(grid)}"
        )
    for axis in range(2, len(shape)):
        if shape[axis] == 0:
            raise RuntimeError(
                f"grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(shape)} with dimension {axis} being empty"
            )
    if len(shape) not in (4, 5) or len(grid) != len(shape):
        raise RuntimeError(
            f"grid_sampler(): expected {4 if len(shape) == 4 else 5}D input and grid with same number of dimensions, "
            f"but got {sizes}"
        )
    if mode == "bicubic" and len(shape) != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
