"""Convolutions to try, and what to compute of each."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau.kernels.convolution import Geometry, convolved, places
from flambeau.primitives.convolution import _plain


def geometry(
    x: Sequence[int],
    outputs: int,
    window: Sequence[int],
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    dilation: int = 1,
    groups: int = 1,
) -> Geometry:
    """A convolution with the same options on every axis."""
    rank = len(window)
    steps, gaps, before, after = [(item,) * rank for item in (stride, dilation, *padding)]
    counts = map(places, x[2:], window, steps, gaps, before, after)
    weight = (outputs, x[1] // groups, *window)
    return Geometry(tuple(x), weight, (x[0], outputs, *counts), steps, gaps, before, after, groups)


# Shape of x, outputs, window, stride, padding, dilation, groups.
CASES = {
    "one axis": geometry((3, 4, 20), 6, (5,), 2, (2, 2)),
    "two axes": geometry((2, 3, 9, 8), 4, (3, 3), 1, (1, 1)),
    "three axes": geometry((2, 2, 5, 6, 7), 3, (2, 3, 2), 1, (1, 1)),
    "one by one": geometry((2, 16, 5, 5), 32, (1, 1)),
    "one by one, strided": geometry((2, 16, 7, 7), 8, (1, 1), 2),
    "dilated": geometry((2, 3, 12, 11), 5, (3, 2), 1, (0, 0), 2),
    "strided, a rest is left": geometry((1, 3, 10, 10), 4, (3, 3), 3),
    "padded unevenly": geometry((2, 3, 6, 6), 4, (2, 2), 1, (0, 1)),
    "groups": geometry((2, 6, 8, 8), 9, (3, 3), 1, (1, 1), 1, 3),
    "depthwise": geometry((2, 16, 8, 8), 16, (3, 3), 1, (1, 1), 1, 16),
    "depthwise, two each": geometry((2, 8, 8, 8), 16, (3, 3), 1, (1, 1), 1, 8),
    "one image, one channel, one place": geometry((1, 1, 3, 3), 1, (3, 3)),
    "channels side by side": geometry((2, 32, 6, 5), 48, (3, 3), 1, (1, 1)),
    "channels side by side, strided": geometry((2, 32, 7, 7), 32, (3, 3), 2, (1, 1)),
    "channels of x side by side": geometry((2, 32, 5, 6), 20, (3, 3), 1, (0, 1)),
    "channels of y side by side": geometry((3, 3, 9, 8), 64, (3, 3), 1, (1, 1)),
    "padding beyond the window": geometry((1, 2, 2, 2), 3, (2, 2), 1, (3, 3)),
}

# Large enough to be cut: by images, by outputs of one image, by groups of one image; the weight gradient by outputs.
LARGE = {
    "many images": geometry((7, 16, 24, 24), 16, (3, 3), 1, (1, 1)),
    "one large image": geometry((1, 32, 40, 40), 40, (3, 3), 1, (1, 1)),
    "one large image in groups": geometry((1, 64, 40, 40), 64, (5, 5), 1, (2, 2), 1, 32),
    "many images, channels side by side": geometry((11, 64, 15, 13), 96, (3, 3), 1, (1, 1)),
    "one large image, channels side by side": geometry((1, 64, 30, 30), 64, (3, 3), 1, (1, 1)),
    "one small image of many channels": geometry((1, 128, 13, 15), 208, (3, 3), 1, (1, 1)),
    "padded unevenly, channels side by side": geometry((3, 48, 20, 18), 112, (3, 3), 1, (0, 2)),
    "large weight, channels side by side": geometry((9, 160, 7, 7), 192, (3, 3), 1, (1, 1)),
    "large weight": geometry((3, 128, 6, 6), 100, (3, 3), 1, (1, 1)),
}


def drawn(seed: int) -> Geometry:
    """A small convolution with options drawn at random."""
    draw = random.Random(seed)
    rank = draw.choice((1, 2, 2, 3))
    groups = draw.choice((1, 1, 2, 3, 8))
    window = [draw.choice((1, 2, 3, 5)) for _ in range(rank)]
    dilation, padding = draw.choice((1, 1, 2)), (draw.randint(0, 3), draw.randint(0, 3))
    sizes = [max(1, dilation * (size - 1) + 1 - sum(padding)) + draw.randint(0, 8) for size in window]
    x = (draw.choice((1, 2, 5)), groups * draw.choice((1, 2, 3, 17)), *sizes)
    return geometry(
        x, groups * draw.choice((1, 2, 5, 16)), window, draw.choice((1, 1, 2, 3)), padding, dilation, groups
    )


def arrays(shape: Geometry, seed: int = 0) -> list[Any]:
    """x, weight, bias, and directions for the first and second derivatives."""
    numbers = np.random.default_rng(seed)
    sizes = (shape.x, shape.weight, shape.y[1:2])
    return [
        jnp.asarray(numbers.normal(size=size).astype(np.float32))
        for size in (*sizes, shape.y, *sizes)
    ]  # fmt: skip


def native(shape: Geometry) -> Callable[..., Any]:
    """The convolution through the kernels."""
    return lambda x, weight, bias: convolved(x, weight, bias, shape, _plain)


def plain(shape: Geometry) -> Callable[..., Any]:
    """The same in plain XLA, by its own convolution."""
    spatial = "DHW"[3 - len(shape.stride) :]
    layout = ("NC" + spatial, "OI" + spatial, "NC" + spatial)
    padding = tuple(zip(shape.before, shape.after, strict=True))

    def lowered(x: Any, weight: Any, bias: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x, weight, shape.stride, padding, None, shape.dilation, layout, shape.groups
        )  # fmt: skip
        return y + bias.reshape(-1, *(1,) * len(spatial))

    return lowered


def everything(function: Callable[..., Any]) -> Callable[..., Any]:
    """The result, the derivative forwards, the gradients, and the gradients of a product with these."""

    def computed(x: Any, weight: Any, bias: Any, direction: Any, *others: Any) -> list[Any]:
        def gradients(x: Any, weight: Any, bias: Any) -> Any:
            y, pull = jax.vjp(function, x, weight, bias)
            return pull(direction * y)

        y, tangent = jax.jvp(function, (x, weight, bias), others)
        first, pull = jax.vjp(gradients, x, weight, bias)
        return [y, tangent, *first, *pull(others)]

    return computed


def first_order(function: Callable[..., Any]) -> Callable[..., Any]:
    """The result and the gradients."""

    def computed(x: Any, weight: Any, bias: Any, direction: Any, *_: Any) -> list[Any]:
        y, pull = jax.vjp(function, x, weight, bias)
        return [y, *pull(direction)]

    return computed


def close(found: Any, expected: Any) -> None:
    """Equal up to the rounding of sums in another order."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5 * max(1.0, float(np.abs(expected).max())))
