"""Draws against values and digests recorded from PyTorch 2.13.0 (CPU, AVX2)."""

import hashlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from flambeau.generators import draws, permutations
from flambeau.generators.arithmetic import fused32, fused64
from flambeau.generators.mt19937 import MersenneTwister
from flambeau.generators.streams import Stream

BFLOAT16 = ml_dtypes.bfloat16
N = (4097,)


def ramp(dtype: type, count: int = N[0]) -> NDArray[Any]:
    """Probabilities over the whole of [0, 1]."""
    return (np.arange(count) % 17 / 16).astype(dtype)


class Golden(NamedTuple):
    """A draw from seed 42, its first values, and digests of the whole result and of the state after it."""

    name: str
    draw: Callable[[Stream], NDArray[Any]]
    first: list[Any]
    values: str
    state: str


GOLDEN = (
    Golden(
        "uniform float32",
        lambda s: draws.uniform(s, N),
        [0.8822692632675171, 0.9150039553642273, 0.38286375999450684],
        "f31d8327348c7fb9",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "uniform float32 (-0.1, 0.1)",
        lambda s: draws.uniform(s, N, -0.1, 0.1),
        [0.07645385712385178, 0.0830007940530777, -0.023427248001098633],
        "b73f7a9f0c480b7f",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "uniform float64 (0.1, 0.3)",
        lambda s: draws.uniform(s, N, 0.1, 0.3, np.float64),
        [0.11163089719228594, 0.11258203348491552, 0.12471721455488181],
        "9bbcc08bbd217630",
        "21af55aefd1de268",
    ),
    Golden(
        "uniform float16 (-1.3, 2.7)",
        lambda s: draws.uniform(s, N, -1.3, 2.7, np.float16),
        [2.228515625, 2.359375, 0.2314453125],
        "9867d1e619d79d8a",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "uniform bfloat16",
        lambda s: draws.uniform(s, N, dtype=BFLOAT16),
        [0.8828125, 0.9140625, 0.3828125],
        "c28d7332c7deb669",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "uniform complex64",
        lambda s: draws.uniform(s, N, dtype=np.complex64),
        [
            (0.8822692632675171 + 0.9150039553642273j),
            (0.38286375999450684 + 0.9593056440353394j),
            (0.3904482126235962 + 0.600895345211029j),
        ],
        "1febc02e4e357e99",
        "21af55aefd1de268",
    ),
    Golden(
        "normal float32",
        lambda s: draws.normal(s, N),
        [1.9269152879714966, 1.4872840642929077, 0.9007171988487244],
        "a7d45994a6f41a4f",
        "c7f64654e768df79",
    ),
    Golden(
        "normal float32 (0.3, 1.7)",
        lambda s: draws.normal(s, N, 0.3, 1.7),
        [3.575756072998047, 2.828382968902588, 1.8312193155288696],
        "b833b155917b7c22",
        "c7f64654e768df79",
    ),
    Golden(
        "normal float16 (0, 0.02)",
        lambda s: draws.normal(s, N, 0.0, 0.02, np.float16),
        [0.038543701171875, 0.0297393798828125, 0.0180206298828125],
        "e9448e74124fba46",
        "a572f812a0018a20",
    ),
    Golden(
        "normal bfloat16",
        lambda s: draws.normal(s, N, dtype=BFLOAT16),
        [1.9296875, 1.484375, 0.90234375],
        "c80c48241375d600",
        "a572f812a0018a20",
    ),
    Golden(
        "normal complex64",
        lambda s: draws.normal(s, N, dtype=np.complex64),
        [
            (1.3625348806381226 + 1.051668643951416j),
            (0.6369032263755798 - 1.488828182220459j),
            (0.4797142744064331 - 0.8729550242424011j),
        ],
        "869e68ffaa59fc28",
        "4715da47b0d5f2a3",
    ),
    Golden(
        "integers int64 (0, 10)",
        lambda s: draws.integers(s, N, 0, 10),
        [2, 7, 6],
        "2e1af27d0b543d30",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "integers int8 (-5, 100)",
        lambda s: draws.integers(s, N, -5, 100, np.int8),
        [52, -3, 41],
        "a4a896e04bfe4c4b",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "integers int64 (-7, 10**15)",
        lambda s: draws.integers(s, N, -7, 10**15),
        [45637428904129, 583593393730944, 904847239242510],
        "24485ab0864b2cec",
        "21af55aefd1de268",
    ),
    Golden(
        "integers int64, all 64 bits",
        lambda s: draws.integers(s, N, -(2**63), None),
        [6909045637428952499, -909160480315697906, -4943839226470214585],
        "aa960b30337c82a7",
        "21af55aefd1de268",
    ),
    Golden(
        "integers float32 (5, None)",
        lambda s: draws.integers(s, N, 5, None, np.float32),
        [14802407.0, 15352036.0, 6424365.0],
        "04f2158f399fa615",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "unbounded bool",
        lambda s: draws.unbounded_integers(s, N, np.bool_),
        [False, True, False],
        "1bd0a04de69eb7e4",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "unbounded int32",
        lambda s: draws.unbounded_integers(s, N, np.int32),
        [1608637542, 1273642419, 1935803228],
        "c445143dde3758b9",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "unbounded int64",
        lambda s: draws.unbounded_integers(s, N),
        [6909045637428952499, 8314211556539077902, 4279532810384561223],
        "5e85647d0dfe1532",
        "21af55aefd1de268",
    ),
    Golden(
        "unbounded float16",
        lambda s: draws.unbounded_integers(s, N, np.float16),
        [426.0, 923.0, 745.0],
        "f8c8406d01ed39c2",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "permutation", lambda s: draws.permutation(s, N[0]), [3753, 3508, 2673], "29e059b336e4e4c0", "bb1270baba79d5b9"
    ),
    Golden(
        "bernoulli 0.3",
        lambda s: draws.bernoulli(s, N, 0.3, np.uint8),
        [1, 1, 1],
        "9ee257ee020bd66e",
        "21af55aefd1de268",
    ),
    Golden(
        "bernoulli float32 ramp",
        lambda s: draws.bernoulli(s, N, ramp(np.float32), np.bool_),
        [False, False, False],
        "f989c657777e2b15",
        "c310c3c01d4c12d1",
    ),
    Golden(
        "bernoulli float64 ramp",
        lambda s: draws.bernoulli(s, N, ramp(np.float64)),
        [0.0, 0.0, 1.0],
        "c600f4e452d20935",
        "21af55aefd1de268",
    ),
    Golden(
        "exponential 2.3",
        lambda s: draws.exponential(s, N, 2.3),
        [0.026049571111798286, 0.028250491246581078, 0.0573551207780838],
        "b013373e560e3cc7",
        "21af55aefd1de268",
    ),
    Golden(
        "geometric 0.3",
        lambda s: draws.geometric(s, N, 0.3, np.int64),
        [8, 8, 6],
        "ece661fc046aa7b3",
        "21af55aefd1de268",
    ),
    Golden(
        "poisson",
        lambda s: draws.poisson(s, N, ramp(np.float32) * 40),
        [0.0, 0.0, 2.0],
        "d652e5f54a314010",
        "2bde0c91a8151b8e",
    ),
    Golden(
        "binomial",
        lambda s: draws.binomial(s, N, ramp(np.float32) * 64, ramp(np.float32)[::-1]),
        [0.0, 4.0, 8.0],
        "653c98825d3486ea",
        "dafa189d7f0bb47c",
    ),
    Golden(
        "cauchy (1.1, 3.3)",
        lambda s: draws.cauchy(s, N, 1.1, 3.3),
        [-16.761207580566406, -15.379213333129883, -6.968085289001465],
        "3089c5a7899724ba",
        "21af55aefd1de268",
    ),
    Golden(
        "log_normal (0.1, 0.7)",
        lambda s: draws.log_normal(s, N, 0.1, 0.7),
        [1.3988958597183228, 1.2094510793685913, 1.3022892475128174],
        "e59656ebfbd4524b",
        "7cdcf1b7ffb201a6",
    ),
    Golden(
        "normal around arrays",
        lambda s: draws.normal_like(s, ramp(np.float32), ramp(np.float32) + 1),
        [1.9269152879714966, 1.6427392959594727, 1.1383068561553955],
        "fd1ec01f2c75908a",
        "c7f64654e768df79",
    ),
    Golden(
        "multinomial",
        lambda s: draws.multinomial(s, ramp(np.float32), 500),
        [2587, 2440, 297],
        "692af74d05d76633",
        "21af55aefd1de268",
    ),
    Golden(
        "multinomial with replacement",
        lambda s: draws.multinomial(s, ramp(np.float32), 500, replacement=True),
        [240, 262, 508],
        "b6ac367e25e17944",
        "75ddb2bd810e03fd",
    ),
)


