"""Flambeau: PyTorch's module system and checkpoints, without PyTorch, on XLA.

``import flambeau as torch`` runs ordinary model code. This file is the doorplate: a table of names, each resolved on
first use, so that importing the package costs next to nothing and loads no JAX.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Module -> the public names it holds.
_ROOMS: dict[str, str] = {
    "flambeau.tensors.tensor": "Tensor",
    "flambeau.tensors.creation": "as_tensor empty from_numpy full ones tensor zeros",
    "flambeau.base.shapes": "Size",
    "flambeau.devices.device": "device get_default_device set_default_device",
    "flambeau.dtypes.kinds": "dtype get_default_dtype",
    "flambeau.differentiation.modes": (
        "enable_grad inference_mode is_grad_enabled is_inference_mode_enabled no_grad set_grad_enabled"
    ),
}

_SUBMODULES = ("nn", "optim", "utils", "testing", "autograd")

_DTYPES = (
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex64 complex128 "
    "float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu "
    "float double half short int long cfloat cdouble"
).split()

_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = sorted([*_HOME, *_DTYPES, *_SUBMODULES])  # pyright: ignore[reportUnsupportedDunderAll]  # the table's names


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _DTYPES:
        value = import_module("flambeau.dtypes.kinds").named(name)
    elif name in _SUBMODULES:
        value = import_module(f"flambeau.{name}")
    else:
        raise AttributeError(f"module 'flambeau' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
