"""Element-wise functions: each hands over to the method of the same name."""

from typing import Any

from flambeau.functions.making import binary, lifted, unary
from flambeau.tensors.numpy_names import also_named
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.return_types import Results
from flambeau.tensors.tensor import Tensor

__all__ = [
    "abs",
    "abs_",
    "absolute",
    "acos",
    "acos_",
    "acosh",
    "acosh_",
    "add",
    "addcdiv",
    "addcmul",
    "allclose",
    "angle",
    "arccos",
    "arccos_",
    "arccosh",
    "arccosh_",
    "arcsin",
    "arcsin_",
    "arcsinh",
    "arcsinh_",
    "arctan",
    "arctan2",
    "arctan_",
    "arctanh",
    "arctanh_",
    "asin",
    "asin_",
    "asinh",
    "asinh_",
    "atan",
    "atan2",
    "atan_",
    "atanh",
    "atanh_",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "ceil_",
    "clamp",
    "clamp_",
    "clamp_max",
    "clamp_max_",
    "clamp_min",
    "clamp_min_",
    "clip",
    "clip_",
    "clone",
    "conj",
    "conj_physical",
    "conj_physical_",
    "copysign",
    "cos",
    "cos_",
    "cosh",
    "cosh_",
    "deg2rad",
    "deg2rad_",
    "digamma",
    "div",
    "divide",
    "eq",
    "equal",
    "erf",
    "erf_",
    "erfc",
    "erfc_",
    "erfinv",
    "exp",
    "exp2",
    "exp2_",
    "exp_",
    "expm1",
    "expm1_",
    "fill_",
    "fix",
    "fix_",
    "float_power",
    "floor",
    "floor_",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "frac_",
    "frexp",
    "gcd",
    "gcd_",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "heaviside",
    "hypot",
    "i0",
    "i0_",
    "igamma",
    "igammac",
    "imag",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "lcm",
    "lcm_",
    "ldexp",
    "ldexp_",
    "le",
    "lerp",
    "less",
    "less_equal",
    "lgamma",
    "log",
    "log1p",
    "log1p_",
    "log2",
    "log2_",
    "log10",
    "log10_",
    "log_",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logit_",
    "lt",
    "masked_fill",
    "maximum",
    "minimum",
    "mul",
    "multiply",
    "mvlgamma",
    "nan_to_num",
    "nan_to_num_",
    "ne",
    "neg",
    "neg_",
    "negative",
    "negative_",
    "nextafter",
    "not_equal",
    "polygamma",
    "positive",
    "pow",
    "rad2deg",
    "rad2deg_",
    "real",
    "reciprocal",
    "reciprocal_",
    "relu",
    "relu_",
    "remainder",
    "resolve_conj",
    "resolve_neg",
    "round",
    "round_",
    "rsqrt",
    "rsqrt_",
    "rsub",
    "sgn",
    "sigmoid",
    "sigmoid_",
    "sign",
    "signbit",
    "sin",
    "sin_",
    "sinc",
    "sinc_",
    "sinh",
    "sinh_",
    "sqrt",
    "sqrt_",
    "square",
    "square_",
    "sub",
    "subtract",
    "tan",
    "tan_",
    "tanh",
    "tanh_",
    "true_divide",
    "trunc",
    "trunc_",
    "xlogy",
    "xlogy_",
    "zero_",
]

