"""Layers without PyTorch: what holds of unfolding, unpooling, sampling, CTC, bags and chunks, whatever the numbers."""

from math import log

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import functional as F

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.normal(size=(2, 3, 6, 4)).astype(np.float32)


def test_folding_what_was_unfolded_counts_each_element_as_often_as_it_was_seen() -> None:
    x = torch.tensor(IMAGE)
    arguments = {"kernel_size": (3, 2), "padding": 1, "stride": (2, 1)}
    often = F.fold(F.unfold(torch.ones(2, 3, 6, 4), **arguments), (6, 4), **arguments)
    found = F.fold(F.unfold(x, **arguments), (6, 4), **arguments)
    np.testing.assert_allclose(found.numpy(), (x * often).numpy(), rtol=1e-6)


def test_unpooling_puts_the_largest_values_back() -> None:
    x = torch.tensor(IMAGE)
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    found = F.max_unpool2d(values, indices, 2)
    assert found.shape == x.shape
    assert F.max_pool2d(found.abs(), 2).equal(values.abs())
    assert int((found != 0).sum()) == values.numel()


def test_the_identity_map_samples_the_image_itself() -> None:
    x = torch.tensor(IMAGE)
    theta = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]).expand(2, 2, 3)
    for mode in ("bilinear", "nearest", "bicubic"):
        for align in (True, False):
            grid = F.affine_grid(theta, x.shape, align_corners=align)
            found = F.grid_sample(x, grid, mode, align_corners=align)
            np.testing.assert_allclose(found.numpy(), IMAGE, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "antialias"),
    [("bilinear", False), ("bicubic", False), ("bilinear", True), ("bicubic", True), ("lanczos", True)],
)
def test_a_constant_image_stays_constant(mode: str, antialias: bool) -> None:
    found = F.interpolate(torch.ones(1, 1, 5, 7), (3, 9), mode=mode, antialias=antialias)
    np.testing.assert_allclose(found.numpy(), np.ones((1, 1, 3, 9)), rtol=1e-6)


def test_loss_of_all_alignments() -> None:
    """Two steps, one label, probabilities 1/2: of four paths three (label label, label blank, blank label) spell it."""
    steps = torch.full((2, 1, 2), 0.5).log()
    assert F.ctc_loss(steps, torch.tensor([[1]]), (2,), (1,)).item() == pytest.approx(-log(3 / 4))
    assert F.ctc_loss(steps, torch.tensor([[1, 1]]), (2,), (2,)).item() == float("inf")
    assert F.ctc_loss(steps, torch.tensor([[1, 1]]), (2,), (2,), zero_infinity=True).item() == 0


def test_a_bag_is_the_mean_of_its_rows() -> None:
    table = torch.randn(6, 3)
    index = torch.tensor([[0, 5, 5], [1, 2, 3]])
    rows = F.embedding(index, table)
    np.testing.assert_allclose(F.embedding_bag(index, table).numpy(), rows.mean(1).numpy(), rtol=1e-6)
    np.testing.assert_allclose(F.embedding_bag(index, table, mode="max").numpy(), rows.amax(1).numpy())


def test_sparse_gradients_of_bags_are_refused() -> None:
    layer = torch.nn.EmbeddingBag(3, 2, mode="sum", sparse=True)
    with pytest.raises(NotImplementedError, match="sparse=True"):
        layer(torch.tensor([[1]]))


def test_probabilities_of_adaptive_softmax_add_up_to_one() -> None:
    torch.manual_seed(0)
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0)
    x = torch.randn(5, 8)
    classes = torch.tensor([0, 2, 3, 7, 11])
    logs = layer.log_prob(x)
    assert logs.exp().sum(1).tolist() == pytest.approx([1.0] * 5)
    output, loss = layer(x, classes)
    np.testing.assert_allclose(
        output.detach().numpy(), logs.gather(1, classes[:, None])[:, 0].detach().numpy(), rtol=1e-5
    )
    assert loss.item() == pytest.approx(-output.mean().item())


def test_chunks_have_the_loss_and_the_gradient_of_all_rows() -> None:
    torch.manual_seed(0)
    x, matrix = torch.randn(7, 5), torch.randn(11, 5)
    classes = torch.tensor([0, 10, 3, -100, 4, 4, 1])
    found = []
    for options in (None, torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2, chunking_method=None)):
        rows, weight = x.clone().requires_grad_(), matrix.clone().requires_grad_()
        loss = F.linear_cross_entropy(rows, weight, classes, options=options)
        loss.backward()
        found.append([item.numpy() for item in (loss.detach(), rows.grad, weight.grad)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


def test_numbers_of_rows_at_a_time() -> None:
    for options, expected in (
        ({}, 16), ({"batch_chunk_size": 10}, 10), ({"batch_chunk_size": 1000}, 100),
        ({"chunking_method": "aspect_ratio"}, 32), ({"chunking_method": "aspect_ratio:4"}, 8),
        ({"chunking_method": None}, 100),
    ):  # fmt: skip
        made = torch.nn.LinearCrossEntropyOptions(**options)
        assert made.chunk_size(100, 64, 256, torch.float32, torch.device("cpu")) == expected


def test_a_sample_is_one_class_each() -> None:
    torch.manual_seed(0)
    sample = F.gumbel_softmax(torch.zeros(10, 4), hard=True)
    assert sample.sum(1).tolist() == pytest.approx([1.0] * 10)
    assert ((sample == 0) | ((sample - 1).abs() < 1e-6)).all()
