"""A random stream: the host-side counterpart of a `torch.Generator` on the CPU."""

import secrets
import threading
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flambeau.generators.layout import StreamState, pack, unpack
from flambeau.generators.mt19937 import MersenneTwister

DEFAULT_SEED = 67280421310721
"""The seed of a new `torch.Generator()`."""

_LOWEST_SEED = -(1 << 63)
_SEEDS = 1 << 64


class Stream:
    """A seeded sequence of random words with PyTorch's cached normal samples and PyTorch's state bytes.

    Every function of `draws` holds `lock` while it draws, so threads may share a stream: each gets whole draws.

    Args:
        seed: from -2**63 to 2**64 - 1; a negative seed counts back from 2**64. The twister sees its low 32 bits.

    Attributes:
        lock: held around every draw and every change of state; may be taken again by the thread that holds it.
        twister: the bit source.
        next_double_normal_sample: the second value of a pair of normal draws, until it is asked for.
        next_float_normal_sample: kept for PyTorch's state bytes; no CPU draw uses it.

    Example:
        >>> from flambeau.generators import draws
        >>> from flambeau.generators.streams import Stream
        >>> stream = Stream(0)
        >>> state = stream.get_state()
        >>> first = draws.uniform(stream, (3,))
        >>> stream.set_state(state)
        >>> bool((draws.uniform(stream, (3,)) == first).all())
        True

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Generator.html
    """

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.lock = threading.RLock()
        self.next_double_normal_sample: float | None = None
        self.next_float_normal_sample: float | None = None
        self._seed = _unsigned(seed)
        self.twister = MersenneTwister(self._seed)

    def initial_seed(self) -> int:
        """The seed the stream was last started from, 0 to 2**64 - 1."""
        return self._seed

    def manual_seed(self, seed: int) -> Self:
        """Restart the stream from `seed` and forget the cached normal samples.

        Args:
            seed: from -2**63 to 2**64 - 1; a negative seed counts back from 2**64.

        Returns:
            The stream itself.

        Raises:
            RuntimeError: if `seed` is not an integer.
            ValueError: if `seed` is out of range.

        Example:
            >>> Stream().manual_seed(-1).initial_seed() == 2**64 - 1
            True
        """
        value = _unsigned(seed)
        with self.lock:
            self._seed = value
            self.twister.seed(value)
            self.next_double_normal_sample = None
            self.next_float_normal_sample = None
        return self

    def seed(self) -> int:
        """Restart the stream from 64 bits of the operating system's randomness and return them."""
        value = secrets.randbits(64)
        self.manual_seed(value)
        return value

    def get_state(self) -> NDArray[np.uint8]:
        """The state in the 5,056 bytes `torch.get_rng_state()` uses; PyTorch's CPU generator accepts them.

        Returns:
            A new uint8 array of shape (5056,).
        """
        with self.lock:
            return pack(
                StreamState(
                    self._seed,
                    self.twister.key,
                    self.twister.position,
                    self.twister.untouched,
                    self.next_double_normal_sample,
                    self.next_float_normal_sample,
                )
            )

    def set_state(self, state: NDArray[Any]) -> None:
        """Continue from a state of this class or of PyTorch's CPU generator.

        Args:
            state: 5,056 bytes, dtype uint8.

        Raises:
            TypeError: if the dtype is not uint8.
            RuntimeError: if the length is wrong or the bytes describe no possible state.
        """
        parts = unpack(state)
        with self.lock:
            self._seed = parts.seed
            self.twister.restore(parts.key, parts.position, parts.untouched)
            self.next_double_normal_sample = parts.next_double_normal_sample
            self.next_float_normal_sample = parts.next_float_normal_sample

    def clone_state(self) -> "Stream":
        """A new stream that will draw what this one would draw next."""
        clone = Stream()
        clone.set_state(self.get_state())
        return clone

    def __getstate__(self) -> NDArray[np.uint8]:
        return self.get_state()

    def __setstate__(self, state: NDArray[np.uint8]) -> None:
        Stream.__init__(self)
        self.set_state(state)


def default_stream() -> Stream:
    """The stream that draws without a generator use; its first seed differs from process to process."""
    return _DEFAULT_STREAM


def _unsigned(seed: object) -> int:
    """`seed` as PyTorch stores it, in 0 to 2**64 - 1."""
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}; pass an int")
    if not _LOWEST_SEED <= seed < _SEEDS:
        raise ValueError(
            f"Overflow when unpacking long long: a seed is at least -2**63 and below 2**64, got {seed}; "
            "reduce it, for instance with seed % 2**64"
        )
    return seed % _SEEDS


_DEFAULT_STREAM = Stream()
_DEFAULT_STREAM.seed()
