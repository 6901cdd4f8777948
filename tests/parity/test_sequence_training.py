"""The same seed in both libraries: a language model and an encoder show the same loss curves."""

from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.testing import compilations
from tests.parity.oracle import torch

STEPS, WORDS, LENGTH, BATCH = 50, 12, 7, 5


def text() -> np.ndarray:
    """Batches of words that mostly follow from the word before."""
    numbers = np.random.default_rng(5)
    words = numbers.integers(0, WORDS, (STEPS, BATCH, LENGTH + 1))
    surprising = numbers.random(words.shape) < 0.1
    for place in range(1, LENGTH + 1):
        words[:, :, place] = np.where(
            surprising[:, :, place], words[:, :, place], (words[:, :, place - 1] * 5 + 3) % 12
        )
    return words


TEXT = text()

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
}


def language_model(library: Any) -> Any:
    """Two layers of an LSTM that guess the next word."""
    nn = library.nn

    class LanguageModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, 8)
            self.lstm = nn.LSTM(8, 16, num_layers=2, batch_first=True)
            self.scores = nn.Linear(16, WORDS)

        def forward(self, words: Any) -> Any:
            output, _ = self.lstm(self.embedding(words[:, :-1]))
            return nn.functional.cross_entropy(self.scores(output).flatten(0, 1), words[:, 1:].flatten())

    return LanguageModel()


def encoder(library: Any) -> Any:
    """Two layers of an encoder that classify a text, with a causal mask and padding."""
    nn = library.nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, 8)
            layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
            self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(8))
            self.scores = nn.Linear(8, 4)

        def forward(self, words: Any) -> Any:
            mask = nn.Transformer.generate_square_subsequent_mask(words.shape[1])
            found = self.layers(self.embedding(words), mask)
            return nn.functional.cross_entropy(self.scores(found.mean(1)), words[:, 0] % 4)

    return Encoder()


def losses(library: Any, build: Any, name: str) -> tuple[list[float], list[int]]:
    """The losses of 50 steps, and how many programs Flambeau compiled at each."""
    library.manual_seed(11)
    model = build(library)
    optimizer = getattr(library.optim, name)(model.parameters(), **OPTIMIZERS[name])
    found: list[float] = []
    compiled: list[int] = []
    for words in TEXT:
        with compilations() as programs:
            optimizer.zero_grad()
            loss = model(library.from_numpy(words))
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        compiled.append(len(programs))
    return found, compiled


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("build", [language_model, encoder])
def test_loss_curves_agree(build: Any, name: str) -> None:
    expected, _ = losses(torch, build, name)
    found, compiled = losses(flambeau, build, name)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert min(expected) < expected[0] - 0.1
    assert compiled[2:] == [0] * (STEPS - 2)
