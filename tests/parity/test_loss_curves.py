"""The same seed in both libraries shows the same loss curves: texts and images, four models, four optimizers."""

from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.testing import compilations
from tests.parity.oracle import torch

STEPS, WORDS, LENGTH, BATCH, SIDE = 50, 12, 7, 5, 8


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


def images() -> np.ndarray:
    """Batches of noisy images with a bright square, whose column is what they show."""
    numbers = np.random.default_rng(6)
    pictures = numbers.normal(0.0, 0.3, (STEPS, BATCH, 1, SIDE, SIDE))
    for step, place in np.ndindex(STEPS, BATCH):
        row, column = numbers.integers(0, SIDE - 2, 2)
        pictures[step, place, 0, row : row + 3, column : column + 3] += 1.0
    return pictures.astype(np.float32)


TEXT, IMAGES = text(), images()

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
    "RMSprop": {"lr": 0.001, "momentum": 0.5},
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


def convolutional(library: Any) -> Any:
    """Convolutions with batch normalization that tell which half the square is in."""
    nn = library.nn

    class Convolutional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(1, 6, 3, padding=1, bias=False),
                nn.BatchNorm2d(6),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(6, 8, 3, padding=1),
                nn.BatchNorm2d(8, momentum=None),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(8 * 16, 2),
            )

        def forward(self, pictures: Any) -> Any:
            left = pictures[..., : SIDE // 2].sum((1, 2, 3)) > pictures[..., SIDE // 2 :].sum((1, 2, 3))
            return nn.functional.cross_entropy(self.layers(pictures), left.long())

    return Convolutional()


def autoencoder(library: Any) -> Any:
    """A variational autoencoder, which draws noise at each step."""
    nn = library.nn

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 32), nn.ReLU())
            self.mean, self.log_variance = nn.Linear(32, 4), nn.Linear(32, 4)
            self.decode = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, SIDE * SIDE), nn.Sigmoid())

        def forward(self, pictures: Any) -> Any:
            hidden = self.encode(pictures)
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            code = mean + library.randn_like(mean) * library.exp(0.5 * log_variance)
            seen = pictures.flatten(1).clamp(0, 1)
            missed = nn.functional.binary_cross_entropy(self.decode(code), seen)
            return missed - 0.001 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()

    return Autoencoder()


DATA = {language_model: TEXT, encoder: TEXT, convolutional: IMAGES, autoencoder: IMAGES}


def losses(library: Any, build: Any, name: str) -> tuple[list[float], list[int]]:
    """The losses of 50 steps, and how many programs Flambeau compiled at each."""
    library.manual_seed(11)
    model = build(library)
    optimizer = getattr(library.optim, name)(model.parameters(), **OPTIMIZERS[name])
    found: list[float] = []
    compiled: list[int] = []
    for batch in DATA[build]:
        with compilations() as programs:
            optimizer.zero_grad()
            loss = model(library.from_numpy(batch))
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        compiled.append(len(programs))
    return found, compiled


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("build", DATA)
def test_loss_curves_agree(build: Any, name: str) -> None:
    expected, _ = losses(torch, build, name)
    found, compiled = losses(flambeau, build, name)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert min(expected) < expected[0] - 0.1
    assert compiled[2:] == [0] * (STEPS - 2)
