"""Seeds, states and threads."""

import copy
import hashlib
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from flambeau.generators import draws
from flambeau.generators.streams import DEFAULT_SEED, Stream, default_stream


def test_state_bytes_are_pytorchs() -> None:
    stream = Stream(42)
    draws.normal(stream, (3,))
    draws.uniform(stream, (1000,))
    draws.normal(stream, (100,))
    state = stream.get_state()
    assert state.dtype == np.uint8
    assert state.shape == (5056,)
    assert state[:24].tobytes() == bytes.fromhex("2a00000000000000 7d000000 01000000 f401000000000000")
    assert state[5016:].tobytes() == bytes.fromhex("0000000000000000 227c0a7b8d7bcd3f 0000000000000000 01") + bytes(15)
    digest = "4548d8479a0b48bfa2162d35dd90214bcf7c37755dac681c8ba786acabec1b88"
    assert hashlib.sha256(state.tobytes()).hexdigest() == digest


def test_a_fresh_state_says_so() -> None:
    assert Stream(1).get_state()[:24].tobytes() == bytes.fromhex("0100000000000000 01000000 01000000 0000000000000000")


@pytest.mark.parametrize("count", [0, 1, 3, 15, 400])
def test_state_round_trip(count: int) -> None:
    stream, other = Stream(9), Stream(10)
    draws.normal(stream, (count,), contiguous=False)
    stream.next_float_normal_sample = 0.5
    other.set_state(stream.get_state())
    assert other.initial_seed() == 9
    assert other.next_float_normal_sample == 0.5
    assert other.get_state().tobytes() == stream.get_state().tobytes()
    assert draws.normal(other, (7,)).tobytes() == draws.normal(stream, (7,)).tobytes()


@pytest.mark.parametrize(
    "copied", [Stream.clone_state, copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_are_independent(copied) -> None:
    stream = Stream(4)
    draws.normal(stream, (3,))
    other = copied(stream)
    first = draws.normal(other, (5,))
    assert draws.normal(stream, (5,)).tobytes() == first.tobytes()


@pytest.mark.parametrize(
    ("seed", "stored"), [(0, 0), (-1, 2**64 - 1), (2**64 - 1, 2**64 - 1), (-(2**63), 2**63), (True + 6, 7)]
)
def test_seeds(seed: int, stored: int) -> None:
    assert Stream().manual_seed(seed).initial_seed() == stored


def test_a_new_stream_has_pytorchs_default_seed() -> None:
    assert Stream().initial_seed() == DEFAULT_SEED == 67280421310721


def test_manual_seed_forgets_the_kept_sample() -> None:
    stream = Stream(4)
    draws.normal(stream, (3,))
    assert stream.manual_seed(4).get_state().tobytes() == Stream(4).get_state().tobytes()


def test_seed_differs_and_is_returned() -> None:
    stream, other = Stream(), Stream()
    assert stream.seed() == stream.initial_seed()
    assert stream.seed() != other.seed()


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match="Overflow when unpacking long long: a seed is at least -2"):
        Stream(seed)


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_seeds_that_are_no_integers(seed) -> None:
    with pytest.raises(RuntimeError, match=f"manual_seed expected a long, but got {type(seed).__name__}"):
        Stream().manual_seed(seed)


def test_bad_states() -> None:
    stream = Stream(3)
    before = stream.get_state()
    with pytest.raises(TypeError, match=r"RNG state must be a torch.ByteTensor, got an array of float32"):
        stream.set_state(np.zeros(5056, np.float32))
    with pytest.raises(RuntimeError, match="size 5056 but found the input RNG state size to be 10"):
        stream.set_state(np.zeros(10, np.uint8))
    for left, position in ((0, 0), (2, 0), (625, 0), (1, 0x10000), (-1, 626)):
        state = before.copy()
        state[8:12] = np.frombuffer(np.int32(left).tobytes(), np.uint8)
        state[16:24] = np.frombuffer(np.uint64(position).tobytes(), np.uint8)
        with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
            stream.set_state(state)
    assert stream.get_state().tobytes() == before.tobytes()


def test_threads_get_whole_draws() -> None:
    stream, count, size = Stream(11), 64, 1000
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: draws.uniform(stream, (size,)).tobytes(), range(count)))
    whole = draws.uniform(Stream(11), (count, size))
    assert sorted(parts) == sorted(row.tobytes() for row in whole)


def test_there_is_one_default_stream() -> None:
    assert default_stream() is default_stream()


def test_the_room_is_numpy_alone() -> None:
    program = (
        "import sys; from flambeau.generators import draws, streams; print(streams.default_stream().initial_seed());"
        "assert not {'jax', 'jaxlib', 'torch'} & sys.modules.keys()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    seeds = {
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env=environment).stdout
        for _ in range(2)
    }
    assert len(seeds) == 2, "the default stream's first seed differs from process to process"
