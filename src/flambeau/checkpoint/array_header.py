"""The header of a NumPy array file, read by a grammar of its own: it is Python text, and no Python is run or compiled.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import re
from typing import Any, Final, NamedTuple

import numpy as np

from flambeau.base.errors import BadArrayHeader, UnsupportedTensor

__all__ = ["HEADER", "ArrayHeader", "array_header"]

HEADER: Final = 10_000  # bytes of a header: NumPy's own limit

_MAGIC: Final = b"\x93NUMPY"
_LENGTHS: Final = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # version -> bytes of the header's length
_START: Final = re.compile(r"\s*\{")
_END: Final = re.compile(r"\s*\}\s*")
_ENTRY: Final = re.compile(
    r"\s*'(?P<name>[a-z_]{1,20})'\s*:\s*(?:'(?P<type>[^'\n]{1,64})'|(?P<flag>True|False)|\((?P<shape>[0-9L, ]*)\)"
    r"|(?P<compound>\[))"
)
_COMMA: Final = re.compile(r"\s*,")
_TYPE: Final = re.compile(r"[<>|=]?[A-Za-z?][0-9]{0,9}")
_SIZE: Final = re.compile(r"\s*([0-9]{1,19})L?\s*")  # Python 2 wrote an L


class ArrayHeader(NamedTuple):
    """What a header says.

    Attributes:
        shape: sizes of the dimensions.
        fortran: whether the first dimension's elements are neighbors.
        dtype: type of the elements.
        start: where the elements begin.
    """

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int


def array_header(where: str, head: bytes) -> ArrayHeader:
    """Read a header.

    Args:
        where: how errors call the file.
        head: the file's beginning.

    Raises:
        BadArrayHeader: it is malformed.
        UnsupportedTensor: the elements are of a compound type.
    """
    width = _LENGTHS.get((head[6], head[7])) if head.startswith(_MAGIC) and len(head) > 7 else None
    if width is None:
        raise _malformed(where, "it has no known version")
    start = 8 + width
    length = int.from_bytes(head[8:start], "little")
    if length > HEADER or len(head) < start + length:
        raise _malformed(
            where, f"it should have {length} bytes, of at most {HEADER}, and there are {len(head) - start}"
        )
    text = head[start : start + length].decode("latin1")
    entries = _entries(where, text)
    if entries.keys() != {"descr", "fortran_order", "shape"}:
        raise _malformed(where, f"it names {sorted(entries)} instead of descr, fortran_order and shape")
    flag = entries["fortran_order"]["flag"]
    if flag is None:
        raise _malformed(where, "fortran_order is neither True nor False")
    return ArrayHeader(_shape(where, entries["shape"]), flag == "True", _dtype(where, entries), start + length)


def _entries(where: str, text: str) -> dict[str, re.Match[str]]:
    """The entries of the dictionary that a header is, each as it stands."""
    opened = _START.match(text)
    if opened is None:
        raise _malformed(where, "it is no dictionary")
    found: dict[str, re.Match[str]] = {}
    position = opened.end()
    while not _END.fullmatch(text, position):
        entry = _ENTRY.match(text, position)
        if entry is None or entry["name"] in found:
            raise _malformed(where, f"character {position} begins no new entry")
        if entry["compound"]:
            kind = text[entry.end() - 1 :][:40]
            raise UnsupportedTensor(f"{where}: its elements are of NumPy's type {kind}, which no tensor has")
        found[entry["name"]] = entry
        comma = _COMMA.match(text, entry.end())
        position = entry.end() if comma is None else comma.end()
        if comma is None and not _END.fullmatch(text, position):
            raise _malformed(where, f"character {position} is no comma")
    return found


def _shape(where: str, entry: re.Match[str]) -> tuple[int, ...]:
    """The sizes, in the spelling of a tuple."""
    text = entry["shape"]
    if text is None:
        raise _malformed(where, "the shape is no tuple of sizes")
    if not text.strip():
        return ()
    parts = text.split(",")
    if not parts[-1].strip():
        parts.pop()
    elif len(parts) == 1:
        raise _malformed(where, "the shape is no tuple of sizes")
    sizes = [_SIZE.fullmatch(part) for part in parts]
    if not all(sizes):
        raise _malformed(where, f"the shape is ({text[:80]})")
    return tuple(int(size[1]) for size in sizes if size is not None)


def _dtype(where: str, entries: dict[str, re.Match[str]]) -> np.dtype[Any]:
    """The type of the elements."""
    code = entries["descr"]["type"]
    if code is None or not _TYPE.fullmatch(code):
        raise _malformed(where, f"descr is {code!r}, which is no type")
    try:
        return np.dtype(code)
    except TypeError:
        raise _malformed(where, f"descr is {code!r}, which is no type") from None


def _malformed(where: str, reason: str) -> BadArrayHeader:
    return BadArrayHeader(f"{where}: the array's header is malformed: {reason}")
