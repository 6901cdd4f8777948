"""The streams against PyTorch's CPU generator: equal values and equal state bytes after every draw."""

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from flambeau.generators import draws
from flambeau.generators.streams import Stream

torch = pytest.importorskip("torch")

if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512") or sys.platform != "linux":
    pytest.skip("PyTorch rounds differently without AVX2, and with another C library", allow_module_level=True)

SIZES = (1, 5, 15, 16, 17, 31, 100, 1000, 4097)
SEEDS = (0, 20240229, -3, 2**64 - 1)

DTYPES: dict[str, tuple[Any, Any]] = {
    "bool": (torch.bool, np.bool_),
    "uint8": (torch.uint8, np.uint8),
    "int8": (torch.int8, np.int8),
    "int16": (torch.int16, np.int16),
    "int32": (torch.int32, np.int32),
    "int64": (torch.int64, np.int64),
    "uint16": (torch.uint16, np.uint16),
    "uint32": (torch.uint32, np.uint32),
    "uint64": (torch.uint64, np.uint64),
    "float16": (torch.float16, np.float16),
    "bfloat16": (torch.bfloat16, ml_dtypes.bfloat16),
    "float32": (torch.float32, np.float32),
    "float64": (torch.float64, np.float64),
    "complex64": (torch.complex64, np.complex64),
    "complex128": (torch.complex128, np.complex128),
}
FLOATS = ("float16", "bfloat16", "float32", "float64")
REALS_AND_COMPLEX = (*FLOATS, "complex64", "complex128")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


class Case(NamedTuple):
    """One draw: PyTorch's way from (empty tensor, generator), ours from (stream, shape, dtype); for which dtypes."""

    name: str
    theirs: Callable[[Any, Any], Any]
    ours: Callable[[Stream, tuple[int, ...], Any], NDArray[Any]]
    dtypes: tuple[str, ...]


def _ramp(count: int, dtype: Any) -> NDArray[Any]:
    """Probabilities over the whole of [0, 1]."""
    return (np.arange(count) % 17 / 16).astype(dtype)


def _rates(count: int) -> Any:
    """Means around ten, where another way of drawing begins."""
    return torch.from_numpy(_ramp(count, np.float32) ** 3 * 50)


def _trials(count: int) -> Any:
    return torch.from_numpy(np.floor(np.arange(count, dtype=np.float32) % 101))


def _odds(count: int) -> Any:
    return torch.from_numpy(_ramp(count, np.float32))


def _uniform(low: float, high: float, dtypes: tuple[str, ...] = REALS_AND_COMPLEX) -> Case:
    return Case(
        f"uniform({low}, {high})",
        lambda t, g: t.uniform_(low, high, generator=g),
        lambda s, shape, d: draws.uniform(s, shape, low, high, d),
        dtypes,
    )


def _normal(mean: float, std: float) -> Case:
    return Case(
        f"normal({mean}, {std})",
        lambda t, g: t.normal_(mean, std, generator=g),
        lambda s, shape, d: draws.normal(s, shape, mean, std, d),
        REALS_AND_COMPLEX,
    )


def _integers(low: int, high: int | None, dtypes: tuple[str, ...]) -> Case:
    return Case(
        f"integers({low}, {high})",
        lambda t, g: t.random_(low, high, generator=g),
        lambda s, shape, d: draws.integers(s, shape, low, high, d),
        dtypes,
    )


