"""Files taken apart and put together by hand."""

import io
import zipfile
from pathlib import Path
from typing import Any


def saved(torch: Any, obj: Any) -> bytes:
    """The bytes of a file that holds an object."""
    file = io.BytesIO()
    torch.save(obj, file)
    return file.getvalue()


def reloaded(torch: Any, obj: Any, **options: Any) -> Any:
    """An object after it was saved and loaded."""
    return torch.load(io.BytesIO(saved(torch, obj)), **options)


def records(data: bytes | Path) -> dict[str, bytes]:
    """The records of a zip file by name, in their order."""
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    with zipfile.ZipFile(source) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(parts: dict[str, bytes]) -> bytes:
    """A zip file of records that are stored as they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def moved(data: bytes, location: str) -> bytes:
    """A file whose tensors claim to have been saved on another device."""
    parts = records(data)
    name = next(name for name in parts if name.endswith("/data.pkl"))
    cpu, other = (b"X" + len(text).to_bytes(4, "little") + text.encode() for text in ("cpu", location))
    assert cpu in parts[name]
    return archive_of({**parts, name: parts[name].replace(cpu, other)})
