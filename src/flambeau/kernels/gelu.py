"""GELU with a native kernel on the CPU, where XLA's error function is slow."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from flambeau.kernels.library import wanted
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["activates", "gelu_by"]

_FEW_ELEMENTS = 4096  # below, XLA's loop, which may be part of another one, is as quick


def activates(x: Any) -> bool:
    """Whether a function that ``gelu_by`` returned takes this array."""
    return x.dtype == np.float32 and x.size >= _FEW_ELEMENTS and wanted()


def gelu_by(formula: Callable[[Any], Any], tanh: bool) -> Callable[[Any], Any]:
    """GELU, exact or by tanh, natively where that is possible, else by a formula."""
    name = "gelu_tanh" if tanh else "gelu"
    targets = ("flambeau_gelu", "flambeau_gelu_gradient")
    kind = np.int64(tanh)
    return NativeFunction(name, formula, partial(_value, kind), partial(_gradients, kind), targets)


def _value(tanh: np.int64, name: str, x: Any) -> Any:
    return jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype))(x, tanh=tanh)


def _gradients(tanh: np.int64, name: str, which: Which, cotangent: Any, x: Any) -> list[Any]:
    return [jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype))(x, cotangent, tanh=tanh)]
