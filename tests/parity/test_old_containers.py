"""The containers before today's, and TorchScript: what PyTorch writes or reads in them, read by us, bit for bit."""

import io
import tarfile
from collections import OrderedDict
from typing import Any, cast

import numpy as np
import pytest

import flambeau
from flambeau.base.errors import LoadError, TrailingBytes
from flambeau.checkpoint import read, write
from tests.checkpoint import test_legacy, test_tar
from tests.checkpoint.crafting import (
    MAGIC,
    PROTOCOL,
    SYSTEM,
    block,
    keys_of,
    number,
    outside,
    pickled,
    sequence,
    stream,
    tar,
    tar_members,
    tar_storage,
    tar_tensor,
)
from tests.parity.test_checkpoint import OBJECTS, Describer, builders, differences, model, saved, shape_of_sharing

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

# The legacy format forgets the bytes behind the last whole element, and then PyTorch itself misreads the file.
UNWRITABLE = {"a rest"}


def legacy(value: Any, **options: Any) -> bytes:
    return saved(value, _use_new_zipfile_serialization=False, **options)


# The stream from before 1.6 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(OBJECTS) - UNWRITABLE))
def test_pytorch_writes_we_read(name, tmp_path):
    value = OBJECTS[name]()
    path = tmp_path / "m.pt"
    torch.save(value, path, _use_new_zipfile_serialization=False)
    for loaded in (read(path, build=builders()), read(path, mmap=False, build=builders())):
        loaded.verify()
        assert loaded.container == "PyTorch file from before version 1.6"
        assert list(differences(loaded.obj, value)) == []


# A lone view with gaps is written without them.
REPACKED = {"bits", "a rest"}
# A storage for itself comes back with a type.
TYPED = {"storage", "storage and tensor"}


@pytest.mark.parametrize("name", OBJECTS)
def test_we_write_pytorch_reads(name):
    value = OBJECTS[name]()
    file = io.BytesIO()
    write(value, file, describe=Describer(), legacy=True)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    if name in TYPED:
        loaded = loaded.untyped() if name == "storage" else [loaded[0].untyped(), loaded[1]]
    found = list(differences(loaded, value))
    assert [line for line in found if name not in REPACKED or ".stride" not in line] == []
    assert list(differences(read(file.getvalue(), build=builders()).obj, loaded)) == []


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_protocols(protocol):
    value = {"net": model().state_dict(), "text": ["a", b"b"], "set": {1, 2}, "size": torch.Size([3])}
    content = legacy(value, pickle_protocol=protocol)
    assert list(differences(read(content, build=builders()).obj, value)) == []
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    assert list(differences(read(file, build=builders()).obj, value)) == []


@pytest.mark.parametrize("name", ["shared", "tied"])
def test_sharing_is_kept_both_ways(name):
    value = OBJECTS[name]()
    tensors = list(value.values()) if isinstance(value, dict) else value
    file = io.BytesIO()
    write(value, file, describe=Describer(), legacy=True)
    file.seek(0)
    for loaded in (torch.load(file), read(legacy(value), build=builders()).obj):
        loaded = list(loaded.values()) if isinstance(loaded, dict) else loaded
        assert shape_of_sharing(loaded) == shape_of_sharing(tensors)


# PyTorch does not read an untyped storage from its own stream.
READABLE = test_legacy.GOLDEN.replace(b"torch.storage\nUntyped", b"torch\nByte")


@pytest.mark.parametrize("content", [READABLE, test_legacy.PYTHON2, test_legacy.ONE])
@pytest.mark.parametrize("encoding", ["utf-8", "latin1"])
def test_crafted_streams_are_read_by_pytorch_as_by_us(content, encoding):
    theirs = torch.load(io.BytesIO(content), weights_only=False, encoding=encoding)
    ours = read(content, build=builders(), encoding=encoding).obj
    if isinstance(theirs, dict):
        theirs = {key: value for key, value in theirs.items() if not isinstance(value, torch.TypedStorage)}
        ours = {key: ours[key] for key in theirs}
    assert list(differences(ours, theirs)) == []


def test_the_golden_file_has_a_storage_that_pytorch_cannot_read():
    with pytest.raises(Exception, match="dtype"):
        torch.load(io.BytesIO(legacy(torch.ones(1).untyped_storage())))
    assert read(legacy(torch.ones(1).untyped_storage())).obj.nbytes == 4