def digest(data: NDArray[Any]) -> str:
    return hashlib.sha256(data.tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_recorded_draws(golden: Golden) -> None:
    stream = Stream(42)
    result = golden.draw(stream)
    assert result[:3].tolist() == golden.first
    assert digest(result) == golden.values
    assert digest(stream.get_state()) == golden.state


@pytest.mark.parametrize(
    ("draw", "first"),
    [
        (
            lambda s: draws.normal(s, N, dtype=np.float64),
            [0.2995562877502637, 0.24237779080894106, 0.28320739441795323],
        ),
        (
            lambda s: draws.normal(s, (5,), dtype=np.float64),
            [0.33669035438385886, 0.1288094051365897, 0.23446236336153173],
        ),
        (
            lambda s: draws.exponential(s, N, 2.3, np.float64),
            [0.026049572039479198, 0.02825049077973274, 0.0573551217322133],
        ),
    ],
)
def test_double_draws_up_to_the_c_librarys_last_bit(draw, first: list[float]) -> None:
    np.testing.assert_array_max_ulp(draw(Stream(42))[:3], np.array(first), maxulp=4)


def test_shapes_are_filled_in_row_major_order() -> None:
    for draw in (draws.uniform, draws.normal, draws.exponential, draws.unbounded_integers):
        assert draw(Stream(1), (3, 4, 5)).tobytes() == draw(Stream(1), (60,)).tobytes()
        assert draw(Stream(1), (3, 0)).shape == (3, 0)
        assert draw(Stream(1), ()).shape == ()


def test_an_empty_draw_leaves_the_stream() -> None:
    stream = Stream(1)
    draws.normal(stream, (1,))
    before = stream.get_state()
    for draw in (draws.uniform, draws.normal, draws.exponential, draws.log_normal, draws.unbounded_integers):
        draw(stream, (0,))
    draws.permutation(stream, 1)
    assert stream.get_state().tobytes() == before.tobytes()


def test_a_second_small_normal_draw_takes_the_kept_sample() -> None:
    whole, parts = Stream(2), Stream(2)
    expected = draws.normal(whole, (7,))
    assert np.concatenate([draws.normal(parts, (count,)) for count in (1, 2, 3, 1)]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32])
