"""Whether autocast is on, and in which type, for each kind of device; and what it does to an operation's inputs."""

import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from flambeau.amp.lists import BANNED, RULES, contracts
from flambeau.devices.backend import available
from flambeau.devices.device import device
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.primitives import pointwise
from flambeau.tensors.core import CASTING, call
from flambeau.tensors.tensor import Tensor

__all__ = [
    "autocast_decrement_nesting",
    "autocast_increment_nesting",
    "clear_autocast_cache",
    "enabled_types",
    "get_autocast_cpu_dtype",
    "get_autocast_dtype",
    "get_autocast_gpu_dtype",
    "is_autocast_available",
    "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled",
    "is_autocast_enabled",
    "is_present",
    "kept",
    "set_autocast_cache_enabled",
    "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
    "set_autocast_gpu_dtype",
]

_FLOAT32 = DTYPES["float32"]
_DTYPES = {kind: DTYPES["bfloat16" if kind in ("cpu", "xla", "tpu", "hpu") else "float16"] for kind in
           "cpu cuda xla tpu hpu mps xpu ipu maia privateuseone mtia".split()}  # fmt: skip


class _State(threading.local):
    """The calling thread's switches.

    Attributes:
        enabled: the type that operations run in, for each kind of device where autocast is on.
        dtypes: the type for each kind of device that it was set for.
        cache: what ``set_autocast_cache_enabled`` was told; nothing depends on it.
        nesting: how many regions the thread is inside of.
    """

    def __init__(self) -> None:
        self.enabled: dict[str, dtype] = {}
        self.dtypes: dict[str, dtype] = {}
        self.cache = True
        self.nesting = 0