exp = unary("exp")
exp_ = unary("exp_")
exp2 = unary("exp2")
exp2_ = unary("exp2_")
expm1 = unary("expm1")
expm1_ = unary("expm1_")
log = unary("log")
log_ = unary("log_")
log2 = unary("log2")
log2_ = unary("log2_")
log10 = unary("log10")
log10_ = unary("log10_")
log1p = unary("log1p")
log1p_ = unary("log1p_")
sqrt = unary("sqrt")
sqrt_ = unary("sqrt_")
rsqrt = unary("rsqrt")
rsqrt_ = unary("rsqrt_")
sin = unary("sin")
sin_ = unary("sin_")
cos = unary("cos")
cos_ = unary("cos_")
tan = unary("tan")
tan_ = unary("tan_")
asin = unary("asin")
asin_ = unary("asin_")
acos = unary("acos")
acos_ = unary("acos_")
atan = unary("atan")
atan_ = unary("atan_")
sinh = unary("sinh")
sinh_ = unary("sinh_")
cosh = unary("cosh")
cosh_ = unary("cosh_")
tanh = unary("tanh")
tanh_ = unary("tanh_")
asinh = unary("asinh")
asinh_ = unary("asinh_")
acosh = unary("acosh")
acosh_ = unary("acosh_")
atanh = unary("atanh")
atanh_ = unary("atanh_")
sigmoid = unary("sigmoid")
sigmoid_ = unary("sigmoid_")
erf = unary("erf")
erf_ = unary("erf_")
erfc = unary("erfc")
erfc_ = unary("erfc_")
erfinv = unary("erfinv")
lgamma = unary("lgamma")
digamma = unary("digamma")
reciprocal = unary("reciprocal")
reciprocal_ = unary("reciprocal_")
neg = unary("neg")
neg_ = unary("neg_")
relu = unary("relu")
relu_ = unary("relu_")
abs = unary("abs")
abs_ = unary("abs_")
sign = unary("sign")
floor = unary("floor")
floor_ = unary("floor_")
ceil = unary("ceil")
ceil_ = unary("ceil_")
trunc = unary("trunc")
trunc_ = unary("trunc_")
frac = unary("frac")
frac_ = unary("frac_")
square = unary("square")
square_ = unary("square_")
bitwise_not = unary("bitwise_not")
logical_not = unary("logical_not")
conj = unary("conj")


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy; its gradient flows to the tensor; see ``Tensor.clone``."""
    return tensor_argument("clone", 1, input).clone(memory_format=memory_format)


isnan = unary("isnan")
isinf = unary("isinf")
isfinite = unary("isfinite")
signbit = unary("signbit")
positive = unary("positive")
isneginf = unary("isneginf")
isposinf = unary("isposinf")
isreal = unary("isreal")
angle = unary("angle")
sgn = unary("sgn")
deg2rad = unary("deg2rad")
deg2rad_ = unary("deg2rad_")
rad2deg = unary("rad2deg")
rad2deg_ = unary("rad2deg_")
sinc = unary("sinc")
sinc_ = unary("sinc_")
i0 = unary("i0")
i0_ = unary("i0_")
floor_divide = binary("floor_divide")
remainder = binary("remainder")
fmod = binary("fmod")
bitwise_and = binary("bitwise_and")
bitwise_or = binary("bitwise_or")
bitwise_xor = binary("bitwise_xor")
bitwise_left_shift = binary("bitwise_left_shift")
bitwise_right_shift = binary("bitwise_right_shift")
atan2 = binary("atan2")
hypot = binary("hypot")
xlogy = binary("xlogy")
xlogy_ = binary("xlogy_")
maximum = binary("maximum")
minimum = binary("minimum")
logaddexp = binary("logaddexp")
eq = binary("eq")
ne = binary("ne")
lt = binary("lt")
le = binary("le")
gt = binary("gt")
ge = binary("ge")
logical_and = binary("logical_and")
logical_or = binary("logical_or")
logical_xor = binary("logical_xor")
copysign = binary("copysign")
ldexp = binary("ldexp")
ldexp_ = binary("ldexp_")
logaddexp2 = binary("logaddexp2")
nextafter = binary("nextafter")
igamma = binary("igamma")
igammac = binary("igammac")
fmax = binary("fmax")
fmin = binary("fmin")
gcd = binary("gcd")
gcd_ = binary("gcd_")
lcm = binary("lcm")
lcm_ = binary("lcm_")
heaviside = also_named(values="other")(binary("heaviside"))
float_power = also_named(exponent="other")(binary("float_power"))


@takes_out()
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """Input + value * tensor1 * tensor2; see ``Tensor.addcmul``."""
    return input.addcmul(tensor1, tensor2, value=value)


@takes_out()
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """Input + value * tensor1 / tensor2; see ``Tensor.addcdiv``."""
    return input.addcdiv(tensor1, tensor2, value=value)


@takes_out()
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Input + weight * (end - input); see ``Tensor.lerp``."""
    return input.lerp(end, weight)


@takes_out()
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limited to [min, max]; see ``Tensor.clamp``."""
    return input.clamp(min, max)


def clamp_(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """In-place ``clamp``; see ``Tensor.clamp_``."""
    return input.clamp_(min, max)


@takes_out()
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Limited from below; see ``Tensor.clamp_min``."""
    return tensor_argument("clamp_min", 1, input).clamp_min(min)


@takes_out()
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Limited from above; see ``Tensor.clamp_max``."""
    return tensor_argument("clamp_max", 1, input).clamp_max(max)


def clamp_min_(input: Tensor, min: Any) -> Tensor:
    """In-place ``clamp_min``; see ``Tensor.clamp_min_``."""
    return input.clamp_min_(min)


def clamp_max_(input: Tensor, max: Any) -> Tensor:
    """In-place ``clamp_max``; see ``Tensor.clamp_max_``."""
    return input.clamp_max_(max)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` where the mask is True, else input; see ``Tensor.masked_fill``."""
    return input.masked_fill(mask, value)


