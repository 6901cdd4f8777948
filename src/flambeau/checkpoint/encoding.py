"""The bytes of single opcodes of pickle protocol 2: numbers, text, names, the memo."""

import struct
from typing import Final

__all__ = [
    "LONGEST_TEXT",
    "encode_float",
    "encode_get",
    "encode_global",
    "encode_integer",
    "encode_put",
    "encode_text",
]

LONGEST_TEXT: Final = 0xFFFFFFFF  # bytes in UTF-8


def encode_integer(value: int) -> bytes:
    """Write an integer in the shortest of its forms."""
    if 0 <= value < 1 << 8:
        return struct.pack("<cB", b"K", value)  # BININT1
    if 0 <= value < 1 << 16:
        return struct.pack("<cH", b"M", value)  # BININT2
    if -(1 << 31) <= value < 1 << 31:
        return struct.pack("<ci", b"J", value)  # BININT
    # One bit more than the magnitude for the sign; a negative power of two needs none more.
    length = ((value if value >= 0 else ~value).bit_length() // 8) + 1
    data = value.to_bytes(length, "little", signed=True)
    if length < 1 << 8:
        return struct.pack("<cB", b"\x8a", length) + data  # LONG1
    return struct.pack("<ci", b"\x8b", length) + data  # LONG4


def encode_float(value: float) -> bytes:
    """Write a number."""
    return struct.pack(">cd", b"G", value)  # BINFLOAT


def encode_text(value: str) -> bytes:
    """Write a string; half a surrogate pair, which is no character, is kept as it is."""
    data = value.encode("utf-8", "surrogatepass")
    return struct.pack("<cI", b"X", len(data)) + data  # BINUNICODE


def encode_global(name: str) -> bytes:
    """Write the name of a class or function; the built-in ones are found under Python 2's name, as in CPython."""
    module, _, last = name.rpartition(".")
    return f"c{'__builtin__' if module == 'builtins' else module}\n{last}\n".encode()  # GLOBAL


def encode_put(index: int) -> bytes:
    """Put the value on top of the stack into the memo."""
    return struct.pack("<cB", b"q", index) if index < 1 << 8 else struct.pack("<cI", b"r", index)


def encode_get(index: int) -> bytes:
    """Come back to a value in the memo."""
    return struct.pack("<cB", b"h", index) if index < 1 << 8 else struct.pack("<cI", b"j", index)
