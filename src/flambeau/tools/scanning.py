"""What `flambeau scan` does: scan a file, and for an index of shards every file that it names."""

from flambeau.checkpoint.scanning import Scan, scan
from flambeau.checkpoint.sniff import INDEX
from flambeau.tools.opening import files_of

__all__ = ["scan_files"]


def scan_files(path: str) -> dict[str, Scan]:
    """Scan a file, or the files of an index; nothing in them is called or looked up.

    Args:
        path: where it is.

    Returns:
        What each file names, by its path.

    Raises:
        LoadError: a container is malformed.
        OSError: a file cannot be opened.
    """
    found = scan(path)
    if found.container != INDEX:
        return {path: found}
    return {path: found, **{file: scan(file) for file in files_of(path, INDEX)[1:]}}
