"""Normalization of every instance by itself."""

import warnings
from typing import Any

from flambeau.nn import functional as F
from flambeau.nn.modules.batchnorm import LazyNormBase, NormBase
from flambeau.tensors.tensor import Tensor

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(NormBase):
    """Instance normalization in ``_rank`` spatial dimensions."""

    _rank = 0

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _check_input_dim(self, input: Tensor) -> None:
        low = self._rank + 1
        if input.dim() not in (low, low + 1):
            raise ValueError(f"expected {low}D or {low + 1}D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) or (C, ...), normalized."""
        self._check_input_dim(input)
        lone = input.dim() == self._rank + 1
        self._check_channels(input, 0 if lone else 1)
        batch = input.unsqueeze(0) if lone else input
        result = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return result.squeeze(0) if lone else result

    def _check_channels(self, input: Tensor, axis: int) -> None:
        if input.size(axis) == self.num_features:
            return
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={axis} to match num_features ({self.num_features}), but got: "
                f"{input.size(axis)}."
            )
        warnings.warn(
            f"input's size at dim={axis} does not match num_features. You can silence this warning by not passing in "
            "num_features, which is not used because affine=False",
            stacklevel=4,
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance normalization of (N, C, L) or (C, L); see ``InstanceNorm2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm1d.html
    """

    _rank = 1


class InstanceNorm2d(_InstanceNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias for each channel of each image.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: share of a batch in the running statistics.
        affine: whether there is a weight (and, with ``bias``, a bias).
        track_running_stats: whether there are running statistics, to be used in evaluation.
        device: where parameters and buffers live.
        dtype: their data type.
        bias: whether an affine layer has a bias.

    Raises:
        ValueError: the input's rank or number of channels does not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm2d.html
    """

    _rank = 2


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization of (N, C, D, H, W) or (C, D, H, W); see ``InstanceNorm2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm3d.html
    """

    _rank = 3


class LazyInstanceNorm1d(LazyNormBase, InstanceNorm1d):
    """An ``InstanceNorm1d`` that reads ``num_features`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyInstanceNorm1d.html
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(LazyNormBase, InstanceNorm2d):
    """An ``InstanceNorm2d`` that reads ``num_features`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyInstanceNorm2d.html
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(LazyNormBase, InstanceNorm3d):
    """An ``InstanceNorm3d`` that reads ``num_features`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyInstanceNorm3d.html
    """

    cls_to_become = InstanceNorm3d
