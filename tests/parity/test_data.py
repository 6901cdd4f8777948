"""Loading data against PyTorch: the same batches, the same draws from every generator, the same words."""

import collections
import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
import flambeau.utils.data
from flambeau.tensors.generator import Generator, default_generator

torch = pytest.importorskip("torch")

X = np.arange(40, dtype=np.float32).reshape(20, 2)
Pair = collections.namedtuple("Pair", "a b")

LIBRARIES = {
    "flambeau": (flambeau, flambeau.utils.data, Generator, default_generator),
    "torch": (torch, torch.utils.data, torch.Generator, torch.default_generator),
}


def plain(value: Any) -> Any:
    """A value in which tensors are their class's name, dtype, and elements."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return (str(value.dtype), tuple(value.shape), value.tolist())
    if isinstance(value, dict):
        return (type(value).__name__, {name: plain(item) for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, [plain(item) for item in value])
    return value


def both(function: Any) -> list[Any]:
    """What a function of (library, its data module, a seeded generator) gives, and where it leaves the generators."""
    found = []
    for library, data, generator_of, default in LIBRARIES.values():
        default.manual_seed(3)
        generator = generator_of().manual_seed(4)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = plain(function(library, data, generator))
            except Exception as error:  # noqa: BLE001
                result = (type(error), str(error))
        states = [bytes(item.get_state().numpy().tobytes()) for item in (default, generator)]
        found.append((result, states, [(item.category, str(item.message)) for item in caught]))
    return found


def rows(t: Any, d: Any) -> Any:
    return d.TensorDataset(t.tensor(X), t.tensor(np.arange(20)))


class Own:
    """A dataset that is no ``Dataset``."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        return {"image": np.full((2, 2), index, np.uint8), "label": float(index), "name": "abcde"[index]}


def stream(d: Any, length: int = 5) -> Any:
    class Stream(d.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(length))

    return Stream()


def long_stream(d: Any) -> Any:
    class LongStream(d.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(5))

        def __len__(self) -> int:
            return 3

    return LongStream()


