"""The bit source: known words, mixed sizes of draws, and restoring."""

import numpy as np
import pytest

from flambeau.generators.mt19937 import BLOCK, KEY_WORDS, MersenneTwister


def test_words_of_the_reference_seed() -> None:
    # the 10,000th word after seed 5489 is in the C++ standard (26.6.6)
    twister = MersenneTwister(5489)
    twister.skip(9999)
    assert twister.words(1).tolist() == [4123659995]


@pytest.mark.parametrize("seed", [0, 2**32, -(2**32), 2**63 + 2**32])
def test_the_low_32_bits_seed(seed: int) -> None:
    assert MersenneTwister(seed).words(2).tolist() == [2357136044, 2546248239]


def test_a_long_word_is_two_words_the_first_one_upper() -> None:
    words, long_words = MersenneTwister(7), MersenneTwister(7)
    for count in (1, 3, 600, 5):  # by both of the ways words are taken
        halves = words.words(2 * count).astype(object)
        assert long_words.long_words(count).tolist() == (halves[0::2] * 2**32 + halves[1::2]).tolist()
    assert words.position == long_words.position


def test_the_sequence_does_not_depend_on_how_it_is_cut() -> None:
    whole = MersenneTwister(3).words(5000)
    twister = MersenneTwister(3)
    parts = [twister.words(count) for count in (1, 0, 1, 622, 512, 513, 700, 1, 2650)]
    assert (np.concatenate(parts) == whole).all()
    assert whole.dtype == parts[0].dtype == np.uint32


def test_blocks_cover_every_word_once() -> None:
    count = 2 * BLOCK + 5
    whole, twister = MersenneTwister(3).words(count), MersenneTwister(3)
    out = np.zeros(count, np.uint32)
    for where, words in twister.word_blocks(count):
        out[where] = words
    assert (out == whole).all()
    long_whole = MersenneTwister(3).long_words(count)
    long_out = np.zeros(count, np.uint64)
    for where, long_words in MersenneTwister(3).long_word_blocks(count):
        long_out[where] = long_words
    assert (long_out == long_whole).all()


def test_restore_continues() -> None:
    twister, other = MersenneTwister(1), MersenneTwister(2)
    twister.words(1000)
    other.restore(twister.key, twister.position, twister.untouched)
    assert (other.words(1000) == twister.words(1000)).all()


@pytest.mark.parametrize(("words", "position"), [(KEY_WORDS - 1, 0), (KEY_WORDS, -1), (KEY_WORDS, KEY_WORDS + 1)])
def test_restore_refuses_what_is_no_state(words: int, position: int) -> None:
    with pytest.raises(ValueError, match="has 624 words and a position from 0 to 624, got shape"):
        MersenneTwister(0).restore(np.zeros(words, np.uint32), position, untouched=False)
