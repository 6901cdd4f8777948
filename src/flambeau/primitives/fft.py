"""Fourier transforms: complex to complex, real to half a spectrum, and half a spectrum to real."""

import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.primitives.primitive import Array, floating, primitive

__all__ = ["complex_to_complex", "half_to_real", "overlap_add", "real_to_half"]

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


@primitive(saves=(), grad_name="FftC2CBackward0")
def complex_to_complex(x: Array, sizes: Sizes, axes: Sizes, norm: str, forward: bool) -> Array:
    """Along some axes, cut or filled up to these sizes; ``norm`` is "backward", "forward" or "ortho"."""
    value = _complex(x)
    if not axes:
        return value
    return (jnp.fft.fftn if forward else jnp.fft.ifftn)(value, sizes, axes, norm)


@primitive(saves=(), grad_name="FftR2CBackward0")
def real_to_half(x: Array, sizes: Sizes, axes: Sizes, norm: str, forward: bool) -> Array:
    """The frequencies up to the middle of the last axis; the others are their conjugates."""
    value = _number(x)
    if forward:
        return jnp.fft.rfftn(value, sizes, axes, norm)
    return jnp.conj(jnp.fft.rfftn(value, sizes, axes, _OPPOSITE[norm]))


@primitive(saves=(), grad_name="FftC2RBackward0")
def half_to_real(x: Array, sizes: Sizes, axes: Sizes, norm: str, forward: bool) -> Array:
    """The real signal of which only the frequencies up to the middle of the last axis are given."""
    value = _complex(x)
    if forward:
        return jnp.fft.irfftn(jnp.conj(value), sizes, axes, _OPPOSITE[norm])
    return jnp.fft.irfftn(value, sizes, axes, norm)


@primitive(saves=(), grad_name="UnfoldBackwardBackward0")
def overlap_add(frames: Array, hop: int) -> Array:
    """Frames (..., count, size) laid ``hop`` apart and added where they overlap: (..., size + hop (count - 1))."""
    *batch, count, size = frames.shape
    places = hop * jnp.arange(count)[:, None] + jnp.arange(size)
    return jnp.zeros((*batch, size + hop * (count - 1)), frames.dtype).at[..., places].add(frames)
