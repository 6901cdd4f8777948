"""Batch normalization folded into the layer before it, for inference."""

from copy import deepcopy
from typing import TypeVar

from flambeau.nn.modules.batchnorm import NormBase
from flambeau.nn.modules.linear import Linear
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.tensors.creation import ones_like, zeros_like
from flambeau.tensors.tensor import Tensor

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

ConvT = TypeVar("ConvT", bound=Module)
LinearT = TypeVar("LinearT", bound=Linear)


def fuse_conv_bn_eval(conv: ConvT, bn: NormBase, transpose: bool = False) -> ConvT:
    """A convolution that does what a convolution and the batch normalization after it do in evaluation.

    Args:
        conv: a convolution; it stays as it is.
        bn: a batch normalization with running statistics.
        transpose: whether ``conv`` is a transposed one.

    Returns:
        A copy of ``conv`` with other parameters, and with a bias.

    Raises:
        AssertionError: one of them is in training mode, or there are no running statistics.

    Example:
        >>> import flambeau as torch
        >>> conv, norm = torch.nn.Conv2d(1, 2, 3, bias=False).eval(), torch.nn.BatchNorm2d(2).eval()
        >>> torch.nn.utils.fuse_conv_bn_eval(conv, norm).bias.tolist()
        [0.0, 0.0]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.fuse_conv_bn_eval.html
    """
    mean, variance = _statistics(conv, bn)
    fused = deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, mean, variance, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Parameters of a convolution that does what a convolution and the batch normalization after it do.

    With ``scale = bn_w / sqrt(bn_rv + bn_eps)`` they are ``conv_w * scale`` and ``(conv_b - bn_rm) * scale + bn_b``.

    Args:
        conv_w, conv_b: the convolution's weight, and its bias or None.
        bn_rm, bn_rv: running mean and variance, one number for each channel.
        bn_eps: what is added to the variance.
        bn_w, bn_b: the normalization's weight and bias, or None for ones and zeros.
        transpose: whether the channels are the weight's second dimension, as a transposed convolution has them.

    Returns:
        Weight and bias, in the data types of those given.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.fuse_conv_bn_weights.html
    """
    bias = zeros_like(bn_rm) if conv_b is None else conv_b
    scale = ones_like(bn_rm) if bn_w is None else bn_w
    shift = zeros_like(bn_rm) if bn_b is None else bn_b
    inverse = (bn_rv + bn_eps).rsqrt()
    channels = [1, -1] if transpose else [-1, 1]
    weight = conv_w * (scale * inverse).reshape(channels + [1] * (conv_w.dim() - 2))
    moved = (bias - bn_rm) * inverse * scale + shift
    kind = conv_w.dtype if conv_b is None else conv_b.dtype
    return Parameter(weight.to(conv_w.dtype), conv_w.requires_grad), Parameter(moved.to(kind), bias.requires_grad)


def fuse_linear_bn_eval(linear: LinearT, bn: NormBase) -> LinearT:
    """A linear layer that does what a linear layer and the batch normalization after it do in evaluation.

    Args:
        linear: a linear layer; it stays as it is.
        bn: a batch normalization with running statistics, of as many features as ``linear`` gives, or of one.

    Returns:
        A copy of ``linear`` with other parameters, and with a bias.

    Raises:
        AssertionError: one of them is in training mode, there are no running statistics, or the sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> linear, norm = torch.nn.Linear(3, 2, bias=False).eval(), torch.nn.BatchNorm1d(2).eval()
        >>> torch.nn.utils.fuse_linear_bn_eval(linear, norm).bias.tolist()
        [0.0, 0.0]

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.fuse_linear_bn_eval.html
    """
    mean, variance = _statistics(linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused = deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, mean, variance, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Parameters of a linear layer that does what a linear layer and the batch normalization after it do.

    With ``scale = bn_w / sqrt(bn_rv + bn_eps)`` they are ``linear_w * scale`` and
    ``(linear_b - bn_rm) * scale + bn_b``.

    Args:
        linear_w, linear_b: the linear layer's weight, and its bias or None.
        bn_rm, bn_rv: running mean and variance, one number for each feature.
        bn_eps: what is added to the variance.
        bn_w, bn_b: the normalization's weight and bias, or None for ones and zeros.

    Returns:
        Weight and bias, in the data types of those given.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.fuse_linear_bn_weights.html
    """
    bias = zeros_like(bn_rm) if linear_b is None else linear_b
    inverse = (bn_rv + bn_eps).rsqrt()
    scale = inverse if bn_w is None else bn_w * inverse
    weight = linear_w * scale.unsqueeze(-1).to(linear_w.dtype)
    moved = (bias - bn_rm) * scale
    if bn_b is not None:
        moved = moved + bn_b
    kind = linear_w.dtype if linear_b is None else linear_b.dtype
    return Parameter(weight, linear_w.requires_grad), Parameter(moved.to(kind), bias.requires_grad)


def _statistics(layer: Module, bn: NormBase) -> tuple[Tensor, Tensor]:
    """Running mean and variance; raises AssertionError, in PyTorch's words, where the two cannot be fused."""
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return bn.running_mean, bn.running_var
