"""The state of a pickle's execution: where it reads, its stack and its memo; every access is checked."""

from collections.abc import Callable
from typing import Final, Protocol

from flambeau.base.errors import BadPickle, LoadError, TruncatedPickle, UndecodableText
from flambeau.checkpoint.budget import Budget

__all__ = ["Machine", "Meaning"]

_MEMO_END: Final = 1 << 32
# Estimated bytes of Python objects, for the budget.
_MEMO_ENTRY: Final = 100
_MARK: Final = 64


class Meaning(Protocol):
    """What a pickle's names stand for. The only place where anything is called."""

    def find(self, module: str, name: str) -> object:
        """Give what a name stands for; refuse a name outside the allowlist."""
        ...

    def call(self, function: object, arguments: tuple[object, ...]) -> object:
        """Call what `find` gave for a callable name."""
        ...

    def new(self, kind: object, arguments: tuple[object, ...], keywords: dict[object, object]) -> object:
        """Make an object of what `find` gave for a class, without calling it."""
        ...

    def extend(self, target: object, items: list[object]) -> bool:
        """Append to an object that is no plain list; False where it takes no items."""
        ...

    def set_pairs(self, target: object, pairs: list[tuple[object, object]]) -> bool:
        """Set keys of an object that is no plain dictionary, and are checked; False where it takes none."""
        ...

    def build(self, target: object, state: object) -> None:
        """Give an object its state."""
        ...

    def persistent(self, identifier: object) -> object:
        """Give the object outside the pickle with this identifier: a storage."""
        ...


class Machine:
    """A pickle under execution.

    Args:
        name: how errors call the pickle.
        data: its bytes.
        meaning: what its names stand for.
        budget: what it may ask for.
        encoding: how byte strings of Python 2 are read; ``"bytes"`` keeps them, None means UTF-8 or else Latin-1.
        start: where in its file the pickle begins, for errors.
        more: gives what follows the bytes at hand in the file, when asked to have so many bytes in all; by default
            nothing follows.

    Attributes:
        position: the byte to be read next.
        data: the bytes at hand.
        stack: values since the last mark.
        memo: values the pickle may come back to.
    """

    __slots__ = (
        *("_encoding", "_marks", "_more", "_name", "_start"),
        *("budget", "data", "meaning", "memo", "position", "stack"),
    )

    def __init__(
        self,
        name: str,
        data: bytes,
        meaning: Meaning,
        budget: Budget,
        *,
        encoding: str | None = None,
        start: int = 0,
        more: Callable[[int, int], bytes] | None = None,
    ) -> None:
        self._name = name
        self._encoding = encoding
        self._start = start
        self._more = more
        self.data = data
        self.meaning = meaning
        self.budget = budget
        self.position = 0
        self.stack: list[object] = []
        self.memo: dict[int, object] = {}
        self._marks: list[list[object]] = []

    def error(self, kind: type[LoadError], text: str) -> LoadError:
        """Make an error that says where in the pickle it arose."""
        return kind(f"{self._name}: byte {self._start + self.position}: {text}")

    def reach(self, end: int) -> bool:
        """Have the pickle's bytes up to `end` at hand; tell whether there are so many."""
        if end > len(self.data) and self._more is not None:
            self.data += self._more(len(self.data), end)
        return end <= len(self.data)

    def take(self, length: int) -> bytes:
        """Read bytes."""
        end = self.position + length
        if length < 0 or (end > len(self.data) and not self.reach(end)):
            raise self.error(TruncatedPickle, f"{length} bytes expected, {len(self.data) - self.position} are left")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def take_line(self) -> bytes:
        """Read up to the end of the line, which is left out."""
        start = self.position
        while (end := self.data.find(b"\n", start)) < 0:
            start = len(self.data)
            if not self.reach(start + 1):
                raise self.error(TruncatedPickle, "a line does not end")
        line = self.data[self.position : end]
        self.position = end + 1
        return line

    def pop(self) -> object:
        """Take the value on top of the stack."""
        if not self.stack:
            raise self.error(BadPickle, "a value is taken from an empty stack")
        return self.stack.pop()

    def top(self) -> object:
        """Look at the value on top of the stack."""
        if not self.stack:
            raise self.error(BadPickle, "a value is looked for on an empty stack")
        return self.stack[-1]

    def mark(self) -> None:
        """Begin a new stack above the present one."""
        self.budget.charge(_MARK)
        self._marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[object]:
        """Take every value since the last mark, and the mark."""
        if not self._marks:
            raise self.error(BadPickle, "a mark is taken where there is none")
        items, self.stack = self.stack, self._marks.pop()
        return items

    def remember(self, index: int) -> None:
        """Put the value on top of the stack into the memo."""
        if not 0 <= index < _MEMO_END:
            raise self.error(BadPickle, "an index of the memo has more than 32 bits")
        self.budget.charge(_MEMO_ENTRY)
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Push a value from the memo."""
        if index not in self.memo:
            raise self.error(BadPickle, f"the memo has no entry {index}")
        self.stack.append(self.memo[index])

    def decode(self, data: bytes, decoder: Callable[[bytes], str]) -> str:
        """Decode text."""
        try:
            return decoder(data)
        except UnicodeDecodeError as error:
            raise self.error(BadPickle, f"text cannot be decoded: {error.reason}") from None

    def decode_old(self, data: bytes) -> str | bytes:
        """Decode text of Python 2, whose encoding no file tells."""
        if self._encoding == "bytes":
            return data
        try:
            return data.decode(self._encoding or "utf-8")
        except UnicodeDecodeError as error:
            if self._encoding is not None:
                raise self.error(
                    UndecodableText, f"text of Python 2 is not in the encoding {self._encoding!r}: {error}"
                ) from None
        text = data.decode("latin1")
        self.budget.guess(text)
        return text

    def finish(self) -> object:
        """Take the result; nothing may be left over."""
        if self._marks or len(self.stack) != 1:
            raise self.error(BadPickle, "it ends with values left over, or with none")
        return self.stack.pop()
