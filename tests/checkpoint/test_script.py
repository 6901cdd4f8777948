"""TorchScript archives: their weights as inert records, their code left alone."""

import io
import time

import pytest

from flambeau.base.errors import (
    BadCall,
    BadPickle,
    ChecksumMismatch,
    LimitExceeded,
    LoadError,
    NotACheckpoint,
    UnsupportedContainer,
)
from flambeau.checkpoint import CallRecord, DeviceRecord, ScriptRecord, read
from tests.checkpoint.crafting import SIX, Part, call, name, pickled, storage, tensor, text, view, zip_bytes

HARM = b"import os\nos.system('touch harm')\n"


def script(body: bytes, code: bytes = HARM) -> bytes:
    return zip_bytes(
        [
            Part("m/data/0", SIX),
            Part("m/data.pkl", pickled(body)),
            Part("m/code/__torch__.py", code, deflated=True),
            Part("m/code/__torch__.py.debug_pkl", pickled(call("os.system", text("touch harm"))), deflated=True),
            Part("m/constants.pkl", pickled(call("os.system", text("touch harm")))),
            Part("m/version", b"3\n"),
            Part("m/byteorder", b"little"),
        ]
    )


def module(kind: str, *attributes: tuple[str, bytes]) -> bytes:
    state = b"}(" + b"".join(text(key) + value for key, value in attributes) + b"u"
    return name(f"__torch__.{kind}") + b")\x81" + state + b"b"


def some(offset: int, count: int) -> bytes:
    return tensor(storage(), view(offset, (count,)))


LINEAR = module("torch.nn.modules.linear.Linear", ("weight", some(0, 4)), ("bias", some(4, 2)), ("training", b"\x88"))
NET = module(
    "Net",
    ("scale", some(0, 1)),
    ("name", text("net")),
    ("sizes", call("torch.jit._pickle.build_intlist", b"](K\1K\2e")),
    (
        "rates",
        call("torch.jit._pickle.restore_type_tag", b"}" + text("a") + b"G?\xe0\0\0\0\0\0\0s", text("Dict[str, float]")),
    ),
    ("where", call("torch.device", text("cpu"))),
    ("first", LINEAR + b"q\1"),
    ("last", b"h\1"),
    ("color", name("__torch__.Color") + b"K\2\x85R"),
)


def load(body: bytes) -> ScriptRecord:
    loaded = read(script(body), unknown="record").obj
    assert isinstance(loaded, ScriptRecord)
    return loaded


def test_the_weights():
    loaded = read(script(NET), unknown="record")
    assert (loaded.container, loaded.checksums, loaded.byteorder) == ("TorchScript archive", True, "little")
    state = loaded.obj.state_dict()
    assert {key: value.array().tolist() for key, value in state.items()} == {
        "scale": [0],
        "first.weight": [0, 1, 2, 3],
        "first.bias": [4, 5],
        "last.weight": [0, 1, 2, 3],
        "last.bias": [4, 5],
    }
    assert state["first.weight"] is state["last.weight"]
    loaded.verify()


def test_the_tree():
    net = load(NET)
    assert net.name == "__torch__.Net"
    assert net.tensor_names == ("scale",)
    state = net.state
    assert isinstance(state, dict)
    assert (state["name"], state["sizes"], state["rates"]) == ("net", [1, 2], {"a": 0.5})
    assert state["where"] == DeviceRecord("cpu")
    assert state["first"] is state["last"]
    assert state["first"].name == "__torch__.torch.nn.modules.linear.Linear"
    assert (state["color"].name, state["color"].arguments, state["color"].state) == ("__torch__.Color", (2,), None)


def test_by_default_the_error_names_the_option():
    with pytest.raises(
        UnsupportedContainer, match=r"Cannot use ``weights_only=True`` with TorchScript archives"
    ) as caught:
        read(script(NET))
    assert "unknown='record'" in str(caught.value)
    assert "state_dict()" in str(caught.value)


def test_code_neither_runs_nor_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.pt"
    damaged = script(NET, HARM).replace(b"m/code/__torch__.py.debug", b"m/code/__torch__.py.debuG")
    path.write_bytes(damaged)
    assert list(read(path, unknown="record").obj.state_dict())
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.pt"]


def test_a_damaged_weight_is_found():
    content = script(NET).replace(SIX, SIX[:-1] + b"\1")
    bias = read(content, unknown="record").obj.state_dict()["last.bias"]
    with pytest.raises(ChecksumMismatch, match="record 'm/data/0' is damaged"):
        bias.array()


def test_damaged_code_is_found_by_verify():
    content = script(NET, b"x" * 3)
    part = b"m/code/__torch__.py"
    position = content.index(part) + len(part)
    changed = bytearray(content)
    changed[position] ^= 1
    with pytest.raises(LoadError, match=r"m/code/__torch__\.py"):
        read(bytes(changed), unknown="record").verify()


ITSELF = name("__torch__.Net") + b")\x81q\1}" + text("inner") + b"h\1sb"
SHARED = (
    module("Leaf", ("w", some(0, 1)))
    + b"q\1"
    + b"".join(
        b"0" + module("Node", ("a", b"h" + bytes([index])), ("b", b"h" + bytes([index]))) + b"q" + bytes([index + 1])
        for index in range(1, 60)
    )
)

ATTACKS = {
    "a list that is none": (BadCall, "other than a list", call("torch.jit._pickle.build_intlist", b"K\1")),
    "a tag that is none": (BadCall, "not a string", call("torch.jit._pickle.restore_type_tag", b"]", b"K\1")),
    "a state given twice": (BadPickle, "given a second state", module("Net") + b"}b"),
    "a state of a tensor": (BadPickle, "Can only build", some(0, 1) + b"}b"),
}


def test_code_among_the_weights_becomes_a_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = load(module("Net", ("harm", call("os.system", text("touch harm"))), ("w", some(0, 1))))
    state = net.state
    assert isinstance(state, dict)
    assert (type(state["harm"]), state["harm"].name) == (CallRecord, "os.system")
    assert list(net.state_dict()) == ["w"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack(attack):
    error, match, body = ATTACKS[attack]
    with pytest.raises(error, match=match):
        read(script(body), unknown="record")


@pytest.mark.parametrize("body", [ITSELF, SHARED], ids=["inside itself", "in very many places"])
def test_a_tree_without_end(body):
    started = time.process_time()
    with pytest.raises(LimitExceeded, match=r"has a name of|in more than 100000 places"):
        load(body).state_dict()
    assert time.process_time() - started < 5


def test_every_truncation_is_found():
    content = script(NET)
    for length in range(0, len(content), 3):
        with pytest.raises(LoadError, match="<bytes>"):
            read(content[:length], unknown="record")
        with pytest.raises(LoadError, match="<file>"):
            read(io.BytesIO(content[:length]), unknown="record")


def test_other_archives_of_torchscript():
    with pytest.raises(UnsupportedContainer, match=r"TorchScript archive of PyTorch 1\.0 to 1\.3"):
        read(zip_bytes([Part("m/version", b"1\n"), Part("m/model.json", b"{}"), Part("m/tensors/0", SIX)]))
    with pytest.raises(NotACheckpoint, match=r"no record 'data\.pkl'"):
        read(zip_bytes([Part("m/constants.pkl", pickled(b")"))]), unknown="record")