CASES = (
    _uniform(0.0, 1.0),
    _uniform(-0.1, 0.1),
    _uniform(0.1, 0.3),
    _uniform(-1.3, 2.7),
    _uniform(100.0, 100.5),
    _uniform(-3.0, 0.0),
    _uniform(0.0, 7.0),
    _uniform(2.0, 2.0),
    _uniform(-3e38, 3e37, ("bfloat16", "float32", "float64")),
    _normal(0.0, 1.0),
    _normal(0.3, 1.7),
    _normal(0.0, 0.02),
    _normal(-2.0, 1.0),
    _normal(5.0, 0.0),
    Case(
        "normal into every other element",
        lambda t, g: t.new_empty(2 * t.numel())[::2].normal_(0.3, 1.7, generator=g),
        # one element is contiguous whatever its stride
        lambda s, shape, d: draws.normal(s, shape, 0.3, 1.7, d, contiguous=shape == (1,)),
        FLOATS,
    ),
    _integers(0, 1, (*INTEGERS, "bool", "uint16", "uint32", "uint64", *FLOATS)),
    _integers(0, 2, (*INTEGERS, "bool", *FLOATS)),
    _integers(-5, 100, ("int8", "int16", "int32", "int64", *FLOATS)),
    _integers(-300, 1000, ("int16", "int32", "int64", "float16", "float32", "float64")),
    _integers(0, 60000, ("uint16", "uint32", "uint64", "int32")),
    _integers(5, None, (*INTEGERS, *FLOATS)),
    _integers(0, 2**28 - 1, ("int32", "int64", "uint32", "uint64", "float64")),
    _integers(0, 2**28, ("int32", "int64", "uint32", "uint64", "float64")),
    _integers(-(2**31), 2**31, ("int32", "int64", "float64")),
    _integers(0, 2**32, ("int64", "uint32", "uint64", "float64")),
    _integers(-7, 10**15, ("int64", "float64")),
    _integers(0, 2**63 - 1, ("int64", "uint64", "bfloat16", "float32", "float64")),
    _integers(-(2**63), 2**63 - 1, ("int64", "bfloat16", "float32", "float64")),
    _integers(-(2**63), None, ("int64", "bfloat16", "float32", "float64")),
    _integers(-257, 300, ("bfloat16",)),
    _integers(-(2**24) - 5, 2**25 + 3, ("float32",)),
    Case(
        "unbounded_integers",
        lambda t, g: t.random_(generator=g),
        draws.unbounded_integers,
        ("bool", *INTEGERS, *FLOATS),
    ),
    Case(
        "permutation",
        lambda t, g: torch.randperm(min(t.numel(), 256), generator=g, dtype=t.dtype),
        lambda s, shape, d: draws.permutation(s, min(shape[0], 256), d),
        ("uint8", "int16", "int32", *FLOATS),
    ),
    Case(
        "permutation of all",
        lambda t, g: torch.randperm(t.numel(), generator=g),
        lambda s, shape, d: draws.permutation(s, shape[0], d),
        ("int64",),
    ),
    Case(
        "bernoulli with float32 probabilities",
        lambda t, g: t.bernoulli_(torch.from_numpy(_ramp(t.numel(), np.float32)), generator=g),
        lambda s, shape, d: draws.bernoulli(s, shape, _ramp(shape[0], np.float32), d),
        ("bool", *INTEGERS, *FLOATS),
    ),
    Case(
        "bernoulli with float64 probabilities",
        lambda t, g: t.bernoulli_(torch.from_numpy(_ramp(t.numel(), np.float64)), generator=g),
        lambda s, shape, d: draws.bernoulli(s, shape, _ramp(shape[0], np.float64), d),
        ("bool", "int64", *FLOATS),
    ),
    Case(
        "bernoulli of itself",
        lambda t, g: torch.bernoulli(torch.from_numpy(_ramp(t.numel(), np.float32)).to(t.dtype), generator=g),
        lambda s, shape, d: draws.bernoulli(s, shape, _ramp(shape[0], d), d),
        FLOATS,
    ),
    Case(
        "bernoulli with one probability for all",
        lambda t, g: t.bernoulli_(torch.tensor(0.3), generator=g),
        lambda s, shape, d: draws.bernoulli(s, shape, np.array(0.3, np.float32), d),
        FLOATS,
    ),
    Case(
        "exponential",
        lambda t, g: t.exponential_(generator=g),
        lambda s, shape, d: draws.exponential(s, shape, dtype=d),
        FLOATS,
    ),
    Case(
        "exponential(2.3)",
        lambda t, g: t.exponential_(2.3, generator=g),
        lambda s, shape, d: draws.exponential(s, shape, 2.3, d),
        FLOATS,
    ),
    Case(
        "geometric(0.3)",
        lambda t, g: t.geometric_(0.3, generator=g),
        lambda s, shape, d: draws.geometric(s, shape, 0.3, d),
        (*INTEGERS, *FLOATS),
    ),
    Case(
        "geometric(0.001)",
        lambda t, g: t.geometric_(0.001, generator=g),
        lambda s, shape, d: draws.geometric(s, shape, 0.001, d),
        ("int32", "int64", *FLOATS),
    ),
    Case(
        "poisson",
        lambda t, g: torch.poisson(_rates(t.numel()).to(t.dtype), generator=g),
        lambda s, shape, d: draws.poisson(s, shape, _rates(shape[0]).numpy().astype(d), d),
        FLOATS,
    ),
    Case(
        "binomial",
        lambda t, g: torch.binomial(_trials(t.numel()).to(t.dtype), _odds(t.numel()).to(t.dtype), generator=g),
        lambda s, shape, d: draws.binomial(
            s, shape, _trials(shape[0]).numpy().astype(d), _odds(shape[0]).numpy().astype(d), d
        ),
        ("float32", "float64"),
    ),
    Case("cauchy", lambda t, g: t.cauchy_(generator=g), lambda s, shape, d: draws.cauchy(s, shape, dtype=d), FLOATS),
    Case(
        "cauchy(1.1, 3.3)",
        lambda t, g: t.cauchy_(1.1, 3.3, generator=g),
        lambda s, shape, d: draws.cauchy(s, shape, 1.1, 3.3, d),
        FLOATS,
    ),
    Case(
        "log_normal",
        lambda t, g: t.log_normal_(generator=g),
        lambda s, shape, d: draws.log_normal(s, shape, dtype=d),
        FLOATS,
    ),
    Case(
        "log_normal(0.1, 0.7)",
        lambda t, g: t.log_normal_(0.1, 0.7, generator=g),
        lambda s, shape, d: draws.log_normal(s, shape, 0.1, 0.7, d),
        FLOATS,
    ),
)