def test_uniform_never_reaches_its_upper_bound(dtype) -> None:
    values = draws.uniform(Stream(0), (100_000,), 100.0, 100.5, dtype)
    assert values.min() >= 100
    assert values.max() < dtype(100.5)


def test_normal_like_takes_the_dtype_of_the_first_array() -> None:
    mean, std = np.zeros(3, np.float64), np.ones(3, np.float32)
    assert draws.normal_like(Stream(0), mean, std).dtype == np.float64
    assert draws.normal_like(Stream(0), 0.0, std).dtype == np.float32
    assert draws.normal_like(Stream(0), mean, 1.0, BFLOAT16).dtype == BFLOAT16


def test_the_shuffle_of_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permutations, "_LONG", 3)
    for n in (3, 17, 4095, 4096, 4097, 20_000):
        expected = list(range(n))
        for here, word in enumerate(MersenneTwister(8).long_words(n).tolist()):
            there = word % (here + 1)
            expected[here], expected[there] = expected[there], expected[here]
        assert draws.permutation(Stream(8), n).tolist() == expected


@pytest.mark.parametrize(("factor", "addend"), [(0.2, 0.1), (-1.7, 0.3), (1e-30, 1e-14), (3.0, 0.0), (0.5, 1e9)])
def test_fused_operations_round_once(factor: float, addend: float) -> None:
    values = draws.normal(Stream(3), (2000,), dtype=np.float64)
    exact = [float(Fraction(value) * Fraction(factor) + Fraction(addend)) for value in values.tolist()]
    assert fused64(values, factor, addend).tolist() == exact
    singles, scale, offset = values.astype(np.float32), np.float32(factor), np.float32(addend)
    wide = [float(Fraction(value) * Fraction(float(scale)) + Fraction(float(offset))) for value in singles.tolist()]
    assert fused32(singles, scale, offset).tolist() == np.array(wide).astype(np.float32).tolist()


def test_fused_operations_with_infinities() -> None:
    assert fused64(np.array([1.0, -2.0]), 3.0, float("inf")).tolist() == [float("inf")] * 2
    assert fused64(np.array([1.0, -2.0]), float("inf"), 1.0).tolist() == [float("inf"), -float("inf")]
