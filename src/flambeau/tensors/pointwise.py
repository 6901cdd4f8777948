"""Element-wise methods of ``Tensor``: operators, functions of one value, comparisons, and their in-place forms."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from flambeau.base.shapes import check_spread
from flambeau.devices.device import CPU
from flambeau.dtypes.fitting import check_fits
from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives import pointwise as p
from flambeau.primitives.pointwise import BINARY, COMPARISONS, UNARY
from flambeau.primitives.primitive import Primitive
from flambeau.tensors.arithmetic_checks import check_divisor, check_lerp, factor
from flambeau.tensors.core import Core, OperandError, call, call_in_place, operand, wrap_array
from flambeau.tensors.fitting import assignable, fitted
from flambeau.tensors.index_checks import check_mask_filled, check_masked

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Pointwise"]

_ROUNDINGS = {None: p.div, "floor": BINARY["div_floor"], "trunc": BINARY["div_trunc"]}


def _scaled(other: Any, alpha: Any) -> Any:
    """``other * alpha``, which costs nothing where alpha is 1."""
    if type(alpha) is int and alpha == 1:
        return operand(other)
    return call(p.mul, (other, alpha)) if isinstance(other, Core) else operand(other) * alpha


def _rounding(mode: str | None) -> Primitive:
    if mode not in _ROUNDINGS:
        message = f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{mode}'"
        raise RuntimeError(message)
    return _ROUNDINGS[mode]


# -- methods made from the tables ----------------------------------------------------------------------------------

Method = Callable[["Pointwise"], "Tensor"]
BinaryMethod = Callable[["Pointwise", Any], "Tensor"]


def _named(function: Any, primitive: Primitive, suffix: str) -> Any:
    function.__name__ = primitive.name + suffix
    function.__qualname__ = f"Tensor.{function.__name__}"
    function.__module__ = "flambeau"  # where everybody finds Tensor: it is pickled by this name
    kind = "In-place" if suffix else "Element-wise"
    function.__doc__ = f"{kind} {primitive.name}; see ``flambeau.{primitive.name}``."
    return function


def _unary(name: str) -> tuple[Method, Method]:
    """The method of a function of one value, and its in-place form."""
    primitive = UNARY[name]

    def plain(self: Core) -> Any:
        return call(primitive, (self,))

    def in_place(self: Core) -> Any:
        return call_in_place(self, primitive, (self,))

    return _named(plain, primitive, ""), _named(in_place, primitive, "_")


def _dividing(primitive: Primitive) -> tuple[BinaryMethod, BinaryMethod]:
    """``_binary`` of a function that divides."""
    divide, divide_in_place = _binary(primitive)

    def plain(self: Core, other: Any) -> Any:
        check_divisor(self, other)
        return divide(self, other)  # pyright: ignore[reportArgumentType]  # every Core is a Tensor

    def in_place(self: Core, other: Any) -> Any:
        check_divisor(self, other)
        return divide_in_place(self, other)  # pyright: ignore[reportArgumentType]

    return _named(plain, primitive, ""), _named(in_place, primitive, "_")


def _binary(primitive: Primitive) -> tuple[BinaryMethod, BinaryMethod]:
    """The method of a function of two values, and its in-place form."""

    def plain(self: Core, other: Any) -> Any:
        return call(primitive, (self, operand(other)))

    def in_place(self: Core, other: Any) -> Any:
        return call_in_place(self, primitive, (self, operand(other)))

    return _named(plain, primitive, ""), _named(in_place, primitive, "_")


def _operator(primitive: Primitive) -> tuple[BinaryMethod, BinaryMethod]:
    """An operator and its mirror image; what is neither a tensor nor a number is left to the other side."""

    def plain(self: Core, other: Any) -> Any:
        try:
            # ``operand`` is asked about numbers only: a call is a twentieth of the time of recording
            return call(primitive, (self, other if isinstance(other, Core) else operand(other)))
        except OperandError:
            return NotImplemented

    def mirrored(self: Core, other: Any) -> Any:
        try:
            return call(primitive, (operand(other), self))
        except OperandError:
            return NotImplemented

    return plain, mirrored


def _asked(method: BinaryMethod) -> BinaryMethod:
    """A method as an operator; see ``_operator``."""

    @wraps(method)
    def operator(self: Any, other: Any) -> Any:
        try:
            return method(self, other)
        except OperandError:
            return NotImplemented

    return operator


class Pointwise(Core):
    """Methods that work on every element by itself."""

    # -- arithmetic ----------------------------------------------------------------------------------------------

    def add(self, other: Any, *, alpha: Any = 1) -> "Tensor":
        """Self + alpha * other. Source: https://docs.pytorch.org/docs/stable/generated/torch.add.html."""
        return call(p.add, (self, _scaled(other, alpha)))

    def add_(self, other: Any, *, alpha: Any = 1) -> "Tensor":
        """In-place ``add``."""
        return call_in_place(self, p.add, (self, _scaled(other, alpha)))

    def sub(self, other: Any, *, alpha: Any = 1) -> "Tensor":
        """Self - alpha * other. Source: https://docs.pytorch.org/docs/stable/generated/torch.sub.html."""
        return call(p.sub, (self, _scaled(other, alpha)))

    def sub_(self, other: Any, *, alpha: Any = 1) -> "Tensor":
        """In-place ``sub``."""
        return call_in_place(self, p.sub, (self, _scaled(other, alpha)))

    def mul(self, other: Any) -> "Tensor":
        """Self * other. Source: https://docs.pytorch.org/docs/stable/generated/torch.mul.html."""
        return call(p.mul, (self, operand(other)))

    def mul_(self, other: Any) -> "Tensor":
        """In-place ``mul``."""
        return call_in_place(self, p.mul, (self, operand(other)))

    def div(self, other: Any, *, rounding_mode: str | None = None) -> "Tensor":
        """Self / other, rounded as asked. Source: https://docs.pytorch.org/docs/stable/generated/torch.div.html."""
        if rounding_mode is not None:
            check_divisor(self, other)
        return call(_rounding(rounding_mode), (self, operand(other)))

    def div_(self, other: Any, *, rounding_mode: str | None = None) -> "Tensor":
        """In-place ``div``."""
        if rounding_mode is not None:
            check_divisor(self, other)
        return call_in_place(self, _rounding(rounding_mode), (self, operand(other)))

    def logit(self, eps: float | None = None) -> "Tensor":
        """``log(x / (1 - x))``, of numbers first moved to within ``eps`` and ``1 - eps`` if it is given.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.logit.html
        """
        return call(UNARY["logit"], (self if eps is None else cast("Tensor", self).clamp(eps, 1 - eps),))

    def logit_(self, eps: float | None = None) -> "Tensor":
        """In-place ``logit``."""
        return call_in_place(self, UNARY["logit"], (self if eps is None else cast("Tensor", self).clamp(eps, 1 - eps),))

    def pow(self, exponent: Any) -> "Tensor":
        """Self ** exponent. Source: https://docs.pytorch.org/docs/stable/generated/torch.pow.html."""
        return call(*_power(self, exponent))

    def pow_(self, exponent: Any) -> "Tensor":
        """In-place ``pow``."""
        return call_in_place(self, *_power(self, exponent))

    def addcmul(self, tensor1: "Tensor", tensor2: "Tensor", *, value: Any = 1) -> "Tensor":
        """Self + value * tensor1 * tensor2.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.addcmul.html
        """
        return self.add(tensor1.mul(tensor2), alpha=factor("addcmul", value, self, tensor1, tensor2))

    def addcdiv(self, tensor1: "Tensor", tensor2: "Tensor", *, value: Any = 1) -> "Tensor":
        """Self + value * tensor1 / tensor2.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.addcdiv.html
        """
        return self.add(tensor1.div(tensor2), alpha=factor("addcdiv", value, self, tensor1, tensor2))

    def addcmul_(self, tensor1: "Tensor", tensor2: "Tensor", *, value: Any = 1) -> "Tensor":
        """In-place ``addcmul``."""
        return self.add_(tensor1.mul(tensor2), alpha=factor("addcmul", value, self, tensor1, tensor2))

    def addcdiv_(self, tensor1: "Tensor", tensor2: "Tensor", *, value: Any = 1) -> "Tensor":
        """In-place ``addcdiv``."""
        return self.add_(tensor1.div(tensor2), alpha=factor("addcdiv", value, self, tensor1, tensor2))

    def lerp(self, end: "Tensor", weight: Any) -> "Tensor":
        """Self + weight * (end - self). Source: https://docs.pytorch.org/docs/stable/generated/torch.lerp.html."""
        check_lerp(self, end, weight)
        return call(p.lerp, (self, end, operand(weight)))

    def lerp_(self, end: "Tensor", weight: Any) -> "Tensor":
        """In-place ``lerp``."""
        check_lerp(self, end, weight)
        return call_in_place(self, p.lerp, (self, end, operand(weight)))

    def clamp(self, min: Any = None, max: Any = None) -> "Tensor":
        """Limited to [min, max]. Source: https://docs.pytorch.org/docs/stable/generated/torch.clamp.html."""
        return fitted(call(*_clamp(self, min, max)), min, max)

    def clamp_(self, min: Any = None, max: Any = None) -> "Tensor":
        """In-place ``clamp``."""
        fitted(self, min, max)
        return call_in_place(self, *_clamp(self, min, max))

    clip, clip_ = clamp, clamp_
    subtract, subtract_ = sub, sub_
    multiply, multiply_ = mul, mul_
    divide, divide_ = div, div_
    true_divide, true_divide_ = div, div_

    def clamp_min(self, min: Any) -> "Tensor":
        """Limited from below."""
        return self.clamp(min=min)

    def clamp_max(self, max: Any) -> "Tensor":
        """Limited from above."""
        return self.clamp(max=max)

    def clamp_min_(self, min: Any) -> "Tensor":
        """In-place ``clamp_min``."""
        return self.clamp_(min=min)

    def clamp_max_(self, max: Any) -> "Tensor":
        """In-place ``clamp_max``."""
        return self.clamp_(max=max)

    def where(self, condition: "Tensor", other: Any) -> "Tensor":
        """Self where the condition holds, else other.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.where.html
        """
        return assignable(call(p.where, (condition, self, operand(other))), other)

    def masked_fill(self, mask: "Tensor", value: Any) -> "Tensor":
        """``value`` where the mask is True, else self.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_fill_.html
        """
        check_masked(self, mask)
        check_mask_filled(self, mask, value)
        return call(p.where, (mask, _like(self, value), self))

    def masked_fill_(self, mask: "Tensor", value: Any) -> "Tensor":
        """In-place ``masked_fill``."""
        check_mask_filled(self, mask, value)
        return call_in_place(self, p.where, (mask, _like(self, value), self))

    def fill_(self, value: Any) -> "Tensor":
        """Set every element. Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.fill_.html."""
        source: Any = operand(value)
        if isinstance(source, Core) and source.shape:
            rank = len(source.shape)
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {rank} dimensions.")
        return call_in_place(fitted(self, value), p.filled, (self, source))

    def zero_(self) -> "Tensor":
        """Set every element to 0."""
        return self.fill_(0)

    def copy_(self, src: Any, non_blocking: bool = False) -> "Tensor":
        """Set the elements to another tensor's, converted and broadcast.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.copy_.html
        """
        source: Any = operand(src)
        if isinstance(source, Core):
            check_spread(self.shape, source.shape)
            if source.device != self.device:
                source = cast("Tensor", source).to(self.device)
        return call_in_place(self, p.filled, (self, source))

    # -- functions of one value, and of two: the method and its in-place form ----------------------------------

    exp, exp_ = _unary("exp")
    exp2, exp2_ = _unary("exp2")
    expm1, expm1_ = _unary("expm1")
    log, log_ = _unary("log")
    log2, log2_ = _unary("log2")
    log10, log10_ = _unary("log10")
    log1p, log1p_ = _unary("log1p")
    sqrt, sqrt_ = _unary("sqrt")
    rsqrt, rsqrt_ = _unary("rsqrt")
    sin, sin_ = _unary("sin")
    cos, cos_ = _unary("cos")
    tan, tan_ = _unary("tan")
    asin, asin_ = _unary("asin")
    acos, acos_ = _unary("acos")
    atan, atan_ = _unary("atan")
    sinh, sinh_ = _unary("sinh")
    cosh, cosh_ = _unary("cosh")
    tanh, tanh_ = _unary("tanh")
    asinh, asinh_ = _unary("asinh")
    acosh, acosh_ = _unary("acosh")
    atanh, atanh_ = _unary("atanh")
    sigmoid, sigmoid_ = _unary("sigmoid")
    erf, erf_ = _unary("erf")
    erfc, erfc_ = _unary("erfc")
    erfinv, erfinv_ = _unary("erfinv")
    lgamma, lgamma_ = _unary("lgamma")
    digamma, digamma_ = _unary("digamma")
    reciprocal, reciprocal_ = _unary("reciprocal")
    neg, neg_ = _unary("neg")
    relu, relu_ = _unary("relu")
    abs, abs_ = _unary("abs")
    sign, sign_ = _unary("sign")
    floor, floor_ = _unary("floor")
    ceil, ceil_ = _unary("ceil")
    trunc, trunc_ = _unary("trunc")
    frac, frac_ = _unary("frac")
    square, square_ = _unary("square")
    bitwise_not, bitwise_not_ = _unary("bitwise_not")
    logical_not, logical_not_ = _unary("logical_not")
    conj, conj_physical_ = _unary("conj")
    clone = _unary("clone")[0]
    isnan = _unary("isnan")[0]
    isinf = _unary("isinf")[0]
    isfinite = _unary("isfinite")[0]
    signbit = _unary("signbit")[0]
    floor_divide, floor_divide_ = _dividing(BINARY["floor_divide"])
    remainder, remainder_ = _dividing(BINARY["remainder"])
    fmod, fmod_ = _dividing(BINARY["fmod"])
    bitwise_and, bitwise_and_ = _binary(BINARY["bitwise_and"])
    bitwise_or, bitwise_or_ = _binary(BINARY["bitwise_or"])
    bitwise_xor, bitwise_xor_ = _binary(BINARY["bitwise_xor"])
    bitwise_left_shift, bitwise_left_shift_ = _binary(BINARY["bitwise_left_shift"])
    bitwise_right_shift, bitwise_right_shift_ = _binary(BINARY["bitwise_right_shift"])
    atan2, atan2_ = _binary(BINARY["atan2"])
    hypot, hypot_ = _binary(BINARY["hypot"])
    xlogy, xlogy_ = _binary(BINARY["xlogy"])
    maximum = _binary(BINARY["maximum"])[0]
    minimum = _binary(BINARY["minimum"])[0]
    logaddexp = _binary(BINARY["logaddexp"])[0]
    eq, eq_ = _binary(COMPARISONS["eq"])
    ne, ne_ = _binary(COMPARISONS["ne"])
    lt, lt_ = _binary(COMPARISONS["lt"])
    le, le_ = _binary(COMPARISONS["le"])
    gt, gt_ = _binary(COMPARISONS["gt"])
    ge, ge_ = _binary(COMPARISONS["ge"])
    logical_and, logical_and_ = _binary(COMPARISONS["logical_and"])
    logical_or, logical_or_ = _binary(COMPARISONS["logical_or"])
    logical_xor, logical_xor_ = _binary(COMPARISONS["logical_xor"])
    absolute, absolute_, negative, negative_ = abs, abs_, neg, neg_
    arccos, arccos_, arcsin, arcsin_, arctan, arctan_ = acos, acos_, asin, asin_, atan, atan_
    arccosh, arccosh_, arcsinh, arcsinh_, arctanh, arctanh_ = acosh, acosh_, asinh, asinh_, atanh, atanh_
    arctan2, arctan2_, fix, fix_ = atan2, atan2_, trunc, trunc_
    greater, greater_, greater_equal, greater_equal_ = gt, gt_, ge, ge_
    less, less_, less_equal, less_equal_, not_equal, not_equal_ = lt, lt_, le, le_, ne, ne_
    conj_physical, resolve_conj, resolve_neg = conj, clone, clone

    # -- operators -----------------------------------------------------------------------------------------------

    __add__, __radd__ = _operator(p.add)
    __sub__, __rsub__ = _operator(p.sub)
    __mul__, __rmul__ = _operator(p.mul)
    __truediv__, _quotient = _operator(p.div)
    __and__, __or__, __xor__ = (_operator(BINARY[f"bitwise_{name}"])[0] for name in ("and", "or", "xor"))
    __lshift__, __rlshift__ = _operator(BINARY["bitwise_left_shift"])
    __rshift__, __rrshift__ = _operator(BINARY["bitwise_right_shift"])
    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __rtruediv__(self, other: Any) -> "Tensor":
        result = self._quotient(other)
        if result is not NotImplemented:
            return result
        try:
            return self.reciprocal() * other  # what knows how to multiply, as NumPy's arrays do
        except TypeError:
            return NotImplemented

    __rdiv__ = __rtruediv__

    __floordiv__, __mod__, __pow__ = map(_asked, (floor_divide, remainder, pow))
    __iadd__, __isub__, __imul__, __itruediv__, __imod__, __ipow__ = map(
        _asked, (add_, sub_, mul_, div_, remainder_, pow_)
    )
    __iand__, __ior__, __ixor__ = map(_asked, (bitwise_and_, bitwise_or_, bitwise_xor_))

    @_asked
    def __ifloordiv__(self, other: Any) -> "Tensor":
        return self.div_(other, rounding_mode="floor")

    @_asked
    def __rfloordiv__(self, other: Any) -> "Tensor":
        check_divisor(other, self)
        return call(BINARY["floor_divide"], (operand(other), self))

    @_asked
    def __rmod__(self, other: Any) -> "Tensor":
        check_divisor(other, self)
        return call(BINARY["remainder"], (operand(other), self))

    @_asked
    def __rpow__(self, other: Any) -> "Tensor":
        return call(p.power, (operand(other), self))

    def __neg__(self) -> "Tensor":
        return call(UNARY["neg"], (self,))

    def __pos__(self) -> "Tensor":
        return self  # pyright: ignore[reportReturnType]  # every Core is a Tensor

    def __abs__(self) -> "Tensor":
        return call(UNARY["abs"], (self,))

    def __invert__(self) -> "Tensor":
        return call(UNARY["bitwise_not"], (self,))

    def __eq__(self, other: object) -> "Tensor":  # pyright: ignore[reportIncompatibleMethodOverride]  # element-wise
        return _compared("eq", self, other)

    def __ne__(self, other: object) -> "Tensor":  # pyright: ignore[reportIncompatibleMethodOverride]  # element-wise
        return _compared("ne", self, other)

    def __lt__(self, other: Any) -> "Tensor":
        return _compared("lt", self, other)

    def __le__(self, other: Any) -> "Tensor":
        return _compared("le", self, other)

    def __gt__(self, other: Any) -> "Tensor":
        return _compared("gt", self, other)

    def __ge__(self, other: Any) -> "Tensor":
        return _compared("ge", self, other)

    __hash__ = object.__hash__


