"""``compute``: what changing a module prepares is computed at once, and is not left to its first step."""

from collections.abc import Iterable

from flambeau.runtime.force import force
from flambeau.tensors.tensor import Tensor

__all__ = ["compute"]


def compute(tensors: Iterable[Tensor]) -> None:
    """Start computing tensors; the first training step is then the same program as the later ones."""
    force([tensor.read() for tensor in tensors if not tensor.is_meta])
