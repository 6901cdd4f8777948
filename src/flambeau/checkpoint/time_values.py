"""Dates and times, as Python packs them into bytes."""

from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Final

from flambeau.base.errors import BadCall
from flambeau.checkpoint.context import Context

__all__ = ["make_date", "make_datetime", "make_time", "make_timedelta", "make_timezone"]

_FOLD: Final = 0x80  # the bit that tells the second of two equal hours
_UNITS: Final = 1 << 40  # days, seconds or microseconds in a difference
_TIME: Final = 64  # estimated bytes of Python objects, for the budget


def make_date(context: Context, packed: object) -> object:
    """Make a date of four bytes."""
    data = _packed(context, "datetime.date", packed, 4)
    try:
        return date(data[0] << 8 | data[1], data[2], data[3])
    except ValueError as error:
        raise context.error(BadCall, f"datetime.date: {error}") from None


def make_datetime(context: Context, packed: object, zone: object = None) -> object:
    """Make a date with a time of ten bytes, and perhaps a time zone."""
    data = _packed(context, "datetime.datetime", packed, 10)
    where = _zone(context, "datetime.datetime", zone)
    year, month, fold = data[0] << 8 | data[1], data[2] & ~_FOLD, data[2] >> 7
    day, hour, minute, second = data[3:7]
    try:
        return datetime(year, month, day, hour, minute, second, int.from_bytes(data[7:]), tzinfo=where, fold=fold)
    except ValueError as error:
        raise context.error(BadCall, f"datetime.datetime: {error}") from None


def make_time(context: Context, packed: object, zone: object = None) -> object:
    """Make a time of six bytes, and perhaps a time zone."""
    data = _packed(context, "datetime.time", packed, 6)
    where = _zone(context, "datetime.time", zone)
    try:
        return time(data[0] & ~_FOLD, data[1], data[2], int.from_bytes(data[3:]), tzinfo=where, fold=data[0] >> 7)
    except ValueError as error:
        raise context.error(BadCall, f"datetime.time: {error}") from None


def make_timedelta(context: Context, days: object, seconds: object, microseconds: object) -> object:
    """Make a difference of days, seconds and microseconds."""
    context.budget.charge(_TIME)
    if type(days) is int and type(seconds) is int and type(microseconds) is int:
        if all(-_UNITS < part < _UNITS for part in (days, seconds, microseconds)):
            try:
                return timedelta(days, seconds, microseconds)
            except OverflowError:
                pass
    raise context.error(BadCall, "datetime.timedelta is called with something other than three numbers in its range")


def make_timezone(context: Context, offset: object, name: object = None) -> object:
    """Make a time zone of its distance from Greenwich, and perhaps its name."""
    context.budget.charge(_TIME)
    if not isinstance(offset, timedelta) or not (name is None or isinstance(name, str)):
        raise context.error(BadCall, "datetime.timezone is called with something other than a difference and a name")
    try:
        return timezone(offset) if name is None else timezone(offset, name)
    except ValueError as error:
        raise context.error(BadCall, f"datetime.timezone: {error}") from None


def _packed(context: Context, kind: str, packed: object, length: int) -> bytes:
    """Check the bytes of a date or time."""
    context.budget.charge(_TIME)
    if not isinstance(packed, bytes) or len(packed) != length:
        raise context.error(BadCall, f"{kind} is called with something other than its {length} bytes")
    return packed


def _zone(context: Context, kind: str, zone: object) -> tzinfo | None:
    """Check a time zone: one with a fixed distance from Greenwich."""
    if zone is not None and not isinstance(zone, timezone):
        raise context.error(BadCall, f"{kind} is called with a time zone that is none of a fixed offset")
    return zone
