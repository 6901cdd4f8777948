"""Normalization."""

from collections.abc import Sequence
from math import prod
from typing import Any

from flambeau.primitives import normalization as p
from flambeau.tensors.core import call, call_in_place
from flambeau.tensors.gradient_checks import check_constants
from flambeau.tensors.outputs import deliver
from flambeau.tensors.tensor import Tensor

__all__ = [
    "batch_norm",
    "batch_normed",
    "cross_map_lrn",
    "group_norm",
    "instance_norm",
    "instance_normed",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]

# ``normalize`` has an argument p.
_NEIGHBOR_MEANS = p.neighbor_means

# The machine epsilon that ``rms_norm`` adds by default.
_EPSILON = {
    "float64": 2.220446049250313e-16,
    "float32": 1.1920928955078125e-07,
    "float16": 0.0009765625,
    "bfloat16": 0.0078125,
}


def _present(*tensors: Tensor | None) -> tuple[tuple[Tensor, ...], tuple[bool, ...]]:
    """The tensors that are there, and which they are."""
    return tuple([item for item in tensors if item is not None]), tuple([item is not None for item in tensors])


def _check_more_than_one(shape: Sequence[int]) -> None:
    if prod(shape[:1]) * prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {shape!r}")


def _check_channels(channels: int, **vectors: Tensor | None) -> None:
    for name, vector in vectors.items():
        if vector is not None and vector.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {vector.numel()}")


