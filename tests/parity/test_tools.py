"""What the commands for checkpoints write, as PyTorch reads it."""

from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest
import torch

from flambeau.checkpoint import TensorRecord, write_shards
from tests.cli.commands import run


def tensors():
    generator = torch.Generator().manual_seed(0)
    embed = torch.randn(8, 4, generator=generator)
    return OrderedDict(
        {
            "embed.weight": embed,
            "norm.count": torch.tensor(3),
            "turned": torch.randn(3, 5, generator=generator).t(),
            "half": torch.ones(3, dtype=torch.bfloat16),
            "head.weight": embed,
        }
    )


@pytest.mark.parametrize("legs", [["a.safetensors"], ["a.safetensors", "b.bin"], ["a.pth", "b.safetensors"]])
def test_converted_files_are_loaded_by_pytorch(legs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(tensors(), "start.pth")
    files = ["start.pth", *legs, "end.pth"]
    for source, target in pairwise(files):
        assert run("convert", source, target).status == 0
    found = torch.load("end.pth", weights_only=True)
    assert list(found) == list(tensors())
    for name, value in tensors().items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
    assert found["embed.weight"].data_ptr() == found["head.weight"].data_ptr()


def test_edited_files_are_loaded_by_pytorch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    wrapped = torch.nn.DataParallel(model)
    torch.save({"epoch": 3, "model": wrapped.state_dict()}, "a.pth")
    assert run("edit", "a.pth", "b.pth", "--strip-prefix", "module.", "--cast", "float64").status == 0
    found = torch.load("b.pth", weights_only=True)
    assert vars(found["model"]) == vars(model.state_dict())
    model.double().load_state_dict(found["model"])


def test_casts_round_as_pytorch_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 100
    torch.save({"x": values}, "a.pth")
    for name in ("float16", "bfloat16", "float64", "float8_e5m2", "float8_e4m3fn"):
        assert run("edit", "a.pth", "b.pth", "--cast", name).status == 0
        found = torch.load("b.pth", weights_only=True)["x"]
        expected = values.to(getattr(torch, name))
        assert found.dtype == expected.dtype
        assert torch.equal(found.view(torch.uint8), expected.view(torch.uint8)), name


def test_shards_are_loaded_by_pytorch(tmp_path):
    records = {name: TensorRecord.from_array(np.full(4, index)) for index, name in enumerate("abc")}
    for path in write_shards(records, tmp_path, most=64, format="pytorch")[:-1]:
        for name, value in torch.load(path, weights_only=True).items():
            assert value.tolist() == records[name].array().tolist()
