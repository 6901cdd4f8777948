"""Opening a checkpoint for the tools: as records, mapped, without comparing the checksums of what is not looked at."""

import os
from dataclasses import dataclass

from flambeau.checkpoint.reader import Checkpoint, read
from flambeau.checkpoint.shards import read_index
from flambeau.checkpoint.sniff import INDEX
from flambeau.checkpoint.source import open_source

__all__ = ["Opened", "files_of", "open_checkpoint"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint that is looked at.

    Attributes:
        path: where it is.
        nbytes: size of its files.
        checkpoint: what is in it.
    """

    path: str
    nbytes: int
    checkpoint: Checkpoint

    @property
    def kind(self) -> str:
        """What kind of file it is."""
        return self.checkpoint.container


def open_checkpoint(path: str | os.PathLike[str], *, check: bool = True) -> Opened:
    """Open a checkpoint of any kind that is read; no tensor's bytes are. Objects of unknown classes become records.

    Args:
        path: where it is.
        check: compare a storage with its checksum when its bytes are asked for.

    Raises:
        LoadError: one of its subclasses, by the reason.
        OSError: the file cannot be opened.
    """
    checkpoint = read(path, check=check, unknown="record")
    nbytes = sum(os.path.getsize(file) for file in files_of(path, checkpoint.container))
    return Opened(os.fspath(path), nbytes, checkpoint)


def files_of(path: str | os.PathLike[str], kind: str) -> list[str]:
    """Name the files that a checkpoint consists of.

    Args:
        path: where it is.
        kind: kind of file that it is.
    """
    own = os.fspath(path)
    if kind != INDEX:
        return [own]
    with open_source(own, True) as opened:
        return [own, *(os.path.join(os.path.dirname(own), file) for file in read_index(opened).files)]
