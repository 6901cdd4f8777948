"""``torch.nn.init``: initial values of parameters, drawn as PyTorch draws them.

Every function writes into its tensor, outside the tape, and returns it.

Source: https://docs.pytorch.org/docs/stable/nn.init.html
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from flambeau.differentiation.modes import no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.graph.node import leaf
from flambeau.tensors.creation import empty
from flambeau.tensors.generator import Generator
from flambeau.tensors.random import randperm
from flambeau.tensors.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "written",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")

_GAINS: dict[str, float] = {
    **dict.fromkeys((*_LINEAR, "sigmoid"), 1),
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that makes up for what a nonlinearity takes from the variance.

    Args:
        nonlinearity: ``linear``, a convolution, ``sigmoid``, ``tanh``, ``relu``, ``leaky_relu`` or ``selu``.
        param: negative slope of ``leaky_relu``; 0.01 if None.

    Raises:
        ValueError: the nonlinearity is not known, or the slope is no number.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.calculate_gain("leaky_relu", 1)
        1.0

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.calculate_gain
    """
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


@no_grad()
def written(tensor: Tensor, values: Any) -> Tensor:
    """The tensor, filled with an array of its shape.

    The values are known from then on, not recorded: the first program that uses them is that of every later step.
    """
    if tensor.device.type == "meta":
        return tensor
    kind = tensor.dtype.numpy
    tensor.write(Tracked(leaf(np.array(np.broadcast_to(values, tensor.shape), kind, order="C"), tensor.aval), None))
    return tensor


