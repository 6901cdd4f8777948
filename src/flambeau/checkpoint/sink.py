"""Where a file's bytes go: a path, whose file is replaced in one step, or an open file."""

import io
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import BinaryIO, TypeAlias

from flambeau.checkpoint.atomic import replacing
from flambeau.checkpoint.zip_writer import ByteSink

__all__ = ["WritableTo", "writing_to"]

WritableTo: TypeAlias = str | os.PathLike[str] | BinaryIO | io.RawIOBase


@contextmanager
def writing_to(target: WritableTo) -> Generator[ByteSink]:
    """Open what a file is to be written to; an exception in the context leaves an old file as it was.

    Args:
        target: a path, or a file opened for writing in binary mode, which stays open.

    Raises:
        MissingParent: the path's folder does not exist.
        WriteFailed: the system refused something.
    """
    if isinstance(target, str | os.PathLike):
        with replacing(target) as file:
            yield file
    elif isinstance(target, io.RawIOBase):
        buffered = io.BufferedWriter(target)
        try:
            yield buffered
        finally:
            buffered.detach()  # else it would close the file, which is the caller's
    else:
        yield target
