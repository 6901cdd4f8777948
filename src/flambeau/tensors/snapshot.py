"""``Snapshot``: what tensors show, to be put back."""

from collections.abc import Iterable
from typing import Any

from flambeau.graph.node import Node
from flambeau.tensors.core import Core, Storage

__all__ = ["Snapshot"]


class Snapshot:
    """Values, attributes and gradients of some tensors as they are now.

    Nodes never change, so nothing is copied: it is remembered which ones the tensors show.

    Args:
        tensors: the tensors.
    """

    def __init__(self, tensors: Iterable[Core]) -> None:
        self._kept: dict[int, tuple[Any, Any, dict[str, Any]]] = {}
        self._cells: list[tuple[Storage, Node, int]] = []
        for item in tensors:
            self._keep(item)

    def _keep(self, tensor: Core) -> None:
        if id(tensor) in self._kept:
            return
        fields = dict(vars(tensor))
        self._kept[id(tensor)] = tensor, type(tensor), fields
        storage: Storage | None = fields.get("_storage")  # a lazy layer's tensor has none yet
        if storage is not None:
            self._cells.append((storage, storage.node, storage.version))
        if tensor._grad is not None:
            self._keep(tensor._grad)

    def restore(self) -> None:
        """Let the tensors be again what they were, whatever was written into them since, or made of them."""
        for tensor, kind, fields in self._kept.values():
            if type(tensor) is not kind:
                tensor.__class__ = kind
            vars(tensor).clear()
            vars(tensor).update(fields)
        for storage, node, version in self._cells:
            storage.node, storage.version = node, version
