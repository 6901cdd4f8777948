"""Softmax of the last axis and its logarithm, with native kernels on the CPU."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from flambeau.kernels.library import target, wanted
from flambeau.kernels.native_function import NativeFunction, Which

__all__ = ["normalizes_exponentials", "softmax_by"]

_FEW_ELEMENTS, _NARROW = 4096, 16  # below, XLA's loops, which may be part of others, are as quick
_TARGETS = ("flambeau_softmax", "flambeau_softmax_gradient")


def normalizes_exponentials(x: Any) -> bool:
    """Whether ``softmax_by`` takes this array."""
    return x.dtype == np.float32 and x.ndim > 0 and x.size >= _FEW_ELEMENTS and x.shape[-1] >= _NARROW and wanted()


def softmax_by(x: Any, log: bool) -> Any:
    """Softmax over the last axis, or its logarithm."""
    return (_log_softmax if log else _softmax)(x.reshape(-1, x.shape[-1])).reshape(x.shape)


def _value(log: np.int64, name: str, x: Any) -> Any:
    return jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype))(x, log=log)


def _gradients(log: np.int64, name: str, which: Which, cotangent: Any, x: Any) -> list[Any] | None:
    """From the result, which XLA computes once where the program has it already."""
    known = target(_TARGETS[0])
    if known is None:
        return None
    return [jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(x.shape, x.dtype))(_value(log, known, x), cotangent, log=log)]


def _defined(name: str, formula: Callable[[Any], Any], log: bool) -> NativeFunction:
    kind = np.int64(log)
    return NativeFunction(name, formula, partial(_value, kind), partial(_gradients, kind), _TARGETS)


_softmax = _defined("softmax", jax.nn.softmax, log=False)
_log_softmax = _defined("log_softmax", jax.nn.log_softmax, log=True)
