"""What `save` and `load` refuse, and what they say then."""

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch
from flambeau.base.errors import (
    CannotReference,
    CannotSave,
    CircularReference,
    EmptyFile,
    LoadError,
    MissingParent,
    NotACheckpoint,
)
from flambeau.dtypes.layouts import MEMORY_FORMATS


def hooked() -> Any:
    """A model with a hook that has no name."""
    model = torch.nn.Sequential(torch.nn.ReLU())
    model[0].register_forward_hook(lambda module, inputs, output: None)
    return model


class Note:
    """Something of the user's."""

    class Inner:
        """A class inside a class."""


def local() -> Any:
    class Hidden:
        pass

    return Hidden


def open_file() -> Any:
    return sys.stderr


HERE = re.escape(Note.__module__)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "lambda": (
        lambda: {"f": lambda: 1},
        r"^cannot save the object\['f'\]: Can't pickle local object '.*<lambda>'$",
    ),
    "local class": (lambda: [1, local()], r"\[1\]: Can't pickle local object 'local\.<locals>\.Hidden'$"),
    "object of a local class": (lambda: (local()(),), r"\[0\]: Can't pickle local object 'local\.<locals>\.Hidden'$"),
    "class that is not there": (
        lambda: type("Gone", (), {"__module__": Note.__module__}),
        rf"Can't pickle <class '{HERE}\.Gone'>: attribute lookup Gone on {HERE} failed$",
    ),
    "class of another name": (
        lambda: type("Note", (), {"__module__": Note.__module__}),
        rf"Can't pickle <class '{HERE}\.Note'>: it's not the same object as {HERE}\.Note$",
    ),
    "class inside a class": (Note.Inner, r"it is defined inside another class"),
    "generator": (lambda: {"g": (i for i in "ab")}, r"\['g'\]: cannot pickle 'generator' object$"),
    "open file": (open_file, r"cannot pickle '.*' object$"),
    "hook": (hooked, r"\['0'\]\['_forward_hooks'\]\[\d+\]: Can't pickle local object 'hooked\.<locals>\.<lambda>'$"),
    "memory format": (lambda: MEMORY_FORMATS["channels_last"], r"cannot pickle 'torch\.memory_format' object"),
    "attribute": (lambda: noted(local()()), r"Can't pickle local object"),
}


def noted(value: Any) -> Any:
    """A tensor with an attribute."""
    tensor = torch.ones(1)
    vars(tensor)["note"] = value
    return tensor


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_code_is_refused(name: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    path = tmp_path / "old.pt"
    path.write_bytes(b"old")
    with pytest.raises(CannotSave, match=words):
        torch.save(make(), path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.pt"]


def test_lambdas_are_refused_with_an_error_of_pickles_class() -> None:
    with pytest.raises(AttributeError, match=r"Can't pickle local object"):
        torch.save(lambda: 1, io.BytesIO())
    with pytest.raises(CannotReference, match=r"Can't pickle local object"):
        torch.save(lambda: 1, io.BytesIO())


def test_circles_of_tuples_are_refused() -> None:
    circle: list[Any] = [1]
    pair = (circle,)
    circle.append(pair)
    with pytest.raises(CircularReference, match=r"cannot save the object\[0\]\[1\]: it contains itself"):
        torch.save(pair, io.BytesIO())


@pytest.mark.parametrize(
    "options",
    [
        {"pickle_module": io},
        {"pickle_protocol": 4},
        {"_disable_byteorder_record": True},
    ],
)
def test_other_formats_are_not_written(options: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError, match=f"{next(iter(options))}.* cannot be changed"):
        torch.save(1, io.BytesIO(), **options)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"pickle_module": io}, NotImplementedError, r"load\(pickle_module=\.\.\.\) is not supported"),
        ({"fix_imports": True}, TypeError, r"load\(\) got an unexpected keyword argument 'fix_imports'"),
        ({"mmap": True}, ValueError, "f must be a file path in order to use the mmap argument"),
    ],
)
def test_arguments_of_load(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    file = io.BytesIO()
    torch.save(1, file)
    file.seek(0)
    with pytest.raises(kind, match=words):
        torch.load(file, **options)


def test_accepted_arguments_of_load() -> None:
    file = io.BytesIO()
    torch.save([1], file)
    for options in ({"encoding": "utf-8"}, {"weights_only": False}, {"weights_only": True}, {"mmap": False}):
        file.seek(0)
        assert torch.load(file, **options) == [1]


def test_targets_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object with a 'write'"):
        torch.save(1, None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="source: expected a path, bytes or a file opened in binary mode"):
        torch.load(None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(MissingParent, match=r"Parent directory .*nowhere does not exist\."):
        torch.save(1, tmp_path / "nowhere" / "x.pt")
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        torch.load(tmp_path / "nothing.pt")
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        torch.load(tmp_path)


def test_content_that_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(b"")
    with pytest.raises(EmptyFile, match=r"x\.pt: the file is empty"):
        torch.load(path)
    path.write_text("hello")
    with pytest.raises(NotACheckpoint, match=r"x\.pt"):
        torch.load(path)


def test_every_damaged_byte_of_a_tensor_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(torch.full((64,), 1.5), path)
    data = bytearray(path.read_bytes())
    data[data.index(b"\x00\x00\xc0\x3f" * 4) + 17] ^= 1
    path.write_bytes(data)
    for options in ({}, {"mmap": False}):
        with pytest.raises(LoadError, match=r"record 'x/data/0' is damaged: its checksum should be"):
            torch.load(path, **options)
