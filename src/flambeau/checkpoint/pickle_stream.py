"""Pickles one after another in a stretch of a file, with raw bytes between them: how PyTorch wrote before 1.6."""

from typing import Final

from flambeau.base.errors import TruncatedFile
from flambeau.checkpoint.context import Context
from flambeau.checkpoint.machine import Machine, Meaning
from flambeau.checkpoint.opcodes import execute
from flambeau.checkpoint.source import ByteSource
from flambeau.checkpoint.stretch import Stretch

__all__ = ["PickleStream"]

_WINDOW: Final = 4096  # bytes to begin a pickle with, whose length nothing tells; more are read as they are needed


class PickleStream:
    """Reads a stretch of a file from its beginning to its end.

    Args:
        source: the file's bytes; a look at them costs nothing.
        context: what the pickles may ask for, together.
        start: where the stretch begins.
        end: where it ends.

    Attributes:
        position: the byte of the file to be read next.
    """

    def __init__(self, source: ByteSource, context: Context, start: int, end: int) -> None:
        self._source = source
        self._context = context
        self._end = end
        self.position = start

    @property
    def left(self) -> int:
        """Number of bytes that have not been read."""
        return self._end - self.position

    def unpickle(self, what: str, meaning: Meaning) -> object:
        """Run the next pickle; afterwards the position is behind it.

        Args:
            what: how errors call the pickle.
            meaning: what its names stand for.

        Raises:
            BadPickle: one of its subclasses, by the reason.
        """
        budget, start = self._context.budget, self.position

        def more(have: int, end: int) -> bytes:
            """Give what follows the `have` bytes at hand: at least up to `end`, if the stretch has so many."""
            if end > self._end - start:
                return b""
            length = min(max(_WINDOW, have, end - have), self._end - start - have)
            budget.allow(length)
            return bytes(self._source.view(start + have, length))

        name = f"{self._source.name}: {what}"
        machine = Machine(name, b"", meaning, budget, encoding=self._context.encoding, start=start, more=more)
        obj = execute(machine)
        budget.allow(machine.position - len(machine.data))  # what was read too much is read once more
        self.position = start + machine.position
        return obj

    def take(self, what: str, length: int) -> bytes:
        """Read bytes.

        Raises:
            TruncatedFile: there are not so many.
        """
        return bytes(self._source.view(self._skip(what, length), length))

    def stretch(self, what: str, size: int) -> Stretch:
        """Skip bytes, and give where they lie.

        Raises:
            TruncatedFile: there are not so many.
        """
        return Stretch(self._source, size, self._skip(what, size))

    def _skip(self, what: str, length: int) -> int:
        """Move on, and tell where the position was."""
        if length > self.left:
            raise TruncatedFile(
                f"{self._source.name}: {what} should have {length} bytes at byte {self.position}, but only "
                f"{self.left} are left"
            )
        start = self.position
        self.position += length
        return start
