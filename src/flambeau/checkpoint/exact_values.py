"""Numbers that are no floats, identifiers, and paths."""

import os
import pathlib
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, cast
from uuid import UUID, SafeUUID

from flambeau.base.errors import BadCall, BadPickle, LimitExceeded
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.limits import PATH_CHARACTERS, TEXT_DIGITS
from flambeau.checkpoint.narrowing import as_dict

__all__ = [
    "build_uuid",
    "make_decimal",
    "make_fraction",
    "make_posix_path",
    "make_pure_posix_path",
    "make_pure_windows_path",
    "make_uuid",
    "make_windows_path",
]

_VALUE: Final = 128  # estimated bytes of Python objects, for the budget
_BITS: Final = TEXT_DIGITS * 10 // 3
# A path of the other system is given without the methods that would look at this one's files.
_POSIX: Final = pathlib.PurePosixPath if os.name == "nt" else pathlib.PosixPath
_WINDOWS: Final = pathlib.WindowsPath if os.name == "nt" else pathlib.PureWindowsPath


def make_decimal(context: Context, digits: object) -> object:
    """Make a decimal number of its digits."""
    if not isinstance(digits, str):
        raise context.error(BadCall, "decimal.Decimal is called with something other than a string")
    if len(digits) > TEXT_DIGITS:
        raise context.error(LimitExceeded, f"a number has {len(digits)} digits, the limit is {TEXT_DIGITS}")
    context.budget.charge(_VALUE + len(digits))
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise context.error(BadCall, f"{digits[:80]!r} is not a decimal number") from None


def make_fraction(context: Context, numerator: object, denominator: object = None) -> object:
    """Make a fraction of two integers, or of a string with both."""
    if isinstance(numerator, str) and denominator is None:
        above, slash, below = numerator.partition("/")
        numerator, denominator = _whole(context, above), _whole(context, below) if slash else 1
    if type(numerator) is not int or type(denominator) is not int or denominator == 0:
        raise context.error(BadCall, "fractions.Fraction is called with something other than a fraction")
    if max(numerator.bit_length(), denominator.bit_length()) > _BITS:
        raise context.error(LimitExceeded, f"a fraction has more than {TEXT_DIGITS} digits")
    context.budget.charge(_VALUE)
    return Fraction(numerator, denominator)


def _whole(context: Context, text: str) -> int:
    """Read an integer written as text."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > TEXT_DIGITS:
        raise context.error(BadCall, f"{text[:80]!r} is not an integer")
    return int(text)


def make_uuid(context: Context) -> object:
    """Make an identifier whose number comes later as its state."""
    context.budget.charge(_VALUE)
    return UUID(int=0)


def build_uuid(context: Context, target: object, state: object) -> None:
    """Give an identifier its number."""
    number = (as_dict(state) or {}).get("int")
    if type(number) is not int or not 0 <= number < 1 << 128 or cast("UUID", target).int:
        raise context.error(BadPickle, "the state of a UUID is not a number of 128 bits")
    fresh = UUID(int=number, is_safe=SafeUUID.unknown)
    object.__setattr__(target, "int", fresh.int)


def make_posix_path(context: Context, *parts: object) -> object:
    """Make a path of its parts. The file system is not looked at."""
    return _POSIX(*_parts(context, parts))


def make_windows_path(context: Context, *parts: object) -> object:
    """Make a path of Windows of its parts. The file system is not looked at."""
    return _WINDOWS(*_parts(context, parts))


def make_pure_posix_path(context: Context, *parts: object) -> object:
    """Make a path without a file system of its parts."""
    return pathlib.PurePosixPath(*_parts(context, parts))


def make_pure_windows_path(context: Context, *parts: object) -> object:
    """Make a path of Windows without a file system of its parts."""
    return pathlib.PureWindowsPath(*_parts(context, parts))


def _parts(context: Context, parts: tuple[object, ...]) -> tuple[str, ...]:
    """Check the parts of a path."""
    if not all(isinstance(part, str) for part in parts):
        raise context.error(BadCall, "a path is made of something other than strings")
    texts = cast("tuple[str, ...]", parts)
    length = sum(len(part) + 1 for part in texts)
    if length > PATH_CHARACTERS:
        raise context.error(LimitExceeded, f"a path has {length} characters, the limit is {PATH_CHARACTERS}")
    context.budget.charge(_VALUE * (len(texts) + 2) + 4 * length)
    return texts