def _compared(name: str, tensor: Core, other: Any) -> Any:
    """A comparison; with something that is no number, equality is Python's own. ``==`` takes NumPy's arrays, too."""
    if not isinstance(other, (Core, float, int, complex)):
        try:
            other = _of_array(cast("Any", other)) if name == "eq" and isinstance(other, np.ndarray) else operand(other)
        except TypeError:
            return NotImplemented
    return call(COMPARISONS[name], (tensor, other))


def _of_array(array: Any) -> Any:
    """A tensor of an array's values; raises TypeError for types that tensors do not have."""
    return wrap_array(np.array(array), from_numpy_dtype(array.dtype), CPU)


def _power(tensor: Core, exponent: Any) -> tuple[Primitive, tuple[Any, ...], tuple[Any, ...]]:
    """The primitive for a power and its arguments: a Python exponent is part of the formula."""
    exponent = operand(exponent)
    if isinstance(exponent, Core) or isinstance(exponent, complex):
        return p.power, (tensor, exponent), ()
    whole = not (tensor.dtype.is_floating_point or tensor.dtype.is_complex)
    if whole and type(exponent) is int and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if type(exponent) is int if whole else tensor.dtype.itemsize == 2:
        check_fits(exponent, tensor.dtype)
    return p.power_static, (tensor,), (type(exponent).__name__, float(exponent))


def _clamp(tensor: Core, low: Any, high: Any) -> tuple[Primitive, tuple[Any, ...], tuple[Any, ...]]:
    if low is None and high is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    bounds = [0 if bound is None else operand(bound) for bound in (low, high)]
    return p.clamp, (tensor, *bounds), ((low is not None, high is not None),)


def _like(tensor: Core, value: Any) -> Any:
    """A fill value in the tensor's own type, so that filling promotes nothing."""
    value = operand(value)
    if isinstance(value, Core):
        return call(p.cast, (value,), (tensor.dtype,))
    kind = tensor.dtype
    if kind.is_complex:
        return value
    if kind.name == "bool":
        return bool(value)
    real = value.real if isinstance(value, complex) else value
    return float(real) if kind.is_floating_point else int(real)