def test_parts_of_storages():
    whole, some = test_legacy.old_storage(), test_legacy.old_storage(view=test_legacy.part("9", 2, 3))
    body = sequence(test_legacy.tensor(whole), test_legacy.tensor(some, test_legacy.view(1, (2,))))
    content = stream(body, keys_of("0"), block(test_legacy.SIX, 6))
    theirs: Any = torch.load(io.BytesIO(content))
    ours = read(content, build=builders()).obj
    assert list(differences(ours, theirs)) == []
    theirs[0].zero_()
    ours[0].zero_()
    assert ours[1].tolist() == theirs[1].tolist() == [0, 0]


def test_bytes_behind_the_last_element_are_lost_by_pytorch_and_refused_by_us():
    content = legacy(cast("Any", OBJECTS["a rest"]())[0])
    assert torch.load(io.BytesIO(content)).untyped_storage().nbytes() == 12
    with pytest.raises(TrailingBytes, match="1 bytes follow the last storage"):
        read(content)


def test_text_of_python_2_is_read_as_pytorch_reads_it():
    body = b"](U\x02\xc3\xa4U\x01ae"
    content = MAGIC + PROTOCOL + SYSTEM + pickled(body) + keys_of()
    for encoding in ("utf-8", "latin1", "bytes"):
        theirs = torch.load(io.BytesIO(content), weights_only=False, encoding=encoding)
        assert read(content, encoding=encoding).obj == theirs
    with pytest.raises(UnicodeDecodeError, match="ascii"):
        torch.load(io.BytesIO(content), weights_only=False, encoding="ascii")
    with pytest.raises(LoadError, match="not in the encoding 'ascii'"):
        read(content, encoding="ascii")


def test_damaged_streams_that_both_load_hold_the_same():
    """Where nothing keeps a checksum both see the damage, and see the same."""
    value = {"net": OrderedDict(w=torch.arange(6.0).view(2, 3), b=torch.ones(2)), "epoch": 20}
    content = legacy(value)
    both = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        try:
            ours = read(bytes(damaged), build=builders()).obj
        except LoadError:
            continue
        try:
            theirs = torch.load(io.BytesIO(damaged))
        except Exception:  # noqa: BLE001  # whatever PyTorch makes of it
            continue
        assert list(differences(ours, theirs)) == []
        both += 1
    assert both > 50


# The tar archive of 2016 ----------------------------------------------------------------------------------------------


def read_by_pytorch(tmp_path: Any, content: bytes) -> Any:
    """PyTorch reads this format from a file with a name only, and with its pickle only."""
    path = tmp_path / "old.tar"
    path.write_bytes(content)
    return torch.load(path, weights_only=False)


KINDS = {
    "float64": "Double",
    "float32": "Float",
    "float16": "Half",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
}


@pytest.mark.parametrize("dtype", KINDS)
def test_tar_archives_are_read_by_pytorch_as_by_us(dtype, tmp_path):
    data = np.arange(12).astype(dtype)
    kind = f"torch.{KINDS[dtype]}"
    storages = [tar_storage(1 << 45, data.tobytes(), 12, kind + "Storage")]
    views = b"]" + sequence(number(7), number(1 << 45), number(4), number(8)) + b"a"
    tensors = [
        tar_tensor(20, 1 << 45, 0, (3, 4), (4, 1), kind + "Tensor"),
        tar_tensor(21, 7, 1, (2,), (3,), kind + "Tensor"),
    ]
    content = tar(sequence(outside(20), outside(21), outside(20)), storages, tensors, views)
    theirs, ours = read_by_pytorch(tmp_path, content), read(content, build=builders()).obj
    assert list(differences(ours, theirs)) == []
    assert ours[0] is ours[2]
    np.testing.assert_array_equal(theirs[0].numpy(), data.reshape(3, 4))
    for both in (ours, theirs):
        both[1].zero_()
        assert both[0].view(-1).tolist() == [0 if index in {5, 8} else index for index in range(12)]


def test_a_state_dict_in_a_tar_archive(tmp_path):
    theirs = read_by_pytorch(tmp_path, test_tar.GOOD)
    assert list(differences(read(test_tar.GOOD, build=builders()).obj, theirs)) == []
    ours = flambeau.load(tmp_path / "old.tar")
    assert ours["weight"].tolist() == theirs["weight"].tolist()


def test_a_tar_archive_of_todays_tarfile(tmp_path):
    path = tmp_path / "old.tar"
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for member in tar_members(outside(20), [test_tar.STORAGE], [test_tar.TENSOR]):
            source = tmp_path / "member"
            source.write_bytes(member.data)
            archive.add(source, member.name)
    theirs = torch.load(path, weights_only=False)
    assert list(differences(read(path, build=builders()).obj, theirs)) == []


# TorchScript ----------------------------------------------------------------------------------------------------------


INTEGERS: Any = list[int]
TENSORS: Any = list[torch.Tensor]


