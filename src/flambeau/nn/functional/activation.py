"""Activation functions."""

import warnings
from collections.abc import Callable
from typing import Any

from flambeau.base.shapes import normalize_axis
from flambeau.dtypes.fitting import check_fits
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.primitives import activation as p
from flambeau.primitives.activation import ACTIVATIONS, IN_PLACE
from flambeau.tensors.core import call, call_in_place
from flambeau.tensors.creation import empty
from flambeau.tensors.fitting import assignable, fitted
from flambeau.tensors.gradient_checks import check_real
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.random import device_key
from flambeau.tensors.tensor import Tensor

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]


def _apply(name: str, input: Tensor, inplace: bool, *numbers: Any) -> Tensor:
    """An activation of the table, or its in-place form."""
    tensor_argument(name, 1, input)
    if inplace:
        return call_in_place(input, IN_PLACE[name], (input, *numbers))
    return call(ACTIVATIONS[name], (input, *numbers))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``.

    Args:
        input: any shape.
        inplace: whether to overwrite the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu.html
    """
    tensor_argument("relu", 1, input)
    return input.relu_() if inplace else input.relu()


def relu_(input: Tensor) -> Tensor:
    """In-place ``relu``."""
    return input.relu_()


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(x, 0), 6)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu6.html
    """
    return _hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x`` where positive, negative_slope * x elsewhere.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu.html
    """
    return _apply("leaky_relu", input, inplace, float(negative_slope))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, alpha * (exp(x) - 1) elsewhere.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.elu.html
    """
    return _apply("elu", input, inplace, float(alpha), 1.0)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``scale * elu(x, alpha)``, with the constants of self-normalizing networks.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.selu.html
    """
    return _apply("selu", input, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, alpha * (exp(x / alpha) - 1) elsewhere.

    Raises:
        RuntimeError: ``alpha`` is 0.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.celu.html
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _apply("celu", input, inplace, float(alpha))


def _hardtanh(input: Tensor, low: float, high: float, inplace: bool) -> Tensor:
    if input.dtype.name == "bool":
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if input.dtype.name == "uint8":
        for limit in (low, high):
            check_fits(limit, DTYPES["int64"])
        low, high = int(low), int(high)
        if low < 0:
            raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    fitted(input, low, high)
    return _apply("hardtanh", input, inplace, float(low), float(high))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` limited to [min_val, max_val].

    Raises:
        ValueError: ``min_val`` is above ``max_val``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardtanh.html
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _hardtanh(input, min_val, max_val, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(x + 3) / 6``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardsigmoid.html
    """
    return _apply("hardsigmoid", input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * relu6(x + 3) / 6``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardswish.html
    """
    return _apply("hardswish", input, inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.silu.html
    """
    if not inplace:
        check_real("silu", tensor_argument("silu", 1, input))
    return _apply("silu", input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mish.html
    """
    return _apply("mish", input, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where above the threshold, ``value`` elsewhere.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.threshold.html
    """
    tensor_argument("threshold", 1, input)
    assignable(fitted(input, value), threshold)
    return _apply("threshold", input, inplace, threshold, value)


@takes_out()
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``x * Phi(x)``, with the distribution function Phi of the normal distribution.

    Args:
        input: any shape.
        approximate: ``"none"``, or ``"tanh"`` for 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).

    Raises:
        RuntimeError: ``approximate`` is something else.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return _apply("gelu" if approximate == "none" else "gelu_tanh", input, inplace=False)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.sigmoid.html
    """
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.tanh.html
    """
    return input.tanh()


@takes_out()
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``; x itself where beta * x is above the threshold.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softplus.html
    """
    return _apply("softplus", input, False, float(beta), float(threshold))


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + abs(x))``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softsign.html
    """
    return input / (input.abs() + 1)


@takes_out()
def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(x))``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.logsigmoid.html
    """
    return _apply("logsigmoid", input, inplace=False)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.tanhshrink.html
    """
    return input - input.tanh()


