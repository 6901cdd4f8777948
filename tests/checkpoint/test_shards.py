"""Checkpoints in several files: read as one, written by size, and the ways an index can be wrong."""

import json
import shutil
from typing import Any

import numpy as np
import pytest

from flambeau.base import errors
from flambeau.checkpoint import TensorRecord, read, write, write_safetensors, write_shards


def tensor(*values: float) -> TensorRecord:
    return TensorRecord.from_array(np.array(values, np.float32))


EMBED = tensor(1, 2, 3, 4)
TENSORS = {"embed": EMBED, "a": tensor(5, 6), "b": tensor(7, 8), "c": tensor(9), "head": EMBED}


def values(found: Any) -> dict[str, Any]:
    return {name: record.array().tolist() for name, record in found.obj.items()}


@pytest.mark.parametrize("kind", ["safetensors", "pytorch"])
def test_written_by_size_and_read_as_one(kind, tmp_path):
    paths = write_shards(TENSORS, tmp_path, most=17, format=kind)
    begin, end = ("model", ".safetensors") if kind == "safetensors" else ("pytorch_model", ".bin")
    files = [f"{begin}-0000{number}-of-00003{end}" for number in (1, 2, 3)]
    assert [path.removeprefix(f"{tmp_path}/") for path in paths] == [*files, f"{begin}{end}.index.json"]
    index = json.loads((tmp_path / f"{begin}{end}.index.json").read_text())
    assert index["metadata"] == {"total_size": 36}
    assert {name: files.index(file) for name, file in index["weight_map"].items()} == {
        "embed": 0,
        "a": 1,
        "b": 1,
        "c": 2,
        **({"head": 0} if kind == "pytorch" else {}),
    }
    found = read(paths[-1])
    assert values(found) == {name: record.array().tolist() for name, record in TENSORS.items()}
    assert list(found.obj) == ["embed", "head", "a", "b", "c"]
    assert found.obj["embed"].storage is found.obj["head"].storage
    assert (found.container, found.metadata) == ("index of shards", {"total_size": "36"})
    assert found.checksums == (kind == "pytorch")
    found.verify()


def test_no_tensor_at_all(tmp_path):
    assert read(write_shards({}, tmp_path, most=1)[-1]).obj == {}


@pytest.fixture
def shards(tmp_path):
    write_safetensors({"a": tensor(1)}, tmp_path / "1.safetensors")
    write({"b": tensor(2)}, tmp_path / "2.bin")
    return tmp_path


def index(folder: Any, weight_map: Any, **more: Any) -> Any:
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": weight_map, **more}))
    return path


GOOD = {"a": "1.safetensors", "b": "2.bin"}


def test_kinds_may_differ(shards):
    assert values(read(index(shards, GOOD))) == {"a": [1], "b": [2]}


def test_a_link_to_an_index_finds_the_files_beside_it(shards, tmp_path):
    path = index(shards, GOOD)
    other = tmp_path / "blobs"
    other.mkdir()
    shutil.move(path, other / "0123")
    path.symlink_to(other / "0123")
    assert list(read(path).obj) == ["a", "b"]


@pytest.mark.parametrize(
    ("error", "match", "weight_map"),
    [
        ("MissingShard", r"1 of 3 files are missing: '3\.bin'", {**GOOD, "c": "3.bin"}),
        ("MissingTensor", r"2\.bin lacks 1 of its tensors: 'c'", {**GOOD, "c": "2.bin"}),
        (
            "RepeatedTensor",
            r"2\.bin holds tensors .* in other files: 'b'",
            {**GOOD, "b": "1.safetensors", "c": "2.bin"},
        ),
        ("UnlistedTensor", r"2\.bin holds tensors that the index does not list: 'b'", {"a": "2.bin"}),
        ("EscapingShard", r"'\.\./x\.bin' is no file", {"a": "../x.bin"}),
        ("EscapingShard", "'/etc/passwd' is no file", {"a": "/etc/passwd"}),
        ("EscapingShard", "is no file", {"a": "b/../../x"}),
        ("EscapingShard", "is no file", {"a": r"..\x"}),
        ("EscapingShard", "is no file", {"a": "C:x"}),
        ("EscapingShard", "is no file", {"a": ""}),
        ("BadIndex", "a string is expected", {"a": 3}),
        ("BadIndex", "'{' is expected", [1]),
    ],
)
def test_wrong_indexes(error, match, weight_map, shards):
    if error == "UnlistedTensor":
        write({"a": tensor(1), "b": tensor(2)}, shards / "2.bin")
    if error == "RepeatedTensor":
        write_safetensors({"a": tensor(1), "b": tensor(2)}, shards / "1.safetensors")
        write({"b": tensor(2), "c": tensor(3)}, shards / "2.bin")
    with pytest.raises(getattr(errors, error), match=match):
        read(index(shards, weight_map))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"a": 1}', "this JSON file is no index of shards: it has no 'weight_map'"),
        ('{"weight_map": {"a": "x", "a": "y"}}', "'a' is named twice"),
        ('{"weight_map": {}, "metadata": []}', "'metadata' is no object"),
        ('{"weight_map": {}', "',' is expected"),
        ('{"weight_map": ' + "[" * 100_000, "not JSON|recursion"),
        ('{"metadata": {"n": ' + "9" * 5000 + "}}", "4300"),
        ('{"weight_map": {}}{}', "something follows"),
    ],
)
def test_malformed_indexes(text, match, tmp_path):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(errors.BadIndex, match=match):
        read(path)


def test_an_index_needs_its_path(shards):
    with pytest.raises(errors.UnsupportedContainer, match="give its path instead of its bytes"):
        read(index(shards, GOOD).read_bytes())


def test_a_shard_that_is_no_dictionary(shards):
    write([tensor(1)], shards / "2.bin")
    with pytest.raises(errors.BadIndex, match=r"2\.bin holds no tensors by name"):
        read(index(shards, GOOD))


def test_a_damaged_shard_is_named(shards):
    path = shards / "1.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(errors.TensorOutOfFile, match=r"1\.safetensors: tensor 'a'"):
        read(index(shards, GOOD))
