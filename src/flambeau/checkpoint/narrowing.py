"""Plain containers among the values of a pickle, with a type that a checker understands."""

from typing import cast

__all__ = ["as_dict", "as_sequence", "as_tuple"]


def as_tuple(value: object) -> tuple[object, ...] | None:
    """Give a tuple, exactly of this type, or None."""
    return cast("tuple[object, ...]", value) if type(value) is tuple else None


def as_dict(value: object) -> dict[object, object] | None:
    """Give a dictionary, exactly of this type, or None."""
    return cast("dict[object, object]", value) if type(value) is dict else None


def as_sequence(value: object) -> list[object] | tuple[object, ...] | None:
    """Give a list or a tuple, exactly of one of these types, or None."""
    return cast("list[object]", value) if type(value) is list else as_tuple(value)
