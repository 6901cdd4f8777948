"""PyTorch's files read by us, ours read by PyTorch: equal values, types, strides, sharing, order and bytes."""

import io
import os
import random
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterator

import numpy as np
import pytest

from flambeau.base.errors import DisallowedGlobal, LoadError, MissingParent, UnsupportedContainer
from flambeau.checkpoint import (
    Builders,
    DeviceRecord,
    DtypeRecord,
    LayoutRecord,
    SizeRecord,
    StorageRecord,
    TensorRecord,
    read,
    write,
)
from flambeau.checkpoint.elements import ELEMENTS

torch = pytest.importorskip("torch")
config = pytest.importorskip("torch.utils.serialization").config

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


# From PyTorch's objects to records, and back --------------------------------------------------------------------------


def bytes_in(storage) -> np.ndarray:
    """The bytes of a storage, shared with it."""
    if isinstance(storage, StorageRecord):
        return storage.load()
    untyped = storage.untyped() if isinstance(storage, torch.TypedStorage) else storage
    return torch.empty(0, dtype=torch.uint8).set_(untyped).numpy()


class Describer:
    """Turns PyTorch's objects into records; tensors that share a storage share its record."""

    def __init__(self):
        self.storages = {}

    def __call__(self, value):
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, torch.Size):
            return SizeRecord(value)
        if isinstance(value, torch.device):
            return DeviceRecord(value.type, value.index)
        if isinstance(value, torch.dtype):
            return DtypeRecord(str(value).removeprefix("torch."))
        if isinstance(value, torch.layout):
            return LayoutRecord(str(value).removeprefix("torch."))
        if isinstance(value, torch.UntypedStorage):
            return self.storage(value, "uint8")
        return value

    def storage(self, storage, dtype):
        if storage._cdata not in self.storages:
            data = bytes_in(storage)
            self.storages[storage._cdata] = StorageRecord(dtype, data.size, lambda: data), storage
        return self.storages[storage._cdata][0]

    def tensor(self, value):
        dtype = str(value.dtype).removeprefix("torch.")
        bits: dict[str, object] = {}
        if value.is_conj():
            bits["conj"] = True
        if value.is_neg():
            bits["neg"] = True
        storage = self.storage(value.untyped_storage(), dtype if ELEMENTS[dtype].storage else "uint8")
        record = TensorRecord(dtype, tuple(value.shape), value.stride(), value.storage_offset(), storage)
        record.requires_grad, record.metadata, record.attributes = value.requires_grad, bits, dict(vars(value))
        record.is_parameter = type(value) is torch.nn.Parameter
        return record


def builders() -> Builders:
    """Turn records into PyTorch's objects, with PyTorch's own functions."""
    storages = {}

    def tensor(record):
        key = id(record.storage)
        if key not in storages:
            storages[key] = torch.frombuffer(bytearray(record.storage.load()) or bytearray(1), dtype=torch.uint8)
        storage = storages[key].untyped_storage()[: record.storage.nbytes]
        made = torch.empty(0, dtype=getattr(torch, record.dtype))
        made.set_(storage, record.storage_offset, record.shape, record.stride)
        if record.metadata.get("conj"):
            made = made.conj()
        if record.metadata.get("neg"):
            made = torch._neg_view(made)
        made.requires_grad_(record.requires_grad)
        vars(made).update(record.attributes)
        return made

    def parameter(data, requires_grad, attributes):
        made = torch.nn.Parameter(data, requires_grad)
        vars(made).update(attributes)
        return made

    return Builders(
        tensor=tensor,
        parameter=parameter,
        size=torch.Size,
        device=lambda kind, index: torch.device(kind, index) if index is not None else torch.device(kind),
        dtype=lambda name: getattr(torch, name),
        layout=lambda name: getattr(torch, name),
    )


def bits_of(tensor) -> bytes:
    """The bytes of a tensor's elements in row order."""
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    start = plain.storage_offset() * plain.itemsize
    return bytes_in(plain.untyped_storage())[start : start + plain.numel() * plain.itemsize].tobytes()


