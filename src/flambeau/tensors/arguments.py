"""Arguments that should have been tensors: named, in PyTorch's words, once a function has failed."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

from flambeau.tensors.core import Core, kind_name

__all__ = ["misfit"]


def misfit(
    name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> Exception:
    """PyTorch's error for the first argument that is no tensor though it has to be one; else the error itself.

    Args:
        name: the function's name, for the message.
        function: what failed; its annotations say which arguments are tensors.
        args, kwargs: what it was called with.
        error: what it raised.
    """
    parameters = signature(function).parameters
    first = 0 if "self" in parameters else 1
    for index, (argument, parameter) in enumerate(parameters.items()):
        given = args[index] if index < len(args) else kwargs.get(argument)
        wanted = parameter.annotation in (Core.kind, "Tensor")
        if wanted and not isinstance(given, Core) and (index < len(args) or argument in kwargs):
            place, kind = index + first, kind_name(given)
            prefix = f"{name.replace('.', '_')}(): argument '{argument}'"
            return TypeError(f"{prefix} (position {place}) must be Tensor, not {kind}")
    return error
