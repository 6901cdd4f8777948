"""Whole models, registered classes, and what stays a record, through `save` and `load`."""

import io
import random
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.base.errors import BadPickle, DisallowedGlobal, LoadError, UnsupportedTensor
from flambeau.checkpoint import CallRecord, DtypeRecord, MetaRecord, ObjectRecord, SparseRecord, TensorRecord, write
from flambeau.checkpoint.records import GlobalRecord
from tests.checkpoint.crafting import (
    SIX,
    call,
    checkpoint,
    name,
    number,
    pickled,
    sequence,
    storage,
    tensor,
    text,
    view,
)
from tests.checkpoint.test_hostile import mutated

serialization = torch.serialization


def again(obj: Any, **options: Any) -> Any:
    file = io.BytesIO()
    torch.save(obj, file)
    file.seek(0)
    return torch.load(file, **options)


def loaded(body: bytes, **options: Any) -> Any:
    return torch.load(io.BytesIO(checkpoint(pickled(body), {"0": SIX})), **options)


def new(full: str) -> bytes:
    return name(full) + b")\x81"


def fields(**values: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


# Layers ---------------------------------------------------------------------------------------------------------------

# A layer as PyTorch 0.4 described it: ordered dictionaries, and none of the fields that came later.
OLD = fields(
    _backend=call("torch.nn.backends.thnn._get_thnn_function_backend"),
    _parameters=call("collections.OrderedDict")
    + text("weight")
    + call(
        "torch._utils._rebuild_parameter",
        tensor(storage(), view(0, (2, 3), (3, 1))),
        b"\x88",
        call("collections.OrderedDict"),
    )
    + b"s"
    + text("bias")
    + b"Ns",
    _buffers=call("collections.OrderedDict"),
    _backward_hooks=call("collections.OrderedDict"),
    _forward_hooks=call("collections.OrderedDict"),
    _forward_pre_hooks=call("collections.OrderedDict"),
    _modules=call("collections.OrderedDict"),
    training=b"\x89",
    in_features=number(3),
    out_features=number(2),
)
LINEAR = new("torch.nn.modules.linear.Linear")


@pytest.mark.parametrize("weights_only", [None, True, False])
def test_an_old_layer_becomes_one_of_today(weights_only: bool | None) -> None:
    layer = loaded(LINEAR + OLD + b"b", weights_only=weights_only)
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=False)"
    assert not layer.training
    assert layer(torch.ones(1, 3)).tolist() == [[3, 12]]
    handle = layer.register_forward_hook(lambda module, inputs, output: output * 2, with_kwargs=False)
    assert layer(torch.ones(1, 3)).tolist() == [[6, 24]]
    handle.remove()
    assert layer._non_persistent_buffers_set == set()


BAD_LAYERS: dict[str, bytes] = {
    "the state of a Linear is not a dictionary": b"]",
    "the field _parameters of a Linear is not a dictionary of names": fields(_parameters=b"]"),
    "the field _modules of a Linear is not a dictionary of names": fields(_modules=b"}K\1Ns"),
    "the field _parameters of a Linear holds something other than tensors": fields(
        _parameters=fields(weight=number(1))
    ),
    "the field _modules of a Linear holds something other than modules": fields(_modules=fields(a=tensor())),
    "the field _forward_hooks of a Linear holds something other than functions": fields(_forward_hooks=b"}K\1K\1s"),
    "the field _forward_hooks of a Linear is not a dictionary": fields(_forward_hooks=b"K\1"),
    "a Linear cannot have the attribute 'forward'": fields(forward=number(1)),
    "a Linear cannot have the attribute '__class__'": fields(__class__=number(1)),
    "a Linear cannot have the attribute 1": b"}K\1Ns",
}


@pytest.mark.parametrize("words", BAD_LAYERS)
def test_malformed_layers(words: str) -> None:
    with pytest.raises(BadPickle, match=rf"^<file>: data\.pkl: {words}$"):
        loaded(LINEAR + BAD_LAYERS[words] + b"b")


def test_a_layer_is_made_of_no_arguments() -> None:
    with pytest.raises(BadPickle, match=r"torch\.nn\.modules\.linear\.Linear is made of arguments"):
        loaded(name("torch.nn.modules.linear.Linear") + sequence(number(1), number(2)) + b"\x81")
    with pytest.raises(BadPickle, match="unrecognized function"):
        loaded(call("torch.nn.modules.linear.Linear", number(1), number(2)))