def _bernoulli_number(p: float) -> Case:
    return Case(
        f"bernoulli({p})",
        lambda t, g: t.bernoulli_(p, generator=g),
        lambda s, shape, d: draws.bernoulli(s, shape, p, d),
        ("bool", *INTEGERS, *FLOATS),
    )


def _intel() -> bool:
    """Whether PyTorch draws Bernoulli numbers by MKL here."""
    information = Path("/proc/cpuinfo")
    return "GenuineIntel" in (information.read_text() if information.exists() else platform.processor())


ALL_CASES = CASES if _intel() else (*CASES, *map(_bernoulli_number, (0.0, 0.3, 0.5, 1.0)))


def _pair(seed: int) -> tuple[Any, Stream]:
    return torch.Generator().manual_seed(seed), Stream(seed)


def _bytes(tensor: Any) -> bytes:
    """The tensor's memory, row-major."""
    return bytes(tensor.clone(memory_format=torch.contiguous_format).view(torch.uint8).numpy().tobytes())


def _assert_in_step(generator: Any, stream: Stream) -> None:
    assert stream.get_state().tobytes() == generator.get_state().numpy().tobytes()


@pytest.mark.filterwarnings("ignore:.*is out of bounds:UserWarning")
@pytest.mark.parametrize(
    ("case", "dtype"), [pytest.param(c, d, id=f"{c.name}-{d}") for c in ALL_CASES for d in c.dtypes]
)
def test_draws_equal_in_every_bit(case: Case, dtype: str) -> None:
    theirs, ours = DTYPES[dtype]
    for seed in SEEDS:
        generator, stream = _pair(seed)
        for size in SIZES:  # without reseeding: the positions, and the kept normal samples, go on
            expected = _bytes(case.theirs(torch.empty(size, dtype=theirs), generator))
            assert case.ours(stream, (size,), ours).tobytes() == expected, f"seed {seed}, size {size}"
            _assert_in_step(generator, stream)


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_around_arrays(dtype: str) -> None:
    theirs, ours = DTYPES[dtype]
    for size in SIZES:
        generator, stream = _pair(size)
        mean, std = np.linspace(-1, 1, size).astype(ours), np.linspace(0, 2, size).astype(ours)
        tensors = [torch.from_numpy(each.astype(np.float64)).to(theirs) for each in (mean, std)]
        for expected, result in (
            (torch.normal(*tensors, generator=generator), draws.normal_like(stream, mean, std)),
            (torch.normal(tensors[0], 2.3, generator=generator), draws.normal_like(stream, mean, 2.3)),
            (torch.normal(1.1, tensors[1], generator=generator), draws.normal_like(stream, 1.1, std)),
        ):
            assert result.tobytes() == _bytes(expected)
            _assert_in_step(generator, stream)


