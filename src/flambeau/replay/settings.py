"""The settings of ``torch.compile``: checked in PyTorch's words; most change nothing here."""

from collections.abc import Callable
from typing import Any, Final

from flambeau.replay.function import CompiledFunction

__all__ = ["BACKENDS", "InvalidBackend", "compiled"]

BACKENDS: Final = ("inductor", "openxla")
"""What ``list_backends`` tells; the one engine answers to all of these names, and to those below."""

_DEBUGGING: Final = ("aot_eager", "eager")
_MODES: Final = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")


class InvalidBackend(RuntimeError):  # noqa: N818  (PyTorch's name)
    """There is no backend of this name."""


def compiled(
    function: Callable[..., Any],
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """A function that is recorded once for each kind of call and replayed; see ``torch.compile``."""
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if not callable(function):
        raise AssertionError(f"A callable function is expected, but {type(function)} is provided.")
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if isinstance(backend, str) and backend not in BACKENDS + _DEBUGGING:
        raise InvalidBackend(
            f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` for available backends."
        )
    if callable(backend):
        raise NotImplementedError(
            "torch.compile: a function as backend is not supported, because there is no FX graph to hand it; leave "
            "backend out"
        )
    if shapes_spec is not None:
        raise NotImplementedError("torch.compile: shapes_spec is not supported; every shape has a program of its own")
    if disable:
        return function
    return CompiledFunction(function, fullgraph=fullgraph, limit=recompile_limit, name=name)
