"""What code that is compiled, or runs compiled code, may ask for or about."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from flambeau.graph.observing import observer
from flambeau.replay.function import forget_all
from flambeau.replay.settings import BACKENDS

__all__ = [
    "allow_in_graph",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
]


def is_compiling() -> bool:
    """Whether the calling code is being recorded for replay by ``torch.compile``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.is_compiling.html
    """
    return observer() is not None


def is_dynamo_compiling() -> bool:
    """The same as ``is_compiling``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.is_dynamo_compiling.html
    """
    return is_compiling()


def is_exporting() -> bool:
    """Whether a model is being exported, which does not happen.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.is_exporting.html
    """
    return False


def list_backends(exclude_tags: Sequence[str] = ("debug", "experimental")) -> list[str]:
    """Names that ``torch.compile`` takes as ``backend``; all of them are the one engine.

    Example:
        >>> import flambeau as torch
        >>> torch.compiler.list_backends()
        ['inductor', 'openxla']

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.list_backends.html
    """
    return list(BACKENDS)


def reset() -> None:
    """Forget the recordings of all compiled functions; their programs are kept.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.reset.html
    """
    forget_all()


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Keep a function out of replays: compiled code that calls it is recorded at every call.

    Args:
        fn: the function; None to use this as a decorator with settings.
        recursive: accepted; what the function calls is kept out as well.
        reason: what the log tells.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.disable.html
    """
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)

    @functools.wraps(fn)
    def called_anew(*args: Any, **kwargs: Any) -> Any:
        watching = observer()
        if watching is not None:
            watching.breaks(f"it calls {fn.__qualname__}, which is not to be compiled{f': {reason}' * bool(reason)}")
        return fn(*args, **kwargs)

    return called_anew


def allow_in_graph(fn: Any) -> Any:
    """The function itself: whatever records operations can be compiled.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.allow_in_graph.html
    """
    return fn


def cudagraph_mark_step_begin() -> None:
    """Accepted: there are no CUDA graphs whose memory would be used again.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compiler.cudagraph_mark_step_begin.html
    """
