"""Tensors: every element type, every view inside its storage, none outside."""

import io
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from flambeau.base.errors import (
    BadCall,
    BadTensor,
    LimitExceeded,
    LoadError,
    StorageDisagreement,
    StorageSizeMismatch,
    ViewOutOfStorage,
)
from flambeau.checkpoint import Builders, GlobalRecord, SizeRecord, StorageRecord, TensorRecord, read
from flambeau.checkpoint.elements import ELEMENTS
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
    typed_tensor,
    view,
)

UNTYPED = "torch.storage.UntypedStorage"


def load(body: bytes, data: bytes = SIX, **options) -> Any:
    return read(checkpoint(pickled(body), {"0": data}), **options).obj


VIEWS = [
    ((0, (6,), (1,)), [0, 1, 2, 3, 4, 5]),
    ((2, (3,), (1,)), [2, 3, 4]),
    ((0, (2, 3), (3, 1)), [[0, 1, 2], [3, 4, 5]]),
    ((0, (3, 2), (1, 3)), [[0, 3], [1, 4], [2, 5]]),
    ((1, (2,), (2,)), [1, 3]),
    ((5, (), ()), 5),
    ((4, (2, 3), (1, 0)), [[4, 4, 4], [5, 5, 5]]),
    ((0, (4, 3), (1, 1)), [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]),
    ((0, (0,), (1,)), []),
    ((99, (2, 0), (1, 1)), [[], []]),
]


@pytest.mark.parametrize(("layout", "expected"), VIEWS)
def test_view(layout, expected):
    record = load(tensor(layout=view(*layout)))
    assert (record.storage_offset, record.shape, record.stride) == layout
    assert record.dtype == "float32"
    np.testing.assert_array_equal(record.array(), np.array(expected, np.float32), strict=True)


OUTSIDE = [
    (ViewOutOfStorage, r"shape \(7,\), strides \(1,\) and offset 0 reaches element 6, but", view(0, (7,), (1,))),
    (ViewOutOfStorage, "reaches element 6, but storage '0' has 6 elements of 4 bytes", view(1, (6,), (1,))),
    (ViewOutOfStorage, "reaches element 6", view(6, (), ())),
    (ViewOutOfStorage, "reaches element 10", view(0, (6,), (2,))),
    (ViewOutOfStorage, "reaches element 9223372036854775807", view((1 << 63) - 1, (), ())),
    (BadTensor, "more bytes than can be addressed", view(0, (1 << 40, 1 << 40), (0, 0))),
    (BadTensor, "2 sizes and 1 strides", view(0, (2, 3), (1,))),
    (BadTensor, "the shape of a tensor holds something other than natural numbers", view(0, (-1,), (1,))),
    (BadTensor, "the stride of a tensor holds something other than natural numbers", view(5, (6,), (-1,))),
    (BadTensor, "the storage offset of a tensor is not a natural number", view(-1, (1,), (1,))),
    (BadTensor, "the storage offset of a tensor is not a natural number", (b"\x88", numbers((1,)), numbers((1,)))),
    (BadTensor, "the shape of a tensor is not a tuple", (number(0), b"]", numbers(()))),
    (BadTensor, "holds something other than natural numbers", (number(0), sequence(b"\x88"), numbers((1,)))),
    (LimitExceeded, "a tensor has 65 dimensions, the limit is 64", view(0, (1,) * 65, (1,) * 65)),
]


@pytest.mark.parametrize(("error", "match", "layout"), OUTSIDE, ids=[row[1] for row in OUTSIDE])
def test_view_outside_its_storage(error, match, layout):
    with pytest.raises(error, match=match) as caught:
        load(tensor(layout=layout))
    assert type(caught.value) is error


def test_expanded_tensor_may_have_more_elements_than_memory():
    record = load(tensor(layout=view(0, (1 << 50,), (0,))))
    assert record.array().shape == (1 << 50,)


V2, V3 = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"
PARAMETER = "torch._utils._rebuild_parameter"
TYPED = "torch._tensor._rebuild_from_type_v2"

