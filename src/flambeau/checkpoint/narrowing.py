"""Values of a pickle: plain containers with a type that a checker understands, and any value as a short text."""

from typing import cast

__all__ = ["as_dict", "as_sequence", "as_tuple", "shown"]


def as_tuple(value: object) -> tuple[object, ...] | None:
    """Give a tuple, exactly of this type, or None."""
    return cast("tuple[object, ...]", value) if type(value) is tuple else None


def as_dict(value: object) -> dict[object, object] | None:
    """Give a dictionary, exactly of this type, or None."""
    return cast("dict[object, object]", value) if type(value) is dict else None


def as_sequence(value: object) -> list[object] | tuple[object, ...] | None:
    """Give a list or a tuple, exactly of one of these types, or None."""
    return cast("list[object]", value) if type(value) is list else as_tuple(value)


def shown(value: object) -> str:
    """Give a value as errors show it: a string's beginning, of anything else its type, whose text could be endless."""
    return repr(value[:80]) if isinstance(value, str) else f"of type {type(value).__name__!r}"
