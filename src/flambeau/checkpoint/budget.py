"""How much a file may ask for: memory in proportion to its size, and keys that hash in bounded time."""

from typing import Final, cast

from flambeau.base.errors import LimitExceeded, UndecodableText, UnhashableKey
from flambeau.checkpoint.limits import COLLISIONS, KEY_PARTS, KEY_WORK, OBJECT_BYTES_FREE, OBJECT_BYTES_RATIO

__all__ = ["Budget"]

_SHORT: Final = 1 << 60  # integers below hash to themselves, so no two of them collide
_NESTED: Final = (tuple, frozenset)
_GUESS: Final = 150  # estimated bytes of Python objects for a text whose encoding is a guess


class Budget:
    """Counts what the pickles of one file have asked for so far.

    Args:
        name: how errors call the file.
        length: bytes of pickle, where they are known; others are counted by `allow`.
    """

    __slots__ = ("_collisions", "_guessed", "_hashes", "_left", "_name", "_work")

    def __init__(self, name: str, length: int = 0) -> None:
        self._name = name
        self._left = OBJECT_BYTES_FREE + OBJECT_BYTES_RATIO * length
        self._work = KEY_WORK
        self._hashes: dict[int, object] = {}
        self._collisions = COLLISIONS
        # Identity -> text whose encoding is a guess; the text is kept, so that its identity stays its own.
        self._guessed: dict[int, str] = {}

    def allow(self, length: int) -> None:
        """Count more bytes of pickle, or fewer where the length is negative."""
        self._left += OBJECT_BYTES_RATIO * length

    def charge(self, amount: int) -> None:
        """Count bytes of Python objects about to be made.

        Raises:
            LimitExceeded: the pickle asks for more memory than its size justifies.
        """
        self._left -= amount
        if self._left < 0:
            raise LimitExceeded(f"{self._name}: the objects would take far more memory than the file's size justifies")

    def guess(self, text: str) -> None:
        """Remember a text whose encoding is a guess: good enough for a value, but not for a key."""
        self.charge(_GUESS + len(text))
        self._guessed[id(text)] = text

    def is_guessed(self, text: object) -> bool:
        """Tell whether the encoding of a text was guessed."""
        return id(text) in self._guessed

    def check_key(self, key: object) -> None:
        """Check what is about to be hashed, and count the work.

        Hashing a nested tuple visits all its parts every time, even those it holds more than once, and descends by
        recursion; keys with equal hashes are compared with each other one by one.

        Raises:
            UndecodableText: the key is, or holds, text whose encoding is a guess.
            UnhashableKey: the key is, or holds, something without a hash.
            LimitExceeded: the key has too many parts, or the keys together would take too long.
        """
        if type(key) is str:
            self._spend(len(key))
            self._check_text(key)
        elif type(key) is int and -_SHORT < key < _SHORT:
            self._spend(1)
        else:
            self._walk(key)
            self._count_collision(key)

    def _spend(self, work: int) -> None:
        """Count the work of hashing and comparing."""
        self._work -= work
        if self._work < 0:
            raise LimitExceeded(f"{self._name}: the keys of its dictionaries and sets would take too long to hash")

    def _check_text(self, key: object) -> None:
        """Refuse a key whose encoding is a guess: it would be a name that nobody wrote."""
        if self._guessed and id(key) in self._guessed:
            raise UndecodableText(
                f"{self._name}: a key is text of Python 2 that is not UTF-8: {str(key)[:80]!r} if it is Latin-1. Say "
                "how such text is to be read, with encoding='latin1' or encoding='bytes'"
            )

    def _walk(self, key: object) -> None:
        """Visit the parts of a key without recursion."""
        parts = 0
        pending = [key]
        while pending:
            part = pending.pop()
            parts += 1
            if parts > KEY_PARTS:
                raise LimitExceeded(f"{self._name}: a key has more than {KEY_PARTS} parts")
            if isinstance(part, _NESTED):
                nested = cast("tuple[object, ...] | frozenset[object]", part)
                if len(nested) > KEY_PARTS:
                    raise LimitExceeded(f"{self._name}: a key has more than {KEY_PARTS} parts")
                pending.extend(nested)
            elif isinstance(part, str | bytes):
                self._spend(len(part))
                self._check_text(part)
            elif isinstance(part, int):
                self._spend(part.bit_length())
        self._spend(64 * parts)

    def _count_collision(self, key: object) -> None:
        """Count different keys that hash alike, which a file can be made of on purpose."""
        try:
            earlier = self._hashes.setdefault(hash(key), key)
        except TypeError:
            raise UnhashableKey(f"{self._name}: unhashable type in a key: {type(key).__name__!r}") from None
        if earlier is not key and earlier != key:
            self._collisions -= 1
            if self._collisions < 0:
                raise LimitExceeded(f"{self._name}: too many keys have equal hashes")
