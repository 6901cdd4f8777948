"""Rarer element-wise methods of ``Tensor``: special functions, whole-number arithmetic, closeness."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from flambeau.primitives import pointwise
from flambeau.primitives import special as p
from flambeau.primitives.primitive import Primitive
from flambeau.primitives.special import BINARY, UNARY
from flambeau.tensors import return_types
from flambeau.tensors.arguments import whole
from flambeau.tensors.core import Core, call, call_in_place, operand
from flambeau.tensors.gradient_checks import check_real
from flambeau.tensors.numpy_names import also_named
from flambeau.tensors.return_types import Results

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Special"]

_ADDRESS = "https://docs.pytorch.org/docs/stable/generated/torch."


def _described(function: Any, name: str, suffix: str = "") -> Any:
    function.__name__ = name + suffix
    function.__qualname__ = f"Tensor.{name}{suffix}"
    function.__module__ = "flambeau"  # where everybody finds Tensor: it is pickled by this name
    function.__doc__ = f"In-place ``{name}``." if suffix else f"Element-wise {name}. Source: {_ADDRESS}{name}.html"
    return function


def _unary(name: str) -> "tuple[Callable[[Special], Tensor], Callable[[Special], Tensor]]":
    primitive = UNARY[name]

    def plain(self: Core) -> Any:
        return call(primitive, (self,))

    def in_place(self: Core) -> Any:
        return call_in_place(self, primitive, (self,))

    return _described(plain, name), _described(in_place, name, "_")


def _binary(
    primitive: Primitive,
) -> "tuple[Callable[[Special, Any], Tensor], Callable[[Special, Any], Tensor]]":
    def plain(self: Core, other: Any) -> Any:
        return call(primitive, (self, operand(other)))

    def in_place(self: Core, other: Any) -> Any:
        return call_in_place(self, primitive, (self, operand(other)))

    return _described(plain, primitive.name), _described(in_place, primitive.name, "_")


class Special(Core):
    """Methods that work on every element by itself, and comparisons within a tolerance."""

    positive = _unary("positive")[0]
    isneginf = _unary("isneginf")[0]
    isposinf = _unary("isposinf")[0]
    isreal = _unary("isreal")[0]
    angle = _unary("angle")[0]
    sgn, sgn_ = _unary("sgn")
    deg2rad, deg2rad_ = _unary("deg2rad")
    rad2deg, rad2deg_ = _unary("rad2deg")
    sinc, sinc_ = _unary("sinc")
    i0, i0_ = _unary("i0")
    copysign, copysign_ = _binary(BINARY["copysign"])
    ldexp, ldexp_ = _binary(BINARY["ldexp"])
    logaddexp2 = _binary(BINARY["logaddexp2"])[0]
    nextafter, nextafter_ = _binary(BINARY["nextafter"])
    igamma, igamma_ = _binary(BINARY["igamma"])
    igammac, igammac_ = _binary(BINARY["igammac"])
    fmax = _binary(BINARY["fmax"])[0]
    fmin = _binary(BINARY["fmin"])[0]
    gcd, gcd_ = _binary(BINARY["gcd"])
    lcm, lcm_ = _binary(BINARY["lcm"])
    heaviside, heaviside_ = map(also_named(values="other"), _binary(BINARY["heaviside"]))
    float_power, float_power_ = map(also_named(exponent="other"), _binary(pointwise.float_power))

    @property
    def real(self) -> "Tensor":
        """Real part; a real tensor itself. Unlike PyTorch's it is no view: writing to it leaves the tensor alone."""
        return call(UNARY["real"], (self,)) if self.dtype.is_complex else cast("Tensor", self)

    @property
    def imag(self) -> "Tensor":
        """Imaginary part; raises RuntimeError for real tensors. No view, unlike PyTorch's."""
        return call(UNARY["imag"], (self,))

    def round(self, *, decimals: int = 0) -> "Tensor":
        """Rounded to so many decimals, halves to even.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.round.html
        """
        return call(p.round_to, (self,), (decimals,))

    def round_(self, *, decimals: int = 0) -> "Tensor":
        """In-place ``round``."""
        return call_in_place(self, p.round_to, (self,), (decimals,))

    def nan_to_num(
        self, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
    ) -> "Tensor":
        """NaN replaced by ``nan`` (0) and infinities by the type's limits, or by what is given.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nan_to_num.html
        """
        check_real("nan_to_num", self)
        return call(*_finite(self, nan, posinf, neginf))

    def nan_to_num_(
        self, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
    ) -> "Tensor":
        """In-place ``nan_to_num``."""
        return call_in_place(self, *_finite(self, nan, posinf, neginf))

    def polygamma(self, n: int) -> "Tensor":
        """Derivative n of the digamma function.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.polygamma.html
        """
        n = whole("polygamma", "n", n)
        if n < 0:
            raise RuntimeError("polygamma(n, x) does not support negative n.")
        return call(p.polygamma, (self,), (n,))

    def mvlgamma(self, p: int) -> "Tensor":
        """Logarithm of the multivariate gamma function.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.mvlgamma.html
        """
        return call(_mvlgamma, (self,), (int(p),))

    def polygamma_(self, n: int) -> "Tensor":
        """In-place ``polygamma``."""
        return cast("Tensor", self).copy_(self.polygamma(n))

    def mvlgamma_(self, p: int) -> "Tensor":
        """In-place ``mvlgamma``."""
        return cast("Tensor", self).copy_(self.mvlgamma(p))

    def frexp(self) -> Results:
        """Mantissa (at least 0.5, below 1) and exponent of 2.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.frexp.html
        """
        if not self.dtype.is_floating_point:
            raise RuntimeError("torch.frexp() only supports floating-point dtypes")
        return return_types.frexp(call(p.frexp, (self,)))

    # -- closeness ---------------------------------------------------------------------------------------------

    def isclose(self, other: "Tensor", rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> "Tensor":
        """Whether |self - other| <= atol + rtol * |other|, element by element.

        Raises:
            RuntimeError: the types differ, or a tolerance is negative.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.isclose.html
        """
        if self.dtype is not other.dtype:
            kinds = [item.dtype.tensor_type.removesuffix("Tensor") for item in (self, other)]
            raise RuntimeError(f"{kinds[0]} did not match {kinds[1]}")
        for name, value in (("rtol", rtol), ("atol", atol)):
            if value < 0:
                raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
        return call(p.isclose, (self, other, float(rtol), float(atol)), (equal_nan,))

    def allclose(self, other: "Tensor", rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
        """Whether all elements are close; see ``isclose``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.allclose.html
        """
        return bool(self.isclose(other, rtol, atol, equal_nan).all())

    def equal(self, other: "Tensor") -> bool:
        """Whether shapes and all elements are the same.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.equal.html
        """
        if not isinstance(other, Core):
            kind = type(cast("object", other)).__name__
            raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {kind}")
        return self.shape == other.shape and bool(call(p.same, (self, other)))

    def is_nonzero(self) -> bool:
        """Whether the only element is not zero; raises RuntimeError if there is not exactly one."""
        return bool(self)

    def is_signed(self) -> bool:
        """Whether the type has negative numbers."""
        return self.dtype.is_signed

    def is_same_size(self, other: "Tensor") -> bool:
        """Whether the shapes are equal."""
        return self.shape == other.shape


_mvlgamma = p.mvlgamma


def _finite(tensor: Core, nan: float | None, posinf: float | None, neginf: float | None) -> Any:
    numbers = [0.0 if value is None else float(value) for value in (nan, posinf, neginf)]
    return p.nan_to_num, (tensor, *numbers), ((posinf is not None, neginf is not None),)
