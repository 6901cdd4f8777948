"""Anomaly mode: which line of the forward pass an error in backward, or a NaN, comes from.

Source: https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
"""

import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flambeau.differentiation.anomaly import WATCHES
from flambeau.tensors.core import made

__all__ = [
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_anomaly_enabled",
    "set_detect_anomaly",
]

_PACKAGE: Final = str(Path(__file__).parents[1])


class _Watch:
    """Keeps the stack of the caller for every entry of the tape, and looks at every gradient."""

    check_nan = True

    def recorded(self, function: Any) -> None:
        """Remember where the user's code recorded an operation."""
        frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  # the documented way to the caller's frame
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
            frame = frame.f_back
        function.metadata = {"traceback_": traceback.format_stack(frame)}

    def pulled(self, function: Any, pull: Callable[[], list[Any]]) -> list[Any]:
        """The gradients; an error among them tells where the operation was recorded."""
        try:
            found = pull()
            if self.check_nan:
                _check_nan(function, found)
        except Exception as error:
            _explain(function, error)
            raise
        return found


_WATCH: Final = _Watch()


def _check_nan(function: Any, gradients: list[Any]) -> None:
    """Raise RuntimeError, in PyTorch's words, if a gradient has a NaN; waits for it."""
    for index, item in enumerate(gradients):
        if item is None or item.node.aval.mapped or item.node.aval.device.type == "meta":
            continue
        kind = item.node.aval.dtype
        if (kind.is_floating_point or kind.is_complex) and made(item.node).isnan().any().item():
            raise RuntimeError(f"Function '{function.name()}' returned nan values in its {index}th output.")


def _explain(function: Any, error: Exception) -> None:
    """Warn with the traceback of the forward call, and add its last line to the error."""
    kept: dict[str, Any] = function.metadata or {}
    stack: list[str] | None = kept.get("traceback_")
    text = f"Error detected in {function.name()}. "
    if stack is None:
        text += "No forward pass information available. Enable detect anomaly during forward pass for more information."
    else:
        error.add_note(f"{function.name()} was recorded here in the forward pass:\n{stack[-1].rstrip()}")
        text += "Traceback of forward call that caused the error:\n" + "".join(stack)
    warnings.warn(text, stacklevel=2)


def is_anomaly_enabled() -> bool:
    """Whether anomalies are looked for.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_anomaly_enabled.html
    """
    return bool(WATCHES)


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN in gradients is an anomaly."""
    return _WATCH.check_nan


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch anomaly mode on or off; see ``set_detect_anomaly``.

    Raises:
        TypeError: a switch is no bool.
    """
    for position, (name, given) in enumerate({"enabled": enabled, "check_nan": check_nan}.items(), 1):
        if not isinstance(given, bool):
            kind = f"must be bool, not {type(given).__name__}"
            raise TypeError(f"set_anomaly_enabled(): argument '{name}' (position {position}) {kind}")
    _switch(enabled, check_nan)


def _switch(mode: bool, check_nan: bool) -> None:
    WATCHES[:] = [_WATCH] if mode else []
    _WATCH.check_nan = check_nan


class set_detect_anomaly:  # noqa: N801  (PyTorch's name)
    """Switch anomaly mode on or off, at once and until the end of the ``with`` block if there is one.

    While it is on, an error in backward warns with the traceback of the forward operation it belongs to, and a NaN in a
    gradient is an error. Every gradient is waited for, so this is for looking for a mistake only.

    Args:
        mode: whether to look for anomalies.
        check_nan: whether NaN is one.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.set_detect_anomaly
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (is_anomaly_enabled(), is_anomaly_check_nan_enabled())
        _switch(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        _switch(*self._before)


class detect_anomaly:  # noqa: N801  (PyTorch's name)
    """Anomaly mode inside the ``with`` block; see ``set_detect_anomaly``.

    Args:
        check_nan: whether NaN in a gradient is an error.

    Warns:
        UserWarning: always, since it is slow.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.detect_anomaly
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        self._before = (False, True)
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = (is_anomaly_enabled(), is_anomaly_check_nan_enabled())
        _switch(True, self._check_nan)

    def __exit__(self, *args: object) -> None:
        _switch(*self._before)