def test_a_model_goes_through_a_file() -> None:
    model = torch.nn.Sequential(OrderedDict(a=torch.nn.Linear(2, 2), n=torch.nn.BatchNorm1d(2), r=torch.nn.ReLU()))
    model.a.weight.requires_grad_(False)
    model.n.eval()
    model.r.__dict__["again"] = model.a
    x = torch.arange(6.0).reshape(3, 2)
    expected = model(x).tolist()
    found = again(model)
    assert repr(found) == repr(model)
    assert [module.training for module in found.modules()] == [True, True, False, True]
    assert [value.requires_grad for value in found.parameters()] == [False, True, True, True]
    assert found.r.again is found.a
    assert found(x).tolist() == expected
    assert list(found.state_dict()) == list(model.state_dict())


def test_a_model_and_its_optimizer_stay_together() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

    def step(model: Any, optimizer: Any, schedule: Any) -> Any:
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        return model.weight.tolist(), optimizer.param_groups[0]["lr"]

    step(model, optimizer, schedule)
    found = again((model, optimizer, schedule))
    assert found[2].optimizer is found[1]
    assert found[1].param_groups[0]["params"][0] is found[0].weight
    assert step(*found) == step(model, optimizer, schedule)


BAD_OPTIMIZERS: dict[str, bytes] = {
    "has no parameter groups and defaults": fields(param_groups=b"]"),
    "holds something other than tensors": fields(param_groups=b"]" + fields(params=b"]Na") + b"a", defaults=b"}"),
    "cannot have the attribute 'step'": fields(param_groups=b"]", defaults=b"}", step=number(1)),
}


@pytest.mark.parametrize("words", BAD_OPTIMIZERS)
def test_malformed_optimizers(words: str) -> None:
    with pytest.raises(BadPickle, match=words):
        loaded(new("torch.optim.sgd.SGD") + BAD_OPTIMIZERS[words] + b"b")


def test_malformed_schedules_and_generators() -> None:
    with pytest.raises(BadPickle, match="the state of a StepLR has no optimizer"):
        loaded(new("torch.optim.lr_scheduler.StepLR") + fields(gamma=number(1)) + b"b")
    with pytest.raises(BadPickle, match="is called with something other than a device"):
        loaded(call("torch._C.Generator", text("cpu")))
    generator = call("torch._C.Generator", call("torch.device", text("cpu")))
    with pytest.raises(BadPickle, match="a seed, an offset and a tensor"):
        loaded(generator + sequence(number(1)) + b"b")
    with pytest.raises(BadPickle, match="the state of a generator is malformed"):
        loaded(generator + sequence(number(1), b"N", tensor()) + b"b")


OPTIONS = new("torch.nn.modules.linear_cross_entropy_options.LinearCrossEntropyOptions")
BAD_OPTIONS: dict[str, bytes] = {
    "invalid acc_policy: 'x'": b"]" + b"(\x89NN" + text("x") + b"Ne",
    "batch_chunk_size must be positive int or None, got 0": b"](\x89K\0N" + text("auto") + b"Ne",
    "'int' object has no attribute 'partition'": b"](\x89NK\1e",
    "takes from 1 to 6 positional arguments": b"](NNNNNNe",
}


@pytest.mark.parametrize("words", BAD_OPTIONS)
def test_malformed_options(words: str) -> None:
    with pytest.raises(BadPickle, match=f"the state of a LinearCrossEntropyOptions is malformed: .*{words}"):
        loaded(OPTIONS + BAD_OPTIONS[words] + b"b")


def test_options_go_through_a_file() -> None:
    options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=8, acc_dtype=torch.float32)
    assert again(options) == options


# Registered classes ---------------------------------------------------------------------------------------------------


class Plain:
    """Attributes only."""

    def __init__(self, value: Any = None) -> None:
        self.value = value


class Stateful(Plain):
    def __getstate__(self) -> Any:
        return {"kept": self.value}

    def __setstate__(self, state: Any) -> None:
        self.value = state["kept"] + 1


class Slotted:
    __slots__ = ("a", "b")


class Made:
    def __init__(self, a: Any, b: Any) -> None:
        self.pair = (a, b)

    def __reduce__(self) -> Any:
        return make, self.pair


def make(a: Any, b: Any) -> Made:
    assert not isinstance(a, torch.Tensor) or a.sum().item() >= 0  # it can be looked at
    return Made(a, b)


class Words(list[Any]):
    pass


class Table(dict[Any, Any]):
    pass


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)
        self.shared = self.fc.weight

    def forward(self, x: Any) -> Any:
        return self.fc(x)


class Subclass(torch.Tensor):
    pass


HERE = Plain.__module__


