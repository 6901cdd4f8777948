"""What the draws refuse, in PyTorch's words."""

import ml_dtypes
import numpy as np
import pytest

from flambeau.generators import draws
from flambeau.generators.streams import Stream

ONES = np.ones(4, np.float32)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda s: draws.uniform(s, (2, -1)), RuntimeError, r"negative dimension -1: \[2, -1\]"),
        (lambda s: draws.uniform(s, (2,), dtype=np.int32), NotImplementedError, r"check_uniform_bounds.*for 'Int'"),
        (
            lambda s: draws.uniform(s, (2,), dtype=ml_dtypes.float8_e5m2),
            NotImplementedError,
            "not implemented for 'float8_e5m2'; use one of bfloat16, complex128",
        ),
        (lambda s: draws.uniform(s, (2,), 2, 1), RuntimeError, r"\[from, to\) range, but found from=2 > to=1"),
        (lambda s: draws.uniform(s, (2,), 0, float("inf")), RuntimeError, "to is out of bounds for float"),
        (lambda s: draws.uniform(s, (2,), float("nan"), 1), RuntimeError, "from is out of bounds for float"),
        (
            lambda s: draws.uniform(s, (2,), -3e38, 3e38),
            RuntimeError,
            r"to-from <= std::numeric_limits<Float>::max\(\)",
        ),
        (lambda s: draws.uniform(s, (2,), 0, 7e4, np.float16), RuntimeError, "to is out of bounds for c10::Half"),
        (lambda s: draws.normal(s, (2,), 0, -1), RuntimeError, "normal expects std >= 0.0, but found std -1"),
        (lambda s: draws.normal(s, (2,), dtype=np.int64), NotImplementedError, "normal_kernel_cpu.*for 'Long'"),
        (lambda s: draws.normal_like(s, ONES, -ONES), RuntimeError, "all elements of std >= 0.0, but the least is -1"),
        (lambda s: draws.normal_like(s, ONES[:3], ONES), RuntimeError, r"tensor a \(3\) must match .* tensor b \(4\)"),
        (lambda s: draws.integers(s, (2,), 3, 3), RuntimeError, "'from' to be less than 'to', but got from=3 >= to=3"),
        (
            lambda s: draws.integers(s, (2,), 0, 300, np.uint8),
            RuntimeError,
            "to - 1 is out of bounds for unsigned char",
        ),
        (lambda s: draws.integers(s, (2,), -1, 3, np.uint16), RuntimeError, "from is out of bounds for short unsigned"),
        (
            lambda s: draws.integers(s, (2,), 0, 10**6, np.float16),
            RuntimeError,
            "to - 1 is out of bounds for c10::Half",
        ),
        (lambda s: draws.integers(s, (2,), 0, 2**64), ValueError, "Overflow when unpacking long long"),
        (
            lambda s: draws.integers(s, (2,), -(2**63), None, np.int8),
            NotImplementedError,
            "random_full_64_bits_range_kernel_cpu.*for 'Char'",
        ),
        (lambda s: draws.unbounded_integers(s, (2,), np.uint16), NotImplementedError, "random_kernel_cpu.*'UInt16'"),
        (lambda s: draws.permutation(s, -1), RuntimeError, r"negative dimension -1: \[-1\]"),
        (lambda s: draws.permutation(s, 257, np.uint8), RuntimeError, "n cannot be greater than 256 for Byte type"),
        (lambda s: draws.permutation(s, 2050, np.float16), RuntimeError, "n cannot be greater than 2049 for Half type"),
        (lambda s: draws.permutation(s, 3, np.uint64), NotImplementedError, "randperm.*for 'UInt64'"),
        (lambda s: draws.bernoulli(s, (2,), 2.0), RuntimeError, r"p to be in \[0, 1\], but got p=2"),
        (lambda s: draws.bernoulli(s, (4,), ONES * 1.5), RuntimeError, "Expected p_in >= 0 && p_in <= 1 .* got 1.5"),
        (
            lambda s: draws.bernoulli(s, (3,), ONES),
            RuntimeError,
            r"tensor a \(4\) must match the size of tensor b \(3\)",
        ),
        (lambda s: draws.bernoulli(s, (1,), ONES), RuntimeError, r"broadcast to the shape \[1\], got shape \[4\]"),
        (lambda s: draws.bernoulli(s, (2,), 0.5, np.complex64), NotImplementedError, "bernoulli_scalar_cpu_"),
        (lambda s: draws.bernoulli(s, (4,), np.ones(4, np.int64)), NotImplementedError, "bernoulli_tensor_cpu_p_"),
        (lambda s: draws.exponential(s, (2,), 0.0), RuntimeError, "expects lambda > 0.0, but found lambda=0"),
        (lambda s: draws.exponential(s, (2,), dtype=np.int32), RuntimeError, "continuous .* you specified Int"),
        (lambda s: draws.geometric(s, (2,), 1.0), RuntimeError, r"p to be in \(0, 1\), but got p=1"),
        (lambda s: draws.geometric(s, (2,), 0.5, np.bool_), NotImplementedError, "geometric_cpu.*for 'Bool'"),
        (
            lambda s: draws.poisson(s, (4,), -ONES),
            RuntimeError,
            "invalid Poisson rate, expected rate to be non-negative",
        ),
        (lambda s: draws.poisson(s, (4,), ONES, np.int64), NotImplementedError, "poisson_cpu.*for 'Long'"),
        (lambda s: draws.binomial(s, (4,), ONES, ONES, np.float16), NotImplementedError, "binomial_cpu.*for 'Half'"),
        (lambda s: draws.cauchy(s, (2,), 0.0, -1.0), RuntimeError, "expects sigma > 0.0, but found sigma=-1"),
        (lambda s: draws.log_normal(s, (2,), 0.0, 0.0), RuntimeError, "expects std > 0.0, but found std=0"),
        (lambda s: draws.multinomial(s, np.ones((2, 2, 2)), 1), RuntimeError, "prob_dist must be 1 or 2 dim"),
        (lambda s: draws.multinomial(s, np.ones(3, np.int64), 1), RuntimeError, "floating-point dtypes .* got: Long"),
        (lambda s: draws.multinomial(s, ONES, 0), RuntimeError, "cannot sample n_sample <= 0 samples"),
        (
            lambda s: draws.multinomial(s, ONES, 5),
            RuntimeError,
            r"cannot sample n_sample > prob_dist.size\(-1\) samples",
        ),
        (lambda s: draws.multinomial(s, -ONES, 1), RuntimeError, "contains either `inf`, `nan` or element < 0"),
        (lambda s: draws.multinomial(s, ONES * np.nan, 1), RuntimeError, "contains either `inf`, `nan` or element < 0"),
        (
            lambda s: draws.multinomial(s, -ONES, 2, replacement=True),
            RuntimeError,
            "encountering probability entry < 0",
        ),
        (
            lambda s: draws.multinomial(s, ONES * np.inf, 2, replacement=True),
            RuntimeError,
            "probability entry = infinity or NaN",
        ),
        (lambda s: draws.multinomial(s, ONES * 0, 1), RuntimeError, r"sum of probabilities <= 0"),
        (lambda s: draws.multinomial(s, ONES * 0, 2, replacement=True), RuntimeError, r"sum of probabilities <= 0"),
        (
            lambda s: draws.multinomial(s, np.array([0.0, 1.0]), 2),
            RuntimeError,
            "not enough non-negative category to sample.: 2 samples from 1",
        ),
        (
            lambda s: draws.multinomial(s, ONES.astype(np.float16), 2),
            NotImplementedError,
            "several samples without replacement is not implemented for float16: use float32",
        ),
    ],
)
def test_refusals(draw, error: type[Exception], message: str) -> None:
    stream = Stream(1)
    before = stream.get_state()
    with pytest.raises(error, match=message):
        draw(stream)
    assert stream.get_state().tobytes() == before.tobytes()


def test_a_floating_dtype_warns_of_integers_it_cannot_represent() -> None:
    with pytest.warns(
        UserWarning, match=r"to - 1 is out of bounds \[-\(2\^24\), 2\^24\]. Due to precision limitations"
    ):
        draws.integers(Stream(1), (2,), 0, 2**25, np.float32)
