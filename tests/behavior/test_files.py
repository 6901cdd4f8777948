"""Rows 94 to 110: what is saved, in which format, and what loading refuses."""

import inspect
import io
import pickle
import struct
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from tests.behavior.differences import differs
from tests.behavior.errors import raises, raises_like, words
from tests.behavior.files import archive_of, records, reloaded, saved
from tests.behavior.models import civil_net, importable, my_model, simple_model

MATCHED = "<All keys matched successfully>"


def equal(torch: Any, one: Any, other: Any) -> bool:
    """Whether two state dictionaries have the same keys in the same order, and equal values."""
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


def trained(torch: Any) -> tuple[Any, Any]:
    """A model and an optimizer after a step."""
    model = simple_model(torch)()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step(torch, model, optimizer)
    return model, optimizer


def step(torch: Any, model: Any, optimizer: Any) -> Any:
    """A step of training; returns its loss."""
    loss = model.fc2(model.fc1(torch.ones(3, 10))).pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def test_row_094_a_state_dictionary_saved_and_loaded(torch, tmp_path):
    model, other = my_model(torch)(), my_model(torch)()
    path = tmp_path / "model_param.pt"
    torch.save(model.state_dict(), path)
    assert repr(other.load_state_dict(torch.load(path))) == MATCHED
    assert equal(torch, model.state_dict(), other.state_dict())


def test_row_095_a_whole_model_is_refused_by_default(torch, tmp_path):
    MyModel = my_model(torch)
    path = tmp_path / "model.pt"
    with importable(MyModel) as module:
        model = MyModel()
        torch.save(model, path)
        kind = RuntimeError if differs(torch, 95) else pickle.UnpicklingError
        unsupported = f"Unsupported global: GLOBAL {module}.MyModel was not an allowed global by default"
        with raises_like(kind, "Weights only load failed", unsupported):
            torch.load(path)
        if differs(torch, 95):
            with raises_like(kind, "Weights only load failed", unsupported):
                torch.load(path, weights_only=False)
        else:
            assert type(torch.load(path, weights_only=False)) is MyModel
        with torch.serialization.safe_globals([MyModel, torch.nn.Conv2d, torch.nn.Linear]):
            again = torch.load(path)
    assert type(again) is MyModel
    assert equal(torch, again.state_dict(), model.state_dict())


def test_row_096_a_whole_model_depends_on_its_class(torch, tmp_path):
    MyModel = my_model(torch)
    path = tmp_path / "model.pt"
    with importable(MyModel) as module:
        torch.save(MyModel(), path)
    data = records(path)["model/data.pkl"]
    assert f"c{module}\nMyModel\n".encode() in data
    assert b"ctorch.nn.modules.conv\nConv2d\n" in data
    if differs(torch, 96):
        with raises_like(RuntimeError, "Weights only load failed"):
            torch.load(path, weights_only=False)
    else:
        with raises(ModuleNotFoundError, f"No module named '{module}'"):
            torch.load(path, weights_only=False)


def test_row_097_a_file_holds_many_kinds(torch):
    model, optimizer = trained(torch)
    state = model.state_dict()
    assert equal(torch, reloaded(torch, state), state)
    weight = reloaded(torch, model.fc1.weight)
    assert (type(weight), weight.requires_grad) == (torch.nn.Parameter, True)
    assert torch.equal(weight, model.fc1.weight)
    found = reloaded(torch, optimizer.state_dict())
    assert found["param_groups"] == optimizer.state_dict()["param_groups"]
    assert torch.equal(found["state"][0]["momentum_buffer"], optimizer.state_dict()["state"][0]["momentum_buffer"])
    plain = {
        "d": {1: "a"}, "l": [1, 2.5], "t": (True, False, None), "s": {3, 4}, "o": OrderedDict(x=1), "i": 2**70,
        "size": torch.Size([2, 3]), "dtype": torch.float16, "device": torch.device("cpu"), "text": "é\n",
    }  # fmt: skip
    again = reloaded(torch, plain)
    assert again == plain
    assert [type(value) for value in again.values()] == [type(value) for value in plain.values()]
    assert reloaded(torch, torch.arange(3)).tolist() == [0, 1, 2]
    if differs(torch, 97):
        assert reloaded(torch, {"loss": np.float64(0.5)}) == {"loss": 0.5}
    else:
        with raises_like(pickle.UnpicklingError, "Weights only load failed", "numpy._core.multiarray.scalar"):
            reloaded(torch, {"loss": np.float64(0.5)})


