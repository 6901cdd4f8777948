"""PyTorch's byte layout of a CPU generator's state, as `torch.get_rng_state()` returns it.

Found by experiment: 5,056 little-endian bytes, C alignment. The key's words stand in 64-bit slots, the three fields
called `unused_*` are remains of an older generator and always zero.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flambeau.generators.mt19937 import KEY_WORDS

_LAYOUT = np.dtype(
    {
        "names": [
            "seed",
            "left",
            "seeded",
            "next",
            "key",
            "unused_x",
            "double_sample",
            "unused_rho",
            "double_sample_valid",
            "float_sample",
            "float_sample_valid",
        ],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", (KEY_WORDS,)), "<f8", "<f8", "<f8", "<i4", "<f4", "u1"],
        "offsets": [0, 8, 12, 16, 24, 5016, 5024, 5032, 5040, 5048, 5052],
        "itemsize": 5056,
    }
)
STATE_BYTES = _LAYOUT.itemsize


class StreamState(NamedTuple):
    """What a stream remembers: its seed, the twister's key and position, and the cached normal samples."""

    seed: int
    key: NDArray[np.uint32]
    position: int
    untouched: bool
    next_double_normal_sample: float | None
    next_float_normal_sample: float | None


def pack(state: StreamState) -> NDArray[np.uint8]:
    """The state as PyTorch's bytes."""
    record = np.zeros((), _LAYOUT)
    record["seed"] = state.seed
    # PyTorch counts both the words used and the words left; a freshly seeded engine has "one left" of a key not yet
    # twisted.
    record["left"] = 1 if state.untouched else KEY_WORDS + 1 - state.position
    record["next"] = 0 if state.untouched else state.position
    record["seeded"] = 1
    record["key"] = state.key
    if state.next_double_normal_sample is not None:
        record["double_sample"] = state.next_double_normal_sample
        record["double_sample_valid"] = 1
    if state.next_float_normal_sample is not None:
        record["float_sample"] = state.next_float_normal_sample
        record["float_sample_valid"] = 1
    return np.frombuffer(record.tobytes(), np.uint8).copy()


def unpack(data: NDArray[Any]) -> StreamState:
    """Read PyTorch's bytes.

    Raises:
        TypeError: if `data` does not hold bytes (uint8).
        RuntimeError: if the length is not 5,056, or if the counters contradict each other.
    """
    if data.dtype != np.uint8:
        raise TypeError(f"RNG state must be a torch.ByteTensor, got an array of {data.dtype}")
    if data.size != STATE_BYTES:
        raise RuntimeError(
            f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG state size to be "
            f"{data.size}"
        )
    record = np.frombuffer(data.tobytes(), _LAYOUT)[0]
    left, position = int(record["left"]), int(record["next"])
    untouched = (left, position) == (1, 0)
    if not untouched and not (0 < left <= KEY_WORDS and left + position == KEY_WORDS + 1):
        raise RuntimeError(
            f"Invalid mt19937 state: {left} words left and {position} used of {KEY_WORDS}; pass the unchanged result "
            "of get_state()"
        )
    return StreamState(
        seed=int(record["seed"]),
        key=record["key"].astype(np.uint32),
        position=KEY_WORDS if untouched else position,
        untouched=untouched,
        next_double_normal_sample=float(record["double_sample"]) if record["double_sample_valid"] else None,
        next_float_normal_sample=float(record["float_sample"]) if record["float_sample_valid"] else None,
    )
