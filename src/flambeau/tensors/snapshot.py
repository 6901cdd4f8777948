"""``Snapshot``: what tensors show, to be put back."""

from collections.abc import Iterable
from typing import Any

from flambeau.tensors.core import Core

__all__ = ["Snapshot"]


class Snapshot:
    """Values, attributes and gradients of some tensors as they are now.

    Nodes never change, so nothing is copied: it is remembered which ones the tensors show.

    Args:
        tensors: the tensors.
    """

    def __init__(self, tensors: Iterable[Core]) -> None:
        self._kept: dict[int, tuple[Any, Any, dict[str, Any], Any, Any, int]] = {}
        for item in tensors:
            self._keep(item)

    def _keep(self, tensor: Core) -> None:
        if id(tensor) in self._kept:
            return
        storage = tensor._storage
        fields = dict(vars(tensor))
        self._kept[id(tensor)] = (tensor, type(tensor), fields, storage, storage.node, storage.version)
        if tensor._grad is not None:
            self._keep(tensor._grad)

    def restore(self) -> None:
        """Let the tensors be again what they were, whatever was written into them since, or made of them."""
        for tensor, kind, fields, storage, node, version in self._kept.values():
            if type(tensor) is not kind:
                tensor.__class__ = kind
            vars(tensor).clear()
            vars(tensor).update(fields)
            storage.node, storage.version = node, version
