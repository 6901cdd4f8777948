"""Native convolutions give what plain XLA gives, to the second derivative, however they are called."""

import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flambeau as torch
from flambeau.base.config import config
from flambeau.kernels import library
from flambeau.kernels.convolution import Geometry, convolved, serves
from flambeau.kernels.library import flops
from flambeau.primitives.convolution import _plain
from flambeau.testing import compilations
from tests.kernels.shapes import CASES, LARGE, arrays, close, drawn, everything, first_order, geometry, native, plain

pytestmark = pytest.mark.usefixtures("kernels")


def compiled(function: Callable[..., Any], *inputs: Any) -> tuple[Any, str]:
    """The results of a function, and the text of its program."""
    lowered = jax.jit(function).lower(*inputs)
    return lowered.compile()(*inputs), lowered.as_text()


@pytest.mark.parametrize("shape", CASES.values(), ids=CASES)
def test_result_and_derivatives_are_those_of_plain_xla(shape: Geometry) -> None:
    assert serves(shape, np.dtype(np.float32))
    inputs = arrays(shape)
    found, text = compiled(everything(native(shape)), *inputs)
    assert text.count("stablehlo.convolution") == 0
    assert text.count("@flambeau_convolution") >= 8
    expected, _ = compiled(everything(plain(shape)), *inputs)
    for mine, theirs in zip(found, expected, strict=True):
        close(mine, theirs)


@pytest.mark.parametrize("shape", LARGE.values(), ids=LARGE)
def test_large_ones_are_cut_into_pieces(shape: Geometry) -> None:
    inputs = arrays(shape)
    found, _ = compiled(first_order(native(shape)), *inputs)
    for mine, theirs in zip(found, compiled(first_order(plain(shape)), *inputs)[0], strict=True):
        close(mine, theirs)


def test_bfloat16_is_rounded_once(halves: None) -> None:
    """Against float64 on the same numbers: the rounding of the result, and of sums in float32."""
    shapes = [*CASES.values(), LARGE["many images"], LARGE["large weight"], *(drawn(seed) for seed in range(6))]
    inputs = [[item.astype(jnp.bfloat16) for item in arrays(shape)] for shape in shapes]

    def all_of(form: Callable[[Geometry], Callable[..., Any]]) -> Callable[..., Any]:
        def computed(inputs: Any) -> Any:
            return [first_order(form(shape))(*own) for shape, own in zip(shapes, inputs, strict=True)]

        return computed

    found, text = compiled(all_of(native), inputs)
    assert text.count("@flambeau_convolution") == 3 * len(shapes)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda item: item.astype(np.float64), inputs)
        expected, _ = compiled(all_of(plain), wide)
    for mine, exact in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (mine.shape, mine.dtype, exact.dtype) == (exact.shape, jnp.bfloat16, np.float64)
        scale = np.abs(exact).max()
        np.testing.assert_allclose(np.asarray(mine, np.float64), exact, rtol=2**-8, atol=1e-5 * scale)


def test_windows_of_nine_are_exact_for_small_whole_numbers() -> None:
    shape = LARGE["many images, channels side by side"]
    inputs = [np.round(3 * array) for array in arrays(shape)]
    found, _ = compiled(first_order(native(shape)), *inputs)
    for mine, theirs in zip(found, compiled(first_order(plain(shape)), *inputs)[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_infinity_spoils_only_the_places_whose_windows_it_lies_in() -> None:
    shape = LARGE["one large image, channels side by side"]
    x, *rest = map(np.array, arrays(shape)[:3])
    x[0, 0, 10, 11] = np.inf
    (found, expected), _ = compiled(lambda *inputs: (native(shape)(*inputs), plain(shape)(*inputs)), x, *rest)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))


def test_shapes_drawn_at_random() -> None:
    shapes = [drawn(seed) for seed in range(10)]
    inputs = [arrays(shape, seed) for seed, shape in enumerate(shapes)]

    def all_of(form: Callable[[Geometry], Callable[..., Any]]) -> Callable[..., Any]:
        def computed(inputs: Any) -> Any:
            return [first_order(form(shape))(*own) for shape, own in zip(shapes, inputs, strict=True)]

        return computed

    found, text = compiled(all_of(native), inputs)
    assert text.count("@flambeau_convolution") == 3 * len(shapes)
    expected, _ = compiled(all_of(plain), inputs)
    for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        close(mine, theirs)


def test_no_gradient_is_computed_that_nobody_wants() -> None:
    shape = CASES["two axes"]
    x, weight, bias, direction, *_ = arrays(shape)

    def of_parameters(x: Any, weight: Any, bias: Any) -> Any:
        return jax.vjp(lambda *parameters: native(shape)(x, *parameters), weight, bias)[1](direction)

    program = jax.jit(of_parameters).lower(x, weight, bias).compile().as_text() or ""
    assert flops(program) == 2 * (2 * 4 * 9 * 8) * (3 * 3 * 3)
    assert program.count('custom_call_target="flambeau_convolution') == 1, "the weight's and the bias's, in one call"