def differences(found, expected, path="object") -> Iterator[str]:
    """Yield every place where two objects differ."""
    if isinstance(expected, torch.UntypedStorage):
        if bytes_in(found).tobytes() != bytes_in(expected).tobytes():
            yield f"{path}: other bytes"
    elif type(found) is not type(expected):
        yield f"{path}: {type(found)} instead of {type(expected)}"
    elif isinstance(expected, torch.Tensor):
        for name in ("dtype", "shape", "requires_grad", "is_conj", "is_neg", "device"):
            values = [getattr(tensor, name) for tensor in (found, expected)]
            values = [value() if callable(value) else value for value in values]
            if values[0] != values[1]:
                yield f"{path}.{name}: {values[0]} instead of {values[1]}"
        if found.stride() != expected.stride():
            yield f"{path}.stride: {found.stride()} instead of {expected.stride()}"
        if bits_of(found) != bits_of(expected):
            yield f"{path}: other elements"
        yield from differences(vars(found), vars(expected), f"{path}.__dict__")
    elif isinstance(expected, dict):
        yield from differences(list(found), list(expected), f"{path} keys")
        for key in expected:
            yield from differences(found.get(key), expected[key], f"{path}[{key!r}]")
        if isinstance(expected, OrderedDict):
            yield from differences(vars(found), vars(expected), f"{path}.__dict__")
    elif isinstance(expected, list | tuple):
        if len(found) != len(expected):
            yield f"{path}: {len(found)} items instead of {len(expected)}"
        for index, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from differences(one, other, f"{path}[{index}]")
    elif found != expected and not (found != found and expected != expected):
        yield f"{path}: {found!r} instead of {expected!r}"


# The objects ----------------------------------------------------------------------------------------------------------


def model():
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 3))
    return torch.nn.Sequential(*layers)


def optimizer_state(kind, **options):
    net = model()
    optimizer = kind(net.parameters(), lr=0.01, **options)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.ones(2, 1, 8, 8)).sum().backward()
        optimizer.step()
    return optimizer.state_dict()


def tied():
    weight = torch.nn.Parameter(torch.ones(3, 3))
    return OrderedDict(encoder=weight, decoder=weight, alias=weight.data)


BASE = torch.arange(100.0)
BYTES = torch.arange(6, dtype=torch.uint8)
DTYPES = [getattr(torch, name) for name in ELEMENTS if not name.startswith(("qint", "quint"))]

OBJECTS = {
    "state dict": lambda: model().state_dict(),
    "sgd": lambda: optimizer_state(torch.optim.SGD, momentum=0.9),
    "adam": lambda: optimizer_state(torch.optim.Adam, amsgrad=True),
    "checkpoint": lambda: {"epoch": 20, "net": model().state_dict(), "loss": torch.tensor(0.5, requires_grad=True)},
    "dtypes": lambda: {str(d): torch.arange(1, 33, dtype=torch.uint8).view(d) for d in DTYPES},
    "a rest": lambda: [torch.arange(13, dtype=torch.uint8)[:12].view(torch.int32), torch.ones(1)],
    "scalars": lambda: [torch.tensor(1.5), torch.tensor(3), torch.tensor(True), torch.tensor(1 + 2j)],
    "empty": lambda: [torch.empty(0), torch.empty(2, 0, 3), torch.empty(0, dtype=torch.uint16)],
    "strides": lambda: [torch.arange(6.0).view(2, 3).t(), torch.arange(24).view(2, 3, 4).permute(2, 0, 1)],
    "expanded": lambda: [torch.ones(1).expand(5), torch.arange(3).expand(4, 3), torch.zeros(()).expand(2, 2)],
    "shared": lambda: [BASE[2:4], BASE[5:], BASE[::3], BASE.view(10, 10).t(), BASE],
    "tied": tied,
    "parameters": lambda: [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2), requires_grad=False)],
    "parameter with attributes": lambda: with_attributes(torch.nn.Parameter(torch.ones(2))),
    "tensor with attributes": lambda: with_attributes(torch.ones(2)),
    "buffer": lambda: [torch.nn.Buffer(torch.ones(2)), torch.nn.Buffer(torch.ones(2), persistent=False)],
    "bits": lambda: [torch.tensor([1 + 2j, 3j]).conj(), torch.tensor([1 + 2j, 3j]).conj().imag],
    "requires grad": lambda: torch.ones(2, requires_grad=True),
    "channels last": lambda: torch.arange(48.0).view(1, 3, 4, 4).to(memory_format=torch.channels_last),
    "storage": lambda: torch.ones(3).untyped_storage(),
    "storage and tensor": lambda: [BYTES.untyped_storage(), BYTES[1:]],
    "torch values": lambda: [
        torch.Size([1, 2]),
        torch.Size([]),
        torch.device("cpu"),
        torch.device("cuda", 1),
        torch.strided,
    ],
    "torch dtypes": lambda: DTYPES,
    "numbers": lambda: [
        0,
        -1,
        255,
        256,
        65_535,
        65_536,
        2**31,
        -(2**31) - 1,
        2**100,
        -(2**2000),
        0.5,
        float("nan"),
        1 + 2j,
    ],
    "text": lambda: ["", "a\nb\0", "ü€😀", "x" * 300_000, b"\0\xff", bytearray(b"ab"), bytearray()],
    "containers": lambda: [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {1, 2}, Counter("aab"), [[[[{}]]]], None, True],
    "many": lambda: [
        list(range(3_500)),
        {str(i): i for i in range(2_500)},
        OrderedDict((i, str(i)) for i in range(2_500)),
    ],
    "random state": torch.get_rng_state,
}


