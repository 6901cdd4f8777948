"""``nn.functional`` against PyTorch: a line each; values, gradients, types, and the names of ``grad_fn``."""

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import check, run, torch

warnings.filterwarnings("ignore", module="torch")

RANDOM = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    """Numbers with two decimals, so that ties occur."""
    return RANDOM.normal(size=shape).round(2).astype(np.float32)


KINKS = np.array([[-25.0, -6.0, -3.0, -1.0, -0.5], [-0.0, 0.0, 0.5, 1.0, 1.5], [3.0, 6.0, 20.0, 25.0, 0.1]], np.float32)
X = draw(3, 4)
POSITIVE = np.abs(draw(3, 4)) + 0.1
SHARES = (np.abs(draw(3, 4)) % 1).astype(np.float32) * 0.98 + 0.01
IMAGE = draw(2, 3, 7, 6)
RECTIFIED = np.maximum(IMAGE, 0)
SEQUENCE = draw(2, 3, 9)
VOLUME = draw(1, 2, 4, 5, 4)
CLASSES = np.array([1, 3, 0])
IMAGE_CLASSES = RANDOM.integers(0, 3, (2, 7, 6))
CLASS_WEIGHT = np.array([0.5, 2.0, 1.0, 0.25], np.float32)

ACTIVATIONS: dict[str, tuple[Any, ...]] = {
    name: (lambda t, x, name=name: getattr(t.nn.functional, name)(x), KINKS)
    for name in (
        "relu relu6 leaky_relu elu selu celu gelu silu mish sigmoid tanh softplus softsign hardtanh hardsigmoid "
        "hardswish logsigmoid tanhshrink softshrink hardshrink"
    ).split()
}