def test_registered_classes_are_made() -> None:
    slotted = Slotted()
    slotted.a = 1
    words = Words([1, 2])
    words.note = "x"  # pyright: ignore[reportAttributeAccessIssue]
    kinds = [Plain, Stateful, Slotted, make, Words, Table]
    with serialization.safe_globals(kinds):
        found = again([Plain([1]), Stateful(2), slotted, Made(3, torch.ones(2)), words, Table(a=1)])
    assert found[0].value == [1]
    assert found[1].value == 3
    assert found[2].a == 1
    assert not hasattr(found[2], "b")
    assert found[3].pair[1].tolist() == [1, 1]
    assert (found[4], found[4].note) == ([1, 2], "x")
    assert found[5] == {"a": 1}
    assert [type(value) for value in found] == [Plain, Stateful, Slotted, Made, Words, Table]


def test_registered_code_sees_tensors_that_are_complete_and_sharing_goes_on() -> None:
    x = torch.arange(4.0)
    with serialization.safe_globals([make]):
        found = again([Made(x, 0), Made(x[1:], 0), x[2:], torch.nn.Parameter(x)])
    whole, part, rest, parameter = found[0].pair[0], found[1].pair[0], found[2], found[3]
    whole.fill_(7)
    assert (part.tolist(), rest.tolist()) == ([7] * 3, [7] * 2)
    assert parameter.tolist() == [7] * 4


def test_a_module_of_ones_own() -> None:
    model = Net().eval()
    with pytest.raises(DisallowedGlobal, match=rf"add_safe_globals\(\[{HERE}\.Net\]\)"):
        again(model)
    serialization.add_safe_globals([Net])
    try:
        for options in ({}, {"weights_only": True}, {"weights_only": False}):
            found = again(model, **options)
            assert type(found) is Net
            assert found.shared is found.fc.weight
            assert not found.training
            assert found(torch.ones(1, 2)).tolist() == model(torch.ones(1, 2)).tolist()
        assert serialization.get_safe_globals() == [Net]
    finally:
        serialization.clear_safe_globals()
    assert serialization.get_safe_globals() == []
    with pytest.raises(DisallowedGlobal, match="was not an allowed global"):
        again(model, weights_only=False)


def test_names_of_ones_own() -> None:
    body = new("old_project.Config") + fields(value=number(1)) + b"b"
    with serialization.safe_globals([(Plain, "old_project.Config")]):
        assert loaded(body).value == 1
    with pytest.raises(DisallowedGlobal, match=r"old_project\.Config"):
        loaded(body)


def test_a_class_of_tensors() -> None:
    value = torch.ones(2)
    found = again(value)
    assert type(found) is torch.Tensor
    described = call(
        "torch._tensor._rebuild_from_type_v2",
        name("torch._utils._rebuild_tensor_v2"),
        name("my.Subclass"),
        sequence(storage(), *view(), b"\x89", call("collections.OrderedDict")),
        fields(note=number(1)),
    )
    with serialization.safe_globals([(Subclass, "my.Subclass")]):
        found = loaded(described)
    assert (type(found), found.note, found.tolist()) == (Subclass, 1, [0, 1, 2, 3, 4, 5])
    record = loaded(described, unknown="record")
    assert (record.name, record.arguments[0].tolist()) == ("my.Subclass", [0, 1, 2, 3, 4, 5])


def test_blocked_modules_stay_blocked() -> None:
    with serialization.safe_globals([(print, "os.system")]):
        with pytest.raises(DisallowedGlobal, match=r"unsupported GLOBAL os\.system whose module os is blocked"):
            loaded(call("os.system", text("x")))


def test_entries_that_are_none() -> None:
    for entry, kind, words in (
        ((Plain, "a", "b"), ValueError, "Expected tuple of length 2 .* but got tuple of length: 3"),
        (
            (Plain, 1),
            TypeError,
            r"Expected second item in tuple to be str of callable full path, but got: <class 'int'>",
        ),
    ):
        with serialization.safe_globals([entry]), pytest.raises(kind, match=words):  # pyright: ignore[reportArgumentType]
            loaded(b"N")
    with pytest.raises(TypeError, match="'int' object is not iterable"):
        serialization.add_safe_globals(1)  # pyright: ignore[reportArgumentType]


# Records --------------------------------------------------------------------------------------------------------------


def test_an_unknown_model_gives_its_layers_and_tensors() -> None:
    model = Net()
    record = again({"model": model, "epoch": 3}, unknown="record")["model"]
    assert (type(record), record.name) == (ObjectRecord, f"{HERE}.Net")
    layer = record.state["_modules"]["fc"]
    assert isinstance(layer, torch.nn.Linear)
    assert layer(torch.ones(1, 2)).tolist() == model(torch.ones(1, 2)).tolist()
    assert {path: value.tolist() for path, value in record.tensors().items()} == {
        "shared": model.fc.weight.tolist(),
        "fc.bias": model.fc.bias.tolist(),
    }
    other = Net()
    other.load_state_dict(record.tensors(), strict=False)
    assert (
        other(torch.ones(1, 2)).tolist()
        == torch.nn.functional.linear(torch.ones(1, 2), other.fc.weight, model.fc.bias).tolist()
    )


