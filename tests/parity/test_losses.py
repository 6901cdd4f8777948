"""What layers and functions refuse, and what they warn of, in PyTorch's words; ``inplace``, ties, random zeros."""

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import torch

# Each is evaluated by both libraries: F, nn and T (the library).
REFUSALS = """
F.conv2d(T.zeros(1,1,32,32), T.zeros(6,3,5,5))
F.conv2d(T.zeros(1,3,4,4), T.zeros(6,3,5,5))
F.conv2d(T.zeros(1,3,4,4), T.zeros(6,3,5,5), dilation=2)
F.conv2d(T.zeros(3,4), T.zeros(6,3,5,5))
F.conv2d(T.zeros(1,3,8,8), T.zeros(6,3,5,5), T.zeros(5))
F.conv2d(T.zeros(1,3,8,8), T.zeros(6,3,5,5), stride=2, padding='same')
F.conv2d(T.zeros(1,3,8,8), T.zeros(6,3,5,5), padding='foo')
F.conv2d(T.zeros(1,3,8,8), T.zeros(6,3,5,5), stride=0)
F.conv2d(T.zeros(1,3,8,8), T.zeros(6,3,5,5), padding=-1)
F.conv2d(T.zeros(1,3,8,8), T.zeros(6,3,5,5), groups=2)
F.conv2d(T.zeros(1,4,8,8), T.zeros(6,2,5,5), groups=0)
F.conv2d(T.zeros(1,4,8,8), T.zeros(5,2,5,5), groups=2)
F.conv2d(T.zeros(1,3,8,8).double(), T.zeros(6,3,5,5))
F.conv2d(T.zeros(1,3,8,8), T.zeros(6,3,5,5), stride=(1,2,3))
F.conv2d(T.zeros(1,3,8,8), T.zeros(6,3,5,5), T.zeros(6).double())
F.conv1d(T.zeros(1,1,1,8), T.zeros(6,3,5))
F.conv1d(T.zeros(2,8), T.zeros(6,3,5))
F.max_pool2d(T.zeros(1,3,4,4), 5)
F.max_pool2d(T.zeros(3,4), 2)
F.max_pool2d(T.zeros(1,3,4,4), 2, padding=2)
F.max_pool2d(T.zeros(1,3,4,4), 2, stride=0)
F.max_pool2d(T.zeros(1,3,4,4,dtype=T.bool), 2)
F.max_pool2d(T.zeros(1,3,4,4), (2,2,2))
F.max_pool2d(T.zeros(1,3,4,4), 2, (1,2,3))
F.max_pool2d(T.zeros(1,3,4,4), 2, dilation=0)
F.max_pool2d(T.zeros(1,3,0,4), 2)
F.max_pool1d(T.zeros(4), 2)
F.max_pool1d(T.zeros(1,3,4), 5)
F.max_pool1d(T.zeros(1,3,4), 2, padding=2)
F.avg_pool2d(T.zeros(1,3,4,4), 5)
F.avg_pool2d(T.zeros(1,3,4,4), (1,2,3))
F.avg_pool1d(T.zeros(1,3,4), 5)
F.avg_pool2d(T.zeros(1,3,4,4), 2, divisor_override=0)
F.adaptive_avg_pool2d(T.zeros(4), 2)
F.adaptive_avg_pool2d(T.zeros(1,3,4,4), (2,2,2))
F.adaptive_avg_pool1d(T.zeros(4), 2)
F.adaptive_avg_pool2d(T.zeros(1,3,0,4), 2)
F.linear(T.zeros(2,3), T.zeros(4,5))
F.linear(T.zeros(3), T.zeros(4,5))
F.linear(T.zeros(2,2,3), T.zeros(4,5))
F.linear(T.zeros(2,3), T.zeros(4,3), T.zeros(5))
F.linear(T.zeros(2,3).double(), T.zeros(4,3))
F.batch_norm(T.zeros(1,3), T.zeros(3), T.ones(3), training=True)
F.batch_norm(T.zeros(2,3), T.zeros(4), T.ones(4), training=True)
F.batch_norm(T.zeros(2,3), T.zeros(3), T.ones(3), T.zeros(4))
F.batch_norm(T.zeros(2,3), None, None)
F.layer_norm(T.zeros(2,3), (4,))
F.layer_norm(T.zeros(2,3), (3,), T.zeros(4))
F.layer_norm(T.zeros(2,3), ())
F.layer_norm(T.zeros(2,3,dtype=T.long), (3,))
F.group_norm(T.zeros(2,3), 2)
F.group_norm(T.zeros(2,4), 2, T.zeros(3))
F.group_norm(T.zeros(1,4), 4)
F.instance_norm(T.zeros(1,3,1))
F.rms_norm(T.zeros(2,3), (4,))
F.dropout(T.zeros(3), 1.5)
F.dropout(T.zeros(3,dtype=T.long), 0.5)
F.dropout1d(T.zeros(3), 0.5)
F.embedding(T.tensor([5]), T.zeros(3,2))
F.embedding(T.tensor([-1]), T.zeros(3,2))
F.embedding(T.tensor([1.0]), T.zeros(3,2))
F.embedding(T.tensor([1]), T.zeros(3))
F.embedding(T.tensor([1]), T.zeros(3,2), padding_idx=5)
F.one_hot(T.tensor([1,4]), 3)
F.one_hot(T.tensor([-1,4]))
F.one_hot(T.tensor([1.0]))
F.one_hot(T.tensor([],dtype=T.long))
F.cross_entropy(T.zeros(2,3), T.tensor([1]))
F.cross_entropy(T.zeros(2,3), T.tensor([1,3]))
F.cross_entropy(T.zeros(2,3), T.tensor([1,-1]))
F.cross_entropy(T.zeros(2,3), T.tensor([1,2],dtype=T.int32))
F.cross_entropy(T.zeros(2,3), T.tensor([1.0,2.0]))
F.cross_entropy(T.zeros(2,3), T.tensor([[1],[2]]))
F.cross_entropy(T.zeros(2,3), T.tensor([1,2]), T.zeros(4))
F.cross_entropy(T.zeros(2,3), T.tensor([1,2]), reduction='foo')
F.cross_entropy(T.zeros(2,3), T.tensor([1,2]), label_smoothing=2.0)
F.cross_entropy(T.zeros(3), T.tensor([1,2]))
F.cross_entropy(T.zeros(2,3,4), T.zeros(2,5,dtype=T.long))
F.cross_entropy(T.zeros(2,3), T.zeros(2,3), ignore_index=1)
F.nll_loss(T.tensor(1.0), T.tensor(1))
F.nll_loss(T.zeros(2,3), T.tensor([1.0,2.0]))
F.mse_loss(T.zeros(2,3), T.zeros(2,3), reduction='x')
F.mse_loss(T.zeros(2,3,dtype=T.long), T.zeros(2,3,dtype=T.long))
F.mse_loss(T.zeros(2,3), T.zeros(2,3), weight=T.zeros(2))
F.smooth_l1_loss(T.zeros(2,3), T.zeros(2,3), beta=-1.0)
F.huber_loss(T.zeros(2,3), T.zeros(2,3), delta=0.0)
F.binary_cross_entropy(T.tensor([2.0, 0.5]), T.zeros(2))
F.binary_cross_entropy(T.zeros(2,1), T.zeros(2))
F.binary_cross_entropy_with_logits(T.zeros(2,1), T.zeros(2))
F.margin_ranking_loss(T.zeros(2), T.zeros(2,1), T.zeros(2))
F.cosine_embedding_loss(T.zeros(2), T.zeros(2), T.zeros(2))
F.gaussian_nll_loss(T.zeros(2), T.zeros(2), -T.ones(2))
F.multi_margin_loss(T.zeros(2,3), T.tensor([0,1]), p=3)
F.softmax(T.zeros(2,3), 5)
F.softmax(T.zeros(2,3,dtype=T.long), 1)
F.glu(T.zeros(3))
F.glu(T.tensor(1.0))
F.prelu(T.zeros(2,3), T.zeros(2))
F.prelu(T.zeros(2,3), T.zeros(3,1))
F.gelu(T.zeros(2), approximate='x')
F.leaky_relu(T.tensor([1]))
F.hardtanh(T.zeros(2), 2.0, 1.0)
F.celu(T.zeros(2), 0.0)
F.softshrink(T.zeros(2), -1.0)
F.pad(T.zeros(2,3), (1,))
F.pad(T.zeros(2,3), (1,1,1,1,1,1))
F.pad(T.zeros(2,3), (1,1), 'foo')
F.pad(T.zeros(2,3), (3,1), 'reflect')
F.pad(T.zeros(3), (1,1), 'reflect')
F.pad(T.zeros(2,3), (4,4), 'circular')
F.pad(T.zeros(2,3), (1,1), 'reflect', 1.0)
F.scaled_dot_product_attention(T.zeros(2,3), T.zeros(2,4), T.zeros(2,3))
F.scaled_dot_product_attention(T.zeros(3), T.zeros(3), T.zeros(3))
F.scaled_dot_product_attention(T.zeros(2,3), T.zeros(2,3), T.zeros(2,3), T.zeros(2,2), is_causal=True)
F.scaled_dot_product_attention(T.zeros(2,3), T.zeros(2,3).double(), T.zeros(2,3))
F.scaled_dot_product_attention(T.zeros(2,3), T.zeros(2,3), T.zeros(2,3), T.zeros(2,2,dtype=T.long))
F.interpolate(T.zeros(1,2,3))
F.interpolate(T.zeros(1,2,3), 4, 2)
F.interpolate(T.zeros(1,2,3), 4, mode='bilinear')
F.interpolate(T.zeros(1,2,3,3), 4, align_corners=True)
F.cosine_similarity(T.zeros(2,3), T.zeros(2,5))
F.normalize(T.zeros(2,3), dim=3)
nn.Conv2d(3, 4, 3, groups=2)
nn.Conv2d(4, 3, 3, groups=2)
nn.Conv2d(4, 3, 3, groups=0)
nn.Conv2d(4, 3, 3, padding='same', stride=2)
nn.Dropout(2.0)
nn.BatchNorm2d(3)(T.zeros(2,3))
nn.BatchNorm1d(3)(T.zeros(3))
nn.BatchNorm3d(3)(T.zeros(3))
nn.BatchNorm1d(3)(T.zeros(1,3))
nn.BatchNorm2d(3)(T.zeros(2,4,2,2))
nn.InstanceNorm2d(3)(T.zeros(2,3))
nn.GroupNorm(2, 3)
nn.Embedding(3, 2, padding_idx=3)
nn.Embedding(3, 2, _weight=T.zeros(2,2))
nn.Unflatten(1, 3)
nn.Unflatten(1, ('a',))
nn.Flatten()(T.zeros(3))
nn.Hardtanh(1.0, -1.0)
nn.TripletMarginLoss(margin=-1)
""".strip().splitlines()

