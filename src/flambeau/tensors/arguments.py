"""Arguments of the wrong kind, named in PyTorch's words."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from operator import index
from typing import Any, cast

from flambeau.tensors.core import Core, OperandError, kind_name

__all__ = ["misfit", "sizes", "whole"]


def misfit(
    name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> Exception:
    """The error, once a function has failed, for the first argument that had to be a tensor; else the error itself.

    Args:
        name: the function's name, for the message.
        function: what failed; its annotations say which arguments are tensors.
        args, kwargs: what it was called with.
        error: what it raised; an ``OperandError`` is about one that could have been a number as well.
    """
    parameters = signature(function).parameters
    first = 0 if "self" in parameters else 1
    refused = error.value if isinstance(error, OperandError) else None
    for at, (argument, parameter) in enumerate(parameters.items()):
        if at >= len(args) and argument not in kwargs:
            continue
        given = args[at] if at < len(args) else kwargs[argument]
        wanted = parameter.annotation in (Core.kind, "Tensor") or (refused is not None and given is refused)
        if wanted and not isinstance(given, Core):
            prefix = f"{name.replace('.', '_')}(): argument '{argument}'"
            return TypeError(f"{prefix} (position {at + first}) must be Tensor, not {kind_name(given)}")
    return error


def whole(name: str, argument: str, value: Any, position: int | None = 1) -> int:
    """An argument that is a whole number; truth values are none.

    Args:
        name: the function's name, for the message.
        argument: the argument's.
        value: a number, or a tensor of one.
        position: which argument it is, from 1; None leaves that out.

    Raises:
        TypeError: it is something else.
    """
    if type(value) is int:
        return value
    try:
        if not isinstance(value, bool):
            return index(value)
    except TypeError:
        pass
    place = "" if position is None else f" (position {position})"
    raise TypeError(f"{name}(): argument '{argument}'{place} must be int, not {kind_name(value)}")


def sizes(name: str, arguments: Sequence[Any], argument: str = "size") -> tuple[int, ...]:
    """Sizes given one by one or as one sequence: ``view(2, 3)`` and ``view((2, 3))``.

    Raises:
        TypeError: there are none, or one is no whole number.
    """
    if not arguments:
        raise TypeError(f'{name}() missing 1 required positional arguments: "{argument}"')
    inside = len(arguments) == 1 and isinstance(arguments[0], (tuple, list))
    given = cast("Sequence[Any]", arguments[0] if inside else arguments)
    prefix = f"{name}(): argument '{argument}'"
    return tuple([item if type(item) is int else _size(prefix, at, item, inside) for at, item in enumerate(given)])


def _size(prefix: str, at: int, item: Any, inside: bool) -> int:
    """One of several sizes; only the first is asked whether it is a truth value."""
    try:
        if at or not isinstance(item, bool):
            return int(index(item))
    except TypeError:
        pass
    kind = kind_name(item)
    if at:
        cause = f'"type must be tuple of ints,but got {kind}"'
        raise TypeError(f"{prefix} failed to unpack the object at pos {at + 1} with error {cause}")
    found = f"but found element of type {kind} at pos 0" if inside else f"not {kind}"
    raise TypeError(f"{prefix} (position 1) must be tuple of ints, {found}")
