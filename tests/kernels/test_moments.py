"""Native sums over everything but the channels: exact to rounding, and what batch normalization makes of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flambeau as torch
from flambeau.base.config import config
from flambeau.kernels import library
from flambeau.kernels.convolution import convolved
from flambeau.kernels.layout import channels_last
from flambeau.kernels.moments import _plain_moments, _plain_products, moments, products, sums_natively
from flambeau.kernels.normalization import _formula, normalized
from flambeau.primitives.convolution import _plain
from tests.kernels.shapes import geometry

SHAPES = {
    "rows": (7, 5),
    "one row": (1, 33),
    "one axis": (3, 4, 9),
    "planes": (4, 3, 5, 7),
    "channels side by side": (3, 48, 5, 3),
    "one image of one place": (1, 32, 1, 1),
    "three axes": (2, 32, 3, 4, 5),
    "many rows, for several threads": (40, 64, 9, 11),
    "many planes, for several threads": (9, 40, 70, 61),
    "many features, for several threads": (1500, 70),
}

pytestmark = pytest.mark.usefixtures("kernels")


def drawn(shape: tuple[int, ...], far: float = 3.0) -> list[Any]:
    """x, whose mean is far from zero, and y."""
    numbers = np.random.default_rng(0)
    return [jnp.asarray(numbers.normal(mean, 1, shape).astype(np.float32)) for mean in (far, 0.0)]


def exact(x: Any, y: Any, mean: Any) -> list[Any]:
    """Mean and variance of x, and the sums of y and y * (x - mean), in double precision."""
    x, y, mean = (np.asarray(item, np.float64) for item in (x, y, mean))
    axes = (0, *range(2, x.ndim))
    distance = x - mean.reshape(-1, *(1,) * (x.ndim - 2))
    return [x.mean(axes), x.var(axes), y.sum(axes), (y * distance).sum(axes)]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_sums_are_exact_to_rounding(shape: tuple[int, ...]) -> None:
    x, y = drawn(shape)

    def sums(x: Any, y: Any) -> list[Any]:
        mean, variance = moments(x)
        return [mean, variance, *products(y, x, mean)]

    lowered = jax.jit(sums).lower(x, y)
    assert "flambeau_moments" in lowered.as_text()
    program = lowered.compile()
    assert library.flops(str(program.as_text())) == 8 * x.size
    found = [np.asarray(item) for item in program(x, y)]
    assert {item.dtype for item in found} == {np.dtype(np.float32)}
    scale = np.sqrt(x.size / shape[1])
    for index, (item, expected) in enumerate(zip(found, exact(x, y, found[0]), strict=True)):
        np.testing.assert_allclose(item, expected, rtol=2e-6, atol=(1e-6, 1e-6, 2e-6 * scale, 1e-5 * scale)[index])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_sums_of_each_image_are_those_of_its_own(shape: tuple[int, ...]) -> None:
    x, y = drawn(shape)

    @jax.jit
    def sums(x: Any, y: Any) -> list[Any]:
        mean, variance = moments(x, apart=True)
        return [mean, variance, *products(y, x, mean, apart=True)]

    found = [np.asarray(item) for item in sums(x, y)]
    for image in range(shape[0]):
        mine = [item[image] for item in found]
        expected = exact(x[image : image + 1], y[image : image + 1], mine[0])
        scale = np.sqrt(x[image, 0].size)
        for index, (item, other) in enumerate(zip(mine, expected, strict=True)):
            np.testing.assert_allclose(item, other, rtol=2e-6, atol=(1e-6, 1e-6, 2e-6 * scale, 1e-5 * scale)[index])


def test_a_far_mean_costs_no_digits_of_the_variance() -> None:
    for shape in ((40, 64, 9, 11), (5, 3, 64, 64), (4000, 3)):
        x, _ = drawn(shape, far=1000.0)
        variance = np.asarray(jax.jit(moments)(x)[1])
        np.testing.assert_allclose(variance, exact(x, x, np.zeros(shape[1]))[1], rtol=1e-5)


@pytest.mark.parametrize("shape", [(40, 64, 9, 11), (3, 5, 4, 4)])
def test_nan_stays_in_its_channel(shape: tuple[int, ...]) -> None:
    x, y = drawn(shape)
    x = x.at[1, 2, 0, 1].set(jnp.nan)
    mean, variance = jax.jit(moments)(x)
    _, second = jax.jit(products)(y, x, jnp.zeros(shape[1]))
    for item in (mean, variance, second):
        assert np.flatnonzero(np.isnan(np.asarray(item))).tolist() == [2]


def test_derivatives_and_batches_are_the_formulas() -> None:
    x, y = drawn((3, 4, 5, 2))
    mean = jnp.full(4, 3.0)
    for native, plain, inputs in ((moments, _plain_moments, (x,)), (products, _plain_products, (y, x, mean))):

        def computed(function: Any, inputs: Any = inputs) -> Any:
            results, tangents = jax.jvp(function, inputs, inputs)
            _, pull = jax.vjp(function, *inputs)
            wide = tuple(jnp.stack([item, 2 * item]) for item in inputs)
            return results, tangents, pull([jnp.ones(4), jnp.arange(4.0)]), jax.vmap(function)(*wide)

        found, expected = jax.jit(lambda f=native: computed(f))(), jax.jit(lambda f=plain: computed(f))()
        for item, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(item, other, rtol=2e-5, atol=2e-5)


def test_what_is_served() -> None:
    assert sums_natively((2, 3), np.float32)
    assert not sums_natively((2, 3), np.float64)
    assert not sums_natively((0, 3, 2), np.float32)
    assert channels_last((1, 32, 5, 5))
    assert not channels_last((1, 40, 5, 5))
    assert not channels_last((1, 16, 5, 5))


def trained(shape: tuple[int, ...], second: bool) -> list[Any]:
    """Batch normalization and ReLU after a convolution: results, statistics, gradients (and a second derivative)."""
    torch.manual_seed(0)
    numbers = np.random.default_rng(1)
    convolution, norm = torch.nn.Conv2d(shape[1], 32, 3, padding=1, bias=False), torch.nn.BatchNorm2d(32)
    x = torch.from_numpy(numbers.normal(1, 2, shape).astype(np.float32)).requires_grad_()
    y = norm(convolution(x)).relu()
    y = y.sin() if second else y
    inputs = (x, *norm.parameters(), *convolution.parameters())
    gradients = torch.autograd.grad((y * y).sum(), inputs, create_graph=second)
    if second:
        total = sum(((item * item).sum() for item in gradients), torch.zeros(()))
        gradients += torch.autograd.grad(total, inputs)
    return [item.detach().numpy() for item in (y, norm.running_mean, norm.running_var, *gradients)]


@pytest.mark.parametrize("second", [False, True], ids=["gradient", "second derivative"])
def test_a_network_is_the_same_without_kernels(second: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (3, 32, 6, 5)
    found = trained(shape, second)
    monkeypatch.setattr(config, "kernels", False)
    for item, expected in zip(found, trained(shape, second), strict=True):
        bound = 2e-4 if second else 2e-5
        np.testing.assert_allclose(item, expected, rtol=bound, atol=bound * max(1.0, float(np.abs(expected).max())))


GROUPS = {"by the batch": None, "one group": 1, "groups": 4, "each channel": 32}


def images(shape: tuple[int, ...] = (3, 32, 6, 5)) -> list[Any]:
    """Images whose mean is far from zero, the gradient of what becomes of them, scale and shift."""
    numbers = np.random.default_rng(1)
    parts = ((30, shape), (0, shape), (0, shape[1:2]), (0, shape[1:2]))
    return [jnp.asarray(numbers.normal(mean, 1, size).astype(np.float32)) for mean, size in parts]


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_normalization_is_the_formula(groups: int | None) -> None:
    """Its gradients, the derivative of these, and over a batch."""
    x, cotangent, scale, shift = images()

    def computed(function: Callable[..., Any]) -> Any:
        def gradients(*inputs: Any) -> Any:
            y, pull = jax.vjp(function, *inputs)
            return [y, *pull(cotangent)]

        squares = jax.grad(lambda *inputs: sum((item**2).sum() for item in gradients(*inputs)[1:]), (0, 1))
        batch = jnp.stack([x, 2 * x])
        return (
            *gradients(x, scale, shift),
            *squares(x, scale, shift),
            jax.vmap(lambda x: function(x, scale, shift))(batch),
        )

    native = jax.jit(lambda: computed(lambda x, a, b: normalized(x, jnp.float32(1e-5), a, b, groups)[0]))
    plain = jax.jit(lambda: computed(lambda x, *rest: _formula(x, jnp.float32(1e-5), *rest, groups=groups)))
    text = native.lower().as_text()
    assert "@flambeau_moments" in text
    assert "@flambeau_products" in text
    for item, expected in zip(native(), plain(), strict=True):
        np.testing.assert_allclose(item, expected, rtol=1e-4, atol=1e-4 * float(np.abs(expected).max()))


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_group_statistics_are_exact(groups: int | None) -> None:
    x, _, scale, shift = images()
    _, mean, variance = jax.jit(lambda x: normalized(1000 + x, jnp.float32(1e-5), scale, shift, groups))(x)
    wide = np.asarray(1000 + x, np.float64)
    parts = wide.swapaxes(0, 1).reshape(1, 32, -1) if groups is None else wide.reshape(3, groups, -1)
    np.testing.assert_allclose(mean, parts.mean(2), rtol=1e-6)
    np.testing.assert_allclose(variance, parts.var(2), rtol=1e-5)


def by(x: Any, outputs: int, groups: int = 1) -> Any:
    """A convolution of these images by 3 x 3 windows."""
    shape = geometry(x.shape, outputs, (3, 3), 1, (1, 1), 1, groups)
    return convolved(x, jnp.ones(shape.weight), None, geometry=shape, plain=_plain)


@pytest.mark.parametrize(
    ("chain", "last"),
    [
        (lambda x: x * 2, 0),
        (lambda x: by(x, 32), 1),
        (lambda x: x + jax.nn.relu(by(x, 64)[:, :32] - x), 1),
        (lambda x: by(x, 32, 32), 0),
        (lambda x: by(x, 40), 0),
    ],
    ids=[
        "what enters",
        "a convolution",
        "functions of a convolution",
        "channel by channel",
        "an odd number of channels",
    ],
)
@pytest.mark.parametrize("groups", [None, 4])
def test_images_are_taken_as_they_lie(chain: Any, last: int, groups: int | None) -> None:
    """Nothing is rearranged for sums: they read images plane by plane, unless a convolution left them otherwise."""

    def computed(x: Any) -> Any:
        y = chain(x)
        scale = jnp.ones(y.shape[1])
        z, pull = jax.vjp(lambda y: normalized(y, jnp.float32(1e-5), scale, scale, groups)[0], y)
        return pull(z * z)[0]

    text = jax.jit(computed).lower(images((2, 32, 6, 6))[0]).as_text()
    for name in ("moments", "products"):
        calls = [line for line in text.splitlines() if f"@flambeau_{name}" in line]
        assert calls
        assert all(f"last = {last} : i64" in line for line in calls)
