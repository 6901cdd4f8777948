"""Layers against PyTorch: initial values, text, attributes, state, results, gradients and running statistics."""

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import compare, torch

RANDOM = np.random.default_rng(1)


def draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


ROWS = draw(4, 6)
SEQUENCE = draw(2, 4, 6)
IMAGE = draw(2, 4, 6, 5)
VOLUME = draw(1, 4, 4, 4, 4)
INDEX = np.array([[0, 2], [4, 2]])
LOGS = np.log(RANDOM.dirichlet(np.ones(4), (6, 2))).astype(np.float32)
LABELS = np.array([[1, 1, 3], [3, 0, 3]])

# The layer's expression, then its inputs (none: it is only made).
LAYERS: dict[str, tuple[Any, ...]] = {
    "Identity(54, unused=1)": (ROWS,),
    "Linear(6, 3)": (ROWS,),
    "Linear(6, 3, bias=False)": (ROWS,),
    "Linear(6, 3, dtype=torch.float64)": (ROWS.astype(np.float64),),
    "Bilinear(6, 6, 2)": (ROWS, ROWS),
    "Conv1d(4, 3, 3, stride=2, padding=1)": (SEQUENCE,),
    "Conv2d(4, 6, 3)": (IMAGE,),
    "Conv2d(4, 6, (3, 1), dilation=2, groups=2, padding='same', bias=False)": (IMAGE,),
    "Conv2d(4, 2, 3, padding=(1, 2), padding_mode='reflect')": (IMAGE,),
    "Conv2d(4, 2, 2, padding='same', padding_mode='circular')": (IMAGE,),
    "Conv3d(4, 2, 2)": (VOLUME,),
    "ConvTranspose1d(4, 2, 3, stride=2)": (SEQUENCE,),
    "ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2)": (IMAGE,),
    "MaxPool1d(2)": (SEQUENCE,),
    "MaxPool2d((2, 1), 1, 0, 2, False, True)": (IMAGE,),
    "MaxPool2d(2, return_indices=True)": (IMAGE,),
    "MaxPool3d(2)": (VOLUME,),
    "AvgPool1d(2)": (SEQUENCE,),
    "AvgPool2d(2, divisor_override=3)": (IMAGE,),
    "AvgPool3d(2)": (VOLUME,),
    "LPPool2d(2, 2)": (IMAGE,),
    "AdaptiveAvgPool1d(4)": (SEQUENCE,),
    "AdaptiveAvgPool2d((None, 2))": (IMAGE,),
    "AdaptiveMaxPool2d(2)": (IMAGE,),
    "BatchNorm1d(6)": (ROWS,),
    "BatchNorm2d(4)": (IMAGE,),
    "BatchNorm2d(4, momentum=None)": (IMAGE,),
    "BatchNorm2d(4, affine=False, track_running_stats=False)": (IMAGE,),
    "BatchNorm2d(4, bias=False)": (IMAGE,),
    "BatchNorm3d(4, eps=0.1)": (VOLUME,),
    "InstanceNorm1d(4)": (SEQUENCE,),
    "InstanceNorm2d(4, affine=True, track_running_stats=True)": (IMAGE,),
    "LayerNorm(6)": (ROWS,),
    "LayerNorm((6, 5), bias=False)": (IMAGE,),
    "LayerNorm(6, elementwise_affine=False)": (ROWS,),
    "GroupNorm(2, 4)": (IMAGE,),
    "RMSNorm(6)": (ROWS,),
    "RMSNorm((6, 5), eps=0.1, elementwise_affine=False)": (IMAGE,),
    "LocalResponseNorm(2)": (IMAGE,),
    "Dropout(0.0)": (ROWS,),
    "Dropout(1.0)": (ROWS,),
    "Dropout2d(1.0)": (IMAGE,),
    "Dropout1d()": (),
    "Dropout3d(0.1, True)": (),
    "AlphaDropout()": (),
    "FeatureAlphaDropout()": (),
    "Embedding(5, 3)": (INDEX,),
    "Embedding(5, 3, padding_idx=-1, max_norm=1.0, norm_type=1, scale_grad_by_freq=True)": (INDEX,),
    "Embedding(5, 3, sparse=True)": (),
    "Flatten()": (IMAGE,),
    "Flatten(0, 1)": (IMAGE,),
    "Unflatten(1, (2, -1))": (IMAGE,),
    "ReLU()": (ROWS,),
    "ReLU(True)": (),
    "ReLU6()": (ROWS,),
    "LeakyReLU(0.2)": (ROWS,),
    "ELU(2.0)": (ROWS,),
    "SELU()": (ROWS,),
    "CELU(2.0, True)": (),
    "GELU()": (ROWS,),
    "GELU('tanh')": (),
    "SiLU()": (ROWS,),
    "Mish()": (ROWS,),
    "Sigmoid()": (ROWS,),
    "Tanh()": (ROWS,),
    "Softplus(2, 3)": (ROWS,),
    "Softsign()": (ROWS,),
    "Hardtanh(0.0, 2.0, True)": (),
    "Hardtanh()": (ROWS,),
    "Hardsigmoid()": (ROWS,),
    "Hardswish()": (ROWS,),
    "LogSigmoid()": (ROWS,),
    "PReLU()": (ROWS,),
    "PReLU(4, init=0.1)": (IMAGE,),
    "RReLU(inplace=True)": (),
    "GLU()": (ROWS,),
    "Threshold(0.1, 2.0)": (ROWS,),
    "Tanhshrink()": (ROWS,),
    "Softshrink()": (ROWS,),
    "Hardshrink(0.1)": (ROWS,),
    "Softmin(1)": (ROWS,),
    "Softmax(dim=1)": (ROWS,),
    "Softmax()": (),
    "LogSoftmax(1)": (ROWS,),
    "Softmax2d()": (IMAGE,),
    "L1Loss()": (ROWS, ROWS * 2),
    "MSELoss(reduction='sum')": (ROWS, ROWS * 2),
    "SmoothL1Loss(beta=0.5)": (ROWS, ROWS * 2),
    "HuberLoss()": (ROWS, ROWS * 2),
    "CrossEntropyLoss(torch.ones(6), label_smoothing=0.1)": (ROWS, np.array([0, 5, 2, 2])),
    "NLLLoss(ignore_index=2)": (ROWS, np.array([0, 5, 2, 2])),
    "KLDivLoss(reduction='batchmean')": (ROWS, np.abs(ROWS)),
    "BCELoss()": (np.abs(ROWS) % 1, np.abs(ROWS) % 1),
    "BCEWithLogitsLoss(pos_weight=torch.ones(6))": (ROWS, np.abs(ROWS) % 1),
    "PoissonNLLLoss()": (ROWS, np.abs(ROWS)),
    "GaussianNLLLoss()": (ROWS, ROWS * 2, np.abs(ROWS)),
    "HingeEmbeddingLoss()": (ROWS, np.sign(ROWS)),
    "MarginRankingLoss(0.1)": (ROWS, ROWS * 2, np.sign(ROWS)),
    "CosineEmbeddingLoss()": (ROWS, ROWS[::-1].copy(), np.array([1, -1, 1, -1])),
    "TripletMarginLoss()": (ROWS, ROWS * 2, ROWS[::-1].copy()),
    "SoftMarginLoss()": (ROWS, np.sign(ROWS)),
    "MultiLabelSoftMarginLoss()": (ROWS, np.abs(ROWS) % 1),
    "MultiMarginLoss(margin=0.5)": (ROWS, np.array([0, 5, 2, 2])),
    "MultiLabelMarginLoss()": (ROWS, np.array([[0, 2, -1, 1, 1, 1]] * 4)),
    "TripletMarginWithDistanceLoss(margin=0.5, swap=True)": (ROWS, ROWS * 2, ROWS[::-1].copy()),
    "CTCLoss()": (LOGS, LABELS, np.array([6, 5]), np.array([3, 1])),
    "CTCLoss(blank=2, reduction='none', zero_infinity=True)": (LOGS, LABELS, np.array([6, 2]), np.array([2, 3])),
    "LinearCrossEntropyLoss(6, 3)": (ROWS, np.array([0, 2, 1, 1])),
    "LinearCrossEntropyLoss(6, 3, out_features=(2,), bias=True, weight=torch.ones(3), reduction='sum')": (
        ROWS, np.array([[0, 2], [1, 1], [0, 0], [2, 1]])),
    "LinearCrossEntropyLoss(6, 3, options=torch.nn.LinearCrossEntropyOptions(batch_chunk_size=3))": (
        ROWS, np.array([0, 2, 1, 1])),
    "AdaptiveLogSoftmaxWithLoss(6, 9, [2, 5], 2.0, head_bias=True)": (ROWS, np.array([0, 8, 3, 4])),
    "AdaptiveLogSoftmaxWithLoss(6, 9, [3])": (ROWS, np.array([0, 8, 2, 4])),
    "CosineSimilarity()": (ROWS, ROWS[::-1].copy()),
    "PairwiseDistance(1.0, keepdim=True)": (ROWS, ROWS[::-1].copy()),
    "EmbeddingBag(5, 3)": (INDEX,),
    "EmbeddingBag(5, 3, mode='sum', padding_idx=-3)": (np.array([0, 2, 4, 2]), np.array([0, 3])),
    "EmbeddingBag(5, 3, 1.0, 1, True, mode='sum', include_last_offset=True)": (
        np.array([0, 2, 4, 4]), np.array([0, 3, 3, 4])),
    "EmbeddingBag(5, 3, mode='max', padding_idx=0)": (np.array([[0, 0], [2, 4]]),),
    "SyncBatchNorm(4)": (IMAGE,),
    "SyncBatchNorm(6, momentum=None)": (ROWS,),
    "CrossMapLRN2d(3, alpha=0.1, k=2)": (),
    "ChannelShuffle(2)": (IMAGE,),
    "PixelShuffle(2)": (IMAGE,),
    "PixelUnshuffle(2)": (IMAGE[:, :, :, :4].copy(),),
    "Fold((3, 4), 2)": (draw(2, 12, 6),),
    "Unfold((2, 3), padding=1, stride=2)": (IMAGE,),
    "MaxUnpool1d(2)": (SEQUENCE[:, :, :2].copy(), np.array([[[0, 3]] * 4] * 2)),
    "MaxUnpool2d((2, 1), stride=2, padding=0)": (IMAGE[:1, :1, :2, :1].copy(), np.array([[[[0], [3]]]])),
    "MaxUnpool3d(2)": (VOLUME[:, :, :1, :1, :1].copy(), np.array([[[[[3]]]] * 4])),
    "FractionalMaxPool2d(2, output_ratio=0.5)": (IMAGE,),
    "FractionalMaxPool2d(2, 3, return_indices=True)": (IMAGE,),
    "FractionalMaxPool3d(2, (2, 1, 2), _random_samples=torch.zeros(1, 4, 3))": (VOLUME,),
    "CircularPad1d(2)": (SEQUENCE,),
    "CircularPad2d((1, 0, 2, 1))": (IMAGE,),
    "CircularPad3d(1)": (VOLUME,),
    "ConstantPad1d((1, -2), 3.5)": (SEQUENCE,),
    "ConstantPad2d(1, 2)": (IMAGE,),
    "ConstantPad3d((0, 1, 0, 2, 1, 0), 0.5)": (VOLUME,),
    "ReflectionPad1d(2)": (SEQUENCE,),
    "ReflectionPad2d((1, 0, 2, 1))": (IMAGE,),
    "ReflectionPad3d(1)": (VOLUME,),
    "ReplicationPad1d((3, 0))": (SEQUENCE,),
    "ReplicationPad2d(2)": (IMAGE,),
    "ReplicationPad3d((1, 2, 0, 1, 1, 0))": (VOLUME,),
    "ZeroPad1d(2)": (SEQUENCE,),
    "ZeroPad2d((1, -1, 2, 0))": (IMAGE,),
    "ZeroPad3d(1)": (VOLUME,),
    "Upsample(scale_factor=2, mode='bicubic')": (IMAGE,),
    "Upsample(scale_factor=(1.5, 2), mode='bilinear', align_corners=True)": (IMAGE,),
    "Upsample(9, mode='linear', recompute_scale_factor=False)": (SEQUENCE,),
    "UpsamplingNearest2d((3, 7))": (IMAGE,),
    "UpsamplingBilinear2d(scale_factor=2)": (IMAGE,),
}  # fmt: skip


