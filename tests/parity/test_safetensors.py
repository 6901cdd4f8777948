"""Our safetensors files as the safetensors package reads them, and its files as we do. It is no dependency of ours."""

import io

import numpy as np
import pytest
import torch

from flambeau.base.errors import LoadError
from flambeau.checkpoint import StorageRecord, TensorRecord, read, read_safetensors, write_safetensors
from flambeau.checkpoint.elements import ELEMENTS
from flambeau.checkpoint.safetensors_header import TYPES
from tests.checkpoint.test_safetensors import ATTACKS
from tests.cli.commands import run
from tests.parity.test_tools import tensors

package = pytest.importorskip("safetensors", reason="the safetensors package is not installed")
for_torch = pytest.importorskip("safetensors.torch", reason="the safetensors package is not installed")


@pytest.mark.parametrize("name", TYPES)
def test_every_type_both_ways(name):
    kind = TYPES[name]
    bits = np.arange(8, dtype=np.uint8) % (2 if kind == "bool" else 255)
    record = TensorRecord(kind, (8 // ELEMENTS[kind].size,), (1,), 0, StorageRecord(kind, 8, lambda: bits))
    file = io.BytesIO()
    write_safetensors({"x": record, "pad": TensorRecord.from_array(np.ones(3, np.uint8))}, file)
    found = dict(package.deserialize(file.getvalue()))
    assert found["x"]["dtype"] == name
    assert bytes(found["x"]["data"]) == bits.tobytes()


def test_its_files_are_read(tmp_path):
    plain = {name: value.contiguous() for name, value in tensors().items() if name != "head.weight"}
    for_torch.save_file(plain, tmp_path / "a.safetensors", metadata={"format": "pt"})
    found = read(tmp_path / "a.safetensors")
    assert found.metadata == {"format": "pt"}
    for name, value in plain.items():
        assert found.obj[name].dtype == str(value.dtype).removeprefix("torch.")
        assert found.obj[name].array().tobytes() == bytes(value.reshape(-1).view(torch.uint8).tolist())


def test_our_files_are_read_by_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(tensors(), "a.pth")
    assert run("convert", "a.pth", "a.safetensors").status == 0
    found = for_torch.load_file("a.safetensors")
    assert set(found) == {name for name in tensors() if name != "head.weight"}
    for name, value in found.items():
        assert torch.equal(value, tensors()[name])


def test_ties_between_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(4, 3)
            self.head = torch.nn.Linear(3, 4, bias=False)
            self.head.weight = self.embed.weight

    model = Tied()
    for_torch.save_model(model, "theirs.safetensors")
    found = read("theirs.safetensors").obj
    assert set(found) == {"embed.weight", "head.weight"}
    assert found["embed.weight"].storage is found["head.weight"].storage
    torch.save(model.state_dict(), "a.pth")
    assert run("convert", "a.pth", "ours.safetensors").status == 0
    fresh = Tied()
    assert for_torch.load_model(fresh, "ours.safetensors") == (set(), [])
    assert torch.equal(fresh.head.weight, model.head.weight)


def test_what_it_refuses_is_refused():
    accepted: set[str] = set()
    for error, _, file in ATTACKS:
        with pytest.raises(LoadError, match="<bytes>"):
            read_safetensors(file)
        try:
            package.deserialize(file)
            accepted.add(error)
        except (package.SafetensorError, OverflowError, MemoryError):
            pass
    # It lets blanks stand before the header, names twice and unknown fields; PyTorch lacks F6; NumPy ends at 64.
    assert accepted <= {"BadHeaderStart", "DuplicateName", "BadEntry", "UnsupportedTensor", "LimitExceeded"}
