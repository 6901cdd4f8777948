"""How text is read that Python 2 wrote: as byte strings, whose encoding no file tells."""

from typing import Final

__all__ = ["python2_encoding"]

_ENCODINGS: Final[dict[str, str]] = {
    "ascii": "ascii",
    "bytes": "bytes",
    "iso-8859-1": "latin1",
    "iso8859-1": "latin1",
    "latin-1": "latin1",
    "latin1": "latin1",
    "utf-8": "utf-8",
    "utf8": "utf-8",
}


def python2_encoding(name: str | None) -> str | None:
    """Check the name of an encoding; None means UTF-8, or else Latin-1.

    Raises:
        ValueError: it is none that is known here.
    """
    if name is None:
        return None
    found = _ENCODINGS.get(name.lower().replace("_", "-"))
    if found is None:
        raise ValueError(f"encoding: expected 'utf-8', 'ascii', 'latin1' or 'bytes', but got {name!r}")
    return found