def made(library: Any, expression: str) -> Any:
    """A layer, made from the same seed by both libraries."""
    library.manual_seed(7)
    return eval(f"nn.{expression}", {"nn": library.nn, "torch": library})


def plain(value: Any) -> Any:
    """An attribute as both libraries can compare it."""
    return str(value) if type(value).__name__ in ("dtype", "device", "Size", "LinearCrossEntropyOptions") else value


def passed(library: Any, layer: Any, inputs: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Results of two training steps and one in evaluation, and the gradients of everything."""
    tensors = [library.tensor(item) for item in inputs]
    leaves = [item.requires_grad_() for item in tensors[:1] if item.is_floating_point()]
    results: list[Any] = []
    for training in (True, True, False):
        layer.train(training)
        found = layer(*tensors)
        results += list(found) if isinstance(found, tuple) else [found]
        first = results[-len(found)] if isinstance(found, tuple) else found
        if first.requires_grad:
            (first * first).sum().backward()
    return results, [leaf.grad for leaf in leaves] + [item.grad for item in layer.parameters()]


@pytest.mark.parametrize("expression", LAYERS)
def test_made_as_in_pytorch(expression: str) -> None:
    mine, theirs = made(flambeau, expression), made(torch, expression)
    assert repr(mine) == repr(theirs)
    assert mine.__constants__ == theirs.__constants__ if hasattr(theirs, "__constants__") else True
    names = [name for name in theirs.__dict__ if not name.startswith("_")]
    assert [name for name in mine.__dict__ if not name.startswith("_")] == names
    for name in names:
        assert plain(getattr(mine, name)) == plain(getattr(theirs, name)), name
    assert mine._version == theirs._version
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    for name, value in theirs.state_dict().items():
        own = mine.state_dict()[name]
        assert str(own.dtype) == str(value.dtype)
        np.testing.assert_array_equal(own.host(), value.numpy(), err_msg=name)


@pytest.mark.parametrize("expression", [name for name, inputs in LAYERS.items() if inputs])
def test_computes_as_in_pytorch(expression: str) -> None:
    inputs = LAYERS[expression]
    mine, theirs = made(flambeau, expression), made(torch, expression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, expected_gradients = passed(torch, theirs, inputs)
    found, found_gradients = passed(flambeau, mine, inputs)
    compare(found, expected)
    compare(found_gradients, expected_gradients, rtol=1e-4, atol=1e-4, what="gradient")
    compare(list(mine.state_dict().values()), list(theirs.state_dict().values()), what="state")