_STATE = _State()
_LOCK = threading.Lock()
_count = 0  # devices for which it is on, in all threads


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` takes this kind of device.

    Raises:
        RuntimeError: there is no such kind of device.

    Source: https://docs.pytorch.org/docs/stable/amp.html#torch.amp.autocast_mode.is_autocast_available
    """
    return device(device_type).type in _DTYPES


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether the calling thread is inside ``autocast`` for a kind of device."""
    return device(device_type).type in _STATE.enabled


def get_autocast_dtype(device_type: str) -> dtype:
    """The type in which autocast runs products of matrices and the like, on a kind of device.

    Raises:
        RuntimeError: there is no such kind of device, or autocast does not take it.
    """
    kind = device(device_type).type
    if kind not in _DTYPES:
        raise RuntimeError("unsupported scalarType")
    return _STATE.dtypes.get(kind, _DTYPES[kind])


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Set the type of autocast for a kind of device, in the calling thread."""
    _STATE.dtypes[device_type] = dtype
    if device_type in _STATE.enabled:
        _STATE.enabled[device_type] = dtype


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast on or off for a kind of device, in the calling thread; ``autocast`` does that for a block."""
    global _count  # noqa: PLW0603  (operations look at one flag for all threads)
    with _LOCK:
        _count += bool(enabled) - (device_type in _STATE.enabled)
        CASTING[:] = [_cast] if _count else []
    if enabled:
        _STATE.enabled[device_type] = get_autocast_dtype(device_type)
    else:
        _STATE.enabled.pop(device_type, None)


def enabled_types() -> tuple[tuple[str, dtype], ...]:
    """The kinds of devices for which autocast is on in the calling thread, and the types that it runs in."""
    return tuple(sorted(_STATE.enabled.items(), key=lambda item: item[0])) if CASTING else ()


def is_autocast_cache_enabled() -> bool:
    """What ``set_autocast_cache_enabled`` was told; converting a weight twice in a program costs once anyway."""
    return _STATE.cache


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Accepted: there is no cache of converted weights, because equal conversions in a program are one."""
    _STATE.cache = enabled


def clear_autocast_cache() -> None:
    """Accepted: there is no cache."""


def autocast_increment_nesting() -> int:
    """Count another region of autocast; returns the number of them."""
    _STATE.nesting += 1
    return _STATE.nesting


def autocast_decrement_nesting() -> int:
    """Count one region of autocast less; returns the number of them."""
    _STATE.nesting -= 1
    return _STATE.nesting


def get_autocast_cpu_dtype() -> dtype:
    """Old name of ``get_autocast_dtype("cpu")``."""
    _warn("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> dtype:
    """Old name of ``get_autocast_dtype("cuda")``."""
    _warn("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def is_autocast_cpu_enabled() -> bool:
    """Old name of ``is_autocast_enabled("cpu")``."""
    _warn("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool, /) -> None:
    """Old name of ``set_autocast_enabled("cpu", enabled)``; raises TypeError if that is no bool."""
    if not isinstance(enabled, bool):
        raise TypeError(f"enabled must be a bool (got {type(enabled).__name__})")
    _warn("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def set_autocast_cpu_dtype(dtype: dtype, /) -> None:
    """Old name of ``set_autocast_dtype("cpu", dtype)``; raises TypeError if that is no data type."""
    _set_dtype("cpu", "cpu", dtype)


def set_autocast_gpu_dtype(dtype: dtype, /) -> None:
    """Old name of ``set_autocast_dtype("cuda", dtype)``; raises TypeError if that is no data type."""
    _set_dtype("gpu", "cuda", dtype)


def _set_dtype(old: str, kind: str, given: Any) -> None:
    if not isinstance(given, dtype):
        raise TypeError(f"dtype must be a torch.dtype (got {type(given).__name__})")
    name = f"set_autocast_{old}_dtype(dtype)"
    _warn(name, f"set_autocast_dtype('{kind}', dtype)", stacklevel=4)
    set_autocast_dtype(kind, given)


def _warn(old: str, new: str, stacklevel: int = 3) -> None:
    text = f"torch.{old} is deprecated. Please use torch.{new} instead."
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)


def kept() -> Callable[[], AbstractContextManager[None]]:
    """The calling thread's switches, as something that sets them so again for a block."""
    enabled, dtypes = dict(_STATE.enabled), dict(_STATE.dtypes)

    @contextmanager
    def again() -> Generator[None]:
        before = dict(_STATE.enabled), dict(_STATE.dtypes)
        _switch(enabled, dtypes)
        try:
            yield
        finally:
            _switch(*before)

    return again


def _switch(enabled: dict[str, dtype], dtypes: dict[str, dtype]) -> None:
    for kind in _STATE.enabled.keys() | enabled.keys():
        set_autocast_enabled(kind, kind in enabled)
    _STATE.enabled, _STATE.dtypes = dict(enabled), dict(dtypes)


def is_present(device_type: str) -> bool:
    """Whether a kind of device is there."""
    return device_type == "cpu" or (device_type in RULES and available(device_type) > 0)


# -- what it does --------------------------------------------------------------------------------------------------


def _cast(name: str, inputs: Sequence[Any], static: tuple[Any, ...]) -> Sequence[Any]:
    """An operation's inputs in the types in which it runs."""
    enabled = _STATE.enabled
    if not enabled:
        return inputs
    place = next((item.device.type for item in inputs if isinstance(item, Tensor)), "")
    kind = enabled.get(place)
    if kind is None:
        return inputs
    if (place, name) in BANNED:
        raise RuntimeError(BANNED[place, name])
    rule = RULES[place].get(name)
    if rule is None or (name == "einsum" and not contracts(static[0])):
        return inputs
    if rule == "full":
        kind = _FLOAT32
    elif rule == "widest" and any(_takes(item, place) and item.dtype is _FLOAT32 for item in inputs):
        kind = _FLOAT32
    return [_converted(item, kind) if _takes(item, place) else item for item in inputs]


def _takes(item: Any, place: str) -> bool:
    """Whether autocast converts an input: floating, not of double precision, and on this kind of device."""
    return (
        isinstance(item, Tensor)
        and item.dtype.is_floating_point
        and item.dtype.itemsize <= 4
        and item.device.type == place
    )


def _converted(item: Tensor, kind: dtype) -> Tensor:
    return item if item.dtype is kind else call(pointwise.cast, (item,), (kind,), casting=False)
