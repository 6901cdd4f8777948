"""Layers without PyTorch: initial values, statistics, random zeros, and that a training step compiles once."""

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import functional as F
from flambeau.runtime.report import COMPILATIONS


def test_linear_draws_what_pytorch_draws() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    expected = [[-0.0043225, 0.3097159, -0.4751853], [-0.4248946, -0.2223690, 0.1548210]]
    np.testing.assert_allclose(layer.weight.detach().numpy(), expected, atol=5e-7)


def test_batch_norm_learns_statistics() -> None:
    layer = torch.nn.BatchNorm1d(2)
    layer(torch.tensor([[0.0, 2.0], [2.0, 6.0]]))
    assert layer.running_mean.tolist() == pytest.approx([0.1, 0.4])
    assert layer.running_var.tolist() == pytest.approx([1.1, 1.7])
    assert layer.num_batches_tracked.item() == 1
    assert layer.num_batches_tracked.dtype == torch.int64
    layer.eval()
    layer(torch.ones(1, 2))
    assert layer.num_batches_tracked.item() == 1


def test_batch_norm_mean_of_all_batches() -> None:
    layer = torch.nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 2.0, 6.0):
        layer(torch.tensor([[value - 1], [value + 1]]))
    assert layer.running_mean.tolist() == pytest.approx([3.0])


def test_batch_norm_reads_files_without_a_counter() -> None:
    layer = torch.nn.BatchNorm1d(2)
    state = {name: value for name, value in layer.state_dict().items() if name != "num_batches_tracked"}
    layer.load_state_dict(state)
    assert layer.num_batches_tracked.item() == 0


def test_dropout_zeros_and_scales() -> None:
    torch.manual_seed(0)
    x = torch.ones(100, 100, requires_grad=True)
    y = F.dropout(x, 0.25)
    values = y.detach().numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(4 / 3)}
    assert abs((values == 0).mean() - 0.25) < 0.02
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), values)
    assert F.dropout(x, 0.25, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 1.0).sum().item() == 0


def test_dropout_follows_the_seed_and_draws_anew() -> None:
    torch.manual_seed(1)
    first, second = F.dropout(torch.ones(50)).tolist(), F.dropout(torch.ones(50)).tolist()
    torch.manual_seed(1)
    assert F.dropout(torch.ones(50)).tolist() == first
    assert first != second


def test_dropout_of_channels() -> None:
    torch.manual_seed(0)
    values = F.dropout2d(torch.ones(8, 8, 3, 3)).numpy().reshape(64, 9)
    assert (values == values[:, :1]).all()
    assert 0 < (values[:, 0] == 0).sum() < 64


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    torch.manual_seed(0)
    values = F.alpha_dropout(torch.randn(200, 200), 0.2, training=True).numpy()
    assert abs(values.mean()) < 0.03
    assert abs(values.std() - 1) < 0.03


def test_attention_dropout_and_rrelu_draw_on_the_device() -> None:
    torch.manual_seed(0)
    x = torch.ones(1, 4, 8)
    dropped = F.scaled_dot_product_attention(x, x, x, dropout_p=0.5).numpy()
    assert not (dropped == dropped[0, 0, 0]).all()
    slopes = -F.rrelu(-torch.ones(1000), training=True).numpy()
    assert slopes.min() >= 0.125
    assert slopes.max() <= 1 / 3 + 1e-6


def test_padding_row_is_zero_and_learns_nothing() -> None:
    layer = torch.nn.Embedding(3, 2, padding_idx=1)
    assert layer.weight[1].tolist() == [0, 0]
    layer(torch.tensor([1, 2])).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [0, 0], [1, 1]]


def test_sparse_gradients_are_refused() -> None:
    layer = torch.nn.Embedding(3, 2, sparse=True)
    with pytest.raises(NotImplementedError, match="sparse=True"):
        layer(torch.tensor([1]))


def test_first_of_equal_elements_gets_the_gradient() -> None:
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    torch.nn.MaxPool2d(2)(x).sum().backward()
    assert x.grad.tolist() == [[[[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]]]


def test_every_step_is_the_first_program() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Dropout(0.2), torch.nn.Linear(2 * 3 * 3, 3),
    )  # fmt: skip
    counts = []
    for step in range(4):
        loss = torch.nn.functional.cross_entropy(model(torch.randn(4, 1, 8, 8)), torch.tensor([0, 1, 2, 0]))
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(parameter.grad, alpha=0.1 / (step + 1))
        model.zero_grad()
        loss.item()
        counts.append(len(COMPILATIONS))
    assert counts[1:] == [counts[1]] * 3
