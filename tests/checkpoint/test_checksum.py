"""CRC-32 in parts equals zlib's of the whole."""

import zlib

import numpy as np
import pytest

from flambeau.checkpoint import checksum
from flambeau.checkpoint.checksum import crc32


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("length", [0, 1, 5, 63, 64, 999, 4_097])
def test_crc32(monkeypatch: pytest.MonkeyPatch, threads: int, length: int) -> None:
    monkeypatch.setattr(checksum, "_LEAST", 2)
    monkeypatch.setattr(checksum.os, "cpu_count", lambda: threads)
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8)
    assert crc32(data) == zlib.crc32(data.data)


def test_crc32_of_zeros_and_of_many_bytes() -> None:
    for data in (np.zeros(5_000_001, np.uint8), np.random.default_rng(0).integers(0, 256, 9_000_011, np.uint8)):
        assert crc32(data) == zlib.crc32(data.data)
