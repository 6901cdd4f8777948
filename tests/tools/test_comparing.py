"""Differences between two checkpoints: which, how large, and where."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from flambeau.base.errors import BadEdit
from flambeau.checkpoint import TensorRecord
from flambeau.tools.comparing import compare


def tensor(values: Any, dtype: Any = np.float32) -> TensorRecord:
    return TensorRecord.from_array(np.asarray(values, dtype))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("dtype", "one", "other", "count", "absolute", "relative", "index"),
    [
        (np.float32, [[1, 2], [3, 4]], [[1, 2.5], [3, 4]], 1, 0.5, 0.2, (0, 1)),
        (np.float32, [NAN, INF, 1], [NAN, INF, 1], 0, 0, 0, ()),
        (np.float32, [NAN, 1], [1, 1], 1, INF, INF, (0,)),
        (np.float32, [INF, 1], [-INF, 1], 1, INF, INF, (0,)),
        (np.float32, [0.0], [-0.0], 0, 0, 0, ()),
        (np.float32, 3, 5, 1, 2, 0.4, ()),
        (ml_dtypes.bfloat16, [1, 2], [1, 4], 1, 2, 0.5, (1,)),
        (np.int64, [2**62, 5], [2**62 + 1, 5], 1, 1, 1 / 2**62, (0,)),
        (np.int8, [-128], [127], 1, 255, 255 / 128, (0,)),
        (np.uint64, [2**64 - 1], [0], 1, 2.0**64, 1, (0,)),
        (np.bool_, [True, False], [True, True], 1, 1, 1, (1,)),
        (np.complex64, [3 + 4j], [0], 1, 5, 1, (0,)),
        ([("real", np.float16), ("imag", np.float16)], [(3, 4)], [(0, 0)], 1, 5, 1, (0,)),
        (np.float32, [[]], [[]], 0, 0, 0, ()),
    ],
)
def test_values(dtype, one, other, count, absolute, relative, index):
    found = compare({"x": tensor(one, dtype)}, {"x": tensor(other, dtype)})
    if not count:
        assert (found.changes, found.equal, found.differ) == ([], 1, False)
        return
    [change] = found.changes
    assert (change.what, change.count, change.index) == ("values", count, index)
    assert change.absolute == pytest.approx(absolute)
    assert change.relative == pytest.approx(relative, rel=0.02)


def test_the_largest_difference_of_a_long_tensor():
    one = np.zeros(3_000_000, np.float32)
    other = one.copy()
    other[[5, 2_500_000, 2_999_999]] = 1, 3, 2
    [change] = compare({"x": tensor(one)}, {"x": tensor(other)}).changes
    assert (change.count, change.absolute, change.index) == (3, 3.0, (2_500_000,))


def test_tolerances():
    one, other = {"x": tensor([100, 1])}, {"x": tensor([101, 1])}
    assert not compare(one, other, absolute=1).differ
    assert not compare(one, other, relative=0.01).differ
    assert compare(one, other, absolute=0.9, relative=0.009).differ


def test_shapes_types_kinds_and_plain_values():
    before = {"s": tensor([1]), "d": tensor([1.5]), "k": tensor([1]), "n": 1, "l": [1, 2], "same": None, "gone": "x"}
    after = {"s": tensor([1, 1]), "d": tensor([1.5], np.float64), "k": 1, "n": 1.0, "l": [1, 3], "same": None, "new": 2}
    found = compare(before, after)
    assert {change.name: change.what for change in found.changes} == {
        "s": "shape",
        "d": "dtype",
        "k": "kind",
        "n": "value",
        "l": "value",
    }
    assert (found.only_before, found.only_after) == ({"gone": "'x'"}, {"new": "2"})
    assert (found.equal, found.equal_values) == (0, 1)
    assert found.as_json()["changes"][0] == {"name": "s", "what": "shape", "before": "[1]", "after": "[2]"}  # pyright: ignore[reportIndexIssue]


def test_strides_are_no_difference():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    turned = TensorRecord("float32", (2, 3), (1, 2), 0, tensor(values.T).storage)
    assert not compare({"x": tensor(values)}, {"x": turned}).differ


def test_names_that_cannot_be_told_apart():
    with pytest.raises(BadEdit, match=r"two things in the file are called 'a\.b'"):
        compare({"a.b": 1, "a": {"b": 2}}, {})
