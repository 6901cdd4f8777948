"""``nn.init`` without PyTorch: PyTorch's values for one seed, as literals; shapes of the distributions."""

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn import init

GOLDEN = {
    "uniform_": [[0.4962566, 0.7682218, 0.0884774], [0.1320305, 0.3074228, 0.6340787]],
    "normal_": [[1.5409961, -0.2934289, -2.1787894], [0.5684313, -1.0845224, -1.3985955]],
    "xavier_uniform_": [[-0.0082014, 0.5876445, -0.9016008], [-0.8061808, -0.4219155, 0.2937517]],
    "xavier_normal_": [[0.9746115, -0.1855807, -1.3779874], [0.3595075, -0.6859121, -0.8845494]],
    "kaiming_uniform_": [[-0.010588, 0.7586458, -1.1639615], [-1.0407749, -0.5446905, 0.3792318]],
    "kaiming_normal_": [[1.2582181, -0.2395837, -1.7789741], [0.4641222, -0.8855088, -1.1419483]],
    "trunc_normal_": [[1.5409961, -0.2934289, -0.7192576], [0.5684313, -1.0845224, -1.3985955]],
    "orthogonal_": [[0.5739809, -0.1092946, -0.8115422], [-0.3454151, -0.9308827, -0.1189355]],
    "eye_": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_values_of_seed_0(name: str) -> None:
    torch.manual_seed(0)
    x = torch.empty(2, 3)
    result = getattr(init, name)(x)
    assert result is x
    np.testing.assert_allclose(x.numpy(), GOLDEN[name], atol=2e-6)


def test_parameters_are_written_outside_the_tape() -> None:
    weight = torch.nn.Parameter(torch.empty(4, 3))
    for function in (init.normal_, init.zeros_, init.eye_, init.orthogonal_, init.kaiming_normal_):
        assert function(weight) is weight
        assert weight.is_leaf
        assert weight.requires_grad
        assert weight.grad_fn is None


def test_orthogonal_rows() -> None:
    matrix = init.orthogonal_(torch.empty(4, 2, 5)).numpy().reshape(4, 10)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-6)


def test_truncated_normal_stays_within() -> None:
    values = init.trunc_normal_(torch.empty(1000), 0.5, 2.0, -1.0, 1.0).numpy()
    assert values.min() >= -1
    assert values.max() <= 1


def test_sparse_columns() -> None:
    values = init.sparse_(torch.empty(10, 4), 0.25).numpy()
    assert ((values == 0).sum(0) == 3).all()


def test_meta_tensors_have_nothing_to_fill() -> None:
    x = torch.empty(2, 3, device="meta")
    assert init.constant_(x, 1.0) is x
    assert init.kaiming_uniform_(x) is x


def test_refusals() -> None:
    with pytest.raises(ValueError, match="Fan in and fan out can not be computed"):
        init.xavier_uniform_(torch.empty(3))
    with pytest.raises(ValueError, match="Unsupported nonlinearity foo"):
        init.calculate_gain("foo")
