"""Objects beyond tensors, by hand-made files: records, the plain data of other packages, and what is malformed."""

import datetime
import decimal
import fractions
import io
import uuid
from argparse import Namespace
from collections import ChainMap, defaultdict, deque
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pytest

from flambeau.base.errors import BadCall, BadPickle, BadTensor, LimitExceeded, UnhashableKey
from flambeau.checkpoint import (
    CallRecord,
    GlobalRecord,
    MetaRecord,
    NestedRecord,
    ObjectRecord,
    QuantizedRecord,
    SparseRecord,
    StorageRecord,
    TensorRecord,
    read,
    write,
)
from tests.checkpoint.crafting import (
    HOOKS,
    SIX,
    call,
    checkpoint,
    name,
    number,
    numbers,
    pickled,
    sequence,
    storage,
    tensor,
    text,
    view,
)


def load(body: bytes, unknown: Any = "error", **storages: bytes) -> Any:
    return read(checkpoint(pickled(body), {key[1:]: data for key, data in storages.items()}), unknown=unknown).obj


def new(full: str, *arguments: bytes) -> bytes:
    return name(full) + sequence(*arguments) + b"\x81"


def fields(**values: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def packed(data: bytes) -> bytes:
    return call("_codecs.encode", text(data.decode("latin1")), text("latin1"))


# Records --------------------------------------------------------------------------------------------------------------


def test_everything_the_file_says_is_in_the_record() -> None:
    body = new("my.Thing", number(1), text("a")) + fields(b=number(2)) + b"b"
    body += b"(" + number(3) + number(4) + b"e" + number(5) + b"a" + text("k") + number(6) + b"s"
    record = load(body, "record")
    assert type(record) is ObjectRecord
    assert record.name == "my.Thing"
    assert record.arguments == (1, "a")
    assert record.state == {"b": 2}
    assert record.items == [3, 4, 5]
    assert record.pairs == [("k", 6)]
    assert repr(record) == "ObjectRecord('my.Thing', 2 arguments, state of 'b', 3 items, 1 pair)"


def test_a_call_is_told_from_an_object() -> None:
    assert type(load(call("my.function", number(1)), "record")) is CallRecord
    assert type(load(new("my.Class"), "record")) is ObjectRecord


def test_a_set_of_an_unknown_class() -> None:
    assert load(new("my.Set") + b"(K\1K\2\x90", "record").items == [1, 2]


def test_a_record_may_hold_itself() -> None:
    record = load(new("my.Node") + b"q\0" + fields(me=b"h\0", children=b"]h\0a") + b"b", "record")
    assert record.state["me"] is record
    assert record.state["children"] == [record]
    assert record.tensors() == {}


def test_tensors_have_the_paths_of_a_state_dict() -> None:
    layer = new("my.Layer") + fields(_parameters=fields(weight=tensor())) + b"b"
    model = new("my.Model") + fields(_modules=fields(fc=layer), extra=b"]" + tensor() + b"a", n=number(3)) + b"b"
    record = load(model, "record", _0=SIX)
    assert list(record.tensors()) == ["fc.weight", "extra.0"]
    assert record.tensors()["fc.weight"].array().tolist() == [0, 1, 2, 3, 4, 5]


def test_paths_that_would_be_equal_are_told_apart() -> None:
    record = ObjectRecord("my.Thing")
    one, two = (TensorRecord.from_array(np.zeros(1)) for _ in range(2))
    record.state = {1: one, "1": two, "setting": Namespace(requires_grad=True)}
    assert list(record.tensors()) == ["1", "1#1"]


def test_a_deep_record_is_no_problem() -> None:
    record = load(b"]" + b"]" * 50_000 + b"a" * 50_000 + b"q\x000" + new("my.Deep", b"h\0"), "record")
    assert len(repr(record)) < 100
    with pytest.raises(LimitExceeded, match="nested more than 1000 deep"):
        record.tensors()


def test_a_second_state_is_refused() -> None:
    with pytest.raises(BadPickle, match=r"an object of the class my\.Thing is given a second state"):
        load(new("my.Thing") + fields(a=b"N") + b"b" + fields(a=b"N") + b"b", "record")


def test_what_is_known_stays_checked_in_record_mode() -> None:
    for body in (call("builtins.set", text("abc")), call("_codecs.encode", text("x"), text("zlib"))):
        with pytest.raises(BadCall, match="is called with something other than"):
            load(body, "record")
    with pytest.raises(BadPickle, match=r"unrecognized function torch\.FloatStorage"):
        load(call("torch.FloatStorage"), "record")


def test_unknown_takes_two_values() -> None:
    with pytest.raises(ValueError, match="unknown: expected 'error' or 'record', but got 'ignore'"):
        load(b"N", "ignore")


# Plain data -----------------------------------------------------------------------------------------------------------

PLAIN: list[tuple[bytes, Any]] = [
    (new("argparse.Namespace") + fields(lr=number(1)) + b"b", Namespace(lr=1)),
    (call("pathlib.PosixPath", text("/"), text("a")), PurePosixPath("/a")),
    (call("pathlib._local.PosixPath", text("a")), PurePosixPath("a")),
    (call("pathlib.WindowsPath", text("c:\\"), text("a")), PureWindowsPath("c:/a")),
    (call("datetime.date", packed(b"\x07\xe8\x02\x1d")), datetime.date(2024, 2, 29)),
    (call("datetime.timedelta", number(1), number(2), number(3)), datetime.timedelta(1, 2, 3)),
    (call("decimal.Decimal", text("1.50")), decimal.Decimal("1.50")),
    (call("fractions.Fraction", text("-3/4")), fractions.Fraction(-3, 4)),
    (call("fractions.Fraction", number(3), number(4)), fractions.Fraction(3, 4)),
    (new("uuid.UUID") + fields(int=number(5)) + b"b", uuid.UUID(int=5)),
    (call("collections.defaultdict", name("builtins.list")) + text("a") + b"]s", defaultdict(list, a=[])),
    (call("collections.deque", b")", number(2)) + b"(K\1K\2K\3e", deque([2, 3], 2)),
    (new("collections.ChainMap") + fields(maps=b"]}a") + b"b", ChainMap({})),
    (call("numpy._core.numeric._frombuffer", b"\x96" + (4).to_bytes(8, "little") + b"\1\0\2\0",
          call("numpy.dtype", text("i2"), b"\x89", b"\x88"), sequence(number(2)), text("C")), [1, 2]),
    (call("torch.nn.backends.thnn._get_thnn_function_backend"), None),
]  # fmt: skip


@pytest.mark.parametrize("unknown", ["error", "record"])
@pytest.mark.parametrize(("body", "expected"), PLAIN)
def test_plain_data(body: bytes, expected: Any, unknown: str) -> None:
    found = load(body, unknown)
    if isinstance(expected, list):
        found = found.tolist()
    assert found == expected
    if isinstance(expected, defaultdict):
        assert found.default_factory is list


LONG = b"\x8b\0\x10\0\0" + b"\x7f" * 4096  # a number of more digits than Python shows
MALFORMED: list[tuple[type[Exception], str, bytes]] = [
    (BadPickle, "the state of a namespace is not a dictionary", new("argparse.Namespace") + b"Nb"),
    (BadPickle, "cannot have the attribute '__class__'", new("argparse.Namespace") + fields(__class__=b"N") + b"b"),
    (BadPickle, "the attribute a value of type 'int'", new("argparse.Namespace") + b"}" + LONG + b"Nsb"),
    (BadPickle, "the attribute a value of type 'int'", HOOKS + b"}" + LONG + b"Nsb"),
    (BadCall, "numpy.dtype is called with a value of type 'list'", call("numpy.dtype", b"]" * 30_000 + b"a" * 29_999)),
    (BadCall, "a path is made of something other than strings", call("pathlib.PosixPath", b"K\1")),
    (LimitExceeded, "a path has 70001 characters", call("pathlib.PosixPath", text("a" * 70_000))),
    (BadCall, "something other than its 4 bytes", call("datetime.date", packed(b"\1"))),
    (BadCall, "datetime.date: month must be in", call("datetime.date", packed(b"\x07\xe8\x0d\x1d"))),
    (BadCall, "datetime.datetime: day is out", call("datetime.datetime", packed(b"\x07\xe8\x02\x1e\0\0\0\0\0\0"))),
    (BadCall, "datetime.time: hour must be", call("datetime.time", packed(b"\x19\0\0\0\0\0"))),
    (BadCall, "a time zone that is none", call("datetime.time", packed(bytes(6)), text("UTC"))),
    (BadCall, "three numbers in its range", call("datetime.timedelta", number(1 << 39), number(0), number(0))),
    (BadCall, "is not a decimal number", call("decimal.Decimal", text("x"))),
    (LimitExceeded, "a number has 5000 digits", call("decimal.Decimal", text("1" * 5_000))),
    (BadCall, "something other than a fraction", call("fractions.Fraction", number(1), number(0))),
    (BadCall, "'x' is not an integer", call("fractions.Fraction", text("x/1"))),
    (LimitExceeded, "a fraction has more", call("fractions.Fraction", LONG, b"K\3")),
    (BadPickle, "the state of a UUID", new("uuid.UUID") + fields(int=number(-1)) + b"b"),
    (BadPickle, "the state of a UUID", new("uuid.UUID") + (fields(int=number(1)) + b"b") * 2),
    (BadCall, "something other than a factory", call("collections.defaultdict", text("x"))),
    (BadCall, "a list and a length", call("collections.deque", b")", number(-1))),
    (BadPickle, "the state of a ChainMap", new("collections.ChainMap") + fields(maps=b"]") + b"b"),
    (BadPickle, "the state of a ChainMap", new("collections.ChainMap") + b"q\0" + fields(maps=b"]h\0a") + b"b"),
    (BadPickle, "holds no content", new("omegaconf.dictconfig.DictConfig") + b"}b"),
    (BadCall, "other than bytes, or inside itself", call("torch.storage._load_from_bytes", text("x"))),
    (BadCall, "an order other than C or F", call("numpy._core.numeric._frombuffer", b"C\0", b"N", b")", text("A"))),
    (UnhashableKey, "unhashable type in a key: 'deque'", b"}" + call("collections.deque") + b"Ns"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "match", "body"), MALFORMED)
def test_malformed(error: type[Exception], match: str, body: bytes) -> None:
    with pytest.raises(error, match=match) as caught:
        load(body)
    assert type(caught.value) is error


# OmegaConf ------------------------------------------------------------------------------------------------------------


def node(kind: str, value: bytes, parent: bytes) -> bytes:
    metadata = new("omegaconf.base.Metadata") + fields(ref_type=name("typing.Any"), optional=b"\x88", key=b"N") + b"b"
    state = fields(_metadata=metadata, _parent=parent, _flags_cache=b"N", _val=value)
    return new(f"omegaconf.nodes.{kind}") + state + b"b"


@pytest.mark.parametrize("unknown", ["error", "record"])
def test_configurations_become_plain(unknown: str) -> None:
    """The structure of a pickled OmegaConf.create({"lr": 0.1, "layers": [1, "x"], "none": None})."""
    metadata = (
        new("omegaconf.base.ContainerMetadata")
        + fields(ref_type=name("typing.Any"), object_type=name("builtins.dict"), key_type=name("typing.Any"))
        + b"b"
    )
    items = b"](" + node("AnyNode", number(1), b"h\1") + node("StringNode", text("x"), b"h\1") + b"e"
    layers = new("omegaconf.listconfig.ListConfig") + b"q\1"
    layers += fields(_metadata=metadata, _parent=b"h\0", _content=items) + b"b"
    content = fields(lr=node("FloatNode", b"G?\xb9\x99\x99\x99\x99\x99\x9a", b"h\0"), layers=layers)
    content += text("none") + node("AnyNode", b"N", b"h\0") + b"s"
    body = new("omegaconf.dictconfig.DictConfig") + b"q\0"
    body += fields(_metadata=metadata, _parent=b"N", _content=content) + b"b"
    found = load(body, unknown)
    assert found == {"lr": 0.1, "layers": [1, "x"], "none": None}
    assert (type(found), type(found["layers"])) == (dict, list)


# Files inside files ---------------------------------------------------------------------------------------------------


def inside(data: bytes) -> bytes:
    return call("torch.storage._load_from_bytes", b"B" + len(data).to_bytes(4, "little") + data)


def test_a_file_inside_a_file() -> None:
    inner = checkpoint(pickled(tensor()), {"0": SIX})
    found = load(sequence(inside(inner), tensor()), _0=bytes(24))
    assert [record.array().tolist() for record in found] == [[0, 1, 2, 3, 4, 5], [0] * 6]


def test_a_file_inside_a_file_inside_a_file_is_refused() -> None:
    inner = checkpoint(pickled(inside(checkpoint(pickled(b"N")))))
    with pytest.raises(BadCall, match="or inside itself"):
        load(inside(inner))


def test_files_inside_files_are_counted() -> None:
    inner = checkpoint(pickled(b"N"))
    data = b"B" + len(inner).to_bytes(4, "little") + inner + b"q\0" + name("torch.storage._load_from_bytes") + b"q\1"
    with pytest.raises(LimitExceeded, match="too many files inside the file"):
        load(data + b"(" + b"h\1h\0\x85R" * 1_001 + b"l")


# Tensors that are no view of one storage ------------------------------------------------------------------------------


def again(value: Any) -> Any:
    file = io.BytesIO()
    write(value, file)
    return read(file.getvalue()).obj


def whole(*values: float, dtype: Any = np.float32) -> TensorRecord:
    return TensorRecord.from_array(np.array(values, dtype))


def test_records_of_tensors_are_written_as_they_were_read() -> None:
    sparse = again(SparseRecord("sparse_coo", (4,), {"indices": whole(1, dtype=np.int64), "values": whole(2)}, True))
    assert (sparse.layout, sparse.shape, sparse.coalesced) == ("sparse_coo", (4,), True)
    assert (sparse.array("indices").tolist(), sparse.array().tolist()) == ([1], [2])
    nested = again(NestedRecord(whole(1, 2), whole(2), whole(1), whole(0)))
    assert nested.array().tolist() == [1, 2]
    meta = again(MetaRecord("float32", (2, 3), (3, 1), True))
    assert (meta.dtype, meta.shape, meta.stride, meta.requires_grad) == ("float32", (2, 3), (3, 1), True)
    data = np.array([1, -2], np.int8)
    stored = StorageRecord("qint8", 2, lambda: data.view(np.uint8))
    quantized = QuantizedRecord((2,), TensorRecord("qint8", (2,), (1,), 0, stored), "per_tensor_affine", 0.5, 1)
    found = again(quantized)
    assert (found.scheme, found.scale, found.zero_point) == ("per_tensor_affine", 0.5, 1)
    assert found.array().tolist() == [1, -2]


QUANTIZER = sequence(name("torch.per_tensor_affine"), b"G?\xf0\0\0\0\0\0\0", number(0))
META = "torch._utils._rebuild_meta_tensor_no_storage"
LAYOUT = call("torch.serialization._get_layout", text("torch.sparse_coo"))
BAD_TENSORS = [
    ("a layout and its parts", call("torch._utils._rebuild_sparse_tensor", text("x"), b")")),
    ("a layout and its parts", call("torch._utils._rebuild_sparse_tensor", LAYOUT, b")")),
    (
        "a part of a tensor is something other",
        call("torch._utils._rebuild_sparse_tensor", LAYOUT, sequence(b"N", b"N", b")")),
    ),
    (
        "something other than a storage of its type",
        call("torch._utils._rebuild_qtensor", storage(), *view(), QUANTIZER, b"\x89", HOOKS),
    ),
    (
        "has no scheme with a scale",
        call("torch._utils._rebuild_qtensor", storage("torch.QInt8Storage", count=24), *view(), b"N", b"\x89", HOOKS),
    ),
    (
        "other than its geometry",
        call("torch._utils._rebuild_meta_tensor_no_storage", b"N", numbers((1,)), b")", b"\x89"),
    ),
    ("other than a dtype", call("torch._utils._rebuild_meta_tensor_no_storage", b"N", b")", b")", b"\x89")),
    ("a part of a tensor", call("torch._utils._rebuild_nested_tensor", b"N", b"N", b"N", b"N")),
    ("other than an array", call("torch._utils._rebuild_device_tensor_from_numpy", b"N", b"N", b"N", b"\x89")),
]


@pytest.mark.parametrize(("match", "body"), BAD_TENSORS)
def test_malformed_tensors(match: str, body: bytes) -> None:
    with pytest.raises(BadTensor, match=match):
        load(body, _0=SIX)


def test_tensors_of_devices_that_are_saved_through_the_cpu() -> None:
    through = call("torch._utils._rebuild_device_tensor_from_cpu_tensor", tensor(), b"N", text("xla:0"), b"\x89")
    assert load(through, _0=SIX).array().tolist() == [0, 1, 2, 3, 4, 5]


def test_written_records_are_what_was_read() -> None:
    body = new("my.Thing", number(1)) + b"(" + number(3) + number(4) + b"e" + text("k") + number(6) + b"s"
    first = load(sequence(body + fields(b=number(2)) + b"b", call("my.call", b"K\1"), name("my.value")), "record")
    file = io.BytesIO()
    write(first, file)
    second = read(file.getvalue(), unknown="record").obj
    assert [vars(record) for record in second[:2]] == [vars(record) for record in first[:2]]
    assert [type(record) for record in second] == [ObjectRecord, CallRecord, GlobalRecord]