def test_row_098_a_checkpoint_of_net_and_optimizer(torch, tmp_path):
    model, optimizer = trained(torch)
    path = tmp_path / "checkpoint.pt"
    torch.save({"net": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 20}, path)
    checkpoint = torch.load(path)
    assert (type(checkpoint), checkpoint["epoch"], type(checkpoint["net"])) == (dict, 20, OrderedDict)
    assert repr(simple_model(torch)().load_state_dict(checkpoint["net"])) == MATCHED
    assert optimizer.load_state_dict(checkpoint["optimizer"]) is None


def test_row_099_training_goes_on_from_a_checkpoint(torch, tmp_path):
    model, optimizer = trained(torch)
    loss = step(torch, model, optimizer)
    path = tmp_path / "checkpoint.pt"
    torch.save(
        {
            "epoch": 2,
            "model_state_dict": model.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "loss": loss,
        },
        path,
    )
    step(torch, model, optimizer)
    checkpoint = torch.load(path)
    other = simple_model(torch)()
    resumed = torch.optim.SGD(other.parameters(), lr=0.5, momentum=0.1)
    other.load_state_dict(checkpoint["model_state_dict"])
    resumed.load_state_dict(checkpoint["optimizer_state_dict"])
    step(torch, other, resumed)
    assert checkpoint["epoch"] == 2
    assert checkpoint["loss"].requires_grad is True
    assert checkpoint["loss"].item() == loss.item()
    assert equal(torch, other.state_dict(), model.state_dict())
    with pytest.raises(SyntaxError, match=r"':' expected after dictionary key"):
        compile("{'epoch': 2, ...}", "article", "eval")


def test_row_100_the_suffix_says_nothing(torch, tmp_path):
    path = tmp_path / "c.tar"
    torch.save({"epoch": 1}, path)
    assert path.read_bytes()[:4] == b"PK\x03\x04"
    assert torch.load(path) == {"epoch": 1}


def test_row_101_several_models_in_one_file(torch, tmp_path):
    (a, optimizer_a), (b, optimizer_b) = trained(torch), trained(torch)
    step(torch, b, optimizer_b)
    path = tmp_path / "both.tar"
    torch.save(
        {
            "modelA_state_dict": a.state_dict(),
            "modelB_state_dict": b.state_dict(),
            "optimizerA_state_dict": optimizer_a.state_dict(),
            "optimizerB_state_dict": optimizer_b.state_dict(),
        },
        path,
    )
    checkpoint = torch.load(path)
    for letter, model, optimizer in (("A", a, optimizer_a), ("B", b, optimizer_b)):
        other, other_optimizer = trained(torch)
        other.load_state_dict(checkpoint[f"model{letter}_state_dict"])
        other_optimizer.load_state_dict(checkpoint[f"optimizer{letter}_state_dict"])
        assert equal(torch, other.state_dict(), model.state_dict())
        step(torch, other, other_optimizer)
        step(torch, model, optimizer)
        assert equal(torch, other.state_dict(), model.state_dict())
    assert not equal(torch, a.state_dict(), b.state_dict())


def test_row_102_save_load_evaluate(torch, tmp_path):
    cn, path = civil_net(torch)(), str(tmp_path / "your_model_path.pth")
    torch.save(cn.state_dict(), path)
    other = civil_net(torch)()
    other.load_state_dict(torch.load(path))
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(other.eval()(x), cn.eval()(x))


def test_row_103_a_pickle_inside_a_zip(torch):
    layer = torch.nn.Linear(2, 1)
    parts = records(saved(torch, layer.state_dict()))
    pickled = parts["archive/data.pkl"]
    assert pickled[:2] == b"\x80\x02"
    assert pickled[-1:] == b"."
    assert b"ccollections\nOrderedDict\n" in pickled
    assert struct.unpack("<2f", parts["archive/data/0"]) == tuple(layer.weight.reshape(-1).tolist())


def python2(text: bytes) -> bytes:
    """A file with a string as Python 2 wrote it, by its bytes."""
    pickled = b"\x80\x02U" + bytes([len(text)]) + text + b"."
    return archive_of({"a/data.pkl": pickled, "a/version": b"3\n", "a/byteorder": b"little"})


def test_row_104_strings_of_python_2(torch):
    assert torch.load(io.BytesIO(python2(b"plain"))) == "plain"
    data = python2(b"caf\xe9")
    assert torch.load(io.BytesIO(data), encoding="latin1") == "café"
    with raises_like(Exception, "", "'utf-8' codec can't decode byte 0xe9"):
        torch.load(io.BytesIO(data), encoding="utf-8")