MALFORMED: list[tuple[type[LoadError], str, bytes]] = [
    (BadTensor, "views something other than a storage", tensor(b"N")),
    (BadTensor, "views something other than a storage", tensor(name("torch.FloatStorage"))),
    (BadTensor, "requires_grad of a tensor is not a bool", call(V2, storage(), *view(), b"K\1", HOOKS)),
    (BadCall, "is called with 5 arguments", call(V2, storage(), *view(), b"\x89")),
    (
        BadTensor,
        "something other than a dtype",
        call(V3, storage(UNTYPED, count=24), *view(), b"\x89", HOOKS, text("int8")),
    ),
    (BadTensor, "metadata of a tensor is not a dictionary", tensor(None, None, b"]")),
    (BadTensor, "something other than conj and neg", tensor(None, None, b"}" + text("x") + b"\x88s")),
    (BadTensor, "something other than conj and neg", tensor(None, None, b"}" + text("neg") + b"K\1s")),
    (
        BadTensor,
        "type int32 cannot have a conj or neg bit",
        tensor(storage("torch.IntStorage"), None, b"}" + text("neg") + b"\x88s"),
    ),
    (BadTensor, "made of something other than a tensor", call(PARAMETER, b"N", b"\x88", HOOKS)),
    (BadTensor, "made of something other than a tensor", call(PARAMETER, storage(), b"\x88", HOOKS)),
    (BadTensor, "requires_grad of a parameter is not a bool", call(PARAMETER, tensor(), b"N", HOOKS)),
    (
        BadTensor,
        "attributes of a tensor are not a dictionary",
        call(PARAMETER + "_with_state", tensor(), b"\x88", HOOKS, b"]"),
    ),
    (BadTensor, "attribute is not a string", call(PARAMETER + "_with_state", tensor(), b"\x88", HOOKS, b"}NNs")),
    (BadTensor, "other than a tensor's function", call(TYPED, name("torch.Size"), name("torch.Tensor"), b")", b"}")),
    (BadTensor, "a class other than torch.Tensor", call(TYPED, name(V2), name("torch.Size"), b")", b"}")),
    (BadCall, "_rebuild_tensor_v2 is called with 0 arguments", call(TYPED, name(V2), name("torch.Tensor"), b")", b"}")),
    (BadTensor, "identifier is not a tuple of five", text("0") + b"Q"),
    (BadTensor, "identifier is not a tuple of five", sequence(text("storage")) + b"Q"),
    (BadTensor, "Only persistent_load of storage is allowed", storage("torch.Size")),
    (BadTensor, "Only persistent_load of storage is allowed", storage().replace(b"storage", b"modules")),
    (BadTensor, "identifier is malformed", storage(count=-1)),
    (
        BadTensor,
        "identifier is malformed",
        sequence(text("storage"), name("torch.FloatStorage"), b"K\0", text("cpu"), b"K\6") + b"Q",
    ),
    (
        StorageSizeMismatch,
        "storage '0' should have 5 elements of 4 bytes, but its record has 24 bytes",
        storage(count=5),
    ),
    (StorageSizeMismatch, "should have 7 elements", storage(count=7)),
    (StorageSizeMismatch, "should have 6 elements of 8 bytes", storage("torch.DoubleStorage")),
    (StorageDisagreement, "described in two different ways", storage() + storage("torch.IntStorage") + b"\x86"),
    (StorageDisagreement, "described in two different ways", storage() + storage(location="cuda:0") + b"\x86"),
    (StorageDisagreement, "described in two different ways", storage() + storage(count=5) + b"\x86"),
]


@pytest.mark.parametrize(("error", "match", "body"), MALFORMED, ids=[row[1] for row in MALFORMED])
def test_malformed(error, match, body):
    with pytest.raises(error, match=match) as caught:
        load(body)
    assert type(caught.value) is error


@pytest.mark.parametrize("dtype", ELEMENTS)
def test_every_element_type(dtype):
    element = ELEMENTS[dtype]
    data = bytes(range(1, 4 * element.size + 1))
    if element.storage is None:
        body = typed_tensor(dtype, storage(UNTYPED, count=len(data)), view(1, (3,), (1,)))
    else:
        body = tensor(storage(f"torch.{element.storage}", count=4), view(1, (3,), (1,)))
    record = load(body, data)
    assert record.dtype == dtype
    assert record.array().dtype == element.numpy
    assert record.array().tobytes() == data[element.size :]


@pytest.mark.parametrize("dtype", ELEMENTS)
def test_the_other_byte_order(dtype):
    element = ELEMENTS[dtype]
    data = bytes(range(1, 4 * element.size + 1))
    swapped = np.frombuffer(data, f"u{element.swap}").byteswap().tobytes()
    if element.storage is None:
        body = typed_tensor(dtype, storage(UNTYPED, count=len(data)), view(0, (4,), (1,)))
    else:
        body = tensor(storage(f"torch.{element.storage}", count=4), view(0, (4,), (1,)))
    other = b"big" if sys.byteorder == "little" else b"little"
    loaded = read(checkpoint(pickled(body + b"q\0h\0\x86"), {"0": swapped}, other))
    assert loaded.byteorder == other.decode()
    assert loaded.obj[0].array().tobytes() == data


def test_the_other_byte_order_of_a_storage_viewed_in_two_ways():
    first, second = (
        typed_tensor(dtype, storage(UNTYPED, count=24), view(0, (3,), (1,))) for dtype in ("uint32", "uint64")
    )
    assert load(first + second + b"\x86")[1].array().size == 3
    other = b"big" if sys.byteorder == "little" else b"little"
    with pytest.raises(StorageDisagreement, match="viewed as 4-byte and as 8-byte elements"):
        read(checkpoint(pickled(first + second + b"\x86"), {"0": SIX}, other))


def test_shared_storage_stays_shared():
    first, second = load(sequence(tensor(), tensor(None, view(2, (2,), (1,)))))
    assert first.storage is second.storage
    assert np.shares_memory(first.array(), second.array())


