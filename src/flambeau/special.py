"""PyTorch's ``torch.special``: special functions, element by element.

Those that ``Tensor`` has, too, hand over to its methods; the others are made of their primitives. All take ``out=``.
The Bessel, Airy and polynomial functions have no gradient, as in PyTorch.

Source: https://docs.pytorch.org/docs/stable/special.html
"""

from collections.abc import Callable
from typing import Any

from flambeau.dtypes.kinds import dtype as Dtype
from flambeau.primitives.bessel import BESSEL
from flambeau.primitives.polynomials import POLYNOMIALS
from flambeau.primitives.primitive import Primitive
from flambeau.primitives.probability import BINARY, UNARY
from flambeau.tensors.arguments import whole
from flambeau.tensors.core import call, operand
from flambeau.tensors.creation import as_tensor
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import delivered
from flambeau.tensors.tensor import Tensor

__all__ = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "sinc",
    "softmax",
    "spherical_bessel_j0",
    "xlog1py",
    "xlogy",
    "zeta",
]

_PAGE = "Source: https://docs.pytorch.org/docs/stable/special.html#torch.special."


# -- making functions --------------------------------------------------------------------------------------------------


def _described(function: Any, name: str, what: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{what}\n\n{_PAGE}{name}"
    return function


def _unary(name: str, what: str, method: str = "", argument: str = "input") -> Callable[..., Tensor]:
    """A function of one value: that of a primitive, or a method of ``Tensor``."""
    primitive = BESSEL.get(name) or UNARY.get(name)

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        tensor_argument(f"special_{name}", 1, input, argument)
        result = getattr(input, method)() if primitive is None else call(primitive, (input,))
        return delivered(f"special.{name}", result, out)

    return _described(function, name, what)


def _refuse_numbers(name: str, first: Any, second: Any, arguments: tuple[str, str, str]) -> None:
    """Raise TypeError, in PyTorch's words, where neither argument is a tensor."""
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        return
    one, number, other = arguments
    forms = (f"Tensor {one}, Tensor {other}", f"Number {number}, Tensor {other}", f"Tensor {one}, Number {other}")
    listed = "".join(f" * ({form}, *, Tensor out = None)\n" for form in forms)
    kinds = f"{type(first).__name__}, {type(second).__name__}"
    title = f"special_{name}() received an invalid combination of arguments - got ({kinds})"
    raise TypeError(f"{title}, but expected one of:\n{listed}")


def _binary(
    name: str,
    what: str,
    primitive: Primitive | None = None,
    method: str = "",
    arguments: tuple[str, str, str] = ("input", "self", "other"),
) -> Callable[..., Tensor]:
    """A function of two values, one of which may be a number."""

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        _refuse_numbers(name, input, other, arguments)
        if primitive is not None:
            result = call(primitive, (operand(input), operand(other)))
        else:
            result = getattr(input if isinstance(input, Tensor) else as_tensor(input), method)(other)
        return delivered(f"special.{name}", result, out)

    return _described(function, name, what)


def _of_degree(name: str, what: str) -> Callable[..., Tensor]:
    """A polynomial of x and its degree n, either of which may be a number."""
    inner = _binary(name, what, POLYNOMIALS[name], arguments=("x", "x", "n"))

    def function(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
        return inner(input, n, out=out)

    return _described(function, name, what)


# -- gamma, zeta, error and exponential functions ----------------------------------------------------------------------

gammaln = _unary("gammaln", "Logarithm of the absolute value of the gamma function.", "lgamma")
digamma = _unary("digamma", "Derivative of the logarithm of the gamma function.", "digamma")
psi = _unary("psi", "Another name of ``digamma``.", "digamma")
erf = _unary("erf", "Error function: ``2 / sqrt(pi) * integral of exp(-t^2) from 0 to input``.", "erf")
erfc = _unary("erfc", "``1 - erf(input)``.", "erfc")
erfcx = _unary("erfcx", "``exp(input^2) erfc(input)``.")
erfinv = _unary("erfinv", "Inverse of ``erf``, on (-1, 1).", "erfinv")
exp2 = _unary("exp2", "``2 ^ input``.", "exp2")
expit = _unary("expit", "``1 / (1 + exp(-input))``.", "sigmoid")
expm1 = _unary("expm1", "``exp(input) - 1``, exactly also near 0.", "expm1")
log1p = _unary("log1p", "``log(1 + input)``, exactly also near 0.", "log1p")
sinc = _unary("sinc", "``sin(pi input) / (pi input)``; 1 at 0.", "sinc")
entr = _unary("entr", "``-input log(input)``; 0 at 0, minus infinity below.")
ndtr = _unary("ndtr", "Distribution function of the standard normal distribution.")
ndtri = _unary("ndtri", "Inverse of ``ndtr``, on [0, 1].")
log_ndtr = _unary("log_ndtr", "Logarithm of ``ndtr``, exactly also far below 0.")

xlogy = _binary("xlogy", "``input log(other)``; 0 where input is 0, unless other is NaN.", method="xlogy")
xlog1py = _binary("xlog1py", "``input log(1 + other)``; 0 where input is 0, unless other is NaN.", BINARY["xlog1py"])


def zeta(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """Hurwitz's zeta function: ``sum over k >= 0 of (k + other)^-input``; its gradient is that of ``other`` only.

    Args:
        input: the exponents, a tensor or a number.
        other: what to start from, a tensor or a number.
        out: the tensor to write the result into.

    Raises:
        TypeError: neither is a tensor.
        NotImplementedError: the type is one of 16 bits; or, in backward, a gradient of ``input`` is wanted.

    Example:
        >>> import flambeau as torch
        >>> torch.special.zeta(torch.tensor([2.0, 4.0]), 1)
        tensor([1.6449, 1.0823])

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.zeta
    """
    return _zeta(input, other, out=out)


_zeta = _binary("zeta", "", BINARY["zeta"])


def gammainc(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Lower incomplete gamma function over the whole one; see ``Tensor.igamma``.

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.gammainc
    """
    tensor_argument("special_gammainc", 1, input)
    tensor_argument("special_gammainc", 2, other, "other")
    return delivered("special.gammainc", input.igamma(other), out)


def gammaincc(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Upper incomplete gamma function over the whole one; see ``Tensor.igammac``.

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.gammaincc
    """
    tensor_argument("special_gammaincc", 1, input)
    tensor_argument("special_gammaincc", 2, other, "other")
    return delivered("special.gammaincc", input.igammac(other), out)


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Derivative n of the digamma function; see ``Tensor.polygamma``.

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.polygamma
    """
    n = whole("special_polygamma", "n", n)
    tensor_argument("special_polygamma", 2, input)
    return delivered("special.polygamma", input.polygamma(n), out)


def multigammaln(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """Logarithm of the multivariate gamma function of order p; see ``Tensor.mvlgamma``.

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.multigammaln
    """
    tensor_argument("special_multigammaln", 1, input)
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    return delivered("special.multigammaln", input.mvlgamma(p), out)


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """``log(input / (1 - input))``.

    Args:
        input: any shape, in [0, 1].
        eps: if given, the input is first limited to [eps, 1 - eps].
        out: the tensor to write the result into.

    Example:
        >>> import flambeau as torch
        >>> torch.special.logit(torch.tensor([0.5, 1.0]), eps=0.1)
        tensor([0.0000, 2.1972])

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.logit
    """
    tensor_argument("special_logit", 1, input)
    return delivered("special.logit", input.logit(eps), out)


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """Rounded to so many decimals, halves to even; see ``Tensor.round``.

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.round
    """
    tensor_argument("special_round", 1, input)
    return delivered("special.round", input.round(decimals=decimals), out)


def softmax(input: Tensor, dim: int, dtype: Dtype | None = None) -> Tensor:
    """Exponentials over their sum along a dimension; see ``Tensor.softmax``.

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.softmax
    """
    return input.softmax(dim, dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Dtype | None = None) -> Tensor:
    """Logarithm of ``softmax``; see ``Tensor.log_softmax``.

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.log_softmax
    """
    return input.log_softmax(dim, dtype)


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Logarithm of the sum of exponentials along dimensions; see ``Tensor.logsumexp``.

    Source: https://docs.pytorch.org/docs/stable/special.html#torch.special.logsumexp
    """
    return delivered("special.logsumexp", input.logsumexp(dim, keepdim), out)


# -- Bessel and Airy functions -----------------------------------------------------------------------------------------

airy_ai = _unary("airy_ai", "Airy's function Ai.", argument="x")
bessel_j0 = _unary("bessel_j0", "Bessel function of the first kind of order 0.")
bessel_j1 = _unary("bessel_j1", "Bessel function of the first kind of order 1.")
bessel_y0 = _unary("bessel_y0", "Bessel function of the second kind of order 0; minus infinity at 0, NaN below.")
bessel_y1 = _unary("bessel_y1", "Bessel function of the second kind of order 1; minus infinity at 0, NaN below.")
spherical_bessel_j0 = _unary("spherical_bessel_j0", "``sin(x) / x``; 1 at 0.", argument="x")
i0 = _unary("i0", "Modified Bessel function of the first kind of order 0.", "i0")
i0e = _unary("i0e", "``exp(-|input|) i0(input)``.")
i1 = _unary("i1", "Modified Bessel function of the first kind of order 1.")
i1e = _unary("i1e", "``exp(-|input|) i1(input)``.")
modified_bessel_i0 = _unary("modified_bessel_i0", "``i0`` without a gradient.")
modified_bessel_i1 = _unary("modified_bessel_i1", "``i1`` without a gradient.")
modified_bessel_k0 = _unary("modified_bessel_k0", "Modified Bessel function of the second kind of order 0.")
modified_bessel_k1 = _unary("modified_bessel_k1", "Modified Bessel function of the second kind of order 1.")
scaled_modified_bessel_k0 = _unary("scaled_modified_bessel_k0", "``exp(x) modified_bessel_k0(x)``.", argument="x")
scaled_modified_bessel_k1 = _unary("scaled_modified_bessel_k1", "``exp(x) modified_bessel_k1(x)``.", argument="x")

# -- polynomials, with the degree as a tensor --------------------------------------------------------------------------

chebyshev_polynomial_t = _of_degree("chebyshev_polynomial_t", "Chebyshev's polynomial of the first kind of degree n.")
chebyshev_polynomial_u = _of_degree("chebyshev_polynomial_u", "Chebyshev's polynomial of the second kind of degree n.")
chebyshev_polynomial_v = _of_degree("chebyshev_polynomial_v", "Chebyshev's polynomial of the third kind of degree n.")
chebyshev_polynomial_w = _of_degree("chebyshev_polynomial_w", "Chebyshev's polynomial of the fourth kind of degree n.")
shifted_chebyshev_polynomial_t = _of_degree(
    "shifted_chebyshev_polynomial_t", "``chebyshev_polynomial_t(2 input - 1, n)``, for [0, 1]."
)
shifted_chebyshev_polynomial_u = _of_degree(
    "shifted_chebyshev_polynomial_u", "``chebyshev_polynomial_u(2 input - 1, n)``, for [0, 1]."
)
shifted_chebyshev_polynomial_v = _of_degree(
    "shifted_chebyshev_polynomial_v", "``chebyshev_polynomial_v(2 input - 1, n)``, for [0, 1]."
)
shifted_chebyshev_polynomial_w = _of_degree(
    "shifted_chebyshev_polynomial_w", "``chebyshev_polynomial_w(2 input - 1, n)``, for [0, 1]."
)
hermite_polynomial_h = _of_degree("hermite_polynomial_h", "Physicists' Hermite polynomial of degree n.")
hermite_polynomial_he = _of_degree("hermite_polynomial_he", "Probabilists' Hermite polynomial of degree n.")
laguerre_polynomial_l = _of_degree("laguerre_polynomial_l", "Laguerre's polynomial of degree n.")
legendre_polynomial_p = _of_degree("legendre_polynomial_p", "Legendre's polynomial of degree n.")