WARNINGS = """
F.mse_loss(T.zeros(2,3), T.zeros(3))
F.mse_loss(T.zeros(2,3), T.zeros(2,3), size_average=False)
F.mse_loss(T.zeros(2,3), T.zeros(2,3), reduce=False)
F.kl_div(T.zeros(2), T.ones(2))
F.softmax(T.zeros(2,3))
F.dropout2d(T.zeros(3,2,2), 0.5)
F.dropout3d(T.zeros(3), 0.5)
nn.MSELoss(size_average=False)
nn.Hardtanh(min_value=-2)
nn.InstanceNorm1d(3)(T.zeros(2,4,2))
""".strip().splitlines()


def names(library: Any) -> dict[str, Any]:
    return {"F": library.nn.functional, "nn": library.nn, "T": library}


@pytest.mark.parametrize("expression", REFUSALS)
def test_same_refusal(expression: str) -> None:
    errors: list[Any] = []
    for library in (torch, flambeau):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(Exception, match=r".+") as error:
                eval(expression, names(library))
        errors.append((type(error.value).__name__, str(error.value)))
    assert errors[1] == errors[0]


@pytest.mark.parametrize("expression", WARNINGS)
def test_same_warning(expression: str) -> None:
    texts: list[Any] = []
    for library in (torch, flambeau):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            eval(expression, names(library))
        texts.append([(item.category, str(item.message)) for item in caught])
    assert texts[1] == texts[0]


IN_PLACE = "relu relu6 leaky_relu elu selu celu silu mish hardtanh hardsigmoid hardswish rrelu".split()


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_activation(name: str) -> None:
    found: list[Any] = []
    for library in (torch, flambeau):
        x = library.tensor([-4.0, -1.0, 0.0, 0.5, 7.0], requires_grad=True)
        y = x * 1
        z = getattr(library.nn.functional, name)(y, inplace=True)
        assert z is y
        z.sum().backward()
        found.append((z.detach().numpy(), x.grad.numpy(), z.grad_fn.name()))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-5, atol=1e-6)
    assert found[1][2] == found[0][2]


def test_loss_of_ignored_classes_only_is_nan() -> None:
    scores, classes = flambeau.zeros(2, 3), flambeau.tensor([-100, -100])
    assert np.isnan(flambeau.nn.functional.cross_entropy(scores, classes).item())
    assert flambeau.nn.functional.cross_entropy(scores, classes, reduction="sum").item() == 0
