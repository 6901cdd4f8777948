"""How the native functions have images in memory: which axis varies fastest.

XLA asks a native function how its arrays lie, and lays out what is between two of them the same way. So a chain of
convolutions, normalizations and element-wise operations is computed with channels side by side, although every array in
it is (batch, channels, ...) by name, and is rearranged only where it enters and leaves.
"""

from collections.abc import Sequence
from typing import Any

from jax.extend.mlir import ir

__all__ = ["channels_last", "comes_channels_last", "layout"]

# oneDNN computes 16 channels at once. With few of them, planes side by side serve other operations better.
_VECTOR, _FEWEST = 16, 32


def channels_last(shape: Sequence[int]) -> bool:
    """Whether images of this shape, (batch, channels, ...), have their channels side by side in memory."""
    return len(shape) == 4 and shape[1] >= _FEWEST and shape[1] % _VECTOR == 0


def layout(shape: Sequence[int], last: bool) -> tuple[int, ...] | None:
    """The axes from the slowest to the fastest, as JAX wants to know them; None for the usual order."""
    return (0, *range(2, len(shape)), 1) if last else None


_FAR = 64  # operations that are looked at


def comes_channels_last(value: Any) -> bool:
    """Whether a value of a program that is being made will lie with its channels side by side.

    So it is if a native function that returns such images is found among the operations that it comes from. What
    enters a program lies plane by plane.
    """
    waiting, seen = [value], set[Any]()
    while waiting and len(seen) < _FAR:
        found = waiting.pop(0)
        if not isinstance(found, ir.OpResult) or len(found.type.shape) != 4 or found in seen:
            continue
        seen.add(found)
        layouts: Any = found.owner.attributes.get("result_layouts")
        if layouts is not None:
            return next(iter(layouts[found.result_number])) == 1
        waiting.extend(found.owner.operands)
    return False