# -- under jax.vmap ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two axes", "groups"])
@pytest.mark.parametrize(
    ("axes", "calls"), [((0, None, None), True), ((1, None, None), True), ((None, 0, 0), False), ((0, 0, None), False)]
)
def test_mapped_over_a_batch(name: str, axes: tuple[int | None, ...], calls: bool) -> None:
    shape = CASES[name]
    inputs = [
        jnp.stack([item, 2 * item, item - 1], axis) if axis is not None else item
        for item, axis in zip(arrays(shape)[:3], axes, strict=True)
    ]
    found, text = compiled(jax.vmap(native(shape), axes), *inputs)
    assert ("@flambeau_convolution" in text) is calls
    close(found, compiled(jax.vmap(plain(shape), axes), *inputs)[0])


def test_gradients_of_each_example() -> None:
    shape = CASES["two axes"]
    x, weight, bias, direction, *_ = arrays(shape)
    inputs = (jnp.stack([x, x + 1]), jnp.stack([direction, -direction]))

    def gradients(form: Callable[..., Any]) -> Callable[..., Any]:
        return jax.vmap(lambda x, direction: jax.vjp(form(shape), x, weight, bias)[1](direction))

    found, expected = (compiled(gradients(form), *inputs)[0] for form in (native, plain))
    for mine, theirs in zip(found, expected, strict=True):
        close(mine, theirs)


# -- which are served ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (geometry((0, 3, 4, 4), 2, (3, 3)), np.float32),
        (geometry((2, 0, 4, 4), 2, (3, 3)), np.float32),
        (CASES["two axes"], np.float64),
        (CASES["two axes"]._replace(y=(2, 4, 9, 9)), np.float32),
        (CASES["two axes"]._replace(before=(-1, 0)), np.float32),
    ],
    ids=["no images", "no channels", "float64", "a result of another size", "negative padding"],
)
def test_not_served(shape: Geometry, kind: Any) -> None:
    assert not serves(shape, np.dtype(kind))


def step() -> tuple[list[Any], int]:
    """Gradients of a small network, and how many programs they took."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.ConvTranspose2d(4, 3, 3, stride=2, output_padding=1)
    )
    with compilations() as found:
        network(torch.ones(2, 2, 6, 6)).square().sum().backward()
        return [item.grad.numpy() for item in network.parameters()], len(found)


def test_switched_off_while_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs with kernels and programs without are kept apart."""
    with_kernels, _ = step()
    monkeypatch.setattr(config, "kernels", False)
    without, _ = step()
    assert step()[1] == 0
    for mine, theirs in zip(with_kernels, without, strict=True):
        close(mine, theirs)
    monkeypatch.undo()
    assert step()[1] == 0


def test_set_aside() -> None:
    shape = CASES["two axes"]
    with library.set_aside():
        assert not serves(shape, np.dtype(np.float32))
        assert "flambeau" not in jax.jit(native(shape)).lower(*arrays(shape)[:3]).as_text().replace("jit_", "")
    assert serves(shape, np.dtype(np.float32))


# -- running -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["many images", "one large image", "large weight"])
def test_the_same_bits_every_time(name: str) -> None:
    shape = LARGE[name]
    inputs = arrays(shape)
    program = jax.jit(everything(native(shape))).lower(*inputs).compile()
    first = [np.asarray(item).tobytes() for item in program(*inputs)]
    for _ in range(10):
        assert [np.asarray(item).tobytes() for item in program(*inputs)] == first


def test_many_threads_at_once() -> None:
    """Several programs run the same and other kernels at the same time; each gets its own results."""
    shapes = [LARGE["many images"], LARGE["one large image"], CASES["depthwise"], geometry((5, 3, 30, 30), 7, (5, 5))]
    work = []
    for seed in range(8):
        shape = shapes[seed % len(shapes)]
        inputs = arrays(shape, seed)
        program = jax.jit(everything(native(shape))).lower(*inputs).compile()
        work.append((program, inputs, [np.asarray(item).tobytes() for item in program(*inputs)]))
    wrong: list[int] = []

    def run(index: int) -> None:
        program, inputs, expected = work[index]
        for _ in range(20):
            if [np.asarray(item).tobytes() for item in program(*inputs)] != expected:
                wrong.append(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_a_nan_stays_where_it_is() -> None:
    shape = geometry((2, 1, 4, 4), 1, (1, 1))
    x = jnp.ones(shape.x).at[0, 0, 1, 2].set(jnp.nan)
    y, _ = compiled(native(shape), x, jnp.ones(shape.weight), jnp.zeros(1))
    assert np.argwhere(np.isnan(np.asarray(y))).tolist() == [[0, 0, 1, 2]]


def test_without_a_bias() -> None:
    shape = CASES["two axes"]
    x, weight, *_ = arrays(shape)
    y, _ = compiled(lambda x, weight: convolved(x, weight, None, shape, _plain), x, weight)
    close(y, compiled(plain(shape), x, weight, jnp.zeros(shape.y[1]))[0])
