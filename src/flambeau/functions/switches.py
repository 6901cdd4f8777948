"""PyTorch's switches of the process: they are remembered and read back, and decide nothing here.

XLA chooses its threads when it starts, and the same program on the same machine gives the same bits.
"""

import os
import warnings
from dataclasses import dataclass
from typing import Any, Final

from flambeau.tensors.tensor import Tensor

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "get_num_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_vulkan_available",
    "is_warn_always_enabled",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_num_threads",
    "set_warn_always",
    "typename",
    "use_deterministic_algorithms",
]

_PRECISIONS: Final = ("highest", "high", "medium")
_DEBUG_MODES: Final = ("default", "warn", "error")


@dataclass(slots=True)
class _Switches:
    """What was set last."""

    debug_mode: int = 0  # position in _DEBUG_MODES
    precision: str = "highest"
    warn_always: bool = False


_switches = _Switches()


def get_num_threads() -> int:
    """Number of threads that a program on the CPU may use: one for each core this process may run on.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.get_num_threads.html
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_num_interop_threads() -> int:
    """The same as ``get_num_threads``: there is one pool.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.get_num_interop_threads.html
    """
    return get_num_threads()


def _check_threads(name: str, count: Any) -> None:
    if not isinstance(count, int):
        raise RuntimeError(f"{name} expects an int, but got {type(count).__name__}")
    if count < 1:
        raise RuntimeError(f"{name} expects a positive integer")


def set_num_threads(int: int) -> None:
    """Accepted, without effect: XLA takes one thread for each core this process may run on (``taskset`` limits them).

    Raises:
        RuntimeError: it is no positive whole number.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html
    """
    _check_threads("set_num_threads", int)


def set_num_interop_threads(int: int) -> None:
    """Accepted, without effect; see ``set_num_threads``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_num_interop_threads.html
    """
    _check_threads("set_num_interop_threads", int)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted and remembered: the same program on the same machine gives the same bits in any case.

    Raises:
        TypeError: ``mode`` is no bool.

    Example:
        >>> import flambeau as torch
        >>> torch.use_deterministic_algorithms(True, warn_only=True)
        >>> torch.get_deterministic_debug_mode()
        1
        >>> torch.use_deterministic_algorithms(False)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html
    """
    if not isinstance(mode, bool):
        kind = type(mode).__name__
        raise TypeError(f"_set_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not {kind}")
    _switches.debug_mode = (1 if warn_only else 2) if mode else 0


def are_deterministic_algorithms_enabled() -> bool:
    """Whether ``use_deterministic_algorithms`` asked for them.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.are_deterministic_algorithms_enabled.html
    """
    return _switches.debug_mode > 0


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether they were asked for with ``warn_only=True``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_deterministic_algorithms_warn_only_enabled.html
    """
    return _switches.debug_mode == 1


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """``use_deterministic_algorithms`` by a word or number: 0 "default", 1 "warn", 2 "error".

    Raises:
        RuntimeError: it is none of them.
        TypeError: it is neither a word nor a number.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_deterministic_debug_mode.html
    """
    if isinstance(debug_mode, str):
        if debug_mode not in _DEBUG_MODES:
            raise RuntimeError(
                f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
            )
        debug_mode = _DEBUG_MODES.index(debug_mode)
    if not isinstance(debug_mode, int):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if not 0 <= debug_mode < len(_DEBUG_MODES):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    _switches.debug_mode = debug_mode


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2, as ``set_deterministic_debug_mode`` names them.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.get_deterministic_debug_mode.html
    """
    return _switches.debug_mode


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted and remembered: products of float32 are those of JAX's ``jax_default_matmul_precision``.

    Args:
        precision: "highest", "high" or "medium"; another one is passed over with a warning, as in PyTorch.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_float32_matmul_precision.html
    """
    if precision not in _PRECISIONS:
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current"
            "setFloat32MatmulPrecision call has no effect.",
            UserWarning,
            stacklevel=2,
        )
        return
    _switches.precision = precision


def get_float32_matmul_precision() -> str:
    """What ``set_float32_matmul_precision`` was given last.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.get_float32_matmul_precision.html
    """
    return _switches.precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether tiny numbers are made zeros, as asked: programs of the CPU always do so, so only True can be had.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_flush_denormal.html
    """
    if not isinstance(mode, bool):
        raise RuntimeError(f"flush_denormal expects a bool, but got {type(mode).__name__}")
    return mode


def set_warn_always(b: bool, /) -> None:
    """Accepted and remembered: Python's warning filters decide how often a warning is shown.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_warn_always.html
    """
    if not isinstance(b, bool):
        raise RuntimeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    _switches.warn_always = b


def is_warn_always_enabled() -> bool:
    """What ``set_warn_always`` was given last.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_warn_always_enabled.html
    """
    return _switches.warn_always


def is_vulkan_available() -> bool:
    """Whether there is a device of Vulkan: JAX has none."""
    return False


def typename(obj: object, /) -> str:
    """A tensor's type as ``Tensor.type()`` names it, and any other object's class with its module.

    Example:
        >>> import flambeau as torch
        >>> torch.typename(torch.ones(1)), torch.typename(3)
        ('torch.FloatTensor', 'int')

    Source: https://docs.pytorch.org/docs/stable/generated/torch.typename.html
    """
    if isinstance(obj, Tensor):
        return obj.type()
    kind = type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
