"""Tensors without a pickle, through the public functions: safetensors, shards, and NumPy's archives."""

import io
import re

import numpy as np
import pytest

import flambeau as torch
from flambeau.base.errors import BadHeaderStart, CannotSave, TensorOutOfFile
from flambeau.serialization import load_safetensors, save_safetensors, save_shards


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(4, 3)
        self.head = torch.nn.Linear(3, 4, bias=False)
        self.head.weight = self.embed.weight
        self.norm = torch.nn.BatchNorm1d(3)


def equal(one, other):
    assert list(one) == list(other)
    for name in one:
        assert one[name].dtype == other[name].dtype
        assert torch.equal(one[name], other[name])


def test_a_state_dict_comes_back_with_its_ties(tmp_path):
    torch.manual_seed(0)
    model, path = Tied(), tmp_path / "model.safetensors"
    save_safetensors(model.state_dict(), path)
    for found in (torch.load(path), load_safetensors(path), load_safetensors(path, map_location="cpu")):
        equal(model.state_dict(), found)
        assert found["embed.weight"].data_ptr() == found["head.weight"].data_ptr()
        found["embed.weight"][0, 0] = 7
        assert found["head.weight"][0, 0].item() == 7
    fresh = Tied()
    fresh.load_state_dict(torch.load(path))
    equal(model.state_dict(), fresh.state_dict())


def test_a_file_and_types():
    names = "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 bool complex64 float8_e4m3fn"
    tensors = {name: torch.zeros(3).to(getattr(torch, name)) for name in names.split()}
    file = io.BytesIO()
    save_safetensors(tensors, file, metadata={"made by": "a test"})
    file.seek(0)
    found = torch.load(file)
    assert {name: str(tensor.dtype) for name, tensor in found.items()} == {name: f"torch.{name}" for name in tensors}


def test_a_view_shares_its_storage_again(tmp_path):
    base = torch.arange(6.0)
    save_safetensors({"base": base, "part": base[2:4]}, tmp_path / "a.safetensors")
    found = torch.load(tmp_path / "a.safetensors")
    found["part"].fill_(9)
    assert found["base"].tolist() == [0, 1, 9, 9, 4, 5]


def test_shards(tmp_path):
    model = Tied()
    paths = save_shards(model.state_dict(), tmp_path, max_size=60)
    assert len(paths) > 2
    found = torch.load(paths[-1])
    assert set(found) == set(model.state_dict())
    Tied().load_state_dict(found)


def test_numpys_archives(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(3.0), b=np.array([[True]]))
    found = torch.load(tmp_path / "a.npz")
    assert {name: (tensor.dtype, tensor.tolist()) for name, tensor in found.items()} == {
        "a": (torch.float64, [0, 1, 2]),
        "b": (torch.bool, [[True]]),
    }


def test_what_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"save_safetensors\(\) expected a dictionary of tensors, but got list"):
        save_safetensors([torch.ones(1)], io.BytesIO())  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"save_shards\(\) expected tensors, but 'a' is of type int"):
        save_shards({"a": 1}, tmp_path)  # pyright: ignore[reportArgumentType]
    with pytest.raises(CannotSave, match=r"no type for torch\.complex128"):
        save_safetensors({"a": torch.zeros(1, dtype=torch.complex128)}, io.BytesIO())
    with pytest.raises(BadHeaderStart, match="the header begins with"):
        load_safetensors(io.BytesIO((2).to_bytes(8, "little") + b"[]"))
    path = tmp_path / "a.safetensors"
    save_safetensors({"a": torch.ones(2)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TensorOutOfFile, match=re.escape(f"{path}: tensor 'a' should end at byte 8")):
        torch.load(path)
