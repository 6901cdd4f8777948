"""The native library of this process: loaded at most once, on first need; and whether, or why not, it is used."""

import ctypes
import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.base.config import config
from flambeau.kernels.building import Unavailable, built, digest, is_built, toolchain

__all__ = ["TARGETS", "computes", "flops", "function", "identity", "set_aside", "status", "target", "wanted"]

# The functions of the library that XLA calls.
TARGETS = (
    "flambeau_convolution",
    "flambeau_max_pooling",
    "flambeau_moments",
    "flambeau_products",
    "flambeau_recurrent",
    "flambeau_recurrent_gradients",
    "flambeau_linear",
    "flambeau_linear_gradients",
    "flambeau_gelu",
    "flambeau_gelu_gradient",
    "flambeau_layer_norm",
    "flambeau_layer_norm_gradients",
    "flambeau_softmax",
    "flambeau_softmax_gradient",
    "flambeau_attention",
    "flambeau_attention_gradients",
    "flambeau_order",
    "flambeau_running",
    "flambeau_sampling",
    "flambeau_sampling_gradients",
    "flambeau_matmul",
    "flambeau_take",
    "flambeau_add",
    "flambeau_sgd",
    "flambeau_adam",
)

_SLOWEST = 0x7  # oneDNN's number for AVX2; below, its convolutions are no faster than XLA's
_HALVES = 0xE7  # and for AVX-512 with instructions for bfloat16, which are a part of AMX's number
_SINGLE, _HALF = np.dtype(np.float32), np.dtype(jnp.bfloat16)
_lock = Lock()
_key: str | None = None
_reason = ""
_halves = False
_tried = False
_library: ctypes.CDLL | None = None
_aside: ContextVar[bool] = ContextVar("aside", default=False)


def wanted() -> bool:
    """Whether programs may call native kernels, as far as can be told without building them."""
    if not config.kernels or _aside.get():
        return False
    try:
        toolchain()
    except Unavailable:
        return False
    return True


def computes(kind: Any) -> bool:
    """Whether programs may call native kernels for this type, as far as can be told without building them."""
    return kind in (_SINGLE, _HALF) and wanted()


def target(name: str, kind: Any = _SINGLE) -> str | None:
    """The name under which XLA knows a function of the library; None if plain XLA has to do for numbers of this type.

    The first call builds the library if it has never been built, and loads it. The name contains a digest of what the
    library was built from, so that a program kept on disk never meets another version of the function it calls.
    """
    global _tried, _key, _reason  # noqa: PLW0603  (once a process)
    if not wanted():
        return None
    with _lock:
        if not _tried:
            _tried = True
            try:
                _key = _loaded()
            except Unavailable as problem:
                _reason = str(problem)
                logging.getLogger("flambeau").warning("CPU kernels are not used: %s", _reason)
    served = _key is not None and (kind == _SINGLE or (kind == _HALF and _halves))
    return f"{name}_{_key}" if served else None


def function(name: str) -> Any | None:
    """A function of the library for us to call on the host; None where the library has never been built."""
    ready = _tried or (wanted() and is_built(toolchain()))
    return None if not ready or target(name) is None else getattr(_library, name)


def identity() -> str:
    """What tells apart programs made with these kernels, with others, and with none; nothing is built or loaded."""
    return digest(toolchain()) if wanted() and not _reason else ""


def _loaded() -> str:
    """Load the library, hand its functions to XLA, return its key."""
    global _halves, _library  # noqa: PLW0603  (once a process)
    path, key = built(toolchain())
    try:
        library = _library = ctypes.CDLL(str(path))
    except OSError as problem:
        raise Unavailable(f"the library cannot be loaded: {problem}") from None
    instructions = library.flambeau_instructions()
    if instructions < _SLOWEST:
        raise Unavailable("the processor has no AVX2")
    _halves = instructions & _HALVES == _HALVES
    for name in TARGETS:
        jax.ffi.register_ffi_target(f"{name}_{key}", jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
    return key


@contextmanager
def set_aside() -> Generator[None]:
    """Inside, programs are made without native kernels: XLA cannot count what these compute."""
    token = _aside.set(True)
    try:
        yield
    finally:
        _aside.reset(token)


def flops(program: str) -> int:
    """Floating-point operations of the native calls in a compiled program's text; XLA counts none for them."""
    calls = [line for line in program.splitlines() if 'custom_call_target="flambeau_' in line]
    return sum(2 * int(found) for line in calls for found in re.findall(r"products = (\d+) : i64", line))


def status() -> str:
    """One line: whether native kernels are used, and if not, why."""
    if not config.kernels:
        return "off (FLAMBEAU_KERNELS=0)"
    try:
        toolchain()
    except Unavailable as problem:
        return f"off: {problem}"
    if target(TARGETS[0]) is None:
        return f"off: {_reason}"
    return f"oneDNN and loops of our own, for float32{' and bfloat16' if _halves else ''} ({_key})"
