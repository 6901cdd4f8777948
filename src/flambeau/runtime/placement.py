"""Where values are: leaves move to their device on first use."""

from typing import Any

import jax
import numpy as np

from flambeau.devices.backend import jax_device
from flambeau.devices.device import device
from flambeau.graph.node import Deferred, Node

__all__ = ["fetched", "on_device", "placed"]


def placed(value: Any, place: device) -> Any:
    """An array on a device, with its 64-bit types kept whatever the user's JAX configuration says."""
    with jax.enable_x64(True):
        return jax.device_put(value, jax_device(place))


def on_device(leaf: Node) -> Any:
    """A leaf's value as JAX has it; an array of NumPy moves to the device now, once."""
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
