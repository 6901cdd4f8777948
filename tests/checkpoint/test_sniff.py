"""Which container a file is, told by its first bytes."""

import io

import pytest

from flambeau.base.errors import EmptyFile, NotACheckpoint
from flambeau.checkpoint import read


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
        (b"\x80\x04K\x01.", "a bare pickle"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"GGUF\x03", "a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"hello world\n", "begins with b'hello wo'"),
        (b"P", "begins with b'P'"),
    ],
)
def test_something_else(content, match):
    with pytest.raises(NotACheckpoint, match=match):
        read(content)


@pytest.mark.parametrize("source", [b"", io.BytesIO(), io.BytesIO(b"x")], ids=["bytes", "file", "file at its end"])
def test_nothing(source):
    if isinstance(source, io.BytesIO):
        source.read()
    with pytest.raises(EmptyFile, match="the file is empty"):
        read(source)


def test_an_empty_file_is_also_an_end_of_file(tmp_path):
    path = tmp_path / "empty.pt"
    path.touch()
    with pytest.raises(EOFError, match=r"empty\.pt: the file is empty"):
        read(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.pt"):
        read(tmp_path / "no.pt")


def test_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="directory"):
        read(tmp_path)


@pytest.mark.parametrize("source", [io.StringIO("PK"), 3, None])
def test_what_is_no_source(source):
    with pytest.raises(TypeError, match="expected a path, bytes or a file opened in binary mode"):
        read(source)
