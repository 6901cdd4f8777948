"""``utils.tensorboard``: tensors become events that can be read back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.tensorboard import SummaryWriter, writer

pytest.importorskip("tensorboardX")


def events(folder: Path) -> list[Any]:
    """Values of all events in a folder's files."""
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]  (made by protocol buffers)

    found: list[Any] = []
    for path in folder.rglob("events*"):
        data, at = path.read_bytes(), 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 8], "little")
            found.extend(Event.FromString(data[at + 12 : at + 12 + size]).summary.value)
            at += size + 16
    return found


def test_scalars_of_tensors(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as log:
        log.add_scalar("loss", torch.tensor(0.5, requires_grad=True), 1)
        log.add_scalar("half", torch.tensor(0.25, dtype=torch.bfloat16), 2)
        assert log.get_logdir() == str(tmp_path)
    assert {item.tag: item.simple_value for item in events(tmp_path)} == {"loss": 0.5, "half": 0.25}


def test_everything_takes_tensors(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as log:  # pyright: ignore[reportArgumentType]  (a path, as PyTorch accepts it)
        log.add_scalars("both", {"a": torch.tensor(1.0), "b": 2.0}, 1)
        log.add_histogram("weights", torch.arange(10.0), 1)
        log.add_image("image", torch.rand(3, 4, 4))
        log.add_images("images", torch.rand(2, 3, 4, 4))
        log.add_text("text", "words")
        log.add_pr_curve("curve", torch.tensor([0, 1, 1]), torch.tensor([0.1, 0.9, 0.4]))
        log.add_hparams({"lr": 0.1}, {"loss": torch.tensor(0.5)})
        log.add_mesh("mesh", torch.rand(1, 4, 3))
        log.flush()
    tags = {item.tag for item in events(tmp_path)}
    assert {"weights", "image", "text/text_summary", "curve"} <= tags
    (histogram,) = [item.histo for item in events(tmp_path) if item.tag == "weights"]
    assert (histogram.num, histogram.sum) == (10, 45)


def test_what_is_not_supported_is_named(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as log:
        with pytest.raises(NotImplementedError, match="add_graph"):
            log.add_graph(torch.nn.Linear(1, 1))
        with pytest.raises(NotImplementedError, match="add_tensor"):
            log.add_tensor("x", torch.ones(1))
        with pytest.raises(NotImplementedError, match="add_onnx_graph"):
            log.add_onnx_graph("x")


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "tensorboardX", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "flambeau\[tensorboard\]"'):
        SummaryWriter()


def test_arrays_keep_their_numbers() -> None:
    assert np.array_equal(writer._plain([torch.tensor([1, 2])])[0], [1, 2])
