"""Activation layers."""

import warnings
from typing import Any, ClassVar

from flambeau.base.constructors import own_constructor
from flambeau.functions import pointwise
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.multihead import MultiheadAttention as MultiheadAttention
from flambeau.nn.parameter import Parameter
from flambeau.tensors.creation import empty
from flambeau.tensors.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


def _in_place(inplace: bool, before: str = "") -> str:
    """What a layer's text says of overwriting, after ``before``."""
    return ", ".join(part for part in (before, "inplace=True" if inplace else "") if part)


class _InPlace(Module):
    """A layer whose only argument is whether to overwrite its input."""

    __constants__: ClassVar[list[str]] = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return _in_place(self.inplace)


class _AlongDim(Module):
    """A layer whose only argument is a dimension."""

    __constants__: ClassVar[list[str]] = ["dim"]
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return f"dim={self.dim}"


class Threshold(Module):
    """``x`` where above the threshold, ``value`` elsewhere.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Threshold.html
    """

    __constants__: ClassVar[list[str]] = ["threshold", "value", "inplace"]

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return _in_place(self.inplace, f"threshold={self.threshold}, value={self.value}")


@own_constructor
class ReLU(_InPlace):
    """``max(x, 0)``.

    Args:
        inplace: whether to overwrite the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.relu(input, inplace=self.inplace)


class RReLU(Module):
    """Leaky ReLU whose slope is drawn from [lower, upper) in training, and its middle otherwise.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RReLU.html
    """

    __constants__: ClassVar[list[str]] = ["lower", "upper", "inplace"]

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return _in_place(self.inplace, f"lower={self.lower}, upper={self.upper}")


class Hardtanh(Module):
    """``x`` limited to [min_val, max_val].

    Args:
        min_val: least value.
        max_val: greatest value.
        inplace: whether to overwrite the input.
        min_value: an older name of ``min_val``.
        max_value: an older name of ``max_val``.

    Raises:
        AssertionError: ``max_val`` is not above ``min_val``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardtanh.html
    """

    __constants__: ClassVar[list[str]] = ["min_val", "max_val", "inplace"]

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new, value in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if value is not None:
                message = f"keyword argument `{old}` is deprecated and renamed to `{new}`"
                warnings.warn(message, FutureWarning, stacklevel=2)
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})")

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return _in_place(self.inplace, f"min_val={self.min_val}, max_val={self.max_val}")


class ReLU6(Hardtanh):
    """``min(max(x, 0), 6)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU6.html
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return _in_place(self.inplace)


class Sigmoid(Module):
    """1 / (1 + exp(-x)).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return pointwise.sigmoid(input)


class Hardsigmoid(Module):
    """``relu6(x + 3) / 6``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardsigmoid.html
    """

    __constants__: ClassVar[list[str]] = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.hardsigmoid(input, self.inplace)


class Tanh(Module):
    """Hyperbolic tangent.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanh.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return pointwise.tanh(input)


@own_constructor
class SiLU(_InPlace):
    """``x * sigmoid(x)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.SiLU.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.silu(input, inplace=self.inplace)


@own_constructor
class Mish(_InPlace):
    """``x * tanh(softplus(x))``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Mish.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.mish(input, inplace=self.inplace)


class Hardswish(Module):
    """``x * relu6(x + 3) / 6``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardswish.html
    """

    __constants__: ClassVar[list[str]] = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.hardswish(input, self.inplace)


class ELU(Module):
    """``x`` where positive, alpha * (exp(x) - 1) elsewhere.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ELU.html
    """

    __constants__: ClassVar[list[str]] = ["alpha", "inplace"]

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return _in_place(self.inplace, f"alpha={self.alpha}")


class CELU(Module):
    """``x`` where positive, alpha * (exp(x / alpha) - 1) elsewhere.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CELU.html
    """

    __constants__: ClassVar[list[str]] = ["alpha", "inplace"]

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return _in_place(self.inplace, f"alpha={self.alpha}")


@own_constructor
class SELU(_InPlace):
    """``scale * elu(x, alpha)``, with the constants of self-normalizing networks.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.SELU.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.selu(input, self.inplace)


class GLU(Module):
    """First half of a dimension times sigmoid of its second half.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GLU.html
    """

    __constants__: ClassVar[list[str]] = ["dim"]

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return f"dim={self.dim}"


class GELU(Module):
    """``x * Phi(x)``, with the distribution function Phi of the normal distribution.

    Args:
        approximate: ``"none"`` or ``"tanh"``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GELU.html
    """

    __constants__: ClassVar[list[str]] = ["approximate"]

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return f"approximate={self.approximate!r}"


class Hardshrink(Module):
    """``x`` outside [-lambd, lambd], 0 within.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardshrink.html
    """

    __constants__: ClassVar[list[str]] = ["lambd"]

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return f"{self.lambd}"


class LeakyReLU(Module):
    """``x`` where positive, negative_slope * x elsewhere.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html
    """

    __constants__: ClassVar[list[str]] = ["inplace", "negative_slope"]

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return _in_place(self.inplace, f"negative_slope={self.negative_slope}")


class LogSigmoid(Module):
    """``log(sigmoid(x))``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSigmoid.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.logsigmoid(input)


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``; x itself where beta * x is above the threshold.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softplus.html
    """

    __constants__: ClassVar[list[str]] = ["beta", "threshold"]

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softshrink(Module):
    """``x`` drawn towards 0 by ``lambd``; 0 within it.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softshrink.html
    """

    __constants__: ClassVar[list[str]] = ["lambd"]

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return str(self.lambd)


class PReLU(Module):
    """``x`` where positive, weight * x elsewhere, with a weight that is learnt.

    Args:
        num_parameters: 1, or the number of channels (dimension 1).
        init: first value of the weight.
        device: where it lives.
        dtype: its data type.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.PReLU.html
    """

    __constants__: ClassVar[list[str]] = ["num_parameters"]
    num_parameters: int
    weight: Tensor

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        self.num_parameters = num_parameters
        super().__init__()
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to its first value."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...), or any shape with one weight."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The layer's arguments."""
        return f"num_parameters={self.num_parameters}"


class Softsign(Module):
    """``x / (1 + abs(x))``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softsign.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.softsign(input)


class Tanhshrink(Module):
    """``x - tanh(x)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanhshrink.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.tanhshrink(input)


@own_constructor
class Softmin(_AlongDim):
    """``softmax(-x)`` along a dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmin.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.softmin(input, self.dim, _stacklevel=5)


@own_constructor
class Softmax(_AlongDim):
    """``exp(x) / sum(exp(x))`` along a dimension.

    Args:
        dim: the dimension whose elements add up to 1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W).

    Raises:
        ValueError: the input has neither 3 nor 4 dimensions.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax2d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W)."""
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3, _stacklevel=5)


@own_constructor
class LogSoftmax(_AlongDim):
    """``log(softmax(x))`` along a dimension.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.log_softmax(input, self.dim, _stacklevel=5)
