"""``show_config``: what this installation computes with."""

import platform
from importlib import metadata

from flambeau.base.config import config
from flambeau.devices.backend import available
from flambeau.kernels.library import status

__all__ = ["show_config"]

_KINDS = ("cpu", "cuda", "tpu")


def show_config() -> str:
    """What this installation computes with, in four lines: versions, devices, CPU kernels, and the folder of programs.

    Native CPU kernels are optional. Where they are not used, the line says why, and what to do. Where they have never
    been built, asking builds them.

    Returns:
        A text to print, or to put into a report of a problem.

    Example:
        >>> import flambeau as torch
        >>> [line.partition(":")[0] for line in torch.show_config().splitlines()]
        ['versions', 'devices', 'CPU kernels', 'compiled programs']

    Source: https://docs.pytorch.org/docs/stable/config_mod.html#torch.__config__.show
    """
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "jaxlib", "numpy"))
    devices = ", ".join(f"{count} {kind}" for kind in _KINDS if (count := available(kind)))
    lines = {
        "versions": f"{packages}, Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        "devices": devices,
        "CPU kernels": status(),
        "compiled programs": "not kept (FLAMBEAU_CACHE=0)" if config.cache is None else f"kept in {config.cache}",
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())