CASES: dict[str, tuple[Any, ...]] = {
    **ACTIVATIONS,
    "leaky_relu slope": (lambda t, x: t.nn.functional.leaky_relu(x, 0.2), X),
    "elu alpha": (lambda t, x: t.nn.functional.elu(x, 0.7), X),
    "celu alpha": (lambda t, x: t.nn.functional.celu(x, 0.7), X),
    "gelu tanh": (lambda t, x: t.nn.functional.gelu(x, approximate="tanh"), KINKS),
    "softplus beta": (lambda t, x: t.nn.functional.softplus(x, 2, 3), KINKS),
    "hardtanh bounds": (lambda t, x: t.nn.functional.hardtanh(x, -0.5, 1.0), KINKS),
    "threshold": (lambda t, x: t.nn.functional.threshold(x, 0.5, -2.0), KINKS),
    "rrelu eval": (lambda t, x: t.nn.functional.rrelu(x), X),
    "glu": (lambda t, x: t.nn.functional.glu(x), X),
    "glu dim": (lambda t, x: t.nn.functional.glu(x, 1), IMAGE[:, :2]),
    "prelu one": (lambda t, x, w: t.nn.functional.prelu(x, w), IMAGE, np.array([0.3], np.float32)),
    "prelu channels": (lambda t, x, w: t.nn.functional.prelu(x, w), IMAGE, draw(3)),
    "softmax": (lambda t, x: t.nn.functional.softmax(x, dim=1), X),
    "softmax dim": (lambda t, x: t.nn.functional.softmax(x, 0, dtype=t.float64), X),
    "softmax method": (lambda t, x: [x.softmax(-1), x.log_softmax(0)], X),
    "softmin": (lambda t, x: t.nn.functional.softmin(x, dim=1), X),
    "log_softmax": (lambda t, x: t.nn.functional.log_softmax(x, dim=1), X * 30),
    "log_softmax half": (lambda t, x: t.nn.functional.log_softmax(x, dim=1), X.astype(np.float16)),
    "activations half": (lambda t, x: [t.nn.functional.gelu(x.bfloat16()), t.nn.functional.silu(x.half())], X),
    "whole relu6": (lambda t, i: [t.nn.functional.relu6(i), t.nn.functional.threshold(i, 1, 7)], np.array([-3, 2, 9])),
    # linear
    "linear": (lambda t, x, w, b: t.nn.functional.linear(x, w, b), X, draw(5, 4), draw(5)),
    "linear no bias": (lambda t, x, w: t.nn.functional.linear(x, w), X, draw(5, 4)),
    "linear vector": (lambda t, x, w, b: t.nn.functional.linear(x, w, b), X[0], draw(5, 4), draw(5)),
    "linear batch": (lambda t, x, w, b: t.nn.functional.linear(x, w, b), draw(2, 3, 4), draw(5, 4), draw(5)),
    "linear batch no bias": (lambda t, x, w: t.nn.functional.linear(x, w), draw(2, 3, 4), draw(5, 4)),
    "linear one row": (lambda t, x, w, b: t.nn.functional.linear(x, w, b), X[:1], draw(5, 4), draw(5)),
    "linear one row of a batch": (lambda t, x, w: t.nn.functional.linear(x, w), draw(1, 1, 4), draw(5, 4)),
    "linear vector by row": (lambda t, x, w: t.nn.functional.linear(x, w), X[0], draw(4)),
    "linear row": (lambda t, x, w: t.nn.functional.linear(x, w), X, draw(4)),
    "bilinear": (lambda t, x, y, w, b: t.nn.functional.bilinear(x, y, w, b), X, draw(3, 5), draw(2, 4, 5), draw(2)),
    # convolution
    "conv2d": (lambda t, x, w, b: t.nn.functional.conv2d(x, w, b), IMAGE, draw(4, 3, 3, 2), draw(4)),
    "conv2d stride": (
        lambda t, x, w: t.nn.functional.conv2d(x, w, stride=(2, 1), padding=(1, 2)), IMAGE, draw(4, 3, 3, 3)),
    "conv2d same": (
        lambda t, x, w: t.nn.functional.conv2d(x, w, padding="same", dilation=2), IMAGE, draw(4, 3, 2, 3)),
    "conv2d valid": (lambda t, x, w: t.nn.functional.conv2d(x, w, padding="valid"), IMAGE, draw(4, 3, 2, 3)),
    "conv2d groups": (lambda t, x, w: t.nn.functional.conv2d(x, w, groups=3), IMAGE, draw(6, 1, 3, 3)),
    "conv2d wide": (lambda t, x, w: t.nn.functional.conv2d(x, w, padding=1), draw(1, 30, 4, 4), draw(2, 30, 3, 3)),
    "conv2d unbatched": (lambda t, x, w: t.nn.functional.conv2d(x, w), IMAGE[0], draw(4, 3, 3, 2)),
    "conv1d": (
        lambda t, x, w, b: t.nn.functional.conv1d(x, w, b, stride=2, padding=1), SEQUENCE, draw(4, 3, 3), draw(4)),
    "conv3d": (lambda t, x, w: t.nn.functional.conv3d(x, w), VOLUME, draw(2, 2, 2, 3, 2)),
    "conv_transpose2d": (
        lambda t, x, w, b: t.nn.functional.conv_transpose2d(x, w, b, stride=(2, 3), padding=1, output_padding=1),
        IMAGE, draw(3, 2, 3, 3), draw(2)),
    "conv_transpose1d groups": (
        lambda t, x, w: t.nn.functional.conv_transpose1d(x, w, groups=3, dilation=2), SEQUENCE, draw(3, 2, 3)),
    # pooling
    "max_pool2d": (lambda t, x: t.nn.functional.max_pool2d(x, 2), IMAGE),
    "max_pool2d ties": (lambda t, x: t.nn.functional.max_pool2d(x, 2), RECTIFIED),
    "max_pool2d overlap ties": (lambda t, x: t.nn.functional.max_pool2d(x, 3, 2, 1), RECTIFIED),
    "max_pool2d all": (
        lambda t, x: t.nn.functional.max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2), True, True), RECTIFIED),
    "max_pool2d indices": (lambda t, x: t.nn.functional.max_pool2d(x, 2, return_indices=True), IMAGE),
    "max_pool2d ceil": (lambda t, x: t.nn.functional.max_pool2d(x, 2, ceil_mode=True), IMAGE),
    "max_pool2d padding side by side": (lambda t, x: t.nn.functional.max_pool2d(x, 2, 2, 1), IMAGE),
    "max_pool1d": (lambda t, x: t.nn.functional.max_pool1d(x, 2), SEQUENCE),
    "max_pool1d overlap": (lambda t, x: t.nn.functional.max_pool1d(x, 3, 1, 1, return_indices=True), SEQUENCE),
    "max_pool3d": (lambda t, x: t.nn.functional.max_pool3d(x, 2), VOLUME),
    "avg_pool2d": (lambda t, x: t.nn.functional.avg_pool2d(x, 2), IMAGE),
    "avg_pool2d padding": (lambda t, x: t.nn.functional.avg_pool2d(x, 3, 2, 1, True, False), IMAGE),
    "avg_pool2d ceil": (lambda t, x: t.nn.functional.avg_pool2d(x, 3, 2, 1, True), IMAGE),
    "avg_pool2d divisor": (lambda t, x: t.nn.functional.avg_pool2d(x, 3, 2, divisor_override=5), IMAGE),
    "avg_pool1d": (lambda t, x: t.nn.functional.avg_pool1d(x, 3, 2), SEQUENCE),
    "avg_pool3d": (lambda t, x: t.nn.functional.avg_pool3d(x, 2), VOLUME),
    "adaptive_avg_pool2d": (lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, (3, 4)), IMAGE),
    "adaptive_avg_pool2d keep": (lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, (None, 2)), IMAGE),
    "adaptive_avg_pool1d": (lambda t, x: t.nn.functional.adaptive_avg_pool1d(x, 4), SEQUENCE),
    "adaptive_max_pool2d": (lambda t, x: t.nn.functional.adaptive_max_pool2d(x, (3, 4), True), RECTIFIED),
    "adaptive_max_pool1d": (lambda t, x: t.nn.functional.adaptive_max_pool1d(x, 4), SEQUENCE),
    "lp_pool2d": (lambda t, x: t.nn.functional.lp_pool2d(x, 2, 2), IMAGE),
    # normalization
    "batch_norm training": (
        lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, training=True), IMAGE, draw(3), draw(3)),
    "batch_norm eval": (
        lambda t, x, w, b: t.nn.functional.batch_norm(x, t.tensor([0.1, 0.2, 0.3]), t.tensor([1.0, 2.0, 0.5]), w, b),
        IMAGE, draw(3), draw(3)),
    "batch_norm rows": (lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True), X),
    "instance_norm": (
        lambda t, x, w, b: t.nn.functional.instance_norm(x, weight=w, bias=b), IMAGE, draw(3), draw(3)),
    "layer_norm": (lambda t, x, w, b: t.nn.functional.layer_norm(x, (4,), w, b), X, draw(4), draw(4)),
    "layer_norm plain": (lambda t, x: t.nn.functional.layer_norm(x, (7, 6), eps=1e-3), IMAGE),
    "group_norm": (
        lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b), draw(2, 4, 3, 3), draw(4), draw(4)),
    "rms_norm": (lambda t, x, w: t.nn.functional.rms_norm(x, (4,), w), X, draw(4)),
    "normalize": (lambda t, x: t.nn.functional.normalize(x, dim=1), X),
    "normalize 1": (lambda t, x: t.nn.functional.normalize(x, p=1.0, dim=0), X),
    "local_response_norm": (lambda t, x: t.nn.functional.local_response_norm(x, 2), IMAGE),
    # losses of a difference
    "mse_loss": (lambda t, x, y: t.nn.functional.mse_loss(x, y), X, POSITIVE),
    "mse_loss none": (lambda t, x, y: t.nn.functional.mse_loss(x, y, reduction="none"), X, POSITIVE),
    "mse_loss weight": (lambda t, x, y, w: t.nn.functional.mse_loss(x, y, weight=w), X, POSITIVE, SHARES),
    "l1_loss": (lambda t, x, y: t.nn.functional.l1_loss(x, y, reduction="sum"), X, POSITIVE),
    "smooth_l1_loss": (lambda t, x, y: t.nn.functional.smooth_l1_loss(x, y, beta=0.5), X, POSITIVE),
    "smooth_l1_loss 0": (lambda t, x, y: t.nn.functional.smooth_l1_loss(x, y, beta=0.0), X, POSITIVE),
    "huber_loss": (lambda t, x, y: t.nn.functional.huber_loss(x, y, delta=0.7), X, POSITIVE),
    # classification
    "cross_entropy": (lambda t, x, i: t.nn.functional.cross_entropy(x, i), X, CLASSES),
    "cross_entropy weight": (
        lambda t, x, i, w: t.nn.functional.cross_entropy(x, i, w.detach()), X, CLASSES, CLASS_WEIGHT),
    "cross_entropy ignore": (lambda t, x, i: t.nn.functional.cross_entropy(x, i, ignore_index=3), X, CLASSES),
    "cross_entropy none": (lambda t, x, i: t.nn.functional.cross_entropy(x, i, reduction="none"), X, CLASSES),
    "cross_entropy images": (lambda t, x, i: t.nn.functional.cross_entropy(x, i), IMAGE, IMAGE_CLASSES),
    "cross_entropy vector": (lambda t, x, i: t.nn.functional.cross_entropy(x, i), X[0], np.array(2)),
    "cross_entropy smooth": (
        lambda t, x, i, w: t.nn.functional.cross_entropy(x, i, w.detach(), ignore_index=0, label_smoothing=0.1),
        X, CLASSES, CLASS_WEIGHT),
    "cross_entropy smooth plain": (
        lambda t, x, i: [t.nn.functional.cross_entropy(x, i, label_smoothing=0.2, reduction=how)
                         for how in ("mean", "sum", "none")], X, CLASSES),
    "cross_entropy probabilities": (lambda t, x, y: t.nn.functional.cross_entropy(x, y), X, SHARES),
    "cross_entropy probabilities all": (
        lambda t, x, y, w: [t.nn.functional.cross_entropy(x, y, w.detach(), label_smoothing=0.1, reduction=how)
                            for how in ("mean", "sum", "none")], X, SHARES, CLASS_WEIGHT),
    "nll_loss": (lambda t, x, i: t.nn.functional.nll_loss(x, i, reduction="sum"), X, CLASSES),
    "nll_loss images": (lambda t, x, i: t.nn.functional.nll_loss(x, i, ignore_index=1), IMAGE, IMAGE_CLASSES),
    "multi_margin_loss": (lambda t, x, i: t.nn.functional.multi_margin_loss(x, i, p=2), X, CLASSES),
    # losses of probabilities
    "binary_cross_entropy": (lambda t, x, y: t.nn.functional.binary_cross_entropy(x, y), SHARES, SHARES[::-1].copy()),
    "binary_cross_entropy certain": (
        lambda t, x, y: t.nn.functional.binary_cross_entropy(x, y.detach(), reduction="none"),
        np.array([0.0, 1.0, 0.0, 1.0], np.float32), np.array([0.0, 0.0, 1.0, 1.0], np.float32)),
    "binary_cross_entropy weight": (
        lambda t, x, y, w: t.nn.functional.binary_cross_entropy(x, y, w.detach(), reduction="sum"),
        SHARES, SHARES, POSITIVE),
    "bce with logits": (lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(x, y), X * 20, SHARES),
    "bce with logits all": (
        lambda t, x, y, w, v: t.nn.functional.binary_cross_entropy_with_logits(
            x, y, w.detach(), reduction="none", pos_weight=v.detach()), X, SHARES, POSITIVE, CLASS_WEIGHT),
    "kl_div": (lambda t, x, y: t.nn.functional.kl_div(x, y, reduction="batchmean"), X, SHARES),
    "kl_div log": (lambda t, x, y: t.nn.functional.kl_div(x, y, reduction="sum", log_target=True), X, X),
    "poisson_nll_loss": (lambda t, x, y: t.nn.functional.poisson_nll_loss(x, y.detach() * 3, full=True), X, POSITIVE),
    "gaussian_nll_loss": (
        lambda t, x, y, v: t.nn.functional.gaussian_nll_loss(x, y, v, full=True), X, SHARES, POSITIVE),
    # margins
    "hinge_embedding_loss": (
        lambda t, x, y: t.nn.functional.hinge_embedding_loss(x, t.tensor([[1.0], [-1.0], [1.0]])), X, POSITIVE),
    "margin_ranking_loss": (
        lambda t, x, y: t.nn.functional.margin_ranking_loss(x, y, t.ones(3, 4), margin=0.1), X, POSITIVE),
    "cosine_embedding_loss": (
        lambda t, x, y: t.nn.functional.cosine_embedding_loss(x, y, t.tensor([1, -1, 1]), margin=0.1), X, POSITIVE),
    "triplet_margin_loss": (
        lambda t, x, y, z: t.nn.functional.triplet_margin_loss(x, y, z, swap=True), X, POSITIVE, SHARES),
    "soft_margin_loss": (lambda t, x: t.nn.functional.soft_margin_loss(x, t.ones(3, 4)), X),
    "multilabel_soft_margin_loss": (
        lambda t, x, y: t.nn.functional.multilabel_soft_margin_loss(x, y.detach()), X, SHARES),
    # the rest
    "embedding": (lambda t, w, i: t.nn.functional.embedding(i, w), draw(5, 3), np.array([[0, 2], [4, 2]])),
    "embedding padding": (
        lambda t, w, i: t.nn.functional.embedding(i, w, padding_idx=-1), draw(5, 3), np.array([0, 4, 4])),
    "embedding frequency": (
        lambda t, w, i: t.nn.functional.embedding(i, w, scale_grad_by_freq=True), draw(5, 3), np.array([0, 2, 2])),
    "embedding max_norm": (
        lambda t, w, i: t.nn.functional.embedding(i, w * 1, max_norm=1.0), draw(5, 3), np.array([0, 2, 2])),
    "one_hot": (lambda t, i: [t.nn.functional.one_hot(i), t.nn.functional.one_hot(i, 6)], CLASSES),
    "attention": (
        lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v), draw(2, 2, 3, 4), draw(2, 2, 5, 4),
        draw(2, 2, 5, 3)),
    "attention causal": (
        lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.7),
        draw(2, 2, 3, 4), draw(2, 2, 5, 4), draw(2, 2, 5, 4)),
    "attention mask": (
        lambda t, q, k, v, m: t.nn.functional.scaled_dot_product_attention(q, k, v, m > 0),
        draw(2, 3, 4), draw(2, 5, 4), draw(2, 5, 4),
        np.array([[-1, -1, -1, -1, -1], [1, 0, 1, 0, 0], [1, 1, 1, 1, 1]])),
    "attention float mask": (
        lambda t, q, k, v, m: t.nn.functional.scaled_dot_product_attention(q, k, v, m),
        draw(2, 3, 4), draw(2, 5, 4), draw(2, 5, 4), draw(3, 5)),
    "attention shared": (
        lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        draw(1, 4, 3, 4), draw(1, 2, 5, 4), draw(1, 2, 5, 4)),
    "cosine_similarity": (lambda t, x, y: t.nn.functional.cosine_similarity(x, y), X, POSITIVE),
    "cosine_similarity zero": (lambda t, x, y: t.nn.functional.cosine_similarity(x * 0, y, dim=0), X, POSITIVE),
    "pairwise_distance": (lambda t, x, y: t.nn.functional.pairwise_distance(x, y), X, POSITIVE),
    "pad": (lambda t, x: t.nn.functional.pad(x, (1, -2, 0, 3), value=1.5), IMAGE),
    "pad reflect": (lambda t, x: t.nn.functional.pad(x, (1, 2, 3, 0), "reflect"), IMAGE),
    "pad replicate": (lambda t, x: t.nn.functional.pad(x, (4, 2), "replicate"), SEQUENCE),
    "pad circular": (lambda t, x: t.nn.functional.pad(x, (1, 2, 3, 0), "circular"), IMAGE),
    "interpolate nearest": (lambda t, x: t.nn.functional.interpolate(x, scale_factor=2.5), IMAGE),
    "interpolate size": (lambda t, x: t.nn.functional.interpolate(x, (3, 11), mode="nearest-exact"), IMAGE),
    "interpolate bilinear": (lambda t, x: t.nn.functional.interpolate(x, (11, 4), mode="bilinear"), IMAGE),
    "interpolate aligned": (
        lambda t, x: t.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), IMAGE),
    "interpolate linear": (lambda t, x: t.nn.functional.interpolate(x, scale_factor=1.7, mode="linear"), SEQUENCE),
    "pixel_shuffle": (lambda t, x: t.nn.functional.pixel_shuffle(x, 2), draw(2, 8, 2, 3)),
    "pixel_unshuffle": (lambda t, x: t.nn.functional.pixel_unshuffle(x, 3), draw(2, 1, 6, 3)),
}  # fmt: skip

# PyTorch writes these as several operations, where we record one; the name of the last one differs.
OTHER_NAMES = {
    "instance_norm": "a product and a sum follow",
    "linear row": "a matrix times a vector has a name of its own",
    "linear vector by row": "a product of two vectors has a name of its own",
    "conv2d unbatched": "the batch dimension is taken off by a view",
    "cross_entropy probabilities": "a quotient by a number has a name of its own",
    "cross_entropy probabilities all": "a quotient by a number has a name of its own",
    "pairwise_distance": "another norm",
    "attention": "PyTorch chooses among kernels",
    "attention causal": "PyTorch chooses among kernels",
    "attention mask": "PyTorch chooses among kernels",
    "attention float mask": "PyTorch chooses among kernels",
    "attention shared": "PyTorch chooses among kernels",
}


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs)


@pytest.mark.parametrize("name", [name for name in CASES if name not in OTHER_NAMES])
def test_name_of_grad_fn(name: str) -> None:
    function, *inputs = CASES[name]
    names = []
    for library in (torch, flambeau):
        results, _ = run(library, function, inputs, gradients=True)
        names.append([item.grad_fn.name().removeprefix("torch::autograd::") for item in results if item.requires_grad])
    assert names[1] == names[0]
