"""``compilations``: which programs were compiled inside a block, and why."""

from collections.abc import Generator
from contextlib import contextmanager

from flambeau.runtime.report import COMPILATIONS, Compilation

__all__ = ["compilations"]


@contextmanager
def compilations(at_most: int | None = None) -> Generator[list[Compilation]]:
    """Collect the programs compiled inside the block.

    Args:
        at_most: raise if there were more.

    Yields:
        A list that holds, once the block has ended, one ``Compilation`` for each program: ``reason`` (the structure,
        shape or data type that was new), ``operations``, ``seconds``, ``names`` and ``inputs``.

    Raises:
        AssertionError: more than ``at_most`` programs were compiled; the text gives each one's reason.

    Example:
        >>> import flambeau as torch
        >>> x = torch.ones(3)
        >>> print((x * 2).sum().item())
        6.0
        >>> with torch.testing.compilations(at_most=0):
        ...     print((x * 5).sum().item())
        15.0
    """
    start = len(COMPILATIONS)
    found: list[Compilation] = []
    yield found
    found.extend(COMPILATIONS[start:])
    if at_most is not None and len(found) > at_most:
        reasons = "\n".join(f"  {index + 1}. {entry}" for index, entry in enumerate(found))
        raise AssertionError(f"{len(found)} programs were compiled, at most {at_most} expected:\n{reasons}")
