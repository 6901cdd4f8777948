"""Saves in the background: what is saved, in which order, and how failures are told."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch
from flambeau.base.errors import SaveError
from flambeau.serialization import BackgroundSave


def test_the_file_holds_what_was_there_when_save_was_called(tmp_path: Path) -> None:
    layer = torch.nn.Linear(64, 64)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    inputs = torch.ones(4, 64)

    def step() -> None:
        optimizer.zero_grad()
        layer(inputs).sum().backward()
        optimizer.step()

    step()
    saves: list[tuple[BackgroundSave, Path, list[Any]]] = []
    for number in range(5):
        path = tmp_path / f"{number}.pt"
        saving = torch.save({"model": layer.state_dict(), "optimizer": optimizer.state_dict()}, path, background=True)
        saves.append((saving, path, layer.weight.tolist()))
        step()
    for saving, path, weight in saves:
        saving.wait()
        assert saving.done()
        assert torch.load(path)["model"]["weight"].tolist() == weight


def test_saves_end_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    for number in range(10):
        torch.save({"number": number, "big": torch.zeros(100_000)}, path, background=True)
    torch.save({"number": 10}, path)
    assert torch.load(path) == {"number": 10}
    assert os.listdir(tmp_path) == ["file.pt"]


def test_what_cannot_be_saved_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=r"cannot save the object\['a'\]\['b'\]"):
        torch.save({"a": {"b": lambda: 0}}, tmp_path / "file.pt", background=True)


def test_a_failure_is_raised_by_wait(tmp_path: Path) -> None:
    saving = torch.save(1, tmp_path / "absent" / "file.pt", background=True)
    with pytest.raises(SaveError, match=r"Parent directory .* does not exist"):
        saving.wait()
    saving.wait()  # told once
    torch.save(1, tmp_path / "file.pt")


@pytest.mark.parametrize("background", [False, True])
def test_a_failure_is_raised_by_the_next_save(tmp_path: Path, background: bool) -> None:
    saving = torch.save(1, tmp_path / "absent" / "file.pt", background=True)
    assert saving.ended()
    with pytest.raises(SaveError, match=r"Parent directory .* does not exist") as caught:
        torch.save(2, tmp_path / "file.pt", background=background)
    assert "begun earlier" in caught.value.__notes__[0]


def test_wait_has_a_limit() -> None:
    saving = BackgroundSave("somewhere", lambda: None)
    with pytest.raises(TimeoutError, match="the save of somewhere has not ended within 0 s"):
        saving.wait(0)
    assert repr(saving) == "<BackgroundSave of somewhere: under way>"


PROGRAM = """
import flambeau as torch
torch.save({"x": torch.zeros(3_000_000)}, %r, background=True)
"""


def test_the_end_of_the_process_waits_and_tells(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    ended = subprocess.run([sys.executable, "-c", PROGRAM % str(path)], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert torch.load(path)["x"].shape == (3_000_000,)
    absent = str(tmp_path / "absent" / "file.pt")
    ended = subprocess.run([sys.executable, "-c", PROGRAM % absent], capture_output=True, text=True, check=False)
    assert "flambeau: a background save failed: Parent directory" in ended.stderr
