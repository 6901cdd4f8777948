"""``compile``: calls of a function or module are recorded once, and replayed."""

import functools
from collections.abc import Callable
from typing import Any

from flambeau.compiler.optimized_module import optimized
from flambeau.nn.modules.module import Module
from flambeau.replay.settings import compiled

__all__ = ["compile"]


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """Record what a function or module does, once for each kind of call, and replay it without Python.

    What is recorded is compiled anyway. This saves the recording: a whole training step, with its backward pass and
    its optimizer's and schedule's step, becomes one call of a program. Calls are of one kind if their tensors agree in
    shape and type and their other arguments are equal. Before a replay it is checked that the modules, variables and
    attributes that the function's code reads are what they were; if not, the call is recorded anew, which compiles
    nothing where the operations are the same.

    A call is replayed once two recordings of its kind have shown the same. Where a replay cannot do what the function
    does, the function is recorded at every call, as if it were not compiled, and the logger ``"flambeau"`` tells why:
    where Python reads values of tensors, or where the function changes Python objects.

    Args:
        model: a module or function; None to use ``compile`` as a decorator with settings.
        fullgraph: raise RuntimeError where a call cannot be replayed.
        dynamic: accepted; every shape has a program of its own.
        backend: ``"inductor"``, ``"openxla"``, ``"eager"`` or ``"aot_eager"``; all are the one engine.
        mode: one of PyTorch's modes; accepted, without effect.
        options: accepted, without effect.
        name: what the log calls the function.
        disable: return the function as it is.
        recompile_limit: how many recordings there may be of one kind of call. Default: 8.
        isolate_recompiles: accepted; every compiled function has recordings of its own.
        shapes_spec: not supported.

    Returns:
        A module whose calls are compiled, with the same parameters and the same keys in its ``state_dict``; or a
        function; or a decorator.

    Raises:
        RuntimeError: there is no such mode or backend, or both ``mode`` and ``options`` are given.
        AssertionError: ``model`` cannot be called.
        NotImplementedError: ``backend`` is a function, or ``shapes_spec`` is given.

    Example:
        >>> import flambeau as torch
        >>> @torch.compile
        ... def area(width, height):
        ...     return width * height
        >>> area(torch.tensor(2.0), torch.tensor(3.0))
        tensor(6.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
    """
    settings: dict[str, Any] = {
        "fullgraph": fullgraph,
        "dynamic": dynamic,
        "backend": backend,
        "mode": mode,
        "options": options,
        "name": name,
        "disable": disable,
        "recompile_limit": recompile_limit,
        "isolate_recompiles": isolate_recompiles,
        "shapes_spec": shapes_spec,
    }
    if model is None:
        return functools.partial(_compiled, settings=settings)
    return _compiled(model, settings)


def _compiled(model: Any, settings: dict[str, Any]) -> Any:
    """A module or function, compiled; a function stays one, with its name and its text."""
    if isinstance(model, Module) and not settings["disable"]:
        return optimized(model, settings)
    replaying = compiled(model, **settings)
    if replaying is model or isinstance(model, type):
        return replaying

    @functools.wraps(model)
    def compiled_function(*args: Any, **kwargs: Any) -> Any:
        return replaying(*args, **kwargs)

    return compiled_function
