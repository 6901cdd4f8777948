"""Checkpoints in both directions: bit-equal in the other library, and training goes on there from them."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")

BOTH = [(flambeau, torch), (torch, flambeau)]
DIRECTIONS = pytest.mark.parametrize(("writer", "reader"), BOTH, ids=["ours to PyTorch", "PyTorch's to us"])

OPTIMIZERS: dict[str, Any] = {
    "SGD": {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
    "Adam": {"lr": 0.01},
}


class Training:
    """A model with convolution, batch normalization and linear layers, its optimizer and its scheduler."""

    def __init__(self, library: Any, optimizer: str, seed: int) -> None:
        library.manual_seed(seed)
        nn = library.nn
        self.library = library
        self.model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))
        self.optimizer = getattr(library.optim, optimizer)(self.model.parameters(), **OPTIMIZERS[optimizer])
        self.scheduler = library.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=12)

    def steps(self, first: int, last: int) -> list[float]:
        """Train; returns the losses."""
        losses: list[float] = []
        for number in range(first, last):
            random = np.random.default_rng(number)
            inputs = self.library.tensor(random.standard_normal((8, 2, 6, 6)).astype(np.float32))
            labels = self.library.tensor(random.integers(0, 4, 8))
            loss = self.library.nn.functional.cross_entropy(self.model(inputs), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            losses.append(loss.item())
        return losses

    def state(self) -> dict[str, Any]:
        """Everything needed to go on."""
        return {
            "model_state_dict": self.model.state_dict(),
            "optimizer_state_dict": self.optimizer.state_dict(),
            "scheduler_state_dict": self.scheduler.state_dict(),
            "losses": [0.5, np.pi],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.model.load_state_dict(state["model_state_dict"])
        self.optimizer.load_state_dict(state["optimizer_state_dict"])
        self.scheduler.load_state_dict(state["scheduler_state_dict"])


def sent(writer: Any, reader: Any, obj: Any) -> Any:
    """An object saved by one library and loaded by the other, which runs none of the file's code."""
    file = io.BytesIO()
    writer.save(obj, file)
    file.seek(0)
    return reader.load(file, weights_only=True)


def bits(tensor: Any) -> bytes:
    """The bytes of a tensor's elements."""
    plain = tensor.detach()
    if isinstance(plain, torch.Tensor):
        return plain.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return plain.host().tobytes()


