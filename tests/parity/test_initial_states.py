"""The same seed, the same initial state: every class with parameters or random draws in it, with 20 seeds each."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.module_db import INFOS, PRESENT, mine, theirs
from tests.parity.oracle import torch

SEEDS = range(20)
# The state of these is drawn from the normal distribution, whose logarithms and cosines differ in the last bits.
NORMAL = {"Embedding": "weight", "EmbeddingBag": "weight", "MultiheadAttention": "bias_k bias_v"}

# What PyTorch's list of modules has no entry for: how each is built.
OTHERS: dict[str, Callable[[Any], Any]] = {
    "AdaptiveLogSoftmaxWithLoss": lambda nn: nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10], 2.0, head_bias=True),
    "EmbeddingBag": lambda nn: nn.EmbeddingBag(10, 3, padding_idx=2),
    "LSTM": lambda nn: nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2),
    "Linear": lambda nn: nn.Linear(300, 257),
    "Conv2d": lambda nn: nn.Conv2d(6, 10, (3, 5), groups=2),
    "ConvTranspose2d": lambda nn: nn.ConvTranspose2d(6, 10, 3, groups=2),
    "SyncBatchNorm": lambda nn: nn.SyncBatchNorm(4),
    "TransformerEncoder": lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
    "TransformerDecoder": lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2, nn.LayerNorm(8)),
    "LazyLinear": lambda nn: _initialized(nn.LazyLinear(3), (4, 7)),
    "LazyBatchNorm1d": lambda nn: _initialized(nn.LazyBatchNorm1d(), (4, 7)),
    "LazyBatchNorm2d": lambda nn: _initialized(nn.LazyBatchNorm2d(), (4, 3, 2, 2)),
    "LazyBatchNorm3d": lambda nn: _initialized(nn.LazyBatchNorm3d(), (4, 3, 2, 2, 2)),
    "LazyInstanceNorm1d": lambda nn: _initialized(nn.LazyInstanceNorm1d(affine=True), (4, 3, 7)),
    "LazyInstanceNorm2d": lambda nn: _initialized(nn.LazyInstanceNorm2d(affine=True), (4, 3, 2, 2)),
    "LazyInstanceNorm3d": lambda nn: _initialized(nn.LazyInstanceNorm3d(affine=True), (4, 3, 2, 2, 2)),
}


def _initialized(module: Any, shape: tuple[int, ...]) -> Any:
    """A lazy layer that has seen an input."""
    library = flambeau if isinstance(module, flambeau.nn.Module) else torch
    module(library.ones(*shape))
    return module


def _agree(name: str, build: Callable[[Any], Any]) -> None:
    """Equal states after every seed, and generators that have drawn equally much."""
    for seed in SEEDS:
        torch.manual_seed(seed)
        expected = build(torch)
        flambeau.manual_seed(seed)
        found = build(flambeau)
        state = found.state_dict()
        assert list(state) == list(expected.state_dict())
        for key, value in expected.state_dict().items():
            ulps = 2 if key.rpartition(".")[2] in NORMAL.get(name, "").split() else 0
            np.testing.assert_array_max_ulp(state[key].numpy(), value.numpy(), ulps)
        assert flambeau.rand(1).item() == torch.rand(1).item()


# An encoder of the list is given a layer that was drawn before, so it stands among the others.
@pytest.mark.parametrize("name", [name for name in PRESENT if name != "TransformerEncoder"])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:dropout option", "ignore:Lazy modules")
def test_classes_of_pytorchs_list(name: str) -> None:
    info, seen = INFOS[name], set[str]()
    for training in (True, False):
        torch.manual_seed(0)
        for item in info.module_inputs_func(info, "cpu", torch.float32, True, training):
            args, kwargs = item.constructor_input.args, item.constructor_input.kwargs
            if repr((args, kwargs)) not in seen:
                seen.add(repr((args, kwargs)))
                _agree(name, partial(_build, name, item))


def _build(name: str, item: Any, library: Any) -> Any:
    change = mine if library is flambeau else theirs
    given = item.constructor_input
    module = getattr(library.nn, name)(*change(given.args), **change(given.kwargs))
    if hasattr(module, "initialize_parameters"):
        module(*change(item.forward_input.args))
    return module


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_other_classes(name: str) -> None:
    _agree(name, lambda library: OTHERS[name](library.nn))