# -- plain values and plain draws --------------------------------------------------------------------------------------


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform numbers from [a, b).

    Example:
        >>> import flambeau as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.nn.init.uniform_(torch.empty(2))
        tensor([0.4963, 0.7682])

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.uniform_
    """
    tensor.detach().uniform_(a, b, generator=generator)
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal numbers.

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.normal_
    """
    tensor.detach().normal_(mean, std, generator=generator)
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere.

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.constant_
    """
    return written(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Ones.

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.ones_
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros.

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.zeros_
    """
    return constant_(tensor, 0.0)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal numbers within [a, b], drawn again until they are.

    Args:
        tensor: what to fill.
        mean: mean of the normal distribution.
        std: its standard deviation.
        a: least value.
        b: greatest value.
        generator: where to draw from; the default one if None.

    Raises:
        RuntimeError: ``a`` is above ``b``.

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.trunc_normal_
    """
    if tensor.device.type == "meta":
        return tensor
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=2,
        )
    low, high = [math.erf((bound - mean) / std / math.sqrt(2.0)) / 2.0 for bound in (a, b)]
    propose = _normal_proposals if high - low > 0.3 else _uniform_proposals
    values, rejected = propose(tensor, mean, std, a, b, generator)
    while rejected.any():
        again, out = propose(tensor, mean, std, a, b, generator)
        values = cast("Any", np.where(rejected, again, values))
        rejected = rejected & out
    return written(tensor, values)


def _fresh(tensor: Tensor) -> Tensor:
    """A tensor of the same kind, to draw into."""
    return empty(tuple(tensor.shape), dtype=tensor.dtype, device=tensor.device)


def _normal_proposals(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> tuple[Any, Any]:
    """Normal numbers, and which of them are outside [a, b] (the bounds in the numbers' own type)."""
    values = _fresh(tensor).normal_(mean, std, generator=generator).host()
    return values, (values < values.dtype.type(a)) | (values > values.dtype.type(b))


def _uniform_proposals(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> tuple[Any, Any]:
    """Uniform numbers from [a, b), and which of them exceed the density, relative to its peak on [a, b].

    Where little of the distribution lies within the bounds, few normal numbers would be accepted.
    """
    values = _fresh(tensor).uniform_(a, b, generator=generator).host()
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    density = ((values - values.dtype.type(mean)) / values.dtype.type(std)) ** 2 * values.dtype.type(-0.5)
    chance = _fresh(tensor).uniform_(generator=generator).host()
    with np.errstate(divide="ignore"):
        return values, np.log(chance) > density - values.dtype.type(peak)


# -- by the number of connections --------------------------------------------------------------------------------------


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Connections into and out of a unit: sizes 1 and 0, each times the elements of the kernel."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """The fan that a mode names."""
    lowered = mode.lower()
    if lowered not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {lowered} not supported, please use one of ['fan_in', 'fan_out']")
    fans = _calculate_fan_in_and_fan_out(tensor)
    return fans[0] if lowered == "fan_in" else fans[1]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform numbers from [-a, a), a = gain * sqrt(6 / (fan_in + fan_out)).

    Raises:
        ValueError: the tensor has fewer than two dimensions.

    Source: Glorot and Bengio (2010); https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.xavier_uniform_
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal numbers of standard deviation gain * sqrt(2 / (fan_in + fan_out)).

    Raises:
        ValueError: the tensor has fewer than two dimensions.

    Source: Glorot and Bengio (2010); https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.xavier_normal_
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _kaiming_deviation(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    """Standard deviation of the layer; None, with a warning, for a tensor without elements."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform numbers from [-bound, bound), bound = gain * sqrt(3 / fan).

    Args:
        tensor: what to fill, (out, in, ...).
        a: negative slope of ``leaky_relu``.
        mode: ``"fan_in"`` keeps the variance going forward, ``"fan_out"`` going backward.
        nonlinearity: see ``calculate_gain``.
        generator: where to draw from; the default one if None.

    Raises:
        ValueError: the tensor has fewer than two dimensions, or the mode or nonlinearity is not known.

    Source: He et al. (2015); https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.kaiming_uniform_
    """
    deviation = _kaiming_deviation(tensor, a, mode, nonlinearity)
    if deviation is None:
        return tensor
    bound = math.sqrt(3.0) * deviation
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal numbers of standard deviation gain / sqrt(fan); see ``kaiming_uniform_``.

    Source: He et al. (2015); https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.kaiming_normal_
    """
    deviation = _kaiming_deviation(tensor, a, mode, nonlinearity)
    return tensor if deviation is None else normal_(tensor, 0.0, deviation, generator)


# -- matrices --------------------------------------------------------------------------------------------------------


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix. Raises ValueError unless the tensor is a matrix.

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.eye_
    """
    if len(tensor.shape) != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return written(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The convolution kernel that passes as many channels as possible through unchanged, in every group.

    Raises:
        ValueError: the tensor has not 3 to 5 dimensions, or its first size is not divisible by ``groups``.

    Source: https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.dirac_
    """
    shape = tensor.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    outputs = shape[0] // groups
    values = np.zeros(shape)
    center = tuple([size // 2 for size in shape[2:]])
    for group in range(groups):
        for channel in range(min(outputs, shape[1])):
            values[(group * outputs + channel, channel, *center)] = 1
    return written(tensor, values)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A (semi-)orthogonal matrix; dimensions after the first are taken together.

    It is the factor Q of normal numbers, with the signs that make R's diagonal positive.

    Raises:
        ValueError: the tensor has fewer than two dimensions.

    Source: Saxe et al. (2013); https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.orthogonal_
    """
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if 0 in shape:
        return tensor
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = empty(rows, columns, dtype=tensor.dtype, device=tensor.device).normal_(0, 1, generator=generator).host()
    kind = np.float64 if drawn.dtype == np.float64 else np.float32
    tall = drawn.astype(kind) if rows >= columns else drawn.astype(kind).T
    orthogonal, upper = np.linalg.qr(tall)
    orthogonal = orthogonal * np.sign(np.diag(upper))
    result = orthogonal if rows >= columns else orthogonal.T
    return written(tensor, result.reshape(shape) * kind(gain))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal numbers, a share of them zero in every column.

    Args:
        tensor: a matrix.
        sparsity: share of zeros in each column.
        std: standard deviation of the others.
        generator: where to draw the numbers from; the default one if None.

    Raises:
        ValueError: the tensor is no matrix.

    Source: Martens (2010); https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.sparse_
    """
    if len(tensor.shape) != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    values = np.array(normal_(tensor, 0, std, generator).detach().host())
    for column in range(columns):
        values[randperm(rows).host()[:zeros], column] = 0
    return written(tensor, values)


# -- older names -----------------------------------------------------------------------------------------------------


def _older(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function under its name without the underscore, which warns."""
    new = function.__name__
    old = new[:-1]

    def deprecated(*args: Any, **kwargs: Any) -> Tensor:
        message = f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`."
        warnings.warn(message, FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    deprecated.__name__ = deprecated.__qualname__ = old
    deprecated.__doc__ = f"An older name of ``{new}``; warns."
    return deprecated


uniform = _older(uniform_)
normal = _older(normal_)
constant = _older(constant_)
eye = _older(eye_)
dirac = _older(dirac_)
xavier_uniform = _older(xavier_uniform_)
xavier_normal = _older(xavier_normal_)
kaiming_uniform = _older(kaiming_uniform_)
kaiming_normal = _older(kaiming_normal_)
orthogonal = _older(orthogonal_)
sparse = _older(sparse_)