@takes_out()
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x`` drawn towards 0 by ``lambd``; 0 within it.

    Raises:
        RuntimeError: ``lambd`` is negative.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softshrink.html
    """
    if not lambd >= 0:
        kind = input.dtype.tensor_type.removesuffix("Tensor")
        limit = {"Float": "3.40282e+38", "Double": "1.79769e+308", "Half": "65504"}.get(kind, "3.38953e+38")
        raise RuntimeError(f"lambda must be in range [0, {limit}] for input dtype {kind}, but found {lambd:g}")
    return _apply("softshrink", input, False, float(lambd))


@takes_out()
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x`` outside [-lambd, lambd], 0 within.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardshrink.html
    """
    return _apply("hardshrink", input, False, float(lambd))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``x`` where positive, weight * x elsewhere; one weight, or one for each channel (dimension 1).

    Raises:
        RuntimeError: the number of weights is neither 1 nor the number of channels.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.prelu.html
    """
    return call(p.prelu, (input, weight))


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU whose slope is drawn from [lower, upper) in training, and its middle otherwise.

    The slopes are drawn on the device, from a key that the default generator gives.

    Raises:
        RuntimeError: ``lower`` is more than ``upper``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.rrelu.html
    """
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return _apply("rrelu_middle", input, inplace, (lower + upper) / 2)
    key = device_key(None, input.device)
    if inplace:
        return call_in_place(input, p.rrelu, (input.clone(), key, float(lower), float(upper)))
    return call(p.rrelu, (input, key, float(lower), float(upper)))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """First half of a dimension times sigmoid of its second half.

    Raises:
        RuntimeError: the dimension is odd, or the input has none.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.glu.html
    """
    if not input.shape:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    return call(p.glu, (input,), (normalize_axis(dim, len(input.shape)),))


# -- softmax ---------------------------------------------------------------------------------------------------------


def _implicit_dim(name: str, rank: int, stacklevel: int) -> int:
    """The dimension that an old program means; warns as PyTorch does."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if rank in (0, 1, 3) else 1


@takes_out()
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype | None = None) -> Tensor:
    """``exp(x) / sum(exp(x))`` along a dimension.

    Args:
        input: any shape.
        dim: the dimension whose elements add up to 1.
        dtype: convert to this type first.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.softmax(torch.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html
    """
    if dim is None:
        dim = _implicit_dim("softmax", len(input.shape), _stacklevel)
    return input.softmax(dim, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype | None = None) -> Tensor:
    """``softmax(-x)`` along a dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmin.html
    """
    if dim is None:
        dim = _implicit_dim("softmin", len(input.shape), _stacklevel)
    return (-input).softmax(dim, dtype)


@takes_out()
def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype | None = None) -> Tensor:
    """``log(softmax(x))`` along a dimension, computed stably.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", len(input.shape), _stacklevel)
    return input.log_softmax(dim, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution; one-hot if ``hard``, with the gradient of the soft sample.

    The sample is drawn from the default generator, and is PyTorch's.

    Args:
        logits: unnormalized log probabilities, any shape.
        tau: temperature.
        hard: whether to return a one-hot sample.
        eps: has no effect, as in PyTorch.
        dim: the dimension of the classes.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gumbel_softmax.html
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -empty(logits.shape, dtype=logits.dtype, device=logits.device).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    axis = normalize_axis(dim, len(logits.shape))
    winner = call(p.one_hot_max, (soft.detach(),), (axis,))
    return winner - soft.detach() + soft


# -- in-place forms ----------------------------------------------------------------------------------------------------


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The in-place form of an activation: the same arguments, without ``inplace``."""

    def form(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)

    form.__name__ = form.__qualname__ = f"{function.__name__}_"
    form.__doc__ = f"In-place ``{function.__name__}``."
    return form


celu_ = _in_place(celu)
elu_ = _in_place(elu)
hardtanh_ = _in_place(hardtanh)
leaky_relu_ = _in_place(leaky_relu)
rrelu_ = _in_place(rrelu)
selu_ = _in_place(selu)
threshold_ = _in_place(threshold)
