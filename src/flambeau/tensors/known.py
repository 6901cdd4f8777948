"""``known``: values that are on the host already, for work that would need another program for every shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau.differentiation.modes import MODE
from flambeau.graph.observing import observer
from flambeau.runtime.force import constant
from flambeau.tensors.core import Core

__all__ = ["all_known", "known"]


def known(tensor: Core) -> Any | None:
    """A tensor's values as an array of NumPy not to be written to, where they need no program; None elsewhere.

    They need none where the tensor, or what it is a view of, is on the CPU and is a constant or has been computed. A
    tensor whose operations are taped is never known: what follows from it has to be recorded.
    """
    if tensor.device.type != "cpu" or (MODE.grad and tensor._requires_grad):
        return None
    node = tensor._storage.node
    if not constant(node):
        return None
    watching = observer()
    if watching is not None and watching.varies(node):
        return None
    array = np.asarray(node.value)
    if not tensor._steps:
        return array
    shape = tensor.shape
    if not shape.numel():
        return np.empty(shape, array.dtype)
    offset, strides = tensor.geometry()
    apart = [stride * array.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(array.reshape(-1)[offset:], shape, apart, writeable=False)


def all_known(tensors: Sequence[Core]) -> list[Any] | None:
    """The values of all of these; None unless all are known."""
    found = [known(item) for item in tensors]
    return None if any(item is None for item in found) else found
