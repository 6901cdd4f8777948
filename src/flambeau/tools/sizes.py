"""Sizes as people write them."""

from typing import Final

__all__ = ["parsed_size", "shown_count", "shown_size"]

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_FACTORS: Final[dict[str, int]] = {
    "": 1,
    **{unit.lower(): 1000**power for power, unit in enumerate(_UNITS)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgtp", 1)},
}


def shown_size(size: int) -> str:
    """Write a number of bytes with three digits.

    Args:
        size: number of bytes.

    Example:
        >>> [shown_size(size) for size in (0, 24, 1800, 44_700_000, 999_999, 12_345_678_901)]
        ['0 B', '24 B', '1.80 kB', '44.7 MB', '1.00 MB', '12.3 GB']
    """
    if size < 1000:
        return f"{size} B"
    power, scaled = 0, float(size)
    while scaled >= 999.5 and power < len(_UNITS) - 1:
        scaled /= 1000
        power += 1
    digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
    return f"{scaled:.{digits}f} {_UNITS[power]}"


def parsed_size(text: str) -> int:
    """Read a number of bytes.

    Args:
        text: a number with a unit: ``"2GB"``, ``"500 MB"``, ``"1.5GiB"``, ``"1000"``.

    Raises:
        ValueError: this is none, or less than one byte.

    Example:
        >>> parsed_size("2GB"), parsed_size("1.5 KiB")
        (2000000000, 1536)
    """
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ").strip()
    unit = text.strip()[len(number) :].strip().lower()
    try:
        size = float(number) * _FACTORS[unit]
    except (ValueError, KeyError):
        raise ValueError(f"expected a size such as 2GB, 500MB or 1GiB, got {text!r}") from None
    if not 1 <= size < 1 << 63:
        raise ValueError(f"expected a size of at least one byte, got {text!r}")
    return int(size)


def shown_count(count: int, noun: str) -> str:
    """Write a number of things.

    Args:
        count: how many.
        noun: what, in the singular.

    Example:
        >>> shown_count(1, "tensor"), shown_count(1200, "tensor")
        ('1 tensor', '1,200 tensors')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
