"""Convolutions of few channels, computed on rows of their own: what plain XLA gives, number by number."""

import random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flambeau as torch
from flambeau.base.config import config
from flambeau.kernels.convolution import Geometry
from tests.kernels.shapes import arrays, close, everything, first_order, geometry, native, plain

pytestmark = pytest.mark.usefixtures("kernels")


# Shape of x, outputs, window, stride, padding, dilation. Where a weight gradient is served there are many places.
FEW = {
    "first of CivilNet": geometry((5, 3, 32, 32), 6, (5, 5)),
    "second of CivilNet": geometry((32, 6, 14, 14), 16, (5, 5)),
    "padded": geometry((7, 4, 31, 29), 12, (3, 3), 1, (1, 1)),
    "padded unevenly": geometry((7, 2, 23, 37), 7, (4, 3), 1, (0, 2)),
    "dilated": geometry((9, 3, 27, 33), 5, (3, 2), 1, (1, 0), 2),
    "one axis": geometry((17, 5, 301), 9, (7,), 1, (3, 3)),
    "three axes": geometry((4, 2, 9, 11, 13), 3, (2, 3, 3), 1, (1, 1)),
    "one by one": geometry((6, 5, 24, 24), 4, (1, 1)),
    "one image": geometry((1, 3, 40, 41), 8, (5, 5), 1, (2, 2)),
    "one channel, one output": geometry((3, 1, 50, 50), 1, (3, 3)),
    "lines of one number": geometry((40, 3, 90, 1), 4, (3, 1), 1, (1, 1)),
    "a result of one number": geometry((2, 2, 3, 3), 4, (3, 3)),
    "outputs in three groups": geometry((12, 8, 20, 20), 17, (3, 3), 1, (1, 1)),
}  # fmt: skip


def drawn(seed: int) -> Geometry:
    """Few channels, with options drawn at random."""
    draw = random.Random(seed)
    rank = draw.choice((1, 2, 2, 2, 3))
    window = [draw.choice((1, 2, 3, 4, 5, 7)) for _ in range(rank)]
    dilation = draw.choice((1, 1, 1, 2, 3))
    most = dilation * (min(window) - 1)
    padding = (draw.randint(0, most), draw.randint(0, most))
    spread = {1: 400, 2: 30, 3: 9}[rank]
    sizes = [dilation * (size - 1) + 1 + draw.randint(0, spread) for size in window]
    x = (draw.choice((1, 2, 3, 8, 21)), draw.randint(1, 8), *sizes)
    return geometry(x, draw.randint(1, 18), window, 1, padding, dilation)


def both(shape: Geometry, inputs: list[Any]) -> Any:
    """Result and gradients from the kernels and from plain XLA, side by side."""
    found, expected = (jax.jit(first_order(form(shape)))(*inputs) for form in (native, plain))
    return zip(found, expected, strict=True)


@pytest.mark.parametrize("shape", FEW.values(), ids=FEW)
def test_result_and_derivatives_are_those_of_plain_xla(shape: Geometry) -> None:
    inputs = arrays(shape)
    found, expected = (jax.jit(everything(form(shape)))(*inputs) for form in (native, plain))
    for mine, theirs in zip(found, expected, strict=True):
        close(mine, theirs)


@pytest.mark.parametrize("seed", range(16))
def test_drawn_at_random(seed: int) -> None:
    shape = drawn(seed)
    for mine, theirs in both(shape, arrays(shape, seed)):
        close(mine, theirs)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (13, 30), (17, 31), (31, 31)])
def test_what_is_no_number_reaches_what_it_is_part_of(value: float, place: tuple[int, int]) -> None:
    """The rest of a line is read for numbers that are thrown away: nothing of it may show."""
    shape = FEW["first of CivilNet"]
    x, *others = arrays(shape)
    for mine, theirs in both(shape, [x.at[2, 1, *place].set(value), *others]):
        finite = np.isfinite(np.asarray(theirs))
        np.testing.assert_array_equal(np.isfinite(np.asarray(mine)), finite)
        close(np.asarray(mine)[finite], np.asarray(theirs)[finite])


@pytest.mark.parametrize("place", [(0, 0), (0, 9), (4, 9), (9, 9)])
def test_a_gradient_that_is_no_number(place: tuple[int, int]) -> None:
    shape = FEW["second of CivilNet"]
    x, weight, bias, direction, *_ = arrays(shape)
    inputs = [x, weight, bias, direction.at[3, 2, *place].set(np.nan)]
    _, of_x, of_weight, of_bias = jax.jit(first_order(native(shape)))(*inputs)
    row, column = place
    assert np.isnan(of_x[3, :, row : row + 5, column : column + 5]).all()
    assert int(np.isnan(of_x).sum()) == 6 * 25
    assert np.isnan(of_weight[2]).all()
    assert int(np.isnan(of_weight).sum()) == 6 * 25
    assert np.argwhere(np.isnan(np.asarray(of_bias))).tolist() == [[2]]


def test_neighbors_in_memory_are_left_alone() -> None:
    """Whole vectors are written; those of the last line must end with it."""
    shape = geometry((3, 2, 5, 7), 4, (1, 1))
    x, weight, bias, *_ = arrays(shape)
    program = jax.jit(lambda x: (native(shape)(x, weight, bias), native(shape)(x + 1, weight, bias)))
    for mine, theirs in zip(program(x), (plain(shape)(item, weight, bias) for item in (x, x + 1)), strict=True):
        close(mine, theirs)


def test_the_same_bits_every_time() -> None:
    shape = FEW["second of CivilNet"]
    inputs = arrays(shape)
    program = jax.jit(first_order(native(shape))).lower(*inputs).compile()
    first = [np.asarray(item).tobytes() for item in program(*inputs)]
    for _ in range(10):
        assert [np.asarray(item).tobytes() for item in program(*inputs)] == first


# -- as modules use them -------------------------------------------------------------------------------------------


def step(x: Any) -> list[np.ndarray]:
    """What a layer gives for images that are a view of others, and its gradients."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 6, 5, padding=1)
    images = x.detach().requires_grad_()
    y = layer(images.transpose(2, 3)[:, :, 1::2])
    y.square().sum().backward()
    return [item.detach().numpy() for item in (y, images.grad, layer.weight.grad, layer.bias.grad)]


@pytest.mark.parametrize("batch", [0, 1, 4])
def test_views_and_empty_batches(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(batch, 3, 30, 41, generator=torch.Generator().manual_seed(1))
    found = step(x)
    monkeypatch.setattr(config, "kernels", False)
    for mine, theirs in zip(found, step(x), strict=True):
        assert mine.shape == theirs.shape
        close(mine, theirs) if mine.size else None


def test_mapped_over_a_batch() -> None:
    shape = FEW["first of CivilNet"]
    x, weight, bias, *_ = arrays(shape)
    inputs = (jnp.stack([x, x - 1]), weight, bias)
    found, expected = (jax.jit(jax.vmap(form(shape), (0, None, None)))(*inputs) for form in (native, plain))
    close(found, expected)
