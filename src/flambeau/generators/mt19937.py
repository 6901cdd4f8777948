"""The Mersenne Twister MT19937, the bit source of PyTorch's CPU generator."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

KEY_WORDS = 624
BLOCK = 1 << 14
"""32-bit words handed out at a time by the block iterators: a block and its temporaries stay in the cache."""

_WORD_RANGE = 1 << 32
_LONG_WORD_RANGE = 1 << 64
_FEW = 512


class MersenneTwister:
    """A sequence of 32-bit words, the same as PyTorch's from the same seed.

    NumPy's generator does the twisting; only full-range words are taken from it, so that the sequence depends on the
    published algorithm alone. A 64-bit word is two 32-bit words, the first one in the upper half.

    Example:
        >>> from flambeau.generators.mt19937 import MersenneTwister
        >>> twister = MersenneTwister(0)
        >>> twister.words(2).tolist()
        [2357136044, 2546248239]
        >>> twister.position
        2

    Source: Matsumoto and Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform pseudo-random
    number generator", ACM TOMACS 8 (1998).
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.MT19937()
        # RandomState is frozen by NumPy's compatibility policy (NEP 19); Generator is not.
        self._source = np.random.RandomState(self._bits)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Restart the sequence from the low 32 bits of `seed`."""
        self._source.seed(seed % _WORD_RANGE)
        self._untouched = True

    @property
    def untouched(self) -> bool:
        """Whether nothing was drawn since seeding (PyTorch's state bytes tell this apart)."""
        return self._untouched

    @property
    def key(self) -> NDArray[np.uint32]:
        """The 624 words of the current key."""
        return cast("NDArray[np.uint32]", self._inner()["key"])

    @property
    def position(self) -> int:
        """How many words of the current key are used up, 0 to 624."""
        return int(self._inner()["pos"])

    def restore(self, key: NDArray[np.uint32], position: int, untouched: bool) -> None:
        """Continue from `key` with `position` of its words used up.

        Raises:
            ValueError: if the key does not have 624 words or the position is outside 0 to 624.
        """
        if key.shape != (KEY_WORDS,) or not 0 <= position <= KEY_WORDS:
            raise ValueError(
                f"a Mersenne Twister state has {KEY_WORDS} words and a position from 0 to {KEY_WORDS}, "
                f"got shape {key.shape} and position {position}"
            )
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": key.astype(np.uint32), "pos": position}}
        self._untouched = untouched

    def move(self, draw: Callable[[NDArray[np.uint32], int], int]) -> None:
        """Let `draw` take words: of the key, which it moves on in place, from a position; it returns the new one."""
        inner = self._inner()
        position = draw(inner["key"], int(inner["pos"]))
        self.restore(inner["key"], position, untouched=False)

    def words(self, count: int) -> NDArray[np.uint32]:
        """The next `count` 32-bit words."""
        self._untouched = self._untouched and count == 0
        if count <= _FEW:
            return self._bits.random_raw(count).astype(np.uint32)
        return self._source.randint(0, _WORD_RANGE, size=count, dtype=np.uint32)

    def long_words(self, count: int) -> NDArray[np.uint64]:
        """The next `count` 64-bit words, each made of two 32-bit words."""
        if count <= _FEW:
            halves = self.words(2 * count).astype(np.uint64)
            return (halves[0::2] << np.uint64(32)) | halves[1::2]
        self._untouched = False
        return self._source.randint(0, _LONG_WORD_RANGE, size=count, dtype=np.uint64)

    def word_blocks(self, count: int) -> Iterator[tuple[slice, NDArray[np.uint32]]]:
        """The next `count` 32-bit words in blocks, each with the slice it fills."""
        for where in _blocks(count, BLOCK):
            yield where, self.words(where.stop - where.start)

    def long_word_blocks(self, count: int) -> Iterator[tuple[slice, NDArray[np.uint64]]]:
        """The next `count` 64-bit words in blocks, each with the slice it fills."""
        for where in _blocks(count, BLOCK // 2):
            yield where, self.long_words(where.stop - where.start)

    def skip(self, count: int) -> None:
        """Pass over `count` 32-bit words."""
        for _ in self.word_blocks(count):
            pass

    def _inner(self) -> dict[str, Any]:
        """NumPy's own record of the key and the position."""
        return cast("dict[str, Any]", self._bits.state["state"])


def _blocks(count: int, length: int) -> Iterator[slice]:
    """Consecutive slices of at most `length` that cover `count`."""
    for start in range(0, count, length):
        yield slice(start, min(start + length, count))