def with_attributes(tensor):
    tensor.tag = {"a": [1, "b"]}
    return tensor


def saved(value, **options) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


# A lone view with gaps is written without them; one that ends before its storage, without the rest.
REPACKED = {"bits", "a rest"}


@pytest.mark.parametrize("name", OBJECTS)
def test_pytorch_writes_we_read(name, tmp_path):
    value = OBJECTS[name]()
    path = tmp_path / "m.pt"
    torch.save(value, path)
    for loaded in (read(path, build=builders()), read(path, mmap=False, build=builders())):
        loaded.verify()
        assert list(differences(loaded.obj, value)) == []


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("mmap", [False, True])
def test_we_write_pytorch_reads(name, mmap, tmp_path, monkeypatch):
    value = OBJECTS[name]()
    path = tmp_path / "m.pt"
    write(value, path, describe=Describer())
    # Lets PyTorch compare where it computes each storage to lie with where it lies.
    monkeypatch.setenv("TORCH_SERIALIZATION_DEBUG", "1")
    with config.patch("load.calculate_storage_offsets", True):
        loaded = torch.load(path, weights_only=True, mmap=mmap)
    found = list(differences(loaded, value))
    assert [line for line in found if name not in REPACKED or ".stride" not in line] == []


@pytest.mark.parametrize("name", sorted(set(OBJECTS) - REPACKED))
def test_files_are_equal_byte_for_byte(name, tmp_path):
    """But for the identifier, which PyTorch makes of a hash of its own, and its checksum."""
    value = OBJECTS[name]()
    ours, theirs = tmp_path / "ours" / "m.pt", tmp_path / "theirs" / "m.pt"
    for path in (ours, theirs):
        path.parent.mkdir()
    write(value, ours, describe=Describer())
    torch.save(value, theirs)
    assert anonymous(ours.read_bytes()) == anonymous(theirs.read_bytes())


def anonymous(content: bytes) -> bytes:
    """Blank out a file's identifier and its checksum."""
    start = content.rindex(b"PK\x07\x08") - 40
    identifier = content[start : start + 40]
    assert identifier.isdigit()
    checksum = zlib.crc32(identifier).to_bytes(4, "little")
    return content.replace(identifier, b"#" * 40).replace(checksum, b"####")


def shape_of_sharing(tensors) -> list[int]:
    """For each tensor, the first one that lies in the same memory."""
    places = [tensor.untyped_storage().data_ptr() for tensor in tensors]
    return [places.index(place) for place in places]


@pytest.mark.parametrize("name", ["shared", "tied"])
def test_sharing_is_kept_both_ways(name, tmp_path):
    value = OBJECTS[name]()
    tensors = list(value.values()) if isinstance(value, dict) else value
    write(value, tmp_path / "ours.pt", describe=Describer())
    torch.save(value, tmp_path / "theirs.pt")
    for loaded in (torch.load(tmp_path / "ours.pt"), read(tmp_path / "theirs.pt", build=builders()).obj):
        loaded = list(loaded.values()) if isinstance(loaded, dict) else loaded
        assert shape_of_sharing(loaded) == shape_of_sharing(tensors)
        same = [[one is other for one in loaded] for other in loaded]
        assert same == [[one is other for one in tensors] for other in tensors]


