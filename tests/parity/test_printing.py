"""Printed tensors against PyTorch's, character for character."""

import operator
import pickle
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import flambeau
from flambeau.tensors.printing import get_printoptions, set_printoptions

torch = pytest.importorskip("torch")

SHAPES = (
    (), (1,), (3,), (10,), (40,), (0,), (2, 3), (0, 3), (3, 1), (2, 3, 4), (2, 0, 4), (1, 1, 1, 2), (7, 30), (1001,),
    (40, 40), (2, 700), (9, 8, 30), (1500, 1),
)  # fmt: skip

# How the elements are made from standard normal numbers.
RECIPES: dict[str, Callable[[Any], Any]] = {
    "ordinary": lambda x: x,
    "whole": lambda x: np.round(x * 3),
    "large whole": lambda x: np.round(x * 1e5),
    "tiny": lambda x: x * 1e-6,
    "huge": lambda x: x * 1e9,
    "spread": lambda x: np.exp(4 * x),
    "zeros": lambda x: x * 0,
    "with nan and inf": lambda x: np.where(x > 0.5, np.inf, np.where(x < -1, np.nan, x)),
    "whole with nan and inf": lambda x: np.where(x > 0.5, -np.inf, np.where(x < -1, np.nan, np.round(x * 30))),
}

DTYPES: dict[str, Any] = {
    "bool": np.bool_, "uint8": np.uint8, "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
    "float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64,
    "complex64": np.complex64, "complex128": np.complex128, "uint16": np.uint16, "uint32": np.uint32,
    "uint64": np.uint64, "float8_e5m2": ml_dtypes.float8_e5m2, "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
}  # fmt: skip


def arrays() -> Iterator[tuple[str, Any]]:
    """Every shape with every data type and every recipe that suits it."""
    random = np.random.RandomState(0)
    for (recipe, make), (name, kind), shape in product(RECIPES.items(), DTYPES.items(), SHAPES):
        normal = random.standard_normal(shape)
        if "nan" in recipe and not name.startswith(("float", "bfloat", "complex")):
            continue
        with np.errstate(all="ignore"):
            if name.startswith("complex"):
                yield f"{recipe} {name} {shape}", (make(normal) + 1j * make(random.standard_normal(shape))).astype(kind)
            elif "int" in name or name == "bool":
                whole = np.clip(make(normal), -(2.0**62), 2.0**62)
                yield f"{recipe} {name} {shape}", np.asarray(whole).astype(np.int64).astype(kind)
            else:
                yield f"{recipe} {name} {shape}", np.asarray(make(normal)).astype(np.float32).astype(kind)


def pair(array: Any) -> tuple[Any, Any]:
    """The same tensor in both libraries, bit for bit."""
    kind = getattr(torch, array.dtype.name)
    if array.size == 0:
        return flambeau.tensor(array), torch.empty(array.shape, dtype=kind)
    return flambeau.tensor(array), torch.frombuffer(bytearray(array.tobytes()), dtype=kind).reshape(array.shape)


@pytest.fixture
def options() -> Iterator[Callable[..., None]]:
    """Sets the printing options of both libraries, and puts them back."""

    def both(**settings: Any) -> None:
        set_printoptions(**settings)
        torch.set_printoptions(**settings)

    yield both
    both(profile="default")


def differences(cases: Iterator[tuple[str, Any]]) -> tuple[int, list[str]]:
    """How many were compared, and those that differ with both texts."""
    count, found = 0, []
    for name, array in cases:
        mine, theirs = pair(array)
        count += 1
        if repr(mine) != repr(theirs):
            found.append(f"{name}\n{mine!r}\n--- expected\n{theirs!r}")
    return count, found


def test_generated_tensors() -> None:
    count, found = differences(arrays())
    assert count > 1500
    assert not found, f"{len(found)} of {count} differ; the first:\n{found[0]}"


SETTINGS: tuple[dict[str, Any], ...] = (
    {"precision": 2},
    {"precision": 8, "linewidth": 60},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 0, "edgeitems": 2, "linewidth": 30},
    {"linewidth": 10},
    {"sci_mode": True},
    {"sci_mode": False},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "short", "precision": 6, "sci_mode": True},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_printing_options(settings: dict[str, Any], options: Callable[..., None]) -> None:
    options(**settings)
    chosen = (case for index, case in enumerate(arrays()) if index % 17 == 3)
    count, found = differences(chosen)
    assert not found, f"{len(found)} of {count} differ; the first:\n{found[0]}"


