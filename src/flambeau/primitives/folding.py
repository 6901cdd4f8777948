"""Sliding blocks of an image as columns, and columns added up to an image again."""

import jax
import jax.numpy as jnp

from flambeau.primitives.pooling import Window
from flambeau.primitives.primitive import Array, primitive
from flambeau.primitives.refusals import unsupported

__all__ = ["fold", "unfold"]

Windows = tuple[Window, Window]


def _spread(x: Array, axis: int, window: Window) -> Array:
    """An axis as two: the offset inside the window, and the window's place."""
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (window.padding, window.padding, 0)
    padded = jax.lax.pad(x, jnp.zeros((), x.dtype), pads)
    span = (window.places - 1) * window.stride + 1
    starts = [offset * window.dilation for offset in range(window.kernel)]
    parts = [jax.lax.slice_in_dim(padded, start, start + span, window.stride, axis) for start in starts]
    return jnp.stack(parts, axis)


def _gathered(x: Array, axis: int, window: Window, size: int) -> Array:
    """The transpose of ``_spread``: two axes (offset, place) add up to one of ``size`` elements."""
    length = size + 2 * window.padding
    span = (window.places - 1) * window.stride + 1
    total = jnp.zeros((*x.shape[:axis], length, *x.shape[axis + 2 :]), x.dtype)
    for offset in range(window.kernel):
        part = jax.lax.index_in_dim(x, offset, axis, keepdims=False)
        start = offset * window.dilation
        pads = [(0, 0, 0)] * part.ndim
        pads[axis] = (start, length - start - span, window.stride - 1)
        total = total + jax.lax.pad(part, jnp.zeros((), x.dtype), pads)
    return jax.lax.slice_in_dim(total, window.padding, window.padding + size, 1, axis)


@primitive(saves=(), grad_name="Im2ColBackward0")
def unfold(x: Array, windows: Windows) -> Array:
    """(N, C, H, W) to (N, C kernel_H kernel_W, places): every block as a column."""
    if jnp.issubdtype(x.dtype, jnp.integer):
        raise unsupported("im2col_out_cpu", x)
    batch, channels = x.shape[:2]
    height, width = windows
    blocks = _spread(_spread(x, 3, width), 2, height).transpose(0, 1, 2, 4, 3, 5)
    return blocks.reshape(batch, channels * height.kernel * width.kernel, height.places * width.places)


@primitive(saves=(), grad_name="Col2ImBackward0")
def fold(x: Array, windows: Windows, sizes: tuple[int, int]) -> Array:
    """(N, C kernel_H kernel_W, places) to (N, C, H, W): blocks added up where they overlap."""
    if jnp.issubdtype(x.dtype, jnp.integer):
        raise unsupported("col2im_out_cpu", x)
    height, width = windows
    channels = x.shape[1] // (height.kernel * width.kernel)
    split = x.reshape(x.shape[0], channels, height.kernel, width.kernel, height.places, width.places)
    blocks = split.transpose(0, 1, 2, 4, 3, 5)
    return _gathered(_gathered(blocks, 2, height, sizes[0]), 3, width, sizes[1])