# Variants that PyTorch writes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(protocol):
    value = {"net": model().state_dict(), "text": ["a", b"b"], "set": {1, 2}, "size": torch.Size([3])}
    loaded = read(saved(value, pickle_protocol=protocol), build=builders())
    assert list(differences(loaded.obj, value)) == []


def test_without_checksums():
    torch.serialization.set_crc32_options(False)
    try:
        content = saved(model().state_dict())
    finally:
        torch.serialization.set_crc32_options(True)
    loaded = read(content, build=builders())
    loaded.verify()
    assert not loaded.checksums
    assert list(differences(loaded.obj, model().state_dict())) == []


def test_without_byte_order():
    assert read(saved({"a": 1}, _disable_byteorder_record=True)).obj == {"a": 1}


def test_plain_values_that_pytorch_writes_but_refuses_to_read():
    value = [b"", frozenset((1, 2)), range(1, 9, 2), slice(1, 2), 1 << 5_000]
    content = saved(value)
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(io.BytesIO(content))
    assert read(content).obj == value


def test_numpy_values():
    value = {"loss": np.float64(0.5), "scores": np.arange(6, dtype=np.float32).reshape(2, 3)}
    loaded = read(saved(value)).obj
    assert (loaded["loss"], type(loaded["loss"])) == (0.5, np.float64)
    np.testing.assert_array_equal(loaded["scores"], value["scores"], strict=True)


# What neither, or only one, reads -------------------------------------------------------------------------------------


class Unknown(torch.nn.Module):
    """A class that no allowlist knows."""


class Subclass(torch.Tensor):
    """A class of tensors that no allowlist knows."""


def test_a_whole_model_is_refused_in_the_words_of_pytorch():
    content = saved(Unknown())
    with pytest.raises(Exception, match="Weights only load failed") as theirs:
        torch.load(io.BytesIO(content))
    with pytest.raises(DisallowedGlobal, match="Weights only load failed") as ours:
        read(content)
    name = f"{Unknown.__module__}.Unknown"
    fact = (
        f"Unsupported global: GLOBAL {name} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{name}])` or the `torch.serialization.safe_globals([{name}])` context "
        "manager to allowlist this global if you trust this class/function"
    )
    assert fact in str(theirs.value)
    assert fact in str(ours.value)


def test_parent_directory_is_missed_in_the_words_of_pytorch():
    with pytest.raises(RuntimeError, match="Parent directory") as theirs:
        torch.save(1, "no/such.pt")
    with pytest.raises(MissingParent, match="Parent directory") as ours:
        write(1, "no/such.pt")
    assert str(ours.value) == str(theirs.value)


def test_a_tensor_of_another_class_is_refused_by_its_class():
    with pytest.raises(DisallowedGlobal, match=r"GLOBAL .*\.Subclass was not an allowed"):
        read(saved(torch.ones(2).as_subclass(Subclass)))


def test_torchscript_says_what_it_is(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "m.pt"))
    with pytest.raises(UnsupportedContainer, match="TorchScript archive"):
        read(tmp_path / "m.pt")


def test_damaged_files_that_both_load_hold_the_same(tmp_path):
    """Whatever PyTorch makes of a damaged file, we refuse it or read the original."""
    value = {"net": model().state_dict(), "epoch": 20}
    content = saved(value)
    generator = random.Random(22)
    path = tmp_path / "damaged.pt"
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(generator.randint(1, 3)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            loaded = read(path, build=builders())
        except LoadError:
            continue
        assert list(differences(loaded.obj, value)) == []
        assert list(differences(torch.load(path), value)) == []


def test_our_files_are_not_larger(tmp_path):
    view = torch.arange(1_000_000.0)[10:20]
    write(view, tmp_path / "ours.pt", describe=Describer())
    assert os.path.getsize(tmp_path / "ours.pt") < 4_096
    assert torch.equal(torch.load(tmp_path / "ours.pt"), view)
