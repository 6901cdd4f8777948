"""The header of a NumPy array file, read by a grammar of its own: it is Python text, and no Python is run or compiled.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from typing import Any, Final, NamedTuple

import numpy as np

from flambeau.base.errors import BadArrayHeader, UnsupportedTensor

__all__ = ["HEADER", "ArrayHeader", "array_header"]

HEADER: Final = 10_000  # bytes of a header: NumPy's own limit

_MAGIC: Final = b"\x93NUMPY"
_LENGTHS: Final = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # version -> bytes of the header's length
_FIELDS: Final = ("descr", "fortran_order", "shape")
_DIGITS: Final = 19  # of a size: that many fit 64 bits
_TYPE: Final = 12  # characters of a type's code
_BLANKS: Final = " \t\r\n"


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
        raise _malformed(where, f"it should have {length} bytes (at most {HEADER}), and there are {len(head) - start}")
    fields = _Text(where, head[start : start + length].decode("latin1")).fields()
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise _malformed(where, f"it has no {missing[0]}")
    return ArrayHeader(fields["shape"], fields["fortran_order"], fields["descr"], start + length)


class _Text:
    """A header's text, read from left to right: a dictionary of three fields.

    Args:
        where: how errors call the file.
        text: the header.
    """

    def __init__(self, where: str, text: str) -> None:
        self._where = where
        self._text = text
        self._at = 0

    def fields(self) -> dict[str, Any]:
        """Read it all."""
        found: dict[str, Any] = {}
        self._expect("{")
        while not self._take("}"):
            name = self._quoted()
            self._expect(":")
            if name in found:
                raise self._error(f"{name} is there twice")
            found[name] = self._value(name)
            if not self._take(","):
                self._expect("}")
                break
        if self._text[self._at :].strip(_BLANKS):
            raise self._error("something follows the dictionary")
        return found

    def _value(self, name: str) -> Any:
        """Read what stands behind a field's name."""
        if name == "descr":
            return self._dtype()
        if name == "shape":
            return self._shape()
        if name != "fortran_order":
            raise self._error(f"{name[:40]!r} is none of {', '.join(_FIELDS)}")
        if self._take("True"):
            return True
        self._expect("False")
        return False

    def _dtype(self) -> np.dtype[Any]:
        """Read a type's code."""
        if self._take("["):
            kind = self._text[self._at - 1 :][:40]
            raise UnsupportedTensor(f"{self._where}: its elements are of NumPy's type {kind}, which no tensor has")
        code = self._quoted()
        letter, size = code.lstrip("<>|=")[:1], code.lstrip("<>|=")[1:]
        known = letter == "?" or letter.isalpha()  # a number before the letter would be a repetition
        if not code.isascii() or len(code) > _TYPE or not known or not (size.isdecimal() or size == ""):
            raise self._error(f"descr is {code[:40]!r}, which is no type")
        try:
            return np.dtype(code)
        except (TypeError, ValueError):
            raise self._error(f"descr is {code!r}, which is no type") from None

    def _shape(self) -> tuple[int, ...]:
        """Read a tuple of sizes."""
        self._expect("(")
        sizes: list[int] = []
        while not self._take(")"):
            digits = self._digits()
            sizes.append(int(digits))
            self._take("L")  # Python 2 wrote it
            if not self._take(","):
                if len(sizes) == 1:
                    raise self._error("the shape is no tuple")
                self._expect(")")
                break
        return tuple(sizes)

    def _digits(self) -> str:
        self._skip()
        end = self._at
        while self._text[end : end + 1].isdecimal() and self._text[end].isascii():
            end += 1
        digits = self._text[self._at : end]
        if not 0 < len(digits) <= _DIGITS:
            raise self._error("the shape holds something other than natural numbers")
        self._at = end
        return digits

    def _quoted(self) -> str:
        """Read a text between quotation marks; none of the header's has one inside."""
        self._expect("'")
        end = self._text.find("'", self._at)
        if end < 0:
            raise self._error("a quotation mark has no end")
        found = self._text[self._at : end]
        self._at = end + 1
        return found

    def _skip(self) -> None:
        while self._text[self._at : self._at + 1] in _BLANKS and self._at < len(self._text):
            self._at += 1

    def _take(self, word: str) -> bool:
        """Pass over a word, if it stands here."""
        self._skip()
        if not self._text.startswith(word, self._at):
            return False
        self._at += len(word)
        return True

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._error(f"character {self._at} should be {word!r}")

    def _error(self, reason: str) -> BadArrayHeader:
        return _malformed(self._where, reason)


def _malformed(where: str, reason: str) -> BadArrayHeader:
    return BadArrayHeader(f"{where}: the array's header is malformed: {reason}")