def plain(value: Any) -> Any:
    """An object with each tensor as its class, type, shape, need of a gradient and bytes; dictionaries keep order."""
    if isinstance(value, (torch.Tensor, flambeau.Tensor)):
        kind = type(value).__name__
        return kind, str(value.dtype), tuple(value.shape), value.stride(), value.requires_grad, bits(value)
    if isinstance(value, dict):
        return type(value), [(key, plain(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value), [plain(item) for item in value]
    return str(value) if type(value).__module__.split(".")[0] in ("torch", "flambeau") else value


@DIRECTIONS
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_checkpoint_of_a_training(optimizer: str, writer: Any, reader: Any) -> None:
    training = Training(writer, optimizer, 0)
    training.steps(0, 3)
    written = training.state()
    read = sent(writer, reader, written)
    assert plain(read) == plain(written)
    assert dict(read["model_state_dict"]._metadata) == dict(written["model_state_dict"]._metadata)
    assert list(read["model_state_dict"]._metadata) == list(written["model_state_dict"]._metadata)


@DIRECTIONS
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_in_the_other_library(optimizer: str, writer: Any, reader: Any) -> None:
    here, there = Training(writer, optimizer, 0), Training(reader, optimizer, 1)
    here.steps(0, 3)
    there.restore(sent(writer, reader, here.state()))
    expected = here.steps(3, 8)
    np.testing.assert_allclose(there.steps(3, 8), expected, rtol=0, atol=1e-5)
    assert len(set(expected)) == 5
    rates = [part.optimizer.param_groups[0]["lr"] for part in (here, there)]
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)
    final = [part.state() for part in (here, there)]
    names = [[list(state["optimizer_state_dict"]["state"][0]), list(state["model_state_dict"])] for state in final]
    assert names[0] == names[1]
    for mine, theirs in zip(*(state["optimizer_state_dict"]["state"].values() for state in final), strict=True):
        for name, value in mine.items():
            np.testing.assert_allclose(value.numpy(), theirs[name].numpy(), rtol=1e-3, atol=1e-5)


def shared(t: Any) -> list[Any]:
    x = t.arange(12.0).reshape(3, 4)
    return [x, x[1], x.t(), x[:, ::2]]


OBJECTS: dict[str, Any] = {
    "numbers": lambda t: [1, -(1 << 70), 2.5, True, None, 1j, "text", b"\x00\xff"],
    "containers": lambda t: {"a": ([1], {2: (3,)}), (1, "b"): {4, 5}},
    "small types": lambda t: [t.Size([2, 3]), t.device("cpu"), t.device("cuda", 1), t.bfloat16, t.int64],
    "parameter": lambda t: t.nn.Parameter(t.ones(2)),
    "fixed parameter": lambda t: t.nn.Parameter(t.ones(2), requires_grad=False),
    "gradient wanted": lambda t: t.ones(2, requires_grad=True),
    "0-d": lambda t: [t.tensor(2.5), t.tensor(3), t.tensor(True)],
    "empty": lambda t: [t.zeros(0), t.zeros(2, 0, 3)],
    "shared": shared,
    "expanded": lambda t: t.ones(1).expand(3),
    "types": lambda t: [
        t.tensor([0, 1, 1]).to(getattr(t, name))
        for name in "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex64 "
        "complex128 float8_e4m3fn float8_e5m2".split()
    ],
}


@DIRECTIONS
@pytest.mark.parametrize("name", OBJECTS)
def test_objects(name: str, writer: Any, reader: Any) -> None:
    made = OBJECTS[name]
    assert plain(sent(writer, reader, made(writer))) == plain(made(reader))


@DIRECTIONS
def test_sharing_survives(writer: Any, reader: Any) -> None:
    x = writer.zeros(2, 3)
    whole, row, again = sent(writer, reader, [x, x[1], x])
    row.fill_(4)
    assert whole.tolist() == [[0, 0, 0], [4, 4, 4]]
    assert again is whole


@DIRECTIONS
def test_attributes_survive(writer: Any, reader: Any) -> None:
    parameter, buffer = writer.nn.Parameter(writer.ones(2)), writer.nn.Buffer(writer.ones(3), persistent=False)
    parameter.note = [1, "two"]
    found, other = sent(writer, reader, [parameter, buffer])
    assert found.note == [1, "two"]
    assert isinstance(other, reader.nn.Buffer)
    assert other.persistent is False


def test_conjugates_and_other_looks_at_one_storage() -> None:
    x = torch.tensor([1 + 2j, 3 - 1j])
    found = sent(torch, flambeau, [x, x.conj(), x[1:].conj()])
    assert [value.tolist() for value in found] == [[1 + 2j, 3 - 1j], [1 - 2j, 3 + 1j], [3 + 1j]]
    found = sent(torch, flambeau, [x.imag, x.conj().imag])
    assert [value.tolist() for value in found] == [[2, -1], [-2, 1]]
    y = torch.arange(4).to(torch.uint8)
    found = sent(torch, flambeau, [y.view(torch.uint16), y.view(torch.float8_e4m3fn)])
    assert found[0].tolist() == [256, 770]
    assert found[1].tolist() == y.view(torch.float8_e4m3fn).tolist()


def test_layouts_survive() -> None:
    assert repr(sent(torch, flambeau, torch.strided)) == "torch.strided"
    assert sent(flambeau, torch, sent(torch, flambeau, torch.strided)) is torch.strided


def test_files_hold_the_same_records(tmp_path: Any) -> None:
    files: list[dict[str, bytes]] = []
    for library in (flambeau, torch):
        training = Training(library, "SGD", 3)
        path = tmp_path / library.__name__ / "model.pt"
        path.parent.mkdir()
        library.save({"model": training.model.state_dict(), "optimizer": training.optimizer.state_dict()}, path)
        with zipfile.ZipFile(path) as archive:
            files.append({name: archive.read(name) for name in archive.namelist()})
    assert list(files[0]) == list(files[1])
    # The identifier is a hash, and each library has its own.
    different = [name for name, record in files[0].items() if record != files[1][name]]
    assert different in ([], ["model/.data/serialization_id"])


def test_map_location_texts() -> None:
    words: list[str] = []
    for library in (flambeau, torch):
        for place in ("cuda", "gpu", {"cpu": "cuda:0"}):
            file = io.BytesIO()
            library.save(library.ones(1), file)
            file.seek(0)
            with pytest.raises(RuntimeError, match=r"Attempting to deserialize|don't know how to restore") as caught:
                library.load(file, map_location=place)
            words.append(str(caught.value))
    assert words[:3] == words[3:]
