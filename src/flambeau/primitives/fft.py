"""Fourier transforms: complex to complex, real to half a spectrum, and half a spectrum to real."""

import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, floating, primitive

__all__ = ["complex_to_complex", "half_to_real", "real_to_half"]

# A transform scales when it goes one way: which way is the same for the conjugate spectrum, seen from the other side.
_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}

Sizes = tuple[int, ...]


def _number(x: Array) -> Array:
    """The signal in a type there are transforms of; raises RuntimeError, in PyTorch's words, for the others."""
    value = floating(x)
    if value.dtype.name not in ("float32", "float64", "complex64", "complex128"):
        kind = from_numpy_dtype(value.dtype).tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"Unsupported dtype {kind}")
    return value


def _complex(x: Array) -> Array:
    value = _number(x)
    return value if jnp.iscomplexobj(value) else value.astype(jnp.result_type(value.dtype, jnp.complex64))


def _transformed(x: Array, sizes: Sizes, axes: Sizes, norm: str, forward: bool) -> Array:
    if not axes:
        return x
    return (jnp.fft.fftn if forward else jnp.fft.ifftn)(x, sizes, axes, norm)


@primitive(saves=(), grad_name="FftC2CBackward0")
def complex_to_complex(x: Array, sizes: Sizes, axes: Sizes, norm: str, forward: bool) -> Array:
    """Along some axes, cut or filled up to these sizes; ``norm`` is "backward", "forward" or "ortho"."""
    return _transformed(_complex(x), sizes, axes, norm, forward)


@primitive(saves=(), grad_name="FftR2CBackward0")
def real_to_half(x: Array, sizes: Sizes, axes: Sizes, norm: str, forward: bool) -> Array:
    """The frequencies up to the middle of the last axis; the others are their conjugates."""
    value = _number(x)
    if forward:
        return jnp.fft.rfftn(value, sizes, axes, norm)
    half = jnp.conj(jnp.fft.rfft(value, sizes[-1], axes[-1], _OPPOSITE[norm]))
    return _transformed(half, sizes[:-1], axes[:-1], norm, forward)


@primitive(saves=(), grad_name="FftC2RBackward0")
def half_to_real(x: Array, sizes: Sizes, axes: Sizes, norm: str, forward: bool) -> Array:
    """The real signal of which only the frequencies up to the middle of the last axis are given."""
    half = _transformed(_complex(x), sizes[:-1], axes[:-1], norm, forward)
    if forward:
        return jnp.fft.irfft(jnp.conj(half), sizes[-1], axes[-1], _OPPOSITE[norm])
    return jnp.fft.irfft(half, sizes[-1], axes[-1], norm)
