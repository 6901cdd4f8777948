"""What some layers have besides ``forward``, and their way through files, against PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import compare, torch

RANDOM = np.random.default_rng(8)
ROWS = RANDOM.normal(size=(7, 6)).astype(np.float32)
MAPS = RANDOM.normal(size=(2, 7, 3, 2)).astype(np.float32)


def adaptive(library: Any) -> Any:
    library.manual_seed(2)
    return library.nn.AdaptiveLogSoftmaxWithLoss(6, 9, [2, 5], 2.0)


def test_adaptive_softmax_of_all_classes() -> None:
    theirs, mine = adaptive(torch), adaptive(flambeau)
    compare([mine.log_prob(flambeau.tensor(ROWS))], [theirs.log_prob(torch.tensor(ROWS))])
    compare([mine.predict(flambeau.tensor(ROWS * 4))], [theirs.predict(torch.tensor(ROWS * 4))])
    lone = [layer(library.tensor(ROWS[0]), library.tensor(7)) for library, layer in
            ((torch, theirs), (flambeau, mine))]  # fmt: skip
    compare(list(lone[1]), list(lone[0]))
    assert lone[1]._fields == lone[0]._fields == ("output", "loss")
    assert type(lone[1]).__name__ == type(lone[0]).__name__


def test_adaptive_softmax_compiles_once_for_other_classes() -> None:
    layer = adaptive(flambeau)
    counts = []
    for classes in ([0, 1, 8, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0, 0]):
        with flambeau.testing.compilations() as compiled:
            loss = layer(flambeau.tensor(ROWS), flambeau.tensor(classes)).loss
            flambeau.autograd.grad(loss, list(layer.parameters()))[0].tolist()
        counts.append(len(compiled))
    assert counts[1] == 0


@pytest.mark.parametrize("freeze", [True, False])
def test_bag_of_a_table(freeze: bool) -> None:
    layers = [
        library.nn.EmbeddingBag.from_pretrained(
            library.tensor(ROWS), freeze, mode="sum", include_last_offset=True, padding_idx=1
        )
        for library in (torch, flambeau)
    ]
    assert repr(layers[1]) == repr(layers[0])
    assert layers[1].weight.requires_grad == layers[0].weight.requires_grad == (not freeze)
    np.testing.assert_array_equal(layers[1].weight.detach().numpy(), ROWS)
    found = [
        layer(library.tensor([0, 1, 5]), library.tensor([0, 2, 3]))
        for library, layer in zip((torch, flambeau), layers, strict=True)
    ]
    compare([found[1]], [found[0]])


def nested(library: Any) -> Any:
    library.manual_seed(1)
    nn = library.nn
    return nn.Sequential(nn.Conv1d(6, 4, 1), nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.BatchNorm1d(4)))


def test_convert_sync_batchnorm() -> None:
    texts, states = [], []
    for library in (torch, flambeau):
        model = nested(library)
        statistics = model[1][1].running_mean
        model[1][0].eval()
        converted = library.nn.SyncBatchNorm.convert_sync_batchnorm(model)
        assert converted is model
        assert model[1][1].running_mean is statistics
        assert [layer.training for layer in model[1]] == [False, True]
        texts.append(repr(model))
        states.append(list(model.state_dict()))
    assert texts[1] == texts[0]
    assert states[1] == states[0]


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_cross_map_normalization(size: int) -> None:
    found = [library.nn.CrossMapLRN2d(size, alpha=0.5, k=2)(library.tensor(MAPS)) for library in (torch, flambeau)]
    compare([found[1]], [found[0]])


def test_gradient_of_cross_map_normalization_is_its_derivative() -> None:
    layer = flambeau.nn.CrossMapLRN2d(3, alpha=0.5)
    x = flambeau.tensor(MAPS[:1, :, :1, :1].astype(np.float64), requires_grad=True)
    layer(x).sum().backward()
    step = 1e-6
    for channel in range(7):
        moved = np.zeros((1, 7, 1, 1))
        moved[0, channel] = step
        with flambeau.no_grad():
            slope = (layer(x + flambeau.tensor(moved)).sum() - layer(x - flambeau.tensor(moved)).sum()) / (2 * step)
        assert x.grad[0, channel].item() == pytest.approx(slope.item(), rel=1e-6)


# Layers whose classes stand in another file here than in PyTorch, and some with fields of their own.
STORED = """
TripletMarginWithDistanceLoss()
MultiLabelMarginLoss()
CTCLoss(2)
MaxUnpool2d(2)
FractionalMaxPool2d(2, 2)
EmbeddingBag(5, 3, mode='max')
AdaptiveLogSoftmaxWithLoss(6, 9, [3])
Upsample(scale_factor=2)
ReflectionPad2d(1)
SyncBatchNorm(3)
LinearCrossEntropyLoss(3, 2)
Fold(4, 2)
""".strip().splitlines()


@pytest.mark.parametrize("expression", STORED)
def test_whole_layers_in_files(expression: str, tmp_path: Path) -> None:
    """PyTorch's file of a layer becomes ours, and ours is PyTorch's."""
    layers = [eval(f"library.nn.{expression}", {"library": library}) for library in (torch, flambeau)]
    torch.save(layers[0], tmp_path / "theirs.pt")
    loaded = flambeau.load(tmp_path / "theirs.pt")
    assert type(loaded) is type(layers[1])
    assert repr(loaded) == repr(layers[1])
    flambeau.save(layers[1], tmp_path / "mine.pt")
    back = torch.load(tmp_path / "mine.pt", weights_only=False)
    assert type(back) is type(layers[0])
    assert repr(back) == repr(layers[0])


def test_old_files_of_upsampling_layers_recompute_their_factor() -> None:
    layer = flambeau.nn.Upsample(scale_factor=2)
    state = layer.__getstate__()
    del state["recompute_scale_factor"]
    old = object.__new__(flambeau.nn.Upsample)
    old.__setstate__(state)
    assert old.recompute_scale_factor is True
    assert old(flambeau.ones(1, 1, 3)).shape == (1, 1, 6)
