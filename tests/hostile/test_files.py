"""Each file of the folder is refused by the error it is named after, through every door, and quickly."""

import time
from pathlib import Path
from typing import Any

import pytest

import flambeau
from flambeau.base.errors import LoadError
from flambeau.checkpoint import read
from flambeau.checkpoint.reader import read_safetensors
from tests.hostile.attacks import FOLDER, names

FILES = sorted(FOLDER.iterdir())


def test_the_folder_is_what_the_tables_make() -> None:
    made = names()
    assert {path.name for path in FILES} == set(made)
    assert all(path.read_bytes() == made[path.name] for path in FILES)
    assert len(FILES) >= 150


def refused(opened: Any) -> str:
    """The class of the error that opening something raises."""
    started = time.process_time()
    with pytest.raises(LoadError, match=r"\S") as caught:
        opened()
    assert time.process_time() - started < 5
    assert len(str(caught.value)) < 1_000
    return type(caught.value).__name__


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_refused(path: Path) -> None:
    error = path.name.partition("--")[0]
    if path.suffix == ".safetensors":
        assert refused(lambda: read_safetensors(path)) == error
        return
    assert refused(lambda: read(path)) == error
    assert refused(lambda: read(path, mmap=False)) == error
    if path.suffix == ".pt":
        assert refused(lambda: flambeau.load(path)) == error
        assert refused(lambda: flambeau.load(path, weights_only=False)) == error