CASES: dict[str, Any] = {
    "in order": lambda t, d, g: list(d.DataLoader(rows(t, d), batch_size=3)),
    "two epochs shuffled": lambda t, d, g: [
        list(x) for x in [d.DataLoader(rows(t, d), batch_size=3, shuffle=True)] * 2
    ],
    "own generator": lambda t, d, g: [
        list(x) for x in [d.DataLoader(rows(t, d), batch_size=6, shuffle=True, generator=g, drop_last=True)] * 3
    ],
    "left in the middle": lambda t, d, g: [
        next(iter(x)) for x in [d.DataLoader(rows(t, d), batch_size=6, shuffle=True, generator=g)] * 3
    ],
    "no batches": lambda t, d, g: list(d.DataLoader(rows(t, d), batch_size=None)),
    "no batches shuffled": lambda t, d, g: list(d.DataLoader(rows(t, d), batch_size=None, shuffle=True)),
    "lists as samplers": lambda t, d, g: [
        list(d.DataLoader(rows(t, d), sampler=[3, 1, 2], batch_size=2)),
        list(d.DataLoader(rows(t, d), batch_sampler=[[3, 1], [2]])),
    ],
    "own collate": lambda t, d, g: list(
        d.DataLoader(rows(t, d), batch_size=4, collate_fn=lambda batch: [type(batch).__name__, batch])
    ),
    "subset": lambda t, d, g: list(d.DataLoader(d.Subset(rows(t, d), [5, 3, 9]), batch_size=2)),
    "own dataset": lambda t, d, g: list(d.DataLoader(Own(), batch_size=2, shuffle=True)),
    "list": lambda t, d, g: list(d.DataLoader([1, 2, 3], batch_size=2)),
    "tensor": lambda t, d, g: list(d.DataLoader(t.tensor(X), batch_size=8)),
    "length": lambda t, d, g: [len(d.DataLoader(rows(t, d), batch_size=n, drop_last=n > 3)) for n in (1, 3, 7, 20)],
    "stream": lambda t, d, g: list(d.DataLoader(stream(d), batch_size=2)),
    "stream drop last": lambda t, d, g: list(d.DataLoader(stream(d), batch_size=2, drop_last=True)),
    "stream no batches": lambda t, d, g: list(d.DataLoader(stream(d), batch_size=None)),
    "stream length": lambda t, d, g: len(d.DataLoader(long_stream(d), batch_size=2)),
    "stream without length": lambda t, d, g: len(d.DataLoader(stream(d), batch_size=2)) and None,
    "chain": lambda t, d, g: list(stream(d) + stream(d, 2)),
    "concat": lambda t, d, g: [(rows(t, d) + rows(t, d))[i] for i in (0, 19, 20, 39, -1, -40)],
    "concat beyond": lambda t, d, g: (rows(t, d) + rows(t, d))[-41],
    "concat none": lambda t, d, g: d.ConcatDataset([]),
    "concat stream": lambda t, d, g: d.ConcatDataset([stream(d)]),
    "stack": lambda t, d, g: [
        d.StackDataset(rows(t, d), rows(t, d))[3], list(d.DataLoader(d.StackDataset(a=range(3), b="abc"), batch_size=2))
    ],
    "sizes differ": lambda t, d, g: d.TensorDataset(t.tensor(X), t.zeros(3)),
    "no getitem": lambda t, d, g: d.Dataset()[0],
    "split": lambda t, d, g: [x.indices for x in d.random_split(rows(t, d), [5, 15])],
    "split shares": lambda t, d, g: [x.indices for x in d.random_split(rows(t, d), [0.33, 0.33, 0.34], g)],
    "split nothing": lambda t, d, g: [x.indices for x in d.random_split(rows(t, d), [0.01, 0.99])],
    "split sum": lambda t, d, g: d.random_split(rows(t, d), [1, 2]),
    "split sum of shares": lambda t, d, g: d.random_split(rows(t, d), [0.5, 0.6]),
    "split negative": lambda t, d, g: d.random_split(rows(t, d), [1.5, -0.5]),
    "random": lambda t, d, g: [list(d.RandomSampler(range(50))), list(d.RandomSampler(range(9), generator=g))],
    "random more": lambda t, d, g: list(d.RandomSampler(range(7), num_samples=20, generator=g)),
    "random fewer": lambda t, d, g: list(d.RandomSampler(range(7), num_samples=3, generator=g)),
    "random replacement": lambda t, d, g: list(d.RandomSampler(range(50), True, 70)),
    "random replacement own": lambda t, d, g: list(d.RandomSampler(range(50), True, 64, generator=g)),
    "subset random": lambda t, d, g: [list(d.SubsetRandomSampler([3, 5, 9, 7], x)) for x in (None, g)],
    "weighted": lambda t, d, g: [list(d.WeightedRandomSampler([0.1, 0.5, 0.3], 40, generator=x)) for x in (None, g)],
    "weighted once": lambda t, d, g: list(d.WeightedRandomSampler([0.1, 0.5, 0.3, 2.0], 4, replacement=False)),
    "weighted loader": lambda t, d, g: list(
        d.DataLoader(rows(t, d), batch_size=4, sampler=d.WeightedRandomSampler(t.arange(20) + 1.0, 10))
    ),
    "batches": lambda t, d, g: [list(d.BatchSampler(range(5), 2, x)) for x in (False, True)],
    "batches length": lambda t, d, g: [len(d.BatchSampler(range(5), n, x)) for n in (2, 5) for x in (False, True)],
}  # fmt: skip

SAMPLES: dict[str, Any] = {
    "ints": [1, 2], "floats": [1.0, 2.0], "bools": [True, False], "texts": ["a", "b"], "bytes": [b"a"],
    "numpy floats": [np.float32(1), np.float32(2)], "numpy double": [np.float64(1)], "numpy bool": [np.bool_(1)],
    "numpy half": [np.float16(1)], "arrays": [np.arange(2), np.arange(2)], "array 0-d": [np.array(1.0)],
    "array int32": [np.array(3, dtype=np.int32)], "array of texts": [np.array(["a"])], "text 0-d": [np.array("a")],
    "named": [Pair(1, 2), Pair(3, 4)], "tuples": [(1, 2), (3, 4)], "lists": [[1, 2], [3, 4]], "ragged": [[1, 2], [3]],
    "dictionaries": [{"a": 1, "b": [2, 3]}, {"a": 2, "b": [4, 5]}], "ordered": [collections.OrderedDict(a=1)],
    "none": [None], "empty": [], "mixed": [1, 2.5],
}  # fmt: skip