def _check_types(input: Tensor, *others: Tensor | None) -> None:
    """Raise RuntimeError unless all data types are the input's; float32 goes with inputs of 16 bits, too."""
    kind = input.dtype
    half = kind.itemsize == 2
    for other in others:
        if other is None or other.dtype is kind or not kind.is_floating_point or (half and other.dtype.itemsize == 4):
            continue
        if half or other.dtype.itemsize > kind.itemsize:
            wanted = "Float" if half else kind.tensor_type.removesuffix("Tensor")
            raise RuntimeError(f"mixed dtype (CPU): expect parameter to have scalar type of {wanted}")
        raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel (dimension 1).

    In training the statistics are the batch's own, and the running ones move towards them in place:
    running = (1 - momentum) * running + momentum * batch, the variance with one degree of freedom taken off.

    Args:
        input: (N, C, ...).
        running_mean: (C,), or None.
        running_var: (C,), or None.
        weight: (C,), or None.
        bias: (C,), or None.
        training: whether to use, and to learn from, the batch's statistics.
        momentum: share of the batch in the running statistics.
        eps: added to the variance.

    Raises:
        ValueError: in training, with one value per channel only, or ``eps`` is negative.
        RuntimeError: data types or numbers of channels do not fit, or there are no statistics in evaluation.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html
    """
    shape = input.shape
    if training:
        _check_more_than_one(shape)
    if eps < 0 or (training and eps == 0):
        wanted = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {wanted}, but got {eps}")
    return batch_normed(input, running_mean, running_var, weight, bias, training, momentum, eps)


def batch_normed(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """``batch_norm`` of any number of values per channel, and any ``eps``."""
    shape = input.shape
    _check_types(input, running_mean, running_var, weight, bias)
    _check_channels(
        shape[1] if len(shape) > 1 else 0, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    check_constants("native_batch_norm", running_mean=running_mean, running_var=running_var)
    if len(shape) < 2 and not shape.numel():  # no channels: nothing to normalize, and no statistics to move
        return input * 1
    affine, present = _present(weight, bias)
    if not training:
        for name, vector in (("running_mean", running_mean), ("running_var", running_var)):
            if vector is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
        return call(p.batch_norm_eval, (input, float(eps), running_mean, running_var, *affine), (present,))
    result, mean, variance = call(p.batch_norm_train, (input, float(eps), *affine), (present,))
    for running, new in ((running_mean, mean), (running_var, variance)):
        if running is not None:
            call_in_place(running, p.moved_average, (running, new, float(momentum)))
    return result


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """Normalize each channel of each instance by itself; see ``batch_norm``.

    Args:
        input: (N, C, ...).
        running_mean: (C,), or None.
        running_var: (C,), or None.
        weight: (C,), or None.
        bias: (C,), or None.
        use_input_stats: whether to use the instances' own statistics (as ``training`` of ``batch_norm``).
        momentum: share of the batch in the running statistics.
        eps: added to the variance.

    Raises:
        ValueError: there is one spatial element only.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.instance_norm.html
    """
    shape = input.shape
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {shape!r}")
    return instance_normed(input, running_mean, running_var, weight, bias, momentum, eps)


def instance_normed(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
) -> Tensor:
    """``instance_norm`` by the instances' own statistics, of any number of values."""
    shape = input.shape
    _check_channels(shape[1], running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    check_constants("native_batch_norm", running_mean=running_mean, running_var=running_var)
    _check_types(input, weight, bias)
    affine, present = _present(weight, bias)
    own = [item.repeat(1) for item in affine]  # recorded as in PyTorch, whose order of hooks follows from it
    result, mean, variance = call(p.instance_norm, (input, float(eps), *own), (present,))
    for running, new in ((running_mean, mean), (running_var, variance)):
        if running is not None:
            call_in_place(running, p.moved_average, (running, new.detach().mean(0), float(momentum)))
    return result


def _check_normalized(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, star: str
) -> tuple[int, ...]:
    """The normalized shape as a tuple; raises RuntimeError, in PyTorch's words, where something does not fit it."""
    wanted = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not wanted:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, item in (("weight", weight), ("bias", bias)):
        if item is not None and item.shape != wanted:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(item.shape)} "
                f"and normalized_shape = {list(wanted)}"
            )
    shape = input.shape
    if shape[-len(wanted) :] != wanted:
        sizes = ", ".join(map(str, wanted))
        raise RuntimeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape [*{star}{sizes}], but got input of "
            f"size{list(shape)}"
        )
    return wanted


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last dimensions.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: sizes of the dimensions to normalize over.
        weight: normalized_shape, or None.
        bias: normalized_shape, or None.
        eps: added to the variance.

    Raises:
        RuntimeError: shapes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html
    """
    wanted = _check_normalized(input, normalized_shape, weight, bias, ", ")
    _check_types(input, weight, bias)
    affine, present = _present(weight, bias)
    return call(p.layer_norm, (input, float(eps), *affine), (len(wanted), present))


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """``x / sqrt(mean(x^2) + eps) * weight``, over the last dimensions.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: sizes of the dimensions to normalize over.
        weight: normalized_shape, or None.
        eps: added to the mean square; the machine epsilon of the data type if None.

    Raises:
        RuntimeError: shapes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.rms_norm.html
    """
    wanted = _check_normalized(input, normalized_shape, weight, None, "")
    small = _EPSILON.get(input.dtype.name, 0.0) if eps is None else float(eps)
    affine, present = _present(weight, None)
    return call(p.rms_norm, (input, small, *affine), (len(wanted), present))


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05
) -> Tensor:
    """Normalize over each group of channels of each instance.

    Args:
        input: (N, C, ...).
        num_groups: number of groups; divides C.
        weight: (C,), or None.
        bias: (C,), or None.
        eps: added to the variance.

    Raises:
        ValueError: there is one value per group only.
        RuntimeError: numbers of channels do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html
    """
    shape = input.shape
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    channels = shape[1]
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    if shape[0] * channels // num_groups * prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    for name, item in (("weight", weight), ("bias", bias)):
        if item is not None and item.shape != (channels,):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(item.shape)} and input of shape {list(shape)}"
            )
    _check_types(input, weight, bias)
    affine, present = _present(weight, bias)
    return call(p.group_norm, (input, float(eps), *affine), (num_groups, present))


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """``x / max(norm(x)``, eps) along a dimension.

    Args:
        input: any shape.
        p: order of the norm.
        dim: the dimension, or several.
        eps: least divisor.
        out: where to write the result.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html
    """
    if out is not None:
        return deliver("normalize", normalize, (input, p, dim, eps), {}, out)
    size: Tensor = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / size


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """``x / (k + alpha * mean) ** beta``, the mean of x^2 over ``size`` neighboring channels.

    Args:
        input: (N, C, ...), with three dimensions or more.
        size: number of neighboring channels.
        alpha: factor of the mean.
        beta: exponent.
        k: added to the mean.

    Raises:
        ValueError: the input has fewer than three dimensions.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.local_response_norm.html
    """
    if len(input.shape) < 3:
        gap = " " * 26  # PyTorch's own
        raise ValueError(f"Expected 3D or higher dimensionality{gap}input (got {input.dim()} dimensions)")
    squares = input * input
    means: Tensor = call(_NEIGHBOR_MEANS, (squares,), (int(size),))
    return input / means.mul(alpha).add(k).pow(beta)


def cross_map_lrn(input: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """``x / (k + alpha * mean) ** beta``, as ``nn.CrossMapLRN2d`` has it.

    Raises:
        ValueError: the input has not four dimensions.
    """
    if input.dim() != 4:
        raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
    sums: Tensor = call(p.map_sums, (input * input,), (int(size),))
    return input * sums.mul(alpha / size).add(k).pow(-beta)
