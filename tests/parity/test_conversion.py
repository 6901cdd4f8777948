"""Conversions against PyTorch: types, Python numbers, NumPy, copies and pickles."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import flambeau
from flambeau.dtypes.layouts import MEMORY_FORMATS
from flambeau.tensors import legacy

torch = pytest.importorskip("torch")

EXTRA = {**MEMORY_FORMATS, "LongTensor": legacy.LongTensor}


class Ours:
    """Names that stand in modules of ours."""

    def __getattr__(self, name: str) -> Any:
        return EXTRA[name] if name in EXTRA else getattr(flambeau, name)


ours = Ours()

KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
         "complex128", "uint16", "uint32", "uint64", "float8_e5m2", "float8_e4m3fn")  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_tolist_and_item_are_exact(name: str) -> None:
    kind = np.dtype(getattr(ml_dtypes, name, None) or getattr(np, name + "_" * (name == "bool")))
    array = np.frombuffer(np.random.RandomState(0).bytes(24 * kind.itemsize), kind).reshape(2, 3, 4)
    if name == "bool":
        array = array.view(np.uint8) % 2 == 0
    mine = flambeau.tensor(array)
    theirs = torch.frombuffer(bytearray(array.tobytes()), dtype=getattr(torch, name)).reshape(2, 3, 4)
    assert repr(mine.tolist()) == repr(theirs.tolist())
    assert repr(mine[0, 1, 2].item()) == repr(theirs[0, 1, 2].item())
    assert repr(mine[1, 1, 2].tolist()) == repr(theirs[1, 1, 2].tolist())


METHODS = ("bool", "int", "long", "half", "double", "byte", "float", "bfloat16", "cfloat", "char", "short")


def computed(t: Any) -> Any:
    return t.ones(2, requires_grad=True) * 2


def trained(t: Any) -> Any:
    x = t.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    x.note = [1]
    return x


CASES: dict[str, Callable[[Any], Any]] = {
    "to type": lambda t: t.ones(2).to(t.float64),
    "to device": lambda t: t.ones(2).to("cpu"),
    "to device and type": lambda t: t.ones(2).to("cpu", t.float64),
    "to names": lambda t: t.ones(2).to(device="cpu", dtype=t.int32, non_blocking=True),
    "to other": lambda t: t.ones(2).to(t.ones(1, dtype=t.float64)),
    "to flags": lambda t: t.ones(2).to(t.float64, False, True),
    "to nothing": lambda t: [t.ones(2).to(), t.ones(2).to(None), t.ones(2).to(device=None), t.ones(2).to(dtype=None)],
    "to a class": lambda t: t.ones(2).to(float),
    "to format": lambda t: t.ones(1, 2, 1, 1).to(memory_format=t.channels_last),
    "to is itself": lambda t: [(x := t.ones(2)).to(t.float32) is x, x.to(x) is x, x.to(x, copy=True) is x],
    "to copies": lambda t: [(x := t.zeros(2)), x.to(t.float32, copy=True).fill_(1), x],
    "to on the tape": lambda t: computed(t).to(t.float64),
    "type": lambda t: [t.ones(2).type(), t.ones(2).double().type(), t.ones(1, device="meta").type()],
    "type of a name": lambda t: t.ones(2).type("torch.DoubleTensor"),
    "type of a class": lambda t: t.ones(2).type(t.LongTensor),
    "type of a type": lambda t: [t.ones(2).type(t.int64), t.ones(2).type_as(t.ones(1, dtype=t.int16))],
    "methods": lambda t: [getattr(t.tensor([0.0, 1.5]), n)() for n in METHODS],
    "facts": lambda t: [(x := t.ones(2)).is_same_size(t.ones(2)), x.get_device(), x.layout, x.is_pinned()],
    "sizes": lambda t: [t.ones(2, 3).nbytes, t.ones(2).itemsize, t.ones(2, dtype=t.int16).element_size()],
    "numbers": lambda t: [float(t.tensor(2)), int(t.tensor([2.9])), complex(t.tensor(1.5)), bool(t.tensor([[0.5]]))],
    "indexes": lambda t: [[1, 2, 3][t.tensor(1)], [1, 2, 3][t.tensor(True)], list(range(t.tensor(3)))],
    "contains": lambda t: [2 in t.ones(2), 1.0 in t.ones(2), t.tensor(1) in t.ones(2)],
    "is_nonzero": lambda t: [t.ones(1).is_nonzero(), t.zeros(1).is_nonzero()],
    "numpy": lambda t: t.tensor([[1.5, 2.0]]).numpy(),
    "numpy of 0-d": lambda t: t.tensor(3).numpy(),
    "numpy by force": lambda t: computed(t).numpy(force=True),
    "asarray": lambda t: [np.asarray(t.ones(2)), np.array(t.ones(2), dtype=np.int64), np.array([t.ones(2), t.ones(2)])],
    "functions of numpy": lambda t: [np.sin(t.ones(2)), np.add(t.ones(2), 1), np.greater(t.ones(2), 0)],
    "number of numpy on the left": lambda t: [np.float64(2) * t.ones(2), np.float32(2) + t.ones(2)],
    "dlpack": lambda t: [np.from_dlpack(t.ones(2)), np.from_dlpack(t.arange(3) if t is torch else t.tensor([0, 1, 2]))],
    "dlpack device": lambda t: tuple(map(int, t.ones(2).__dlpack_device__())),
    "copy": lambda t: [copy.copy(trained(t)), copy.copy(trained(t)).note, copy.copy(trained(t)).grad],
    "copy shares": lambda t: [(x := t.zeros(2)), copy.copy(x).fill_(1), x],
    "deepcopy": lambda t: [(y := copy.deepcopy(trained(t))), y.grad, y.note],
    "deepcopy is apart": lambda t: [(x := t.zeros(2)), copy.deepcopy(x).fill_(1), x],
    "deepcopy keeps sharing": lambda t: shared(t, copy.deepcopy),
    "deepcopy keeps identity": lambda t: [(y := copy.deepcopy([x := t.ones(2), x]))[0] is y[1]],
    "deepcopy of int": lambda t: copy.deepcopy(t.tensor([1, 2])),
    "deepcopy of a view": lambda t: copy.deepcopy(t.tensor([[1, 2], [3, 4]]).t()),
    "pickle": lambda t: [(y := pickle.loads(pickle.dumps(trained(t)))), y.grad, y.note],
    "pickle of types": lambda t: [back(t.ones(2, dtype=k)) for k in (t.bfloat16, t.int8, t.bool, t.complex64)],
    "pickle of a view": lambda t: back(t.tensor([[1, 2], [3, 4]]).t()),
    "pickle of a result": lambda t: back(computed(t).detach()),
    "pickle of 0-d": lambda t: back(t.tensor(3.5)),
    "pickle of meta": lambda t: back(t.ones(2, 3, device="meta")),
    "pickle of facts": lambda t: [back(item) for item in (t.float32, t.device("cpu"), t.Size([2, 3]))],
}  # fmt: skip


def back(item: Any) -> Any:
    return pickle.loads(pickle.dumps(item))


def shared(t: Any, function: Callable[[Any], Any]) -> Any:
    x = t.zeros(3)
    copied = function([x, x[1:]])
    copied[0][2] = 5
    return [copied, x]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_results_print_the_same(name: str) -> None:
    assert repr(CASES[name](ours)) == repr(CASES[name](torch))


def test_pickled_tensors_keep_sharing_a_storage() -> None:
    x = flambeau.zeros(3)
    first, second = back([x, x.detach()])
    first.fill_(1)
    assert second.tolist() == [1.0, 1.0, 1.0]
    assert x.tolist() == [0.0, 0.0, 0.0]


ERRORS: dict[str, Callable[[Any], Any]] = {
    "numpy on the tape": lambda t: computed(t).numpy(),
    "asarray on the tape": lambda t: np.asarray(computed(t)),
    "numpy of bfloat16": lambda t: t.ones(1, dtype=t.bfloat16).numpy(),
    "numpy of float8": lambda t: t.ones(1).to(t.float8_e5m2).numpy(),
    "deepcopy of a result": lambda t: copy.deepcopy(computed(t)),
    "to text": lambda t: t.ones(2).to("foo"),
    "to unknown": lambda t: t.ones(2).to(foo=1),
    "to two devices": lambda t: t.ones(2).to("cpu", "cpu"),
    "to text as type": lambda t: t.ones(2).to(dtype="float32"),
    "to other by name": lambda t: t.ones(2).to(other=t.ones(1)),
    "to format of another rank": lambda t: t.ones(2).to(memory_format=t.channels_last),
    "to cuda": lambda t: t.ones(2).cuda(),
    "type": lambda t: t.ones(2).type("foo"),
    "item of several": lambda t: t.ones(2).item(),
    "item of none": lambda t: t.ones(0).item(),
    "float of several": lambda t: float(t.ones(2)),
    "float of complex": lambda t: float(t.tensor(1j)),
    "int of nan": lambda t: int(t.tensor(float("nan"))),
    "bool of several": lambda t: bool(t.ones(2)),
    "bool of none": lambda t: bool(t.ones(0)),
    "index of float": lambda t: [1, 2][t.tensor(1.0)],
    "index of several": lambda t: [1, 2][t.tensor([1, 0])],
    "length of 0-d": lambda t: len(t.tensor(1)),
    "contains text": lambda t: "a" in t.ones(2),
    "dlpack on the tape": lambda t: computed(t).__dlpack__(),
    "meta to cpu": lambda t: t.ones(2, device="meta").to("cpu"),
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ERRORS)
def test_errors_begin_with_the_same_words(name: str) -> None:
    with pytest.raises(Exception, match=r".") as theirs:
        ERRORS[name](torch)
    with pytest.raises(type(theirs.value), match=r".") as mine:
        ERRORS[name](ours)
    assert str(mine.value).startswith(str(theirs.value)[:35].rstrip())


def test_arrays_of_numpy_are_read_only() -> None:
    array = flambeau.ones(2).numpy()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 2


def test_dlpack_to_torch_and_jax() -> None:
    import jax.numpy as jnp

    x = flambeau.tensor([[1.5, 2.0]]) * 2
    assert torch.from_dlpack(x).tolist() == [[3.0, 4.0]]
    assert jnp.from_dlpack(x).tolist() == [[3.0, 4.0]]
    halves = flambeau.tensor([1.5], dtype=flambeau.bfloat16)
    assert torch.from_dlpack(halves + 1).tolist() == [2.5]
