"""JSON read strictly and member by member, so that a wrong one is refused before anything large is made of it.

Source: https://www.rfc-editor.org/rfc/rfc8259
"""

from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder
from typing import Final, cast

from flambeau.base.errors import LimitExceeded, LoadError
from flambeau.checkpoint.limits import HEADER_NAMES

__all__ = ["JsonText"]

_BLANK: Final = " \t\n\r"
_BLANKS: Final = frozenset(_BLANK)
_WINDOW: Final = 4_096  # characters in which blanks are looked for at a time


class JsonText:
    """The text of a JSON object.

    Args:
        name: how errors call it.
        data: its bytes, in UTF-8.
        malformed: class of the error for what is not JSON.
        duplicate: class of the error for a name that occurs twice in one object.

    Raises:
        LoadError: the bytes are not UTF-8.
    """

    __slots__ = ("_decoder", "_duplicate", "_malformed", "_name", "_text")

    def __init__(self, name: str, data: bytes, malformed: type[LoadError], duplicate: type[LoadError]) -> None:
        self._name = name
        self._malformed = malformed
        self._duplicate = duplicate
        self._decoder = JSONDecoder(object_pairs_hook=self._unique)
        try:
            self._text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise malformed(f"{name}: it is not UTF-8: {error.reason} at byte {error.start}") from None

    def walk(self, member: Callable[[str, int], int]) -> None:
        """Visit every member of the object, behind which only blanks may follow.

        Args:
            member: takes a member's name and where its value begins, reads the value, and gives where it ends.

        Raises:
            LoadError: this is not one JSON object.
        """
        end = self.walk_object(0, member)
        if self._text[end:].strip(_BLANK):
            raise self._error(end, "something follows the object")

    def walk_object(self, at: int, member: Callable[[str, int], int]) -> int:
        """Visit every member of an object that begins at a place; give where it ends."""
        at = self._expect(at, "{")
        if self._text[at : at + 1] == "}":
            return at + 1
        seen: set[str] = set()
        while True:
            name, at = self.string(at)
            if name in seen:
                raise self._duplicate(f"{self._name}: {name[:80]!r} is named twice")
            seen.add(name)
            if len(seen) > HEADER_NAMES:
                raise LimitExceeded(f"{self._name}: it has more than {HEADER_NAMES} names in one object")
            at = self._skip(member(name, self._expect(self._skip(at), ":")))
            if self._text[at : at + 1] == "}":
                return at + 1
            at = self._expect(at, ",")

    def string(self, at: int) -> tuple[str, int]:
        """Read a string; give it and where it ends."""
        if self._text[at : at + 1] != '"':
            raise self._error(at, "a string is expected")
        found, end = self.value(at)
        text = cast("str", found)
        if not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                raise self._error(at, "a string holds half a surrogate pair") from None
        return text, end

    def value(self, at: int) -> tuple[object, int]:
        """Read any value; give it and where it ends."""
        return self._decode(self._text, at, at)

    def flat(self, at: int, most: int) -> tuple[object, int]:
        """Read an object that holds no other, in a limited number of characters; give it and where it ends.

        What holds another, or takes more, is given as None.
        """
        end = self._text.find("}", at, at + most) + 1
        if not end:
            return None, at
        return self._decode(self._text[at:end], 0, at)[0], end

    def shown(self, at: int) -> str:
        """The beginning of what stands at a place, for an error."""
        return repr(self._text[at : at + 60])

    def _decode(self, text: str, start: int, at: int) -> tuple[object, int]:
        """Let the standard library read one value."""
        try:
            found = self._decoder.raw_decode(text, start)
        except JSONDecodeError as error:
            raise self._error(at + error.pos - start, error.msg[:1].lower() + error.msg[1:]) from None
        except (RecursionError, ValueError) as error:  # too deep; a number of too many digits
            raise self._error(at, str(error)) from None
        return cast("tuple[object, int]", found)

    def _unique(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        """Make a dictionary, whose names have to differ."""
        made: dict[str, object] = {}
        for name, value in pairs:
            if name in made:
                raise self._duplicate(f"{self._name}: {name[:80]!r} is named twice")
            made[name] = value
        return made

    def _skip(self, at: int) -> int:
        """Pass over blanks."""
        while self._text[at : at + 1] in _BLANKS:
            window = self._text[at : at + _WINDOW]
            at += len(window) - len(window.lstrip(_BLANK))
        return at

    def _expect(self, at: int, mark: str) -> int:
        """Pass over a mark and the blanks behind it."""
        if self._text[at : at + 1] != mark:
            raise self._error(at, f"{mark!r} is expected")
        return self._skip(at + 1)

    def _error(self, at: int, text: str) -> LoadError:
        """Make an error that says where it arose."""
        return self._malformed(f"{self._name}: character {at}: it is not JSON as the format has it: {text}")
