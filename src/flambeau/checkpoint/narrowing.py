"""Values of a pickle: plain containers with a type that a checker understands, and any value as a short text."""

from typing import cast

__all__ = ["as_ascii", "as_dict", "as_sequence", "as_tuple", "shown"]


def as_tuple(value: object) -> tuple[object, ...] | None:
    """Give a tuple, exactly of this type, or None."""
    return cast("tuple[object, ...]", value) if type(value) is tuple else None


def as_dict(value: object) -> dict[object, object] | None:
    """Give a dictionary, exactly of this type, or None."""
    return cast("dict[object, object]", value) if type(value) is dict else None


def as_sequence(value: object) -> list[object] | tuple[object, ...] | None:
    """Give a list or a tuple, exactly of one of these types, or None."""
    return cast("list[object]", value) if type(value) is list else as_tuple(value)


def as_ascii(value: object) -> str | None:
    """Give a string, also one of Python 2 that was kept as bytes, or None."""
    if isinstance(value, bytes) and value.isascii():
        return value.decode("ascii")
    return value if isinstance(value, str) else None


def shown(value: object) -> str:
    """Show a value from a file in an error: briefly, whatever it is."""
    if isinstance(value, str | bytes):
        return repr(value[:80])
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() <= 128):
        return repr(value)
    return f"a value of type {type(value).__name__!r}"
