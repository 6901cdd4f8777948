"""The JAX device behind each ``device``."""

from functools import cache
from typing import Any, cast

import jax

from flambeau.devices.device import device
from flambeau.devices.heap import keep

__all__ = ["available", "jax_device"]

_PLATFORMS = {"cpu": "cpu", "cuda": "cuda", "tpu": "tpu", "xla": "tpu"}
_MISSING = {
    "cuda": "Torch not compiled with CUDA enabled",
    "xpu": "Torch not compiled with XPU enabled",
}


def available(kind: str) -> int:
    """Number of devices of this kind in this process."""
    platform = _PLATFORMS.get(kind)
    if platform is None:
        return 0
    try:
        return len(cast("list[Any]", jax.devices(platform)))
    except RuntimeError:
        return 0


@cache
def jax_device(place: device) -> Any:
    """JAX's device for ``place``; raises AssertionError (PyTorch's class and words) where there is none."""
    count = available(place.type)
    if count == 0:
        hint = "install flambeau[cuda13] on a machine with an NVIDIA GPU" if place.type == "cuda" else "use 'cpu'"
        name = _MISSING.get(place.type, f"Torch not compiled with {place.type.upper()} enabled")
        raise AssertionError(f"{name} (JAX sees no {place.type} device: {hint})")
    index = place.index or 0
    if index >= count:
        raise RuntimeError(f"CUDA error: invalid device ordinal (asked for {place}, {count} present)")
    return cast("list[Any]", jax.devices(_PLATFORMS[place.type]))[index]


keep()
