"""Where loaded tensors go: `map_location` in its forms, and devices that are not there."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.checkpoint import StorageRecord, TensorRecord, write
from flambeau.devices.backend import available
from flambeau.serialization import places

pytestmark = pytest.mark.skipif(available("cuda") > 0, reason="tells what happens on a machine without CUDA")

MISSING = (
    r"Attempting to deserialize object on a CUDA device but torch\.cuda\.is_available\(\) is False\. If you are "
    r"running on a CPU-only machine, please use torch\.load with map_location=torch\.device\('cpu'\) to map your "
    r"storages to the CPU\."
)


def saved_on(*places: str) -> io.BytesIO:
    """A file of tensors as a machine with other devices would have written it."""
    tensors: list[TensorRecord] = []
    for place in places:
        record = TensorRecord.from_array(np.arange(3, dtype=np.float32))
        data = record.storage.load()
        record.storage = StorageRecord("float32", 12, lambda data=data: data, location=place)
        tensors.append(record)
    file = io.BytesIO()
    write(tensors, file)
    file.seek(0)
    return file


MAPS: dict[str, Callable[[], Any]] = {
    "text": lambda: "cpu",
    "device": lambda: torch.device("cpu"),
    "dictionary": lambda: {"cuda:0": "cpu", "cuda:1": "cpu"},
    "dictionary of devices": lambda: {"cuda:0": torch.device("cpu"), "cuda:1": torch.device("cpu")},
    "function": lambda: lambda storage, location: storage,
    "function that moves": lambda: lambda storage, location: storage.cpu(),
}


@pytest.mark.parametrize("name", MAPS)
def test_map_location(name: str) -> None:
    found = torch.load(saved_on("cuda:0", "cpu", "cuda:1"), map_location=MAPS[name]())
    assert [(tensor.tolist(), tensor.device) for tensor in found] == [([0, 1, 2], torch.device("cpu"))] * 3


def test_none_leaves_tensors_where_they_were() -> None:
    assert torch.load(saved_on("cpu"), map_location=None)[0].device == torch.device("cpu")


@pytest.mark.parametrize(
    "place", [None, {"cuda:1": "cpu"}, lambda storage, location: None, "cuda", torch.device("cuda")]
)
def test_cuda_where_there_is_none(place: Any) -> None:
    with pytest.raises(RuntimeError, match=MISSING):
        torch.load(saved_on("cuda:0"), map_location=place)


def test_a_function_is_asked_once_for_each_storage() -> None:
    asked: list[tuple[str, int]] = []

    def choose(storage: Any, location: str) -> Any:
        asked.append((location, storage.nbytes()))
        return storage

    torch.load(saved_on("cuda:0", "cpu"), map_location=choose)
    assert asked == [("cuda:0", 12), ("cpu", 12)]


def test_a_function_that_moves_to_a_gpu() -> None:
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        torch.load(saved_on("cpu"), map_location=lambda storage, location: storage.cuda(0))


def test_a_function_that_returns_something_else() -> None:
    with pytest.raises(TypeError, match=r"expected the function to return a storage .* or None, but got str"):
        torch.load(saved_on("cpu"), map_location=lambda storage, location: "cpu")


def test_a_function_that_moves_to_the_meta_device() -> None:
    found = torch.load(saved_on("cuda:0"), map_location=lambda storage, location: storage.to(device="meta"))[0]
    assert (found.device.type, found.shape) == ("meta", (3,))


def test_a_storage_tells_what_it_is() -> None:
    seen: list[Any] = []
    torch.load(saved_on("cuda:1"), map_location=lambda storage, location: seen.append(storage) or storage)
    storage = seen[0]
    assert (len(storage), storage.size(), storage.element_size(), storage.is_cuda) == (12, 12, 1, False)
    assert (repr(storage), torch.serialization.location_tag(storage)) == ("<UntypedStorage of 12 bytes on cpu>", "cpu")


def test_locations_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_packages", list(places._packages))
    torch.serialization.register_package(
        5, lambda storage: None, lambda storage, location: storage.cpu() if location.startswith("disk") else None
    )
    assert torch.load(saved_on("disk:7"))[0].tolist() == [0, 1, 2]
    torch.serialization.register_package(1, lambda storage: "somewhere", lambda storage, location: None)
    assert torch.serialization.location_tag(torch.ones(1)) == "somewhere"


def test_devices_are_validated() -> None:
    with pytest.raises(RuntimeError, match=MISSING):
        torch.serialization.validate_cuda_device("cuda:0")
    with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
        torch.serialization.validate_cuda_device("cpu")
    with pytest.raises(RuntimeError, match=r"The HPU device module is not registered\. If you are running"):
        torch.serialization.validate_hpu_device("hpu")


def test_meta_gives_shapes_only() -> None:
    found = torch.load(saved_on("cpu"), map_location="meta")[0]
    assert (found.device.type, found.shape) == ("meta", (3,))


def test_unknown_places() -> None:
    words = r"don't know how to restore data location of torch.storage.UntypedStorage \(tagged with gpu\)"
    with pytest.raises(RuntimeError, match=words):
        torch.load(saved_on("cpu"), map_location="gpu")
    with pytest.raises(RuntimeError, match=words):
        torch.load(saved_on("gpu"))
    with pytest.raises(TypeError, match="'int' object is not callable"):
        torch.load(saved_on("cpu"), map_location=3)  # pyright: ignore[reportArgumentType]


def test_a_device_with_too_high_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "available", lambda kind: 2)
    words = r"device 5 but torch\.cuda\.device_count\(\) is 2\. Please use torch\.load with map_location to map"
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on CUDA " + words):
        torch.load(saved_on("cuda:5"))


def test_files_name_the_cpu() -> None:
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    assert b"cpu" in file.getvalue()
