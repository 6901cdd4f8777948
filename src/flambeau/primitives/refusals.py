"""Data types that operations refuse, in PyTorch's words."""

from flambeau.dtypes.kinds import dtype, from_numpy_dtype
from flambeau.primitives.primitive import Array

__all__ = ["REFUSALS", "refuse", "unsupported"]


def unsupported(kernel: str, x: Array) -> NotImplementedError:
    """The error for a data type that an operation does not take, in PyTorch's words."""
    return _missing(kernel, from_numpy_dtype(x.dtype))


def _missing(kernel: str, kind: dtype) -> NotImplementedError:
    name = kind.tensor_type.removesuffix("Tensor")
    return NotImplementedError(f"\"{kernel}\" not implemented for '{name}'")


# What an operation refuses: b booleans, i whole numbers, f floating, c complex ones; and the kernel PyTorch names, or
# its own words (those with a space), with the class of the error.
_NO_CLAMP = (NotImplementedError, "clamp is not supported for complex types")
REFUSALS: dict[str, dict[str, tuple[type[Exception], str]]] = {
    **{
        name: dict.fromkeys(kinds, (NotImplementedError, kernel))
        for kinds, kernels in {
            "bic": "frac:frac_cpu round_cpu:round_cpu hypot:hypot_cpu igamma:igamma_cpu igammac:igammac_cpu "
            "logaddexp2:logaddexp2_cpu nextafter:nextafter_cpu",
            "bi": "logaddexp:logaddexp_cpu lerp_number:lerp_kernel_scalar lerp:lerp_kernel_tensor",
            "bc": "floor_divide:div_floor_cpu div_floor:div_floor_cpu div_trunc:div_trunc_cpu "
            "remainder:remainder_cpu fmod:fmod_cpu round:round_vml_cpu kthvalue:kthvalue_cpu median:median_cpu "
            "median_along:median_out",
            "bfc": "gcd:gcd_cpu lcm:lcm_cpu bitwise_left_shift:lshift_cpu bitwise_right_shift:rshift_cpu",
            "fc": "bitwise_and:bitwise_and_cpu bitwise_or:bitwise_or_cpu bitwise_xor:bitwise_xor_cpu "
            "bitwise_not:bitwise_not_cpu",
            "c": "atan2:atan2_cpu copysign:copysign_cpu xlogy:xlogy_cpu lt:lt_cpu le:le_cpu gt:gt_cpu ge:ge_cpu "
            "erf:erf_vml_cpu erfc:erfc_vml_cpu erfinv:erfinv_vml_cpu lgamma:lgamma_vml_cpu digamma:digamma "
            "trigamma:trigamma polygamma:polygamma "
            "logit:logit_cpu i0:i0_vml_cpu mode:mode_cpu cummax:cummax_cpu cummin:cummin_cpu",
            "b": "power:pow abs:abs_cpu",
        }.items()
        for name, kernel in (item.split(":") for item in kernels.split())
    },
    **{
        name: {"c": (RuntimeError, f"{name} not implemented for complex tensors.")}
        for name in ("maximum", "minimum", "fmax", "fmin")
    },
    **{name: {"c": (RuntimeError, f"{name} is not supported for complex tensors.")} for name in ("deg2rad", "rad2deg")},
    **{name: {"c": (RuntimeError, f"{name} does not support complex inputs.")} for name in ("isneginf", "isposinf")},
    **{
        name: {
            "b": (NotImplementedError, f"{name}_vml_cpu"),
            "c": (NotImplementedError, f"{name} is not supported for complex inputs"),
        }
        for name in ("floor", "ceil", "trunc")
    },
    "hardtanh": {"c": _NO_CLAMP},
    "threshold": dict.fromkeys("bc", (NotImplementedError, "threshold_cpu")),
    "heaviside": {"c": (RuntimeError, "heaviside is not yet implemented for complex tensors.")},
    "relu": {"b": (RuntimeError, "Boolean inputs not supported for relu"), "c": _NO_CLAMP},
    "clamp": {"b": (NotImplementedError, "clamp_cpu"), "c": _NO_CLAMP},
    "sign": {
        "c": (
            NotImplementedError,
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.",
        )
    },
    "signbit": {"c": (NotImplementedError, "signbit is not implemented for complex tensors.")},
}


def refuse(name: str, kind: dtype) -> None:
    """Raise PyTorch's error if the operation of this name does not take this type.

    Raises:
        NotImplementedError, RuntimeError: it does not; which of them is PyTorch's choice.
    """
    refusals = REFUSALS.get(name)
    if not refusals:
        return
    letter = "c" if kind.is_complex else "f" if kind.is_floating_point else "b" if kind.name == "bool" else "i"
    if letter in refusals:
        error, text = refusals[letter]
        raise error(text) if " " in text else _missing(text, kind)