def test_row_105_the_records_of_a_file(torch, tmp_path):
    path = tmp_path / "stem.pt"
    torch.save({"a": torch.ones(3), "b": torch.zeros(2)}, path)
    parts = records(path)
    assert list(parts) == [
        f"stem/{name}"
        for name in (
            "data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1", "version",
            ".data/serialization_id",
        )
    ]  # fmt: skip
    assert [parts[f"stem/{name}"] for name in (".format_version", ".storage_alignment", "byteorder", "version")] == [
        b"1", b"64", b"little", b"3\n",
    ]  # fmt: skip
    data = path.read_bytes()
    assert data.index(parts["stem/data/0"]) % 64 == 0
    assert data.index(parts["stem/data.pkl"]) > 0


def test_row_106_the_legacy_format(torch, tmp_path):
    path = tmp_path / "old.pt"
    torch.save({"a": torch.arange(3.0)}, path, _use_new_zipfile_serialization=False)
    with path.open("rb") as file:
        assert pickle.load(file) == 0x1950A86A20F9469CFC6C
        assert pickle.load(file) == 1001
        assert pickle.load(file) == {
            "protocol_version": 1001,
            "little_endian": True,
            "type_sizes": {"short": 2, "int": 4, "long": 4},
        }
    assert torch.load(path)["a"].tolist() == [0.0, 1.0, 2.0]


def test_row_107_any_object_is_saved(torch):
    assert [reloaded(torch, value) for value in ({"model": 1}, [1, "a"], 3, "text", None)] == [
        {"model": 1}, [1, "a"], 3, "text", None,
    ]  # fmt: skip


def test_row_108_load_then_evaluate(torch, tmp_path):
    model, path = civil_net(torch, "TheModelClass")(), tmp_path / "model.pt"
    torch.save(model.state_dict(), path)
    model = civil_net(torch, "TheModelClass")()
    assert repr(model.load_state_dict(torch.load(path))) == MATCHED
    assert model.eval() is model
    assert not any(module.training for module in model.modules())


def test_row_109_files_that_do_not_load(torch, tmp_path):
    good = saved(torch, {"a": torch.ones(64)})
    contents = {"empty": b"", "text": b"hello, world\n", "truncated": good[: len(good) // 2]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = {name: error_of(lambda name=name: torch.load(tmp_path / name)) for name in ("missing", ".", *contents)}
    found["parent"] = error_of(lambda: torch.save(1, tmp_path / "no" / "x.pt"))
    found["lambda"] = error_of(lambda: torch.save(lambda: 1, tmp_path / "x.pt"))
    assert isinstance(found["missing"], FileNotFoundError)
    assert isinstance(found["."], IsADirectoryError)
    assert isinstance(found["empty"], EOFError)
    assert isinstance(found["truncated"], RuntimeError)
    assert "failed finding central directory" in words(found["truncated"])
    assert words(found["parent"]) == f"Parent directory {tmp_path / 'no'} does not exist."
    if differs(torch, 109):
        assert words(found["empty"]).endswith(
            "empty: the file is empty; an interrupted save or download leaves such files"
        )
        assert "this is not a checkpoint but text: it begins with b'hello, w'" in words(found["text"])
        assert "cannot save the object: Can't pickle local object" in words(found["lambda"])
    else:
        assert words(found["empty"]) == ""
        assert (type(found["text"]), words(found["text"])) == (KeyError, "101")
        assert words(found["lambda"]).startswith("Can't pickle local object")


def error_of(function: Any) -> Exception:
    """What a function raises."""
    try:
        function()
    except Exception as error:  # noqa: BLE001  (whichever it is)
        return error
    pytest.fail("nothing was raised")


@pytest.mark.filterwarnings("ignore:'torch.load' received a zip file that looks like a TorchScript archive")
def test_row_110_a_torchscript_archive(torch):
    parts = records(saved(torch, {"a": torch.ones(2)}))
    script = archive_of({**parts, "archive/constants.pkl": b"\x80\x02)."})
    with raises_like(RuntimeError, "", "Cannot use ``weights_only=True`` with TorchScript archives"):
        torch.load(io.BytesIO(script))


def test_signature_of_load(torch):
    """PyTorch's arguments, which rows 94 to 113 use; ``unknown`` is ours."""
    names = ["f", "map_location", "pickle_module", "weights_only", "mmap", "pickle_load_args"]
    assert [name for name in inspect.signature(torch.load).parameters if name != "unknown"] == names