CONVERTED: dict[str, Any] = {
    "int": 1, "text": "a", "array": np.arange(3), "numpy float": np.float32(2), "list": [1, np.arange(2)],
    "tuple": (1, np.arange(2)), "named": Pair(1, np.arange(2)), "dictionary": {"a": np.arange(2)},
    "array of texts": np.array("q"),
}  # fmt: skip

ERRORS: dict[str, dict[str, Any]] = {
    "workers": {"num_workers": -1},
    "timeout": {"timeout": -1},
    "prefetch": {"num_workers": 0, "prefetch_factor": 2},
    "prefetch negative": {"num_workers": 1, "prefetch_factor": -2},
    "persistent": {"persistent_workers": True},
    "shuffle and sampler": {"shuffle": True, "sampler": [1]},
    "batch sampler and size": {"batch_sampler": [[1]], "batch_size": 2},
    "batch sampler and shuffle": {"batch_sampler": [[1]], "shuffle": True},
    "drop last": {"batch_size": None, "drop_last": True},
    "batch size 0": {"batch_size": 0},
    "batch size 2.5": {"batch_size": 2.5},
    "context": {"multiprocessing_context": "spawn"},
    "context name": {"num_workers": 1, "multiprocessing_context": "zz"},
    "context kind": {"num_workers": 1, "multiprocessing_context": 3},
    "many": {"num_workers": 999, "pin_memory": True},
}

SAMPLERS: dict[str, Any] = {
    "replacement": lambda d: d.RandomSampler([1], replacement=1),
    "none": lambda d: d.RandomSampler([1], num_samples=0),
    "part": lambda d: d.RandomSampler([1], num_samples=2.5),
    "weighted none": lambda d: d.WeightedRandomSampler([1, 2], 0),
    "weighted replacement": lambda d: d.WeightedRandomSampler([1, 2], 2, replacement=1),
    "weighted rank": lambda d: d.WeightedRandomSampler([[1, 2]], 2),
    "batch size": lambda d: d.BatchSampler(range(3), True, False),
    "batch drop": lambda d: d.BatchSampler(range(3), 1, 3),
}


@pytest.mark.parametrize("name", CASES)
def test_results_and_draws(name: str) -> None:
    found, expected = both(CASES[name])
    assert found == expected


@pytest.mark.parametrize("name", SAMPLES)
def test_collate(name: str) -> None:
    found, expected = both(lambda t, d, g: d.default_collate(SAMPLES[name]))
    assert found == expected


@pytest.mark.parametrize("shapes", [[(2,), (2,)], [(), ()], [(2,), (3,)]])
def test_collate_tensors(shapes: Any) -> None:
    found, expected = both(lambda t, d, g: d.default_collate([t.ones(shape) for shape in shapes]))
    assert found == expected


@pytest.mark.parametrize("name", CONVERTED)
def test_convert(name: str) -> None:
    found, expected = both(lambda t, d, g: d.default_convert(CONVERTED[name]))
    assert found == expected


@pytest.mark.parametrize("name", ERRORS)
def test_arguments(name: str) -> None:
    found, expected = both(lambda t, d, g: d.DataLoader(rows(t, d), **ERRORS[name]) and None)
    assert found == expected


@pytest.mark.parametrize("name", ["batch_size", "sampler", "dataset", "drop_last"])
def test_fixed_attributes(name: str) -> None:
    found, expected = both(lambda t, d, g: setattr(d.DataLoader(rows(t, d)), name, 3))
    assert found == expected


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}, {"shuffle": False}])
def test_arguments_of_streams(options: dict[str, Any]) -> None:
    found, expected = both(lambda t, d, g: d.DataLoader(stream(d), **options) and None)
    assert found == expected


@pytest.mark.parametrize("name", SAMPLERS)
def test_arguments_of_samplers(name: str) -> None:
    found, expected = both(lambda t, d, g: SAMPLERS[name](d) and None)
    assert found == expected
