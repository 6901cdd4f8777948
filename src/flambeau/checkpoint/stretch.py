"""A stretch of a file that carries no checksum: where a storage's bytes lie, in the containers from before 1.6."""

import numpy as np

from flambeau.base.errors import BadStream
from flambeau.checkpoint.records import ByteArray
from flambeau.checkpoint.source import ByteSource

__all__ = ["Stretch"]


class Stretch:
    """Bytes of a file.

    Args:
        source: the file's bytes; a look at them costs nothing.
        size: number of bytes.
        start: where they begin; None until that is known.
    """

    __slots__ = ("_source", "size", "start")

    def __init__(self, source: ByteSource, size: int, start: int | None = None) -> None:
        self._source = source
        self.size = size
        self.start = start

    def array(self) -> ByteArray:
        """Give the bytes, of shape ``(size,)``, read-only.

        Raises:
            BadStream: nothing has said yet where they begin.
        """
        if self.start is None:
            raise BadStream(f"{self._source.name}: a storage's bytes are needed before the file says where they lie")
        return np.frombuffer(self._source.view(self.start, self.size), np.uint8)
