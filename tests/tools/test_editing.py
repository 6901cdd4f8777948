"""Changes to a checkpoint's object: names, what is left, types; nothing is copied, and ties stay."""

from collections import OrderedDict
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from flambeau.base.errors import BadEdit
from flambeau.checkpoint import StorageRecord, TensorRecord
from flambeau.tools.editing import Edit, edited


def tensor(*values: float, dtype: Any = np.float32) -> TensorRecord:
    return TensorRecord.from_array(np.array(values, dtype))


TIED = tensor(1, 2)
STATE = {"module.a.weight": TIED, "module.a.bias": tensor(3), "module.b.weight": TIED}
CHECKPOINT = {
    "epoch": 3,
    "model": OrderedDict(STATE),
    "optimizer": {"state": {0: {"exp_avg": tensor(4)}}, "param_groups": [{"lr": 0.1}]},
}


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (Edit(strip=["module."]), ["a.weight", "a.bias", "b.weight"]),
        (Edit(strip=["module"]), ["a.weight", "a.bias", "b.weight"]),
        (Edit(add="net."), ["net.module.a.weight", "net.module.a.bias", "net.module.b.weight"]),
        (Edit(rename=[("module.a", "x")]), ["x.weight", "x.bias", "module.b.weight"]),
        (Edit(rename=[("module.a.bias", "bias")]), ["module.a.weight", "bias", "module.b.weight"]),
        (Edit(rename=[("module", "")]), ["a.weight", "a.bias", "b.weight"]),
        (Edit(rename=[("module.a.weight", "t"), ("module.b.weight", "module.a.weight"), ("t", "module.b.weight")]),
         ["module.b.weight", "module.a.bias", "module.a.weight"]),
        (Edit(drop=["*.bias"]), ["module.a.weight", "module.b.weight"]),
        (Edit(keep=["module.a.*"]), ["module.a.weight", "module.a.bias"]),
        (Edit(drop=["*.bias"], keep=["module.a.*"], strip=["module."], rename=[("a", "x")], add="y."), ["y.x.weight"]),
    ],
)  # fmt: skip
def test_names(edit, names):
    before = dict(STATE)
    assert list(edited(STATE, edit).obj) == names
    assert before == STATE


def test_whole_checkpoints_keep_their_shape():
    result = edited(CHECKPOINT, Edit(strip=["module."]))
    assert result.renamed == 3
    assert list(result.obj["model"]) == ["a.weight", "a.bias", "b.weight"]
    assert type(result.obj["model"]) is OrderedDict
    assert result.obj["optimizer"]["state"][0].keys() == {"exp_avg"}
    assert list(edited(CHECKPOINT, Edit(add="x.")).obj["optimizer"]["state"][0]) == ["exp_avg"]
    assert edited(CHECKPOINT, Edit(drop=["optimizer", "epoch"])).obj.keys() == {"model"}
    assert edited(CHECKPOINT, Edit(keep=["model"])).obj.keys() == {"model"}
    kept = edited(CHECKPOINT, Edit(keep=["model.*.bias"]))
    assert list(kept.obj["model"]) == ["module.a.bias"]
    assert kept.dropped == 5
    assert edited(CHECKPOINT, Edit(keep=["optimizer.param_groups"])).obj == {
        "optimizer": {"param_groups": [{"lr": 0.1}]}
    }


def test_a_state_dicts_metadata_are_renamed_with_it():
    state: Any = OrderedDict(STATE)
    state._metadata = OrderedDict({"": {"version": 1}, "module": {"version": 1}, "module.a": {"version": 2}})
    state["module.a._extra_state"] = "kept under its name"
    result = edited(state, Edit(strip=["module."])).obj
    assert list(result)[-1] == "a._extra_state"
    assert result._metadata == {"": {"version": 1}, "a": {"version": 2}}
    assert list(edited(state, Edit(add="net.")).obj._metadata) == ["net", "net.module", "net.module.a"]
    assert list(state._metadata) == ["", "module", "module.a"]


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (Edit(rename=[("module.a.weight", "module.b.weight")]), "two tensors would be called 'module.b.weight'"),
        (Edit(drop=["*"]), "nothing would be left"),
        (Edit(keep=["x"]), "nothing would be left"),
        (Edit(drop=["x"]), "nothing in the file fits 'x'"),
        (Edit(rename=[("mod", "y")]), "nothing in the file fits 'mod'"),
        (Edit(strip=["net."]), "nothing in the file fits 'net.'"),
    ],
)
def test_what_cannot_be_done(edit, match):
    with pytest.raises(BadEdit, match=match):
        edited(STATE, edit)


def test_values_nested_without_end():
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(BadEdit, match="nested more than 100 deep"):
        edited(circle, Edit())


def test_casts_are_made_when_asked_for_and_ties_stay():
    loads: list[int] = []

    def load() -> Any:
        loads.append(1)
        return np.array([1.001, 1e30], np.float32).view(np.uint8)

    wide = TensorRecord("float32", (2,), (1,), 0, StorageRecord("float32", 8, load))
    part = TensorRecord("float32", (1,), (1,), 1, wide.storage)
    ints = tensor(1, dtype=np.int64)
    result = edited({"a": wide, "b": part, "c": wide, "i": ints}, Edit(cast="float16"))
    assert not loads
    assert result.cast == 2
    assert result.obj["a"] is result.obj["c"]
    assert result.obj["a"].storage is result.obj["b"].storage
    assert result.obj["i"] is ints
    assert result.obj["b"].array().tolist() == [float("inf")]
    assert result.overflowed == [1]
    assert edited(wide, Edit(cast="bfloat16")).obj.array().dtype == ml_dtypes.bfloat16


def test_tensors_get_storages_of_their_own():
    base = tensor(*range(6))
    tensors = {"a": base, "b": base, "t": TensorRecord("float32", (3, 2), (1, 3), 0, base.storage)}
    found = edited(tensors, Edit(unshare=True)).obj
    assert found["t"].array().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["t"].storage is not found["a"].storage