def fill_(input: Tensor, value: Any) -> Tensor:
    """Set every element; see ``Tensor.fill_``."""
    return input.fill_(value)


def zero_(input: Tensor) -> Tensor:
    """Set every element to 0; see ``Tensor.zero_``."""
    return input.zero_()


@takes_out()
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Rounded to so many decimals, halves to even; see ``Tensor.round``."""
    return tensor_argument("round", 1, input).round(decimals=decimals)


def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """In-place ``round``; see ``Tensor.round_``."""
    return input.round_(decimals=decimals)


@takes_out()
def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """NaN replaced by ``nan`` (0) and infinities by the type's limits, or by what is given.

    See ``Tensor.nan_to_num``.
    """
    return input.nan_to_num(nan, posinf, neginf)


def nan_to_num_(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """In-place ``nan_to_num``; see ``Tensor.nan_to_num_``."""
    return input.nan_to_num_(nan, posinf, neginf)


@takes_out()
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(x / (1 - x))``; see ``Tensor.logit``."""
    return input.logit(eps)


def logit_(input: Tensor, eps: float | None = None) -> Tensor:
    """In-place ``logit``."""
    return input.logit_(eps)


@takes_out()
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Logarithm of the multivariate gamma function; see ``Tensor.mvlgamma``."""
    return input.mvlgamma(p)


@takes_out()
def frexp(input: Tensor) -> Results:
    """Mantissa (at least 0.5, below 1) and exponent of 2; see ``Tensor.frexp``."""
    return input.frexp()


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether |self - other| <= atol + rtol * |other|, element by element; see ``Tensor.isclose``."""
    tensor_argument("isclose", 1, input)
    tensor_argument("isclose", 2, other, "other")
    return input.isclose(other, rtol, atol, equal_nan)


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close; see ``isclose``; see ``Tensor.allclose``."""
    tensor_argument("allclose", 1, input)
    tensor_argument("allclose", 2, other, "other")
    return input.allclose(other, rtol, atol, equal_nan)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are the same; see ``Tensor.equal``."""
    return input.equal(other)


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero; raises RuntimeError if there is not exactly one.

    See ``Tensor.is_nonzero``.
    """
    return input.is_nonzero()


def is_signed(input: Tensor) -> bool:
    """Whether the type has negative numbers; see ``Tensor.is_signed``."""
    return input.is_signed()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal; see ``Tensor.is_same_size``."""
    return input.is_same_size(other)


@takes_out()
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Input + alpha * other; see ``Tensor.add``."""
    return lifted(input).add(other, alpha=alpha)


@takes_out()
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Input - alpha * other; see ``Tensor.sub``."""
    return lifted(input).sub(other, alpha=alpha)


@takes_out()
def mul(input: Any, other: Any) -> Tensor:
    """Input * other; see ``Tensor.mul``."""
    return lifted(input).mul(other)


@takes_out()
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Input / other, rounded as asked; see ``Tensor.div``."""
    return lifted(input).div(other, rounding_mode=rounding_mode)


@takes_out()
def pow(input: Any, exponent: Any) -> Tensor:
    """Input ** exponent; see ``Tensor.pow``."""
    if not isinstance(exponent, Tensor):
        tensor_argument("pow", 1, input)
    return lifted(input).pow(exponent)


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Other - alpha * input."""
    return lifted(other).sub(tensor_argument("rsub", 1, input), alpha=alpha)


@takes_out()
def polygamma(n: int, input: Tensor) -> Tensor:
    """Derivative n of the digamma function; see ``Tensor.polygamma``."""
    return input.polygamma(n)


def real(input: Tensor) -> Tensor:
    """Real part; see ``Tensor.real``."""
    return input.real


def imag(input: Tensor) -> Tensor:
    """Imaginary part; see ``Tensor.imag``."""
    return input.imag


clip = clamp
clip_ = clamp_
subtract = sub
multiply = mul
divide = div
true_divide = div
absolute = abs
negative = neg
negative_ = neg_
arccos = acos
arccos_ = acos_
arcsin = asin
arcsin_ = asin_
arctan = atan
arctan_ = atan_
arccosh = acosh
arccosh_ = acosh_
arcsinh = asinh
arcsinh_ = asinh_
arctanh = atanh
arctanh_ = atanh_
arctan2 = atan2
fix = trunc
fix_ = trunc_
greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne
conj_physical = unary("conj_physical")
conj_physical_ = unary("conj_physical_")
resolve_conj = clone
resolve_neg = clone
