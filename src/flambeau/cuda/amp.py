"""PyTorch's ``torch.cuda.amp``: the older names of ``torch.amp`` for GPUs, which warn.

Source: https://docs.pytorch.org/docs/stable/amp.html
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

from flambeau import amp
from flambeau.dtypes.kinds import DTYPES, dtype

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]

_FLOAT16 = DTYPES["float16"]


def _warn(name: str, new: str) -> None:
    warnings.warn(
        f"`torch.cuda.amp.{name}` is deprecated. Please use `torch.amp.{new}` instead.", FutureWarning, stacklevel=3
    )


class autocast(amp.autocast):  # noqa: N801  (PyTorch's name)
    """``torch.amp.autocast("cuda", ...)``.

    Warns:
        FutureWarning: always.
    """

    def __init__(self, enabled: bool = True, dtype: dtype = _FLOAT16, cache_enabled: bool = True) -> None:
        _warn("autocast(args...)", "autocast('cuda', args...)")
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """``torch.amp.GradScaler("cuda", ...)``.

    Warns:
        FutureWarning: always.
    """

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _warn("GradScaler(args...)", "GradScaler('cuda', args...)")
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: dtype | None = None) -> Callable[..., Any]:
    """``torch.amp.custom_fwd(device_type="cuda")``, which it warns of."""
    _warn("custom_fwd(args...)", "custom_fwd(args..., device_type='cuda')")
    return functools.partial(amp.custom_fwd, device_type="cuda")(fwd, cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any]) -> Callable[..., Any]:
    """``torch.amp.custom_bwd(device_type="cuda")``, which it warns of."""
    _warn("custom_bwd(args...)", "custom_bwd(args..., device_type='cuda')")
    return functools.partial(amp.custom_bwd, device_type="cuda")(bwd)
