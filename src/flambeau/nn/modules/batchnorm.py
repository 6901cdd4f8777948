"""Normalization by batch statistics."""

from typing import Any, ClassVar

import numpy as np

from flambeau.base.constructors import own_constructor
from flambeau.differentiation.tape import Tracked
from flambeau.dtypes.kinds import DTYPES
from flambeau.graph.node import leaf
from flambeau.graph.observing import observer
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.lazy import LazyModuleMixin, materialize
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from flambeau.tensors.creation import empty, ones, tensor, zeros
from flambeau.tensors.tensor import Tensor

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyNormBase",
    "NormBase",
    "SyncBatchNorm",
]


class NormBase(Module):
    """What the layers that normalize channels have in common: parameters and running statistics."""

    _version = 2
    __constants__: ClassVar[list[str]] = ["track_running_stats", "momentum", "eps", "num_features", "affine"]
    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            made = Parameter(empty(num_features, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, made)
        self.register_buffer(
            "running_mean", zeros(num_features, device=device, dtype=dtype) if track_running_stats else None
        )
        self.register_buffer(
            "running_var", ones(num_features, device=device, dtype=dtype) if track_running_stats else None
        )
        self.register_buffer(
            "num_batches_tracked", tensor(0, dtype=DTYPES["int64"], device=device) if track_running_stats else None
        )
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running statistics to mean 0 and variance 1, of no batches."""
        if self.track_running_stats:
            for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
                assert buffer is not None
                init.constant_(buffer, value)

    def reset_parameters(self) -> None:
        """Set the weight to 1, the bias to 0, and the running statistics as new."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not say which inputs it takes")

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Files of before version 2 do not count batches."""
        version = local_metadata.get("version")
        name = f"{prefix}num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and name not in state_dict:
            own = self.num_batches_tracked
            counted = own is not None and own.device.type != "meta"
            state_dict[name] = own if counted else tensor(0, dtype=DTYPES["int64"])
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def counted(count: Tensor) -> Any:
    """Add 1 to a counter, and return it.

    It is counted on the host: the counter stays a known number, so that nothing is recorded that nobody asks for.
    (Inside ``vmap`` over several counters, and without values, there is no number to know.)
    """
    if count.is_meta or count.aval.mapped:
        return count.add_(1)
    watching = observer()
    return _counted(count) if watching is None else watching.repeated(lambda: _counted(count))


def _counted(count: Tensor) -> int:
    value = np.asarray(count.detach().host()) + 1
    watching = observer()
    if watching is not None:
        watching.wrote(count._storage)  # pyright: ignore[reportPrivateUsage]  # a tensor's own cell
    count.write(Tracked(leaf(value.astype(np.int64), count.aval), None))
    return int(value)


@own_constructor
class _BatchNorm(NormBase):
    """Batch normalization of inputs whose rank a subclass checks."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize; in training, learn the running statistics."""
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            count = counted(self.num_batches_tracked)
            if self.momentum is None:
                momentum = 1.0 / float(count)
        batch = self.training or (self.running_mean is None and self.running_var is None)
        learns = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if learns else None,
            self.running_var if learns else None,
            self.weight,
            self.bias,
            batch,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, L); see ``BatchNorm2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias for each channel of (N, C, H, W).

    In training the statistics are the batch's, and the running ones learn from them; in evaluation the running ones.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: share of a batch in the running statistics; None for their plain mean over all batches.
        affine: whether there is a weight (and, with ``bias``, a bias).
        track_running_stats: whether there are running statistics; without, the batch's are always used.
        device: where parameters and buffers live.
        dtype: their data type.
        bias: whether an affine layer has a bias.

    Attributes:
        weight: (C,), ones at first; or None.
        bias: (C,), zeros at first; or None.
        running_mean: (C,), zeros at first; or None.
        running_var: (C,), ones at first; or None.
        num_batches_tracked: int64; or None.

    Raises:
        ValueError: the input has not four dimensions, or one value per channel in training.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.BatchNorm2d(4)
        BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() != 4:
            raise ValueError(f"expected 4D input (got {input.dim()}D input)")


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (N, C, D, H, W); see ``BatchNorm2d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm3d.html
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() != 5:
            raise ValueError(f"expected 5D input (got {input.dim()}D input)")


class SyncBatchNorm(_BatchNorm):
    """Batch normalization of (N, C, ...) with the statistics of the whole batch.

    One process sees the whole batch, so that this is batch normalization of any rank.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: share of a batch in the running statistics; None for their plain mean over all batches.
        affine: whether there is a weight (and, with ``bias``, a bias).
        track_running_stats: whether there are running statistics.
        process_group: kept as an attribute, and not used.
        device: where parameters and buffers live.
        dtype: their data type.
        bias: whether an affine layer has a bias.

    Raises:
        ValueError: the input has fewer than two dimensions, or no channels.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.SyncBatchNorm.html
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """A model with every batch normalization layer replaced by a ``SyncBatchNorm`` of the same tensors.

        Args:
            module: the model; its children are replaced in place.
            process_group: what the new layers keep.

        Returns:
            The model, or the new layer if it is such a layer itself.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.SyncBatchNorm.convert_sync_batchnorm(torch.nn.BatchNorm1d(3))
            SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.SyncBatchNorm.html
        """
        made = module
        if isinstance(module, _BatchNorm):
            made = SyncBatchNorm(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            for name in ("weight", "bias") if module.affine else ():
                setattr(made, name, getattr(module, name))
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(made, name, getattr(module, name))
            made.training = module.training
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made


class LazyNormBase(LazyModuleMixin, NormBase):
    """What the layers have in common that read ``num_features`` off their first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
        if affine and bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, dtype=DTYPES["int64"], device=device)

    def reset_parameters(self) -> None:
        """As for the other layers, once the parameters have a shape."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take ``num_features`` from an input."""
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for member in (self.weight, self.bias, self.running_mean, self.running_var):
                materialize(member, self.num_features)
            self.reset_parameters()


class LazyBatchNorm1d(LazyNormBase, BatchNorm1d):
    """A ``BatchNorm1d`` that reads ``num_features`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyBatchNorm1d.html
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(LazyNormBase, BatchNorm2d):
    """A ``BatchNorm2d`` that reads ``num_features`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyBatchNorm2d.html
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(LazyNormBase, BatchNorm3d):
    """A ``BatchNorm3d`` that reads ``num_features`` off its first input; see ``LazyModuleMixin``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LazyBatchNorm3d.html
    """

    cls_to_become = BatchNorm3d
