"""Padding."""

from collections.abc import Sequence
from typing import Any

from flambeau.primitives import padding as p
from flambeau.tensors.core import call
from flambeau.tensors.fitting import fitted
from flambeau.tensors.tensor import Tensor

__all__ = ["pad"]

_MODES = ("reflect", "replicate", "circular")


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements before and after along the last dimensions.

    Args:
        input: any shape; for the modes other than ``"constant"`` one or two dimensions more than are padded.
        pad: (before, after) of the last dimension, then of the one before it, and so on; negative ones cut off.
        mode: ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        value: what to add, with ``"constant"``; 0 if None.

    Raises:
        RuntimeError: the amounts do not fit the input, or there is a value with another mode.
        NotImplementedError: there is no such mode, or not for so many dimensions.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.pad(torch.ones(2), (1, 0))
        tensor([0., 1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html
    """
    amounts = [int(item) for item in pad]
    shape = input.shape
    if len(amounts) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(amounts) > 2 * len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(amounts)} and input of dimension {len(shape)}"
        )
    pads = ((0, 0),) * (len(shape) - len(amounts) // 2) + tuple(
        [(amounts[index], amounts[index + 1]) for index in range(len(amounts) - 2, -1, -2)]
    )
    if mode == "constant":
        _check_sizes(shape, pads)
        fill = 0.0 if value is None else float(value)
        return call(p.pad_constant, (fitted(input, fill), fill), (pads,))
    if mode not in _MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    count = len(amounts) // 2
    if count not in (1, 2, 3) or len(shape) not in (count + 1, count + 2):
        raise NotImplementedError(
            f"Padding size {len(amounts)} is not supported for {len(shape)}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    _check_reach(shape, pads, mode)
    primitive: Any = p.pad_circular
    if mode != "circular":
        primitive = (p.REFLECTION if mode == "reflect" else p.REPLICATION)[count]
    return call(primitive, (input,), (pads,))


def _check_sizes(shape: Sequence[int], pads: Sequence[tuple[int, int]]) -> None:
    for axis, (size, (before, after)) in enumerate(zip(shape, pads, strict=True)):
        if size + before + after < 0:
            raise RuntimeError(
                f"The input size {size}, plus negative padding {before} and {after} resulted in a negative output "
                f"size, which is invalid. Check dimension {axis} of your input."
            )


def _check_reach(shape: Sequence[int], pads: Sequence[tuple[int, int]], mode: str) -> None:
    """Raise RuntimeError where there are not enough elements to pad with."""
    for axis in reversed(range(len(shape))):
        size, (before, after) = shape[axis], pads[axis]
        if mode == "reflect" and max(before, after) >= size and max(before, after) > 0:
            raise RuntimeError(
                f"Argument #{4 + 2 * (len(shape) - 1 - axis)}: Padding size should be less than the corresponding "
                "input dimension, but got: padding "
                f"({before}, {after}) at dimension {axis} of input {list(shape)}"
            )
        if mode == "circular" and max(before, after) > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
