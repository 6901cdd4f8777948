"""Normal values by the native library are those of NumPy's way, and of PyTorch, to the last bit; so is the state."""

from typing import Any

import numpy as np
import pytest
import torch as pytorch

import flambeau as torch
from flambeau.generators import boxmuller
from flambeau.generators.normal import normal
from flambeau.generators.streams import Stream
from flambeau.kernels import library
from flambeau.kernels.drawing import write_normals

pytestmark = pytest.mark.usefixtures("kernels")


def drawn(writers: list[Any], count: int, mean: float, std: float, kind: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Values, the bytes of the state after them, and what is drawn next."""
    monkeypatch.setattr(boxmuller, "WRITERS", writers)
    stream = Stream(count)
    stream.twister.words(count % 700)
    values = normal(stream, (count,), mean, std, kind)
    return values.tobytes(), stream.get_state().tobytes(), normal(stream, (20,)).tobytes()


@pytest.mark.parametrize("count", [1 << 15, 40_000, 100_001, 100_016, 624 * 64, 624 * 64 + 16])
@pytest.mark.parametrize(("mean", "std", "kind"), [(0, 1, np.float32), (0.3, 1.7, np.float32), (0, 0.02, np.float16)])
def test_bits_and_state(count: int, mean: float, std: float, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def write(*arguments: Any) -> bool:
        calls.append(arguments[1].size)
        return write_normals(*arguments)

    expected = drawn([], count, mean, std, kind, monkeypatch)
    assert drawn([write], count, mean, std, kind, monkeypatch) == expected
    assert calls[0] == count // 16 * 16 >= 1 << 15


def test_they_are_those_of_pytorch() -> None:
    torch.manual_seed(11)
    pytorch.manual_seed(11)
    assert torch.randn(1 << 22).numpy().tobytes() == pytorch.randn(1 << 22).numpy().tobytes()
    assert write_normals in boxmuller.WRITERS
    assert torch.get_rng_state().numpy().tobytes() == pytorch.get_rng_state().numpy().tobytes()


def test_few_numbers_are_left_to_numpy() -> None:
    twister = Stream(0).twister
    assert not write_normals(twister, np.empty((1 << 15) - 16, np.float32), 0.0, 1.0)
    assert twister.untouched


def test_without_the_library_numpy_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_tried", False)
    monkeypatch.setattr(library, "is_built", lambda tools: False)
    assert library.function("flambeau_normals") is None
    assert not write_normals(Stream(0).twister, np.empty(1 << 15, np.float32), 0.0, 1.0)
