"""Settings of convolutions for every dimension, and what PyTorch refuses, in its words and its order."""

from collections.abc import Sequence
from functools import lru_cache
from operator import index
from typing import Any

__all__ = ["convolution_settings", "is_batched", "transposed_settings"]

Shape = tuple[int, ...]
_AXES = ("depth", "height", "width")


def is_batched(name: str, shape: Shape, rank: int) -> bool:
    """Whether an input has a batch dimension; raises RuntimeError unless its rank fits."""
    if len(shape) not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of size: "
            f"{list(shape)}"
        )
    return len(shape) == rank + 2


@lru_cache(maxsize=4096)
def convolution_settings(
    shapes: tuple[Shape, Shape, Shape | None], stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[Shape, tuple[tuple[int, int], ...], Shape, int]:
    """Stride, padding before and after, and dilation of every dimension, and the groups.

    Remembered, since a layer asks the same every time.

    Args:
        shapes: of the batched input, the weight, and the bias if there is one.
        stride, padding, dilation: one number, or one for each dimension; padding may be ``"valid"`` or ``"same"``.
        groups: parts into which the channels are divided.
    """
    input, weight, _ = shapes
    rank = len(input) - 2
    same = padding == "same"
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if same:
        _check_same(input, weight, _listed(stride, rank), _listed(dilation, rank))
    pads = 0 if isinstance(padding, str) else padding
    steps, sides, gaps = _expanded(weight, groups, rank, stride=stride, padding=pads, dilation=dilation)
    _check_signs(sides, (0,), steps, gaps)
    _check_weight(input, weight, groups)
    if same:
        totals = [gap * (size - 1) for gap, size in zip(gaps, weight[2:], strict=True)]
        paddings = tuple([(total // 2, total - total // 2) for total in totals])
    else:
        paddings = tuple([(side, side) for side in sides])
    _check_channels(shapes, groups, transposed=False)
    _check_sizes(input, weight, paddings, gaps)
    _check_dilation(gaps)
    return steps, paddings, gaps, groups


@lru_cache(maxsize=4096)
def transposed_settings(
    shapes: tuple[Shape, Shape, Shape | None],
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: int,
) -> tuple[Shape, Shape, Shape, Shape, int]:
    """Stride, padding, padding of the output and dilation of every dimension, and the groups, of a transposed one."""
    input, weight, _ = shapes
    rank = len(input) - 2
    steps, sides, gaps, extra = _expanded(
        weight, groups, rank, stride=stride, padding=padding, dilation=dilation, output_padding=output_padding
    )
    _check_signs(sides, extra, steps, gaps)
    _check_weight(input, weight, groups)
    _check_channels(shapes, groups, transposed=True)
    _check_dilation(gaps)
    if any(size >= max(step, gap) for size, step, gap in zip(extra, steps, gaps, strict=True)):
        settings = {"output_padding": extra, "stride": steps, "dilation": gaps}
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            + " ".join([_by_axis(label, sizes) for label, sizes in settings.items()])
        )
    return steps, sides, extra, gaps, groups


def _listed(value: Any, rank: int) -> Shape:
    """A setting as a sequence of numbers."""
    try:
        return (index(value),) * rank
    except TypeError:
        return tuple([int(item) for item in value])


def _expanded(weight: Shape, groups: int, rank: int, **settings: Any) -> list[Shape]:
    """Every setting as one number for each dimension that the weight has."""
    wanted = len(weight) - 2
    if wanted <= 0:
        raise RuntimeError("weight should have at least three dimensions")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    return [_each(name, _listed(value, rank), wanted) for name, value in settings.items()]


def _each(name: str, found: Shape, rank: int) -> Shape:
    if len(found) not in (1, rank):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {rank} values to match the convolution "
            f"dimensions, but got {name}={list(found)}"
        )
    return found * rank if len(found) == 1 else found


def _check_same(input: Shape, weight: Shape, stride: Shape, dilation: Shape) -> None:
    """The checks of ``padding="same"``."""
    if len(weight) < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if len(weight) != len(input):
        raise RuntimeError(_other_rank(input, weight, ""))
    for name, sizes in (("stride", stride), ("dilation", dilation)):
        if len(sizes) not in (1, len(weight) - 2):
            raise RuntimeError(f"{name} cannot broadcast to {len(weight) - 2} dimensions")
    if any(step != 1 for step in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")


def _other_rank(input: Shape, weight: Shape, space: str) -> str:
    rank = len(weight)
    return (
        f"Expected {rank}-dimensional input for {rank}-dimensional weight{space}{list(weight)}, but got "
        f"{len(input)}-dimensional input of size {list(input)} instead"
    )


def _check_signs(padding: Shape, output_padding: Shape, stride: Shape, dilation: Shape) -> None:
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(output_padding) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) < 0:
        raise RuntimeError("dilation should be greater than zero")


def _check_weight(input: Shape, weight: Shape, groups: int) -> None:
    if len(weight) != len(input):
        raise RuntimeError(_other_rank(input, weight, " "))
    rule = f"Given groups={groups}, expected weight to be"
    if weight[0] < groups:
        raise RuntimeError(f"{rule} at least {groups} at dimension 0, but got weight of size {list(weight)} instead")
    if weight[0] % groups:
        at = f"divisible by {groups} at dimension 0"
        raise RuntimeError(f"{rule} {at}, but got weight of size [{list(weight)}] instead")


def _check_channels(shapes: tuple[Shape, Shape, Shape | None], groups: int, transposed: bool) -> None:
    input, weight, bias = shapes
    wanted, outputs = (weight[0], weight[1] * groups) if transposed else (weight[1] * groups, weight[0])
    if input[1] != wanted:
        raise RuntimeError(
            f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size {list(weight)}, expected "
            f"input{list(input)} to have {wanted} channels, but got {input[1]} channels instead"
        )
    if bias is not None and bias != (outputs,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if transposed else ''}weight of size {list(weight)}, expected bias to be "
            f"1-dimensional with {outputs} elements, but got bias of size {list(bias)} instead"
        )


def _check_sizes(input: Shape, weight: Shape, padding: Sequence[tuple[int, int]], dilation: Shape) -> None:
    padded = [size + sum(pair) for size, pair in zip(input[2:], padding, strict=True)]
    kernel = [step * (size - 1) + 1 for size, step in zip(weight[2:], dilation, strict=True)]
    if any(size < window for size, window in zip(padded, kernel, strict=True)):
        sizes = [" x ".join(map(str, item)) for item in (padded, kernel)]
        raise RuntimeError(
            f"Calculated padded input size per channel: ({sizes[0]}). Kernel size: ({sizes[1]}). Kernel size can't be "
            "greater than actual input size"
        )
    if 0 in weight[2:]:
        raise RuntimeError(f"kernel size should be greater than zero, but got {list(weight[2:])}")


def _check_dilation(dilation: Shape) -> None:
    if 0 in dilation:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")


def _by_axis(label: str, sizes: Shape) -> str:
    """A setting of a transposed convolution as messages name it; a sequence counts as an image of height 1."""
    if len(sizes) == 1:
        sizes = (0 if label == "output_padding" else 1, *sizes)
    return " ".join([f"{label}_{axis}: {size}" for axis, size in zip(_AXES[-len(sizes) :], sizes, strict=True)])
