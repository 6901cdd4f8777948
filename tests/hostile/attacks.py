"""Every attack as a small file, named after the error it must raise: the folder ``files`` beside this one.

python -m tests.hostile.attacks    write the folder anew from the tables of tests/checkpoint
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.checkpoint import (
    payloads,
    test_legacy,
    test_numpy_files,
    test_objects,
    test_safetensors,
    test_tar,
    test_tensors,
    test_unpickle,
    test_zip,
)
from tests.checkpoint.crafting import SIX, call, checkpoint, pickled, tensor

__all__ = ["FOLDER", "Attack", "attacks"]

FOLDER = Path(__file__).parent / "files"
_LARGEST = 16_384  # bytes; what is larger stays a recipe in its table
# What a file may call, but not with these arguments.
_ANSWERED = {"torch.storage._load_from_bytes": "NotACheckpoint"}


class Attack(NamedTuple):
    """A file that must be refused.

    Attributes:
        error: name of the error's class.
        what: what is wrong with it.
        content: its bytes.
        suffix: its kind.
    """

    error: str
    what: str
    content: bytes
    suffix: str = ".pt"


def attacks() -> Iterator[Attack]:
    """All attacks that are small enough to be kept as files."""
    seen: set[bytes] = set()
    for attack in _all():
        if len(attack.content) <= _LARGEST and attack.content not in seen:
            seen.add(attack.content)
            yield attack


def _all() -> Iterator[Attack]:
    for error, what, content in test_zip.CRAFTED:
        yield Attack(error.__name__, what, content)
    for error, what, layout in test_tensors.OUTSIDE:
        yield Attack(error.__name__, what, _described(tensor(layout=layout)))
    for table in (test_tensors.MALFORMED, test_objects.MALFORMED):
        for error, what, body in table:
            yield Attack(error.__name__, what, _described(body))
    for error, what, data in test_unpickle.MALFORMED:
        yield Attack(error.__name__, what, checkpoint(data, {"0": SIX}))
    for what, data in test_unpickle.LIMITED:
        yield Attack("LimitExceeded", what, checkpoint(data, {"0": SIX}))
    for table in (test_legacy.ATTACKS, test_tar.ATTACKS):
        for what, (error, _, content) in table.items():
            yield Attack(error.__name__, what, content)
    for name, arguments in payloads.CALLS.items():
        yield Attack(_ANSWERED.get(name, "DisallowedGlobal"), name, _described(call(name, *arguments)))
    for error, what, content in test_safetensors.ATTACKS:
        yield Attack(error, what, content, ".safetensors")
    for error, what, content in test_numpy_files.MALFORMED:
        yield Attack(error, what, content, ".npy")


def _described(body: bytes) -> bytes:
    return checkpoint(pickled(body), {"0": SIX})


def names() -> dict[str, bytes]:
    """The files' names and contents."""
    found: dict[str, bytes] = {}
    for attack in attacks():
        slug = re.sub(r"[^a-z0-9]+", "-", attack.what.lower()).strip("-")[:48].strip("-")
        stem = f"{attack.error}--{slug}"
        number = 1
        while f"{stem}{'' if number == 1 else f'-{number}'}{attack.suffix}" in found:
            number += 1
        found[f"{stem}{'' if number == 1 else f'-{number}'}{attack.suffix}"] = attack.content
    return found


def main() -> None:
    """Write the folder."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for name, content in names().items():
        (FOLDER / name).write_bytes(content)
    print(f"{len(names())} files")  # noqa: T201  (a command's answer)


if __name__ == "__main__":
    main()
