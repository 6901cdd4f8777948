"""Writing a checkpoint: pickle, then the archive, then in one step the old file's place."""

import os
import sys
import zlib
from collections.abc import Callable, Iterable
from typing import Final

from flambeau.checkpoint.legacy_writer import write_stream
from flambeau.checkpoint.pickle_writer import Pickled, write_pickle
from flambeau.checkpoint.sink import WritableTo, writing_to
from flambeau.checkpoint.zip_writer import ALIGNMENT, ByteSink, ZipWriter

__all__ = ["WritableTo", "prepare", "write"]

_FORMAT_VERSION: Final = b"1"
_VERSION: Final = b"3\n"
_TOP: Final = "archive"  # where there is no file name to take it from


def write(
    obj: object, target: WritableTo, *, describe: Callable[[object], object] | None = None, legacy: bool = False
) -> None:
    """Write a checkpoint that `torch.load` and `read` read.

    A file is replaced in one step: an interruption, a full disk or an object that cannot be saved leaves the old one as
    it was. Tensors are written as they are, without a second copy in memory. A tensor that is alone on its storage
    takes only the elements it shows into the file; tensors that share a storage share it in the file.

    Args:
        obj: plain Python values and records.
        target: a path, or a file opened for writing in binary mode.
        describe: turns any other object into a record or a plain value; what it does not know it returns unchanged.
        legacy: write the format of PyTorch before version 1.6, which has no checksums and is not mapped by PyTorch.

    Raises:
        SaveError: one of its subclasses, by the reason.

    Example:
        >>> import io
        >>> from flambeau.checkpoint import read, write
        >>> file = io.BytesIO()
        >>> write({"epoch": 20, "lr": [0.1, 0.01]}, file)
        >>> read(file.getvalue()).obj
        {'epoch': 20, 'lr': [0.1, 0.01]}

    Source: https://docs.pytorch.org/docs/stable/generated/torch.save.html
    """
    prepare(obj, target, describe=describe, legacy=legacy)()


def prepare(
    obj: object, target: WritableTo, *, describe: Callable[[object], object] | None = None, legacy: bool = False
) -> Callable[[], None]:
    """Describe an object as it is now, and return what writes that: the two halves of ``write``.

    Args:
        obj, target, describe, legacy: as for ``write``.

    Raises:
        SaveError: the object cannot be saved.
    """
    pickled = write_pickle(obj, describe, legacy=legacy)
    return lambda: _write_pickled(pickled, target, legacy)


def _write_pickled(pickled: Pickled, target: WritableTo, legacy: bool) -> None:
    """Write what was described; looks at no object any more."""
    top = _top_of(os.fspath(target)) if isinstance(target, str | os.PathLike) else _TOP
    with writing_to(target) as sink:
        if legacy:
            write_stream(pickled, sink)
        else:
            _write_archive(pickled, sink, top)


def _top_of(path: str) -> str:
    """Name the archive's folder after the file, as PyTorch does."""
    stem = os.path.basename(path).rpartition(".")[0] or os.path.basename(path).strip(".")
    return stem if stem and stem.isascii() and "\\" not in stem else _TOP


def _write_archive(pickled: Pickled, sink: ByteSink, top: str) -> None:
    """Write every record of a checkpoint."""
    archive = ZipWriter(sink, top)
    for name, data in (
        ("data.pkl", pickled.data),
        (".format_version", _FORMAT_VERSION),
        (".storage_alignment", str(ALIGNMENT).encode()),
        ("byteorder", sys.byteorder.encode()),
    ):
        archive.add(name, len(data), (data,))
    for storage in pickled.storages:
        archive.add(f"data/{storage.key}", storage.nbytes, storage.chunks())
    archive.add("version", len(_VERSION), (_VERSION,))
    identifier = _identifier(archive.checksums())
    archive.add(".data/serialization_id", len(identifier), (identifier,))
    archive.finish()


def _identifier(checksums: Iterable[tuple[bytes, int]]) -> bytes:
    """Identify a file's content by 40 digits: equal content, equal file."""
    names, sums = 0, 0
    for name, checksum in checksums:
        names = zlib.crc32(name.partition(b"/")[2], names)
        sums = zlib.crc32(checksum.to_bytes(4, "little"), sums)
    return f"{names:020d}{sums:020d}".encode()