def test_records_are_saved_as_what_they_were() -> None:
    record = again([Plain(torch.ones(2)), Made(1, 2), make], unknown="record")
    assert [type(value) for value in record] == [ObjectRecord, CallRecord, GlobalRecord]
    record[0].state["value"].mul_(3)
    with serialization.safe_globals([Plain, make]):
        found = again(record)
    assert (found[0].value.tolist(), found[1].pair, found[2]) == ([3, 3], (1, 2), make)


def a_hook(module: Any, inputs: Any, output: Any) -> Any:
    return output * 2


def test_hooks_are_loaded_if_they_are_registered() -> None:
    layer = torch.nn.ReLU()
    layer.register_forward_hook(a_hook)
    with serialization.safe_globals([a_hook]):
        assert again(layer)(torch.ones(1)).item() == 2
    with pytest.raises(DisallowedGlobal, match="a_hook"):
        again(layer)
    with pytest.warns(UserWarning, match=rf"a hook of a ReLU is left out: {HERE}\.a_hook is not registered"):
        found = again(layer, unknown="record")
    assert found(torch.ones(1)).item() == 1


def test_tensors_without_counterpart() -> None:
    file = io.BytesIO()
    indices, values = TensorRecord.from_array(np.array([1])), TensorRecord.from_array(np.array([2.0]))
    half = TensorRecord.from_array(np.zeros(2, np.float16))
    half.dtype, half.shape, half.storage.dtype = "complex32", (1,), "uint8"
    for value, words in (
        (SparseRecord("sparse_coo", (4,), {"indices": indices, "values": values}), "a sparse tensor is not supported"),
        (half, r"data type torch\.complex32 is not supported"),
        (DtypeRecord("bits8"), r"data type torch\.bits8 is not supported"),
    ):
        file = io.BytesIO()
        write(value, file)
        file.seek(0)
        with pytest.raises(UnsupportedTensor, match=words + r'; load\(\.\.\., unknown="record"\)'):
            torch.load(file)
        file.seek(0)
        assert type(torch.load(file, unknown="record")) is type(value)


def test_parts_of_a_sparse_tensor() -> None:
    file = io.BytesIO()
    indices, values = TensorRecord.from_array(np.array([1])), TensorRecord.from_array(np.array([2.0]))
    write({"x": SparseRecord("sparse_coo", (4,), {"indices": indices, "values": values})}, file)
    file.seek(0)
    record = torch.load(file, unknown="record")["x"]
    assert (record.array("indices").tolist(), record.array().tolist(), record.shape) == ([1], [2.0], (4,))


def test_meta_tensors_have_shapes_only() -> None:
    layer = again(torch.nn.Linear(2, 3, device="meta"))
    assert (layer.weight.device.type, layer.weight.shape) == ("meta", (3, 2))
    assert isinstance(layer.weight, torch.nn.Parameter)
    file = io.BytesIO()
    write(MetaRecord("float64", (2,), (1,)), file)
    file.seek(0)
    found = torch.load(file)
    assert (found.dtype, found.shape, found.is_meta) == (torch.float64, (2,), True)


# What save writes -----------------------------------------------------------------------------------------------------


def test_plain_python_objects_are_written_as_by_pickle() -> None:
    values = [Path("a/b"), np.arange(3), {"x": np.float32(1)}, frozenset((1,)), range(3)]
    found = again(values)
    assert found[0] == Path("a/b")
    assert found[1].tolist() == [0, 1, 2]
    assert found[2:] == [{"x": 1.0}, frozenset((1,)), range(3)]


def test_a_random_generator_goes_on() -> None:
    generator = torch.Generator().manual_seed(4)
    torch.rand(2, generator=generator)
    found = again(generator)
    assert torch.rand(3, generator=found).tolist() == torch.rand(3, generator=generator).tolist()


def test_loading_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again(torch.nn.Sequential(torch.nn.Linear(1, 1)))


# Damage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", ["error", "record"])
def test_random_mutations_of_a_model_are_refused_or_load(unknown: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Conv2d(1, 1, 1))
    optimizer = torch.optim.Adam(model.parameters())
    file = io.BytesIO()
    torch.save([model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2), torch.Generator()], file)
    with zipfile.ZipFile(file) as archive:
        parts = {part.rpartition("/")[2]: archive.read(part) for part in archive.namelist() if "/data/" in part}
        original = archive.read("archive/data.pkl")
    generator = random.Random(24)
    refused = 0
    for _ in range(300):
        content = checkpoint(mutated(original, generator), parts)
        try:
            torch.load(io.BytesIO(content), unknown=unknown)
        except LoadError:
            refused += 1
    assert 100 < refused < 300
