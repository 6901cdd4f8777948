"""Objects and tensors that are no plain data, in files that PyTorch wrote: as data, or as inert records of them."""

import argparse
import collections
import datetime
import decimal
import enum
import fractions
import functools
import io
import pathlib
import pickle
import types
import uuid
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from flambeau.base.errors import DisallowedGlobal
from flambeau.checkpoint import (
    CallRecord,
    GlobalRecord,
    MetaRecord,
    NestedRecord,
    ObjectRecord,
    QuantizedRecord,
    SparseRecord,
    TensorRecord,
    read,
    scan,
    write,
)

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
UNKNOWN = pytest.mark.parametrize("unknown", ["error", "record"])


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


UTC = datetime.UTC
PLAIN: dict[str, Any] = {
    "namespace": argparse.Namespace(lr=0.1, layers=[1, 2], nested=argparse.Namespace(name="x")),
    "simple namespace": types.SimpleNamespace(a=1, b={"c": 2}),
    "paths": [
        pathlib.Path("/a/b"),
        pathlib.Path("c.pt"),
        pathlib.PurePosixPath("x/y"),
        pathlib.PureWindowsPath("c:/x"),
    ],
    "times": [
        datetime.datetime(2024, 2, 29, 23, 59, 58, 123456),
        datetime.datetime(2024, 2, 29, tzinfo=UTC),
        datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone(datetime.timedelta(hours=5), "X")),
        datetime.date(1, 1, 1),
        datetime.time(1, 2, 3, 4),
        datetime.time(1, tzinfo=UTC),
        datetime.timedelta(-3, 4, 5),
    ],
    "exact numbers": [decimal.Decimal("-1.50"), decimal.Decimal("NaN"), fractions.Fraction(-3, 4)],
    "uuid": [uuid.UUID(int=5), uuid.uuid5(uuid.NAMESPACE_DNS, "x")],
    "collections": [
        collections.defaultdict(list, {"a": [1]}),
        collections.defaultdict(None, {"a": 1}),
        collections.deque([1, 2, 3], 3),
        collections.deque(),
        collections.ChainMap({"a": 1}, {"b": 2}),
        collections.Counter("aab"),
        collections.OrderedDict(a=1),
    ],
    "numpy": [np.float64(0.5), np.dtype("f4"), np.arange(6).reshape(2, 3), np.array(["a", "bc"]), np.bool_(True)],
}


@UNKNOWN
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_data(name: str, protocol: int, unknown: Any) -> None:
    found = read(saved(PLAIN[name], pickle_protocol=protocol), unknown=unknown).obj
    assert repr(found) == repr(PLAIN[name])
    if "namespace" not in name:
        assert [type(value) for value in found] == [type(value) for value in PLAIN[name]]


# Objects of unknown classes -------------------------------------------------------------------------------------------