def test_normal_around_arrays_broadcasts() -> None:
    generator, stream = _pair(8)
    expected = torch.normal(torch.zeros(5, 1), torch.arange(7.0), generator=generator)
    assert (draws.normal_like(stream, np.zeros((5, 1), np.float32), np.arange(7.0)) == expected.numpy()).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("samples", "replacement"), [(1, False), (1, True), (4, False), (1000, True)])
@pytest.mark.parametrize("shape", [(50,), (7, 50), (3, 2000)], ids=str)
def test_multinomial(dtype: str, samples: int, replacement: bool, shape: tuple[int, ...]) -> None:
    if samples > 1 and not replacement and dtype in ("float16", "bfloat16"):
        pytest.skip("the order among equal quotients is not defined")
    theirs, ours = DTYPES[dtype]
    generator, stream = _pair(12)
    weights = (np.arange(np.prod(shape)).reshape(shape) % 13 / 7).astype(ours)
    tensor = torch.from_numpy(weights.astype(np.float64)).to(theirs)
    for _ in range(20):
        expected = torch.multinomial(tensor, samples, replacement, generator=generator)
        assert (draws.multinomial(stream, weights, samples, replacement) == expected.numpy()).all()
        _assert_in_step(generator, stream)


@pytest.mark.parametrize("n", [0, 1, 2, 4095, 4096, 4097, 4098, 50_000, 1_000_003])
def test_permutations_of_many(n: int) -> None:
    generator, stream = _pair(n)
    assert (draws.permutation(stream, n) == torch.randperm(n, generator=generator).numpy()).all()
    _assert_in_step(generator, stream)


@pytest.mark.filterwarnings("ignore:.*is out of bounds:UserWarning")
def test_mixed_draws_stay_in_step() -> None:
    generator, stream = _pair(77)
    chooser = np.random.RandomState(3)
    for _ in range(400):
        case = ALL_CASES[chooser.randint(len(ALL_CASES))]
        dtype = case.dtypes[chooser.randint(len(case.dtypes))]
        size = int(chooser.choice([1, 2, 3, 7, 15, 16, 17, 33, 250, 700]))
        theirs, ours = DTYPES[dtype]
        expected = _bytes(case.theirs(torch.empty(size, dtype=theirs), generator))
        assert case.ours(stream, (size,), ours).tobytes() == expected, f"{case.name} {dtype} {size}"
        _assert_in_step(generator, stream)


def test_large_draws_cross_blocks() -> None:
    generator, stream = _pair(1)
    for size in (65536, 65537, 200_003):
        for case in (_uniform(-0.1, 0.1), _normal(0.0, 1.0), _normal(0.2, 0.3)):
            for dtype in ("float32", "float64", "bfloat16"):
                theirs, ours = DTYPES[dtype]
                expected = _bytes(case.theirs(torch.empty(size, dtype=theirs), generator))
                assert case.ours(stream, (size,), ours).tobytes() == expected, f"{case.name} {dtype} {size}"
    _assert_in_step(generator, stream)


@pytest.mark.parametrize("seed", [0, 1, -1, -5, 2**32 + 7, 2**63, -(2**63), 2**64 - 1])
def test_seeds_and_states(seed: int) -> None:
    generator, stream = _pair(seed)
    assert stream.initial_seed() == generator.initial_seed()
    for count in (0, 1, 1, 622, 1, 623, 624, 3):  # both sides of the twister's key boundary
        draws.uniform(stream, (count,))
        torch.rand(count, generator=generator)
        _assert_in_step(generator, stream)


@pytest.mark.parametrize("count", [0, 1, 3, 700])
def test_states_are_exchanged_both_ways(count: int) -> None:
    generator, stream = _pair(5)
    draws.normal(stream, (count,), contiguous=False)
    generator.set_state(torch.from_numpy(stream.get_state()))
    assert torch.randn(3, generator=generator).numpy().tobytes() == draws.normal(stream, (3,)).tobytes()
    torch.rand(11, generator=generator)
    stream = Stream()
    stream.set_state(generator.get_state().numpy())
    assert stream.initial_seed() == generator.initial_seed()
    assert torch.randn(3, generator=generator).numpy().tobytes() == draws.normal(stream, (3,)).tobytes()
    _assert_in_step(generator, stream)


def test_a_new_stream_starts_like_a_new_generator() -> None:
    _assert_in_step(torch.Generator(), Stream())
