"""The operations behind the layers, which also return what their gradients need; PyTorch has them at its top."""

from collections.abc import Sequence
from typing import Any

from flambeau.dtypes.kinds import dtype
from flambeau.nn.functional.dropout import alpha_dropout as alpha_dropped
from flambeau.nn.functional.dropout import dropout as dropped
from flambeau.nn.functional.dropout import feature_alpha_dropout as feature_alpha_dropped
from flambeau.nn.functional.normalization import batch_norm, group_norm, layer_norm
from flambeau.nn.functional.padding import pad as padded
from flambeau.nn.functional.sampling import grid_sample
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.tensor import Tensor

__all__ = [
    "_log_softmax_backward_data",
    "_native_batch_norm_legit",
    "_softmax_backward_data",
    "alpha_dropout",
    "constant_pad_nd",
    "dropout",
    "feature_alpha_dropout",
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "native_batch_norm",
    "native_dropout",
    "native_group_norm",
    "native_layer_norm",
]

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


@takes_out()
def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """Elements of one value before and after along the last dimensions; see ``nn.functional.pad``."""
    return padded(input, pad, "constant", value)


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``nn.functional.layer_norm``, the means, and one over the standard deviations."""
    result = layer_norm(input, normalized_shape, weight, bias, eps)
    axes = list(range(-len(normalized_shape), 0))
    return result, *_statistics(input.detach(), axes, eps, True)


def _statistics(input: Tensor, axes: Sequence[int], eps: float, keepdim: bool) -> tuple[Tensor, Tensor]:
    """Means, and one over the standard deviations."""
    mean = input.mean(axes, keepdim)
    return mean, (input.var(axes, keepdim=keepdim, correction=0) + eps).rsqrt()


def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``nn.functional.group_norm``, the means, and one over the standard deviations, ``(N, group)``."""
    result = group_norm(input, group, weight, bias, eps)
    return result, *_statistics(input.reshape(N, group, C // group * HxW), [-1], eps, False)


@takes_out()
def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """``nn.functional.batch_norm``, the means, and one over the standard deviations; both empty outside training."""
    result = batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return result, input.new_zeros(0), input.new_zeros(0)
    axes = [axis for axis in range(len(input.shape)) if axis != 1]
    return result, *_statistics(input.detach(), axes, eps, False)


@takes_out()
def _native_batch_norm_legit(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, *rest: Any, **named: Any
) -> Any:
    """``native_batch_norm``, with running statistics or without."""
    if rest and not isinstance(rest[0], (Tensor, type(None))):
        rest = (None, None, *rest)
    return native_batch_norm(input, weight, bias, *rest, **named)


def _checked(p: float) -> float:
    """A probability; raises RuntimeError where the functions of ``nn.functional`` raise ValueError."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
    return p


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.dropout``."""
    return dropped(input, _checked(p), train)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.alpha_dropout``."""
    return alpha_dropped(input, _checked(p), train)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.feature_alpha_dropout``."""
    return feature_alpha_dropped(input, _checked(p), train)


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """``nn.functional.dropout``, and which elements are kept."""
    if not train and train is not None:
        return input.clone(), input.new_ones(input.shape).bool()
    kept = dropout(input.detach() * 0 + 1, p, True)
    return input * kept, kept != 0


def _softmax_backward_data(grad_output: Tensor, output: Tensor, dim: int, input_dtype: dtype) -> Tensor:
    """Gradient of ``softmax``, from that of its result."""
    product = grad_output * output
    return (product - output * product.sum(dim, True)).to(input_dtype)


def _log_softmax_backward_data(grad_output: Tensor, output: Tensor, dim: int, input_dtype: dtype) -> Tensor:
    """Gradient of ``log_softmax``, from that of its result."""
    return (grad_output - output.exp() * grad_output.sum(dim, True)).to(input_dtype)


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``nn.functional.grid_sample`` with its modes as numbers, in its order."""
    return grid_sample(input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners)


grid_sampler_2d = grid_sampler
grid_sampler_3d = grid_sampler
