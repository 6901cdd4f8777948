"""The folder of compiled programs: found again by name, checked, and kept below a size.

Whatever is wrong with the folder or a file in it costs a compilation, never an error: a damaged entry is deleted, a
full disk or a folder that cannot be written to keeps nothing. Entries contain machine code, so the folder has to belong
to the user, and nobody else may write into it.
"""

import hashlib
import os
import tempfile
import zlib
from pathlib import Path

from flambeau.base.config import config

__all__ = ["drop", "fetch", "keep", "trim"]

_SUFFIX = ".program"
_MAGIC = b"flambeau program 1\n"
_SEAL = 16  # bytes of the digest that follows the magic
_BLOCK = 4096  # bytes the smallest file takes
_EVERY = 64  # entries written between two looks at the folder's size
_written = 0


def fetch(name: str) -> bytes | None:
    """An entry's content; None if there is none, or none that is whole."""
    folder = _folder()
    if folder is None:
        return None
    path = folder / (name + _SUFFIX)
    try:
        data = path.read_bytes()
        os.utime(path)  # the entry used longest ago goes first
    except OSError:
        return None
    start = len(_MAGIC) + _SEAL
    if data[:start] == _MAGIC + _sealed(data[start:]):
        return zlib.decompress(data[start:])
    drop(name)
    return None


def keep(name: str, content: bytes) -> None:
    """Write an entry, all of it or nothing; now and then make room."""
    global _written  # noqa: PLW0603  (a count)
    folder = _folder()
    if folder is None:
        return
    body = zlib.compress(content, 1)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="writing-", suffix=_SUFFIX, delete=False) as file:
            file.write(_MAGIC + _sealed(body) + body)
        os.replace(file.name, folder / (name + _SUFFIX))
    except OSError:
        return
    if _written % _EVERY == 0:
        trim(folder, config.cache_bytes)
    _written += 1


def drop(name: str) -> None:
    """Delete an entry."""
    if config.cache is not None:
        (config.cache / (name + _SUFFIX)).unlink(missing_ok=True)


def trim(folder: Path, limit: int) -> None:
    """Delete what was used longest ago, until the folder's entries take four fifths of the limit, if they exceed it."""
    entries: list[tuple[float, int, str]] = []
    with os.scandir(folder) as found:
        for entry in found:
            if not entry.name.endswith(_SUFFIX):
                continue
            try:
                state = entry.stat()
            except OSError:  # another process has renamed or deleted it since
                continue
            entries.append((state.st_mtime, max(state.st_size, _BLOCK), entry.path))
    total = sum(size for _, size, _ in entries)
    if total <= limit:
        return
    for _, size, path in sorted(entries):
        Path(path).unlink(missing_ok=True)
        total -= size
        if total <= limit * 4 // 5:
            break


def _sealed(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_SEAL).digest()


def _folder() -> Path | None:
    """The folder, made if it is not there; None if there is none, or it is not the user's alone."""
    folder = config.cache
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (state.st_uid != os.getuid() or state.st_mode & 0o022):
        return None
    return folder
