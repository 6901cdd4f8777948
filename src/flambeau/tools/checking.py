"""What `flambeau verify` does: read the structure of a file, check every view, compare every checksum there is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from flambeau.base.errors import LoadError
from flambeau.checkpoint.source import open_source
from flambeau.checkpoint.zip_reader import ZipReader
from flambeau.tools.listing import Listing, listing
from flambeau.tools.opening import files_of, open_checkpoint
from flambeau.tools.sizes import shown_count, shown_size
from flambeau.tools.tree import Path, dotted

__all__ = ["Verified", "verify"]

_NAMED: Final = 8  # tensors that are named with a damaged record
_ZIP: Final = b"PK\x03\x04"


@dataclass(slots=True)
class Verified:
    """What was found out about a file.

    Attributes:
        path: where it is.
        damages: what is wrong with it, one text for each thing.
        kind: kind of file, where it could be opened.
        tensors: number of tensors.
        nbytes: size of the file, or files.
        checked: number of records that were compared with their checksums.
    """

    path: str
    damages: list[str] = field(default_factory=list[str])
    kind: str = ""
    tensors: int = 0
    nbytes: int = 0
    checked: int = 0

    @property
    def text(self) -> str:
        """Say in one line what is good about it."""
        what = f"{self.kind}, {shown_count(self.tensors, 'tensor')}, {shown_size(self.nbytes)}"
        if self.checked:
            return f"{what}, {shown_count(self.checked, 'checksum')} compared"
        return f"{what}, structure only: it holds no checksums"

    def as_json(self) -> dict[str, object]:
        """Describe it in terms of JSON."""
        return {
            "file": self.path,
            "ok": not self.damages,
            "damages": self.damages,
            "kind": self.kind or None,
            "tensors": self.tensors,
            "bytes": self.nbytes,
            "checksums": self.checked,
        }


def verify(path: str, report: Callable[[int], object] = lambda _: None) -> Verified:
    """Check a file as far as it can be checked.

    Args:
        path: where it is.
        report: takes the number of bytes of every record that was compared.

    Raises:
        OSError: the file cannot be read.
    """
    result = Verified(path)
    try:
        found = listing(open_checkpoint(path, check=False))
        result.kind, result.tensors, result.nbytes = found.opened.kind, len(found.tensors), found.opened.nbytes
        users = _users(found)
        for file in files_of(path, found.opened.kind):
            _verify_records(result, file, users, report)
    except LoadError as error:
        result.damages.append(str(error))
    return result


def _users(found: Listing) -> Mapping[str, list[Path]]:
    """Find the tensors that view each storage, by the end of its record's name."""
    users: dict[str, list[Path]] = {}
    for path, record in found.tensors.items():
        for ending in (f"data/{record.storage.key}", f"{record.storage.key}.npy"):
            users.setdefault(ending, []).append(path)
    return users


def _verify_records(
    result: Verified, file: str, users: Mapping[str, list[Path]], report: Callable[[int], object]
) -> None:
    """Compare every record of an archive with its checksum; other kinds of files have none."""
    with open_source(file, True) as source:
        if bytes(source.view(0, min(source.size, len(_ZIP)))) != _ZIP:
            return
        archive = ZipReader(source)
        for name, record in archive.records.items() if archive.checksums else ():
            try:
                record.verify()
            except LoadError as error:
                paths = users.get(name.partition("/")[2], users.get(name, []))
                names = ", ".join(dotted(path) for path in paths[:_NAMED]) + (", ..." if len(paths) > _NAMED else "")
                result.damages.append(str(error) + (f" (tensor {names})" if names else ""))
            result.checked += 1
            report(record.size)