def test_options_not_given_stay_but_sci_mode_does_not(options: Callable[..., None]) -> None:
    options(precision=3, sci_mode=True)
    options(linewidth=70)
    assert get_printoptions() == torch._tensor_str.get_printoptions()


EXPRESSIONS: dict[str, Callable[[Any], Any]] = {
    "leaf": lambda t: t.ones(2, requires_grad=True),
    "sum": lambda t: t.ones(2, requires_grad=True) + 1,
    "product": lambda t: t.ones(2, 3, requires_grad=True) * 2.5,
    "0-d": lambda t: (t.ones(2, requires_grad=True) * 3).sum(),
    "long line": lambda t: t.ones(9, requires_grad=True) * 0.123,
    "full line": lambda t: t.ones(8, requires_grad=True) * 0.123,
    "detached": lambda t: (t.ones(2, requires_grad=True) + 1).detach(),
    "double with history": lambda t: t.ones(2, dtype=t.float64, requires_grad=True) + 1,
    "half": lambda t: t.ones(2, dtype=t.float16, requires_grad=True),
    "empty double": lambda t: t.ones(0, dtype=t.float64),
    "empty int": lambda t: t.ones(0, dtype=t.int64),
    "empty sized": lambda t: t.ones(0, 3, requires_grad=True),
    "transposed": lambda t: t.tensor([[1.5, 2.0], [3.0, 4.0]]).t(),
    "meta": lambda t: t.ones(2, 3, device="meta"),
    "meta int": lambda t: t.ones(2, 3, device="meta", dtype=t.int64),
    "meta with gradient": lambda t: t.ones((), device="meta", requires_grad=True),
    "meta empty": lambda t: t.ones(0, device="meta"),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_suffixes(name: str) -> None:
    make = EXPRESSIONS[name]
    assert repr(make(flambeau)) == repr(make(torch))
    assert str(make(flambeau)) == str(make(torch))


@pytest.mark.parametrize("spec", ["", ".3f", "8.2e", ">10", "g"])
def test_format_of_one_number(spec: str) -> None:
    for value in (3.14159, -2.0):
        assert format(flambeau.tensor(value), spec) == format(torch.tensor(value), spec)
    whole = "d" if spec.endswith(("f", "e", "g")) else spec
    assert format(flambeau.tensor(7), whole) == format(torch.tensor(7), whole)
    assert format(flambeau.tensor([1.0, 2.0])) == format(torch.tensor([1.0, 2.0]))


def test_format_of_several_numbers_is_refused_in_the_same_words() -> None:
    for library in (flambeau, torch):
        with pytest.raises(TypeError, match=r"unsupported format string passed to Tensor\.__format__"):
            format(library.ones(2), ".3f")


def test_a_subclass_is_named() -> None:
    class Mine(flambeau.Tensor):
        pass

    class Theirs(torch.Tensor):
        pass

    mine = flambeau.tensor([1.5, 2.5])
    mine.__class__ = Mine
    assert repr(mine) == repr(torch.tensor([1.5, 2.5]).as_subclass(Theirs)).replace("Theirs", "Mine")


@pytest.mark.parametrize("name", ["Tensor", "Size", "dtype", "device", "Generator", "nn.Parameter"])
def test_classes_are_named_as_pytorchs(name: str) -> None:
    ours, theirs = (operator.attrgetter(name)(library) for library in (flambeau, torch))
    expected = f"{theirs.__module__}.{theirs.__qualname__}".replace("torch._C", "torch").replace("torch", "flambeau", 1)
    assert f"{ours.__module__}.{ours.__qualname__}" == expected
    assert pickle.loads(pickle.dumps(ours)) is ours


def test_the_end_of_the_tape_is_named_as_pytorchs() -> None:
    for library in (flambeau, torch):
        (leaf, _), _ = (library.ones(1, requires_grad=True) * 2).grad_fn.next_functions
        assert repr(leaf).startswith("<AccumulateGrad object at 0x")
