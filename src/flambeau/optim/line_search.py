"""How far to go along a direction: a line search for the strong Wolfe conditions.

Losses are Python's floats, slopes NumPy's scalars of the parameters' type, so that they round as PyTorch's tensors do.

Source: https://link.springer.com/book/10.1007/978-0-387-40065-5 (Nocedal and Wright, Numerical Optimization, chapter 3)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flambeau.tensors.tensor import Tensor

__all__ = ["Point", "strong_wolfe"]

SUFFICIENT = 1e-4  # share of the first slope by which the loss has to fall
CURVATURE = 0.9  # share of the first slope below which the slope has to come

NEAREST = 1e-9  # distance of both ends, in elements of the parameters, that is not narrowed down


class Point(NamedTuple):
    """A place on the line.

    Attributes:
        size: how far along the direction it is.
        loss: the loss there.
        gradient: the gradient there, as one vector.
        slope: the gradient's product with the direction.
    """

    size: Any
    loss: float
    gradient: Tensor
    slope: Any


Evaluate = Callable[[Any], Point]


def strong_wolfe(evaluate: Evaluate, start: Point, size: Any, reach: Any, most: int) -> tuple[Point, int]:
    """Search the line for a place where the loss has fallen enough and the slope has flattened enough.

    Args:
        evaluate: computes the place of a size.
        start: the place of size 0.
        size: the size to try first.
        reach: the direction's largest element.
        most: largest number of evaluations after the first.

    Returns:
        The best place, and the number of evaluations.
    """
    with np.errstate(all="ignore"):
        found = evaluate(size)
        bracket, used = _bracket(evaluate, start, found, most)
        if len(bracket) == 1:
            return bracket[0], used + 1
        return _zoom(evaluate, start, bracket, reach, used, most)


def _bracket(evaluate: Evaluate, start: Point, found: Point, most: int) -> tuple[list[Point], int]:
    """Go on until the place is good (one place is returned) or lies between the last two (both are)."""
    before, used = start, 0
    while used < most:
        if not _falls(start, found) or (used > 1 and found.loss >= before.loss):
            return [before, found], used
        if _is_flat(start, found):
            return [found], used
        if found.slope >= 0:
            return [before, found], used
        bounds = (found.size + 0.01 * (found.size - before.size), found.size * 10)
        before, found = found, evaluate(_cubic_minimum(before, found, bounds))
        used += 1
    return [start, found], used


def _zoom(
    evaluate: Evaluate, start: Point, bracket: list[Point], reach: Any, used: int, most: int
) -> tuple[Point, int]:
    """Narrow two places down to a good one between them."""
    stuck = False
    low, high = _ordered(bracket)
    while used < most and not abs(bracket[1].size - bracket[0].size) * reach < NEAREST:
        size, stuck = _kept_inside(_cubic_minimum(bracket[0], bracket[1]), bracket, stuck)
        found = evaluate(size)
        used += 1
        if not _falls(start, found) or found.loss >= bracket[low].loss:
            bracket[high] = found
            low, high = _ordered(bracket)
            continue
        done = _is_flat(start, found)
        if not done and found.slope * (bracket[high].size - bracket[low].size) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = found
        if done:
            break
    return bracket[low], used + 1


def _falls(start: Point, found: Point) -> bool:
    """Whether the loss has fallen enough for the way gone (the first condition)."""
    return bool(not found.loss > start.loss + SUFFICIENT * found.size * start.slope)


def _is_flat(start: Point, found: Point) -> bool:
    """Whether the slope has flattened enough (the second condition)."""
    return bool(abs(found.slope) <= -CURVATURE * start.slope)


def _ordered(bracket: list[Point]) -> tuple[int, int]:
    """Positions of the lower and of the higher place."""
    return (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)


def _kept_inside(size: Any, bracket: list[Point], stuck: bool) -> tuple[Any, bool]:
    """A size moved off an end of the bracket if that was near the last time, too; and whether it is near."""
    least, most = min(item.size for item in bracket), max(item.size for item in bracket)
    margin = 0.1 * (most - least)
    if not min(most - size, size - least) < margin:
        return size, False
    if not (stuck or size >= most or size <= least):
        return size, True
    return (most - margin if abs(size - most) < abs(size - least) else least + margin), False


def _cubic_minimum(first: Point, second: Point, bounds: tuple[Any, Any] | None = None) -> Any:
    """Where the cubic through two places with their slopes is lowest, within bounds; else the middle of the bounds."""
    if first.size > second.size:
        left, right = second, first
    else:
        left, right = first, second
    least, most = bounds or (left.size, right.size)
    bend = first.slope + second.slope - 3 * (first.loss - second.loss) / (first.size - second.size)
    square = bend**2 - first.slope * second.slope
    if not square >= 0:
        return (least + most) / 2.0
    root = np.sqrt(square)
    width = (right.size - left.size) * ((right.slope + root - bend) / (right.slope - left.slope + 2 * root))
    return min(max(right.size - width, least), most)
