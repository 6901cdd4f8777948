"""Flambeau: PyTorch's module system and checkpoints, without PyTorch, on XLA.

``import flambeau as torch`` runs ordinary model code. This file is the doorplate: a table of names, each resolved on
first use, so that importing the package costs next to nothing and loads no JAX.
"""

import math
from importlib import import_module
from typing import Any

from flambeau._names import HOMES
from flambeau.version import __version__ as __version__

_SUBMODULES = (
    "__future__",
    "accelerator",
    "amp",
    "autograd",
    "backends",
    "compiler",
    "cuda",
    "distributed",
    "fft",
    "func",
    "linalg",
    "masked",
    "models",
    "nn",
    "optim",
    "random",
    "serialization",
    "signal",
    "special",
    "testing",
    "training",
    "types",
    "utils",
    "version",
)

_DTYPES = (
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex64 complex128 "
    "float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu "
    "float double half short int long cfloat cdouble"
).split()

_LAYOUTS = (
    "strided sparse_coo sparse_csr sparse_csc sparse_bsr sparse_bsc jagged contiguous_format preserve_format "
    "channels_last channels_last_3d"
).split()

_NUMBERS = {"e": math.e, "inf": math.inf, "nan": math.nan, "newaxis": None, "pi": math.pi}

_PRIVATE = ("_C",)

_PUBLIC = sorted([*HOMES, *_DTYPES, *_LAYOUTS, *_SUBMODULES, *_NUMBERS])

__all__ = list(_PUBLIC)  # pyright: ignore[reportUnsupportedDunderAll]  # tables


def __getattr__(name: str) -> Any:
    if name in HOMES:
        value = getattr(import_module(HOMES[name]), name)
    elif name in _DTYPES:
        value = import_module("flambeau.dtypes.kinds").named(name)
    elif name in _LAYOUTS:
        layouts = import_module("flambeau.dtypes.layouts")
        value = {**layouts.LAYOUTS, **layouts.MEMORY_FORMATS}[name]
    elif name in _NUMBERS:
        value = _NUMBERS[name]
    elif name in _SUBMODULES or name in _PRIVATE:
        value = import_module(f"flambeau.{name}")
    else:
        unsupported = import_module("flambeau.base.unsupported")
        raise unsupported.missing("", name, unsupported.FUNCTIONS, unsupported.MODULES)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