class Net(torch.nn.Module):
    """A module with every kind of attribute that TorchScript writes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(2, 2)
        self.layers = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.ReLU(), torch.nn.Linear(2, 3))
        self.tied = self.first.weight
        self.register_buffer("scale", torch.ones(2, dtype=torch.float64))
        self.sizes = torch.jit.Attribute([1, 2], INTEGERS)
        self.rates = torch.jit.Attribute({"a": 1.5}, dict[str, float])
        self.more = torch.jit.Attribute([torch.ones(1)], TENSORS)
        self.where = torch.device("cpu")
        self.label = "net"

    def forward(self, x):
        return self.layers(self.first(x)) + torch.tensor([1.0, 2.0, 3.0])


MODULES = {
    "scripted": lambda: torch.jit.script(Net()),
    "traced": lambda: torch.jit.trace(model().eval(), torch.ones(2, 1, 8, 8)),
    "frozen": lambda: torch.jit.freeze(torch.jit.script(Net().eval()), preserved_attrs=["scale"]),
    "transformer": lambda: torch.jit.script(torch.nn.TransformerEncoderLayer(4, 2, batch_first=True)),
    "recurrent": lambda: torch.jit.script(torch.nn.LSTM(2, 3, num_layers=2)),
    "half": lambda: torch.jit.script(torch.nn.Linear(2, 2).to(torch.bfloat16)),
}


@pytest.mark.parametrize("name", MODULES)
def test_torchscript(name, tmp_path):
    path = tmp_path / "m.pt"
    MODULES[name]().save(str(path))
    expected = torch.jit.load(path).state_dict()
    loaded = read(path, build=builders(), unknown="record")
    loaded.verify()
    found = loaded.obj.state_dict()
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert list(differences(found[key].detach(), value)) == []
    if expected:
        state = flambeau.load(path, unknown="record").state_dict()
        assert {key: str(value.dtype) for key, value in state.items()} == {
            key: str(value.dtype) for key, value in expected.items()
        }


def test_weights_of_torchscript_go_into_a_module(tmp_path):
    network = torch.nn.Linear(3, 2)
    torch.jit.script(network).save(str(tmp_path / "m.pt"))
    ours = flambeau.nn.Linear(3, 2)
    result = ours.load_state_dict(flambeau.load(tmp_path / "m.pt", unknown="record").state_dict())
    assert str(result) == "<All keys matched successfully>"
    assert ours.weight.tolist() == network.weight.tolist()


def test_torchscript_is_refused_in_the_words_of_pytorch(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "m.pt"))
    words = "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. "
    for library in (torch, flambeau):
        with pytest.raises(RuntimeError, match="TorchScript") as caught:
            library.load(tmp_path / "m.pt")
        assert words in str(caught.value)


# Our save and load ----------------------------------------------------------------------------------------------------


def test_our_save_writes_the_old_format_and_both_read_it():
    value: dict[str, Any] = {
        "w": flambeau.arange(6.0).reshape(2, 3),
        "h": flambeau.ones(2, dtype=flambeau.uint16),
        "epoch": 3,
    }
    value["row"] = value["w"][1]
    file = io.BytesIO()
    flambeau.save(value, file, _use_new_zipfile_serialization=False)
    for library in (torch, flambeau):
        file.seek(0)
        loaded = library.load(file)
        assert loaded["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert (str(loaded["h"].dtype), loaded["h"].tolist(), loaded["epoch"]) == ("torch.uint16", [1, 1], 3)
        loaded["row"].fill_(7)
        assert loaded["w"].tolist() == [[0, 1, 2], [7, 7, 7]]


def test_our_load_takes_an_encoding():
    content = stream(b"U\x01\xe4")
    assert flambeau.load(io.BytesIO(content)) == "ä"
    assert flambeau.load(io.BytesIO(content), encoding="bytes") == b"\xe4"


@pytest.mark.parametrize("library", [torch, flambeau])
def test_what_cannot_be_opened(library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.pt").touch()
    (tmp_path / "cut.pt").write_bytes(saved(torch.ones(1_000))[:2_000])
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: 'no\.pt'"):
        library.load("no.pt")
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        library.load(tmp_path)
    with pytest.raises(EOFError, match=r"^$|the file is empty"):
        library.load("empty.pt")
    with pytest.raises(RuntimeError, match="failed finding central directory"):
        library.load("cut.pt")
    with pytest.raises(RuntimeError, match=r"Parent directory no does not exist\."):
        library.save(1, "no/a.pt")


def test_text_is_called_text(tmp_path):
    (tmp_path / "a.pt").write_text("hello, world\n")
    with pytest.raises(LoadError, match=r"a\.pt: this is not a checkpoint but text: it begins with b'hello, w'"):
        flambeau.load(tmp_path / "a.pt")