class Color(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Config:
    lr: float
    layers: list[int]


class Slotted:
    __slots__ = ("a",)

    def __init__(self) -> None:
        self.a = 1


class Words(list[Any]):
    """A list with attributes."""


class Table(dict[Any, Any]):
    """A dictionary."""


class Keywords:
    def __getnewargs_ex__(self) -> Any:
        return (1,), {"two": 2}

    def __new__(cls, *args: Any, **options: Any) -> Any:
        return object.__new__(cls)


class Net(torch.nn.Module):
    """A model with a layer, a buffer, a parameter shared by two names, and a reference to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(2, 3)
        self.again = self.fc
        self.blocks = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
        self.register_buffer("mean", torch.arange(3.0))
        self.__dict__["me"] = self


HERE = Config.__module__


def fields(record: Any) -> tuple[Any, ...]:
    return record.name.removeprefix(f"{HERE}."), record.arguments, record.state, record.items, record.pairs


OBJECTS: dict[str, tuple[Any, type[ObjectRecord], tuple[Any, ...]]] = {
    "enum": (Color.RED, CallRecord, ("Color", (1,), None, [], [])),
    "named tuple": (Point(1, 2), ObjectRecord, ("Point", (1, 2), None, [], [])),
    "dataclass": (Config(0.1, [1]), ObjectRecord, ("Config", (), {"lr": 0.1, "layers": [1]}, [], [])),
    "slots": (Slotted(), ObjectRecord, ("Slotted", (), (None, {"a": 1}), [], [])),
    "list": (Words([1, 2]), ObjectRecord, ("Words", (), None, [1, 2], [])),
    "dictionary": (Table(a=1), ObjectRecord, ("Table", (), None, [], [("a", 1)])),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_becomes_a_record(name: str) -> None:
    value, kind, expected = OBJECTS[name]
    found = read(saved([value, value]), unknown="record").obj
    assert type(found[0]) is kind
    assert found[0] is found[1]
    assert fields(found[0]) == expected
    with pytest.raises(DisallowedGlobal, match=rf"GLOBAL {HERE}\.{expected[0]} was not an allowed global by default"):
        read(saved(value))


def test_keyword_arguments_come_last() -> None:
    record = read(saved(Keywords(), pickle_protocol=4), unknown="record").obj
    assert fields(record)[:2] == ("Keywords", (1, {"two": 2}))


@UNKNOWN
def test_a_partial_is_a_record(unknown: Any) -> None:
    record = read(saved(functools.partial(dict, [], sep=2)), unknown=unknown).obj
    dictionary = GlobalRecord("builtins.dict")
    assert fields(record) == (
        "functools.partial",
        (dictionary,),
        (dictionary, ([],), {"sep": 2}, None),
        [],
        [],
    )


def test_functions_and_classes_are_inert_mentions() -> None:
    assert read(saved([saved, Net]), unknown="record").obj == [
        GlobalRecord(f"{HERE}.saved"),
        GlobalRecord(f"{HERE}.Net"),
    ]


def test_a_model_becomes_a_record_with_the_tensors_of_its_state_dict() -> None:
    model = Net()
    record = read(saved(model), unknown="record").obj
    assert record.state["me"] is record
    assert repr(record).startswith(f"ObjectRecord('{HERE}.Net', state of 'training', '_parameters', ")
    found = record.tensors()
    expected = {key: value for key, value in model.state_dict().items() if not key.startswith("again")}
    assert set(found) == set(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key].array(), value.numpy(), strict=True)


# Tensors --------------------------------------------------------------------------------------------------------------


def loaded(value: Any) -> Any:
    return read(saved(value)).obj


@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"])
def test_sparse(layout: str) -> None:
    dense = torch.zeros(4, 4)
    dense[0, 1], dense[3, 2] = 2, 5
    size = (2, 2) if layout[-3] == "b" else None
    value = dense.to_sparse(layout=getattr(torch, layout), blocksize=size)
    record = loaded(value)
    assert isinstance(record, SparseRecord)
    assert (record.layout, record.shape, record.coalesced) == (layout, (4, 4), True if layout[-3:] == "coo" else None)
    for part in record.parts:
        np.testing.assert_array_equal(record.array(part), getattr(value, part)().numpy(), strict=True)


def quantized(kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = torch.arange(15.0).reshape(3, 5)
        if kind == "tensor":
            return torch.quantize_per_tensor(data, 0.5, 3, torch.qint8)
        points = torch.tensor([1, 2, 3]) if kind == "channel" else torch.zeros(3)
        dtype = torch.quint8 if kind == "channel" else torch.quint4x2
        return torch.quantize_per_channel(data, torch.tensor([0.5, 1, 2]), points, 0, dtype)


def test_quantized_per_tensor() -> None:
    value = quantized("tensor")
    record = loaded(value)
    assert isinstance(record, QuantizedRecord)
    scale, zero_point = record.scale, record.zero_point
    assert (record.scheme, scale, zero_point, record.axis) == ("per_tensor_affine", 0.5, 3, None)
    assert isinstance(scale, float)
    assert isinstance(zero_point, int)
    np.testing.assert_array_equal(record.array(), value.int_repr().numpy(), strict=True)
    found = (record.array().astype(np.float32) - zero_point) * scale
    np.testing.assert_array_equal(found, value.dequantize().numpy())


def test_quantized_per_channel() -> None:
    value = quantized("channel")
    record = loaded(value)
    assert (record.scheme, record.axis) == ("per_channel_affine", 0)
    np.testing.assert_array_equal(record.array(), value.int_repr().numpy(), strict=True)
    np.testing.assert_array_equal(record.scale.array(), value.q_per_channel_scales().numpy())
    np.testing.assert_array_equal(record.zero_point.array(), value.q_per_channel_zero_points().numpy())


def test_quantized_and_packed() -> None:
    record = loaded(quantized("packed"))
    assert (record.shape, record.data.dtype, record.array().nbytes) == ((3, 5), "quint4x2", 8)


def test_nested() -> None:
    record = loaded(torch.nested.nested_tensor([torch.ones(2), torch.zeros(3)]))
    assert isinstance(record, NestedRecord)
    assert record.array().tolist() == [1, 1, 0, 0, 0]
    assert record.sizes.array().tolist() == [[2], [3]]
    assert record.offsets.array().tolist() == [0, 2]


def test_meta() -> None:
    record = loaded(torch.empty(2, 3, device="meta"))
    assert isinstance(record, MetaRecord)
    assert (record.dtype, record.shape, record.stride) == ("float32", (2, 3), (3, 1))


class Subclass(torch.Tensor):
    """A tensor of a class of its own."""


def test_a_tensor_of_a_class_of_its_own() -> None:
    value = torch.ones(2).as_subclass(Subclass)
    value.note = "x"
    record = read(saved(value), unknown="record").obj
    assert (record.name, record.state) == (f"{HERE}.Subclass", {"note": "x"})
    assert isinstance(record.arguments[0], TensorRecord)
    assert record.tensors()["arguments.0"].array().tolist() == [1, 1]


def test_jagged() -> None:
    value = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)
    record = read(saved(value), unknown="record").obj
    assert record.name == "torch._tensor._rebuild_from_type_v2"
    assert any(tensor.array().tolist() == [1] * 5 for tensor in record.tensors().values() if 0 not in tensor.shape)


@UNKNOWN
def test_the_second_of_two_equal_hours(unknown: Any) -> None:
    value = [datetime.datetime(2024, 2, 29, fold=1), datetime.time(1, fold=1)]
    found = read(saved(value, pickle_protocol=4), unknown=unknown).obj
    assert [part.fold for part in found] == [1, 1]
    assert repr(found) == repr(value)


WRITTEN: dict[str, Any] = {
    "coo": lambda: torch.eye(3).to_sparse(),
    "csr": lambda: torch.eye(3).to_sparse_csr(),
    "quantized": lambda: quantized("tensor"),
    "quantized per channel": lambda: quantized("channel"),
    "quantized and packed": lambda: quantized("packed"),
    "meta": lambda: torch.empty(2, 3, device="meta"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_was_read_as_a_record_is_written_for_pytorch(name: str) -> None:
    value = WRITTEN[name]()
    file = io.BytesIO()
    write([loaded(value)], file)
    file.seek(0)
    (found,) = torch.load(file, weights_only=True)
    assert (found.dtype, found.shape, found.layout, found.device) == (
        value.dtype,
        value.shape,
        value.layout,
        value.device,
    )
    if name != "meta":
        plain = "dequantize" if value.is_quantized else "to_dense"
        assert torch.equal(getattr(found, plain)(), getattr(value, plain)())


def test_objects_that_were_read_as_records_are_written_for_pytorch() -> None:
    file = io.BytesIO()
    write(read(saved([Config(0.1, [1]), Color.RED, Table(a=1), Words([1]), Net()]), unknown="record").obj, file)
    file.seek(0)
    config, color, table, words, model = torch.load(file, weights_only=False)
    assert (config, color, table, words) == (Config(0.1, [1]), Color.RED, {"a": 1}, [1])
    assert model.again is model.fc
    assert model.__dict__["me"] is model
    assert model.fc(torch.ones(1, 2)).shape == (1, 3)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_scan_finds_the_names_that_pytorch_writes(zipped: bool) -> None:
    data = saved({"model": Net(), "config": Config(0.1, [])}, _use_new_zipfile_serialization=zipped)
    report = scan(data)
    assert report.container == ("zip archive" if zipped else "PyTorch file from before version 1.6")
    assert report.problems == []
    assert report.names("suspicious") == []
    assert {name for name in report.names("unknown") if name.startswith(HERE)} == {f"{HERE}.Net", f"{HERE}.Config"}
    found = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) if zipped else []
    assert set(found) <= {entry.name for entry in report.globals}


def test_a_storage_inside_a_plain_pickle_is_a_file_inside() -> None:
    report = scan(pickle.dumps(torch.ones(2).untyped_storage()))
    assert any("file inside" in entry.where for entry in report.globals)
    assert report.safe