def test_parameter_buffer_and_attributes():
    parameter = call(PARAMETER, tensor(), b"\x88", HOOKS)
    named = call(PARAMETER + "_with_state", tensor(), b"\x89", HOOKS, b"}" + text("tag") + b"K\3s")
    state = b"}(" + text("persistent") + b"\x88" + text("_is_buffer") + b"\x88u"
    arguments = sequence(storage(), *view(), b"\x89", HOOKS)
    buffer = call(TYPED, name(V2), name("torch.Tensor"), arguments, state + b"N\x86")
    first, second, third = load(sequence(parameter, named, buffer))
    assert (first.is_parameter, first.requires_grad, first.attributes) == (True, True, {})
    assert (second.is_parameter, second.requires_grad, second.attributes) == (True, False, {"tag": 3})
    assert (third.is_parameter, third.is_buffer) == (False, True)
    assert not first.is_buffer


def test_storage_with_a_rest_that_is_no_whole_element():
    record = load(tensor(), SIX + b"\1\2\3")
    assert record.array()[5] == 5
    with pytest.raises(StorageSizeMismatch, match="its record has 28 bytes"):
        load(tensor(), SIX + b"\1\2\3\4")


def test_conj_and_neg_bits_change_the_values():
    stored = storage("torch.ComplexFloatStorage", count=3)
    layout = view(0, (3,), (1,))
    conj = tensor(stored, layout, b"}" + text("conj") + b"\x88s")
    both = tensor(stored, layout, b"}(" + text("conj") + b"\x88" + text("neg") + b"\x88u")
    first, second = load(sequence(conj, both))
    np.testing.assert_array_equal(first.array(), np.array([-1j, 2 - 3j, 4 - 5j], np.complex64))
    np.testing.assert_array_equal(second.array(), -first.array())


def test_bare_storage():
    record = load(storage(UNTYPED, count=24))
    assert type(record) is StorageRecord
    assert bytes(record.load()) == SIX


@pytest.mark.parametrize("mmap", [True, False])
def test_arrays_are_read_only_and_outlive_the_file(tmp_path, mmap):
    path = tmp_path / "t.pt"
    path.write_bytes(checkpoint(pickled(tensor()), {"0": SIX}))
    record = read(path, mmap=mmap).obj
    path.unlink()
    array = record.array()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    assert array[5] == 5


def test_a_file_is_read_from_its_position_on():
    content = b"before" + checkpoint(pickled(tensor()), {"0": SIX})
    file = io.BytesIO(content)
    file.seek(6)
    assert read(file).obj.array()[5] == 5


def test_a_stream_that_cannot_go_back():
    class Stream(io.BytesIO):
        def seekable(self):
            return False

    assert read(Stream(checkpoint(pickled(tensor()), {"0": SIX}))).obj.array()[5] == 5


# Builders ------------------------------------------------------------------------------------------------------------


def test_builders_take_the_place_of_records_everywhere():
    made = []

    class Tensor:
        def __init__(self, record):
            self.record = record
            made.append(self)

    build = Builders(
        tensor=Tensor,
        parameter=lambda data, requires_grad, attributes: ("parameter", data, requires_grad, attributes),
        size=lambda sizes: ("size", sizes),
        device=lambda kind, index: ("device", kind, index),
        dtype=lambda dtype: ("dtype", dtype),
        layout=lambda layout: ("layout", layout),
    )
    body = sequence(
        typed_tensor("int8", storage(UNTYPED, count=24), view(0, (24,), (1,))) + b"q\0",
        b"h\0",
        call(PARAMETER, b"h\0", b"\x88", HOOKS),
        call("torch.Size", numbers((2,))),
        call("torch.device", text("cuda"), b"K\0"),
        name("torch.int8"),
        call("torch.serialization._get_layout", text("torch.strided")),
    )
    first, again, parameter, *rest = load(body, build=build)
    assert first is again
    assert made == [first]
    assert parameter == ("parameter", first, True, {})
    assert rest == [("size", (2,)), ("device", "cuda", 0), ("dtype", "int8"), ("layout", "strided")]


def test_tensor_hook_without_its_parameter_hook():
    with pytest.raises(TypeError, match=r"parameter=\.\.\., which has to go with it"):
        load(call(PARAMETER, tensor(), b"\x88", HOOKS), build=Builders(tensor=lambda record: record.shape))


# Records -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6).reshape(3, 2).T,
        np.array(3.5),
        np.zeros((2, 0, 3)),
        np.arange(8, dtype=ml_dtypes.bfloat16)[::2],
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_record_of_an_array(array):
    record = TensorRecord.from_array(array)
    assert record.shape == array.shape
    np.testing.assert_array_equal(record.array(), array, strict=True)


def test_record_of_an_array_whose_type_no_tensor_has():
    with pytest.raises(TypeError, match="array of type <U1: no tensor has elements of this type"):
        TensorRecord.from_array(np.array(["a"]))


def test_size_is_a_tuple():
    assert SizeRecord((2, 3)) == (2, 3)
    assert GlobalRecord("torch.Tensor") != "torch.Tensor"
