"""Names in a pickle: what the permitted ones stand for, and the refusal of every other."""

import pickle
from typing import Any

import numpy as np
import pytest

from flambeau.base.errors import (
    BadPickle,
    DisallowedGlobal,
    LoadError,
    UnsupportedTensor,
)
from flambeau.checkpoint import DeviceRecord, DtypeRecord, GlobalRecord, LayoutRecord, SizeRecord, read
from flambeau.checkpoint.allowlist import CALLABLES
from tests.checkpoint.crafting import call, checkpoint, name, number, numbers, pickled, sequence, text


def load(data: bytes) -> Any:
    return read(checkpoint(data)).obj


# Names ---------------------------------------------------------------------------------------------------------------


def test_torch_values():
    body = sequence(
        call("torch.Size", numbers((2, 3))),
        call("torch.device", text("cuda"), number(1)),
        call("torch.device", text("cpu")),
        call("torch.device", text("cuda:2")),
        call("torch.serialization._get_layout", text("torch.strided")),
        name("torch.float8_e4m3fn"),
        name("torch.FloatStorage"),
        name("collections.OrderedDict"),
    )
    assert load(pickled(body)) == (
        SizeRecord((2, 3)),
        DeviceRecord("cuda", 1),
        DeviceRecord("cpu"),
        DeviceRecord("cuda", 2),
        LayoutRecord("strided"),
        DtypeRecord("float8_e4m3fn"),
        GlobalRecord("torch.FloatStorage"),
        GlobalRecord("collections.OrderedDict"),
    )


def test_attributes_of_an_ordered_dictionary():
    state = b"}" + text("_metadata") + b"}s"
    loaded = load(pickled(call("collections.OrderedDict") + text("w") + b"K\1s" + state + b"b"))
    assert loaded == {"w": 1}
    assert loaded._metadata == {}


@pytest.mark.parametrize("attribute", ["items", "__class__", "__reduce_ex__"])
def test_attributes_that_would_hide_a_method(attribute):
    with pytest.raises(BadPickle, match=f"an OrderedDict cannot have the attribute '{attribute}'"):
        load(pickled(call("collections.OrderedDict") + b"}" + text(attribute) + b"K\1sb"))


@pytest.mark.parametrize(
    "value",
    [
        np.float64(0.5),
        np.float32(-1),
        np.int64(7),
        np.bool_(True),
        np.str_("ab"),
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array(["a", "bc"]),
        np.array(3.0),
        np.zeros((0, 2)),
        np.dtype("f4"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_numpy_values(value, protocol):
    loaded = load(pickle.dumps([value, value], protocol))
    assert loaded[0] is loaded[1]
    assert type(loaded[0]) is type(value)
    np.testing.assert_array_equal(loaded[0], value, strict=not isinstance(value, np.dtype))


HARMFUL = [
    "os.system",
    "posix.system",
    "builtins.eval",
    "builtins.exec",
    "builtins.getattr",
    "builtins.__import__",
    "builtins.open",
    "builtins.map",
    "subprocess.Popen",
    "importlib.import_module",
    "sys.exit",
    "operator.attrgetter",
    "copyreg._reconstructor",
    "numpy.load",
    "numpy.lib.npyio.load",
    "torch.load",
    "torch.hub.load",
    "torch._utils._import_dotted_name",
    "torch.Tensor.__init__",
    "torch.serialization.load",
    "flambeau.checkpoint.read",
    "__main__.MyModel",
]


@pytest.mark.parametrize("harmful", HARMFUL)
@pytest.mark.parametrize("form", ["GLOBAL", "STACK_GLOBAL"])
def test_name_outside_the_allowlist(harmful, form):
    module, _, last = harmful.rpartition(".")
    named = name(harmful) if form == "GLOBAL" else text(module) + text(last) + b"\x93"
    shown = harmful.removeprefix("builtins.")
    fact = rf"Unsupported global: GLOBAL {shown} was not an allowed global by default\. "
    if module in ("os", "posix", "sys"):
        fact = rf"Trying to load unsupported GLOBAL {shown} whose module {module} is blocked\. "
    with pytest.raises(DisallowedGlobal, match=rf"^Weights only load failed\. .*{fact}.*unknown=\"record\"") as caught:
        load(pickled(named + sequence(text("echo harm")) + b"R"))
    harmless = harmful in ("__main__.MyModel", "flambeau.checkpoint.read")
    assert ("add_safe_globals" in str(caught.value)) is harmless


def test_python_2_names_are_those_of_today():
    assert load(pickled(call("__builtin__.set", b"](K\1e"))) == {1}
    with pytest.raises(DisallowedGlobal, match="GLOBAL eval was"):
        load(pickled(name("__builtin__.eval")))


def test_name_with_control_characters_is_shown_escaped():
    with pytest.raises(DisallowedGlobal, match=r"GLOBAL 'x\.\\x1b\[31m' was"):
        load(pickled(name("x.\x1b[31m")))


def test_a_tensor_of_a_class_of_its_own_is_not_rebuilt():
    wrapped = call("torch._utils._rebuild_wrapper_subclass", name("torch.Tensor"), b"N")
    with pytest.raises(UnsupportedTensor, match='a tensor subclass is not rebuilt; unknown="record"'):
        load(pickled(wrapped))


def test_every_permitted_name_refuses_nonsense():
    """No argument of any type or number gets past a permitted name as anything but a value or a LoadError."""
    values = [
        b"N",
        b"\x88",
        b"K\1",
        number(-1),
        b"G" + bytes(8),
        text("x"),
        b"C\1x",
        b")",
        b"]",
        b"}",
        name("torch.float32"),
    ]
    values.append(call("numpy._core.multiarray._reconstruct", name("numpy.ndarray"), b"K\0\x85", text("b")))
    values += [call("collections.OrderedDict"), call("numpy.dtype", text("f4"), b"\x89", b"\x88")]
    refused = 0
    for permitted in CALLABLES:
        for count in range(9):
            for value in values:
                try:
                    load(pickled(call(permitted, *[value] * count)))
                except LoadError:
                    refused += 1
    assert refused > 2_000
