"""Where values are: leaves move to their device on first use."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from flambeau.devices.backend import jax_device
from flambeau.devices.device import device
from flambeau.graph.node import Deferred, Node

__all__ = ["fetched", "placed", "values_on_device"]

# Classes of arrays that lie on a device; filled as they are met.
_ARRAYS: set[type[Any]] = set()


def placed(value: Any, place: device) -> Any:
    """An array on a device, with its 64-bit types kept whatever the user's JAX configuration says."""
    with jax.enable_x64(True):
        return jax.device_put(value, jax_device(place))


def values_on_device(leaves: Sequence[Node]) -> list[Any]:
    """Leaves' values as JAX has them; arrays of NumPy move to their device now, once."""
    values = [leaf.value for leaf in leaves]
    if not _ARRAYS.issuperset(map(type, values)):
        values = [_on_device(leaf) for leaf in leaves]
        _ARRAYS.update(type(value) for value in values if isinstance(value, jax.Array))
    return values


def _on_device(leaf: Node) -> Any:
    value = leaf.value
    if isinstance(value, (np.ndarray, Deferred)):
        value = leaf.value = placed(fetched(leaf), leaf.aval.device)
    return value


def fetched(node: Node) -> Any:
    """A node's value, of NumPy or JAX; what was deferred is fetched now, once."""
    value = node.value
    if isinstance(value, Deferred):
        value = node.value = value.fetch()
    return value
