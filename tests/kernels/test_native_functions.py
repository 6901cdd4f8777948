"""Linear layers, layer norm, GELU, softmax and attention by kernels give what plain XLA gives, called in any way."""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flambeau.kernels import library
from flambeau.primitives.activation import ACTIVATIONS, log_softmax, softmax
from flambeau.primitives.attention import attention
from flambeau.primitives.linear import LINEAR as LINEAR_LAYERS
from flambeau.primitives.matmul import einsum, matmul
from flambeau.primitives.normalization import layer_norm, rms_norm
from flambeau.primitives.primitive import Scalar
from flambeau.primitives.sampling import GRID_SAMPLE

pytestmark = pytest.mark.usefixtures("kernels")


class Case(NamedTuple):
    """A primitive, the shapes of its inputs, and which function of the library it calls."""

    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    target: str


def of_norm(primitive: Any, rank: int, present: tuple[bool, bool]) -> Callable[..., Any]:
    return lambda x, *rest: primitive.lower((x, Scalar(np.float64(1e-5), float), *rest), rank, present)


def of_attention(
    causal: bool = False, scale: float | None = None, mask: Any = None, shared: bool = False
) -> Callable[..., Any]:
    rest = [Scalar(np.float64(scale), float)] if scale is not None else []
    masks = [] if mask is None else [jnp.asarray(mask)]
    static = ((mask is not None, False), causal, scale is not None, shared)
    return lambda q, k, v: attention.lower((q, k, v, *masks, *rest), *static)


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def some(*shape: int) -> Any:
    """Booleans, of which the first row is all False."""
    mask = numbers(*shape) > -0.5
    mask[..., 0, :] = False
    return mask


def lowered(*shape: int) -> Any:
    """Numbers to add to scores, some -inf, the last row entirely."""
    mask = np.where(numbers(*shape) > 1, -np.inf, numbers(*shape, seed=1)).astype(np.float32)
    mask[..., -1, :] = -np.inf
    return mask


def linear_by(x: Any, weight: Any, *bias: Any) -> Any:
    return LINEAR_LAYERS[2, bool(bias)].lower((*bias, x, weight))


def einsum_by(equation: str) -> Callable[..., Any]:
    return lambda *inputs: einsum.lower(inputs, equation)


def of_softmax(primitive: Any, axis: int) -> Callable[..., Any]:
    return lambda x: primitive.lower(x, axis, None)


def of_grid(mode: str, padding: str) -> Callable[..., Any]:
    """Sampling at places of which some lie outside of the image."""
    return lambda x, grid: GRID_SAMPLE[x.ndim - 2].lower(x, grid, mode, padding, False)


LINEAR, NORM, GELU, SOFTMAX, ATTENTION, SAMPLING = (
    f"@flambeau_{name}" for name in ("linear", "layer_norm", "gelu", "softmax", "attention", "sampling")
)
BOTH, FIRST, NONE = (True, True), (True, False), (False, False)

MATMUL = "@flambeau_matmul"

CASES = {
    "pairs of matrices": Case(matmul.lower, ((2, 3, 40, 24), (2, 3, 24, 48)), MATMUL),
    "pairs of matrices, in pieces": Case(matmul.lower, ((3, 205, 67), (3, 67, 301)), MATMUL),
    "an equation": Case(einsum_by("bqhd,bkhd->bhqk"), ((2, 64, 4, 17), (2, 50, 4, 17)), MATMUL),
    "linear": Case(linear_by, ((64, 48), (32, 48), (32,)), LINEAR),
    "linear without a bias": Case(linear_by, ((3, 21, 37), (53, 37)), LINEAR),
    "linear, two rows": Case(linear_by, ((2, 301), (117, 301), (117,)), LINEAR),
    "linear, one output": Case(linear_by, ((203, 307), (1, 307), (1,)), LINEAR),
    "linear, in pieces": Case(linear_by, ((515, 130), (131, 130), (131,)), LINEAR),
    "linear, in pieces by outputs": Case(linear_by, ((5, 1000), (1003, 1000), (1003,)), LINEAR),
    "linear, few rows of a large weight": Case(linear_by, ((3, 4105), (517, 4105), (517,)), LINEAR),
    "linear, few rows of a large weight, no bias": Case(linear_by, ((8, 1003), (2100, 1003)), LINEAR),
    "linear, two narrow pieces": Case(linear_by, ((64, 400), (121, 400), (121,)), LINEAR),
    "linear, two narrow pieces by outputs": Case(linear_by, ((64, 400), (251, 400), (251,)), LINEAR),
    "layer norm": Case(of_norm(layer_norm, 1, BOTH), ((8, 20, 32), (32,), (32,)), NORM),
    "layer norm, odd": Case(of_norm(layer_norm, 1, BOTH), ((95, 51), (51,), (51,)), NORM),
    "layer norm of two axes": Case(of_norm(layer_norm, 2, BOTH), ((30, 9, 17), (9, 17), (9, 17)), NORM),
    "layer norm, weight only": Case(of_norm(layer_norm, 1, FIRST), ((70, 64), (64,)), NORM),
    "layer norm without weights": Case(of_norm(layer_norm, 1, NONE), ((3, 2100),), NORM),
    "layer norm in pieces": Case(of_norm(layer_norm, 1, BOTH), ((333, 200), (200,), (200,)), NORM),
    "layer norm, narrow": Case(of_norm(layer_norm, 1, BOTH), ((2050, 3), (3,), (3,)), NORM),
    "rms norm": Case(of_norm(rms_norm, 1, FIRST), ((95, 51), (51,)), NORM),
    "rms norm without a weight": Case(of_norm(rms_norm, 1, NONE), ((70, 64),), NORM),
    "gelu": Case(ACTIVATIONS["gelu"].lower, ((5, 1001),), GELU),
    "gelu by tanh": Case(ACTIVATIONS["gelu_tanh"].lower, ((4099,),), GELU),
    "gelu in pieces": Case(ACTIVATIONS["gelu"].lower, ((300, 301),), GELU),
    "softmax": Case(of_softmax(softmax, 2), ((3, 20, 80),), SOFTMAX),
    "softmax, odd": Case(of_softmax(softmax, 1), ((95, 51),), SOFTMAX),
    "softmax of one row": Case(of_softmax(softmax, 0), ((4099,),), SOFTMAX),
    "softmax in pieces": Case(of_softmax(softmax, 1), ((333, 200),), SOFTMAX),
    "log softmax": Case(of_softmax(log_softmax, 2), ((3, 20, 80),), SOFTMAX),
    "log softmax, odd": Case(of_softmax(log_softmax, 1), ((250, 17),), SOFTMAX),
    "log softmax in pieces": Case(of_softmax(log_softmax, 1), ((333, 200),), SOFTMAX),
    "attention": Case(of_attention(), ((2, 3, 40, 16), (2, 3, 56, 16), (2, 3, 56, 8)), ATTENTION),
    "attention, odd": Case(of_attention(scale=0.3), ((3, 71, 19), (3, 83, 19), (3, 83, 21)), ATTENTION),
    "attention of one head": Case(of_attention(), ((101, 7), (90, 7), (90, 33)), ATTENTION),
    "causal": Case(of_attention(causal=True), ((2, 2, 150, 8),) * 3, ATTENTION),
    "causal, more queries": Case(of_attention(causal=True), ((2, 99, 8), (2, 70, 8), (2, 70, 8)), ATTENTION),
    "causal, more keys": Case(of_attention(causal=True), ((2, 70, 8), (2, 99, 8), (2, 99, 8)), ATTENTION),
    "boolean mask": Case(of_attention(mask=some(70, 83)), ((2, 3, 70, 8), (2, 3, 83, 8), (2, 3, 83, 8)), ATTENTION),
    "boolean mask of keys": Case(
        of_attention(mask=numbers(2, 1, 1, 65) > 0), ((2, 3, 70, 8), (2, 3, 65, 8), (2, 3, 65, 8)), ATTENTION
    ),
    "mask of numbers": Case(
        of_attention(mask=lowered(2, 3, 70, 65)), ((2, 3, 70, 8), (2, 3, 65, 8), (2, 3, 65, 8)), ATTENTION
    ),
    "mask of heads": Case(
        of_attention(mask=lowered(3, 70, 1)), ((2, 3, 70, 8), (2, 3, 65, 8), (2, 3, 65, 8)), ATTENTION
    ),
    "mask of five axes": Case(of_attention(mask=lowered(2, 2, 1, 40, 1)), ((2, 2, 2, 40, 16),) * 3, ATTENTION),
    "shared heads": Case(of_attention(shared=True), ((2, 4, 40, 16), (2, 2, 40, 16), (2, 2, 40, 16)), ATTENTION),
    "samples": Case(of_grid("bilinear", "zeros"), ((2, 16, 8, 9), (2, 7, 11, 2)), SAMPLING),
    "samples of few channels": Case(of_grid("bilinear", "border"), ((3, 3, 21, 9), (3, 17, 11, 2)), SAMPLING),
    "samples of many channels": Case(of_grid("bicubic", "zeros"), ((2, 37, 8, 9), (2, 7, 4, 2)), SAMPLING),
    "samples in pieces": Case(of_grid("bilinear", "zeros"), ((2, 32, 16, 16), (2, 16, 17, 2)), SAMPLING),
    "samples of volumes": Case(of_grid("bilinear", "reflection"), ((2, 5, 4, 5, 6), (2, 3, 7, 6, 3)), SAMPLING),
    "many keys": Case(of_attention(causal=True), ((1, 40, 4), (1, 5000, 4), (1, 5000, 4)), ATTENTION),
}


def inputs_of(case: Case, seed: int = 0) -> list[Any]:
    return [jnp.asarray(numbers(*shape, seed=seed + place)) for place, shape in enumerate(case.shapes)]


def compiled(function: Callable[..., Any], *inputs: Any) -> tuple[Any, str]:
    """The results of a function, and the text of its program."""
    with jax.enable_x64(True):
        made = jax.jit(partial(function)).lower(*inputs)  # a new object each time, which JAX traces anew
        return made.compile()(*inputs), made.as_text()


def text_of(function: Callable[..., Any], *inputs: Any) -> str:
    """The text of a program."""
    with jax.enable_x64(True):
        return jax.jit(partial(function)).lower(*inputs).as_text()


def plainly(function: Callable[..., Any], *inputs: Any) -> Any:
    with library.set_aside():
        found, text = compiled(function, *inputs)
    assert "@flambeau" not in text
    return found


def with_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    """The result and the gradients of all inputs."""

    def computed(*inputs: Any) -> list[Any]:
        y, pull = jax.vjp(function, *inputs)
        direction = jnp.sin(jnp.arange(y.size, dtype=np.float32)).astype(jnp.bfloat16)  # the same for all types
        return [y, *pull(direction.astype(y.dtype).reshape(y.shape))]

    return computed


def close(found: Any, expected: Any) -> None:
    """Equal up to the rounding of sums in another order."""
    for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        mine, theirs = np.asarray(mine), np.asarray(theirs)
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        finite = np.abs(theirs[np.isfinite(theirs)])
        scale = max(1.0, float(finite.max(initial=0)))
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=2e-5 * scale)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_value_and_gradients_are_those_of_plain_xla(case: Case) -> None:
    inputs = inputs_of(case)
    function = with_gradients(case.function)
    found, text = compiled(function, *inputs)
    assert text.count(case.target) > 1, "the value, and the gradients"
    close(found, plainly(function, *inputs))


HALVES = [name for name in CASES if name.startswith("linear")] + ["attention", "causal", "mask of numbers"]


@pytest.mark.parametrize("name", HALVES)
def test_bfloat16_is_rounded_once(name: str, halves: None) -> None:
    """Against float64 on the same numbers: the rounding of the result, and of sums in float32."""
    case = CASES[name]
    inputs = [item.astype(jnp.bfloat16) for item in inputs_of(case)]
    function = with_gradients(case.function)
    found, text = compiled(function, *inputs)
    assert case.target in text
    assert f"{case.target}_gradient" in text
    with jax.enable_x64(True):
        wide = [item.astype(np.float64) for item in inputs]
    for mine, exact in zip(found, plainly(function, *wide), strict=True):
        assert (mine.shape, mine.dtype) == (exact.shape, jnp.bfloat16)
        scale = np.abs(exact[np.isfinite(exact)]).max()
        np.testing.assert_allclose(np.asarray(mine, np.float64), exact, rtol=2**-8, atol=1e-5 * scale)


def test_bfloat16_is_left_to_plain_xla_where_the_processor_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_halves", False)
    inputs = [item.astype(jnp.bfloat16) for item in inputs_of(CASES["linear"])]
    assert "@flambeau" not in text_of(with_gradients(linear_by), *inputs)
    assert "bfloat16" not in library.status()


@pytest.mark.parametrize(
    "name",
    [
        *("linear", "layer norm", "rms norm", "gelu", "gelu by tanh", "softmax", "log softmax", "causal"),
        *("boolean mask", "samples"),
    ],
)
def test_other_derivatives_and_maps(name: str) -> None:
    """Forwards, twice, and mapped over a batch and over one input only."""
    case = CASES[name]
    inputs, others = inputs_of(case), inputs_of(case, 7)

    def everything(*inputs: Any) -> list[Any]:
        gradients = with_gradients(case.function)
        tangents = jax.jvp(case.function, inputs, tuple(others))[1]
        second = jax.grad(lambda *arrays: sum((item**2).sum() for item in gradients(*arrays)), range(len(inputs)))
        stacked = [jnp.stack([item, 2 * item], 1) for item in inputs]
        mapped = jax.vmap(gradients, 1)(*stacked)
        of_first = jax.vmap(case.function, (1, *(None,) * (len(inputs) - 1)))(stacked[0], *inputs[1:])
        return [tangents, *second(*inputs), *mapped, of_first]

    close(compiled(everything, *inputs)[0], plainly(everything, *inputs))


@pytest.mark.parametrize("kind", ["gelu", "gelu_tanh"])
def test_gelu_of_all_sizes(kind: str) -> None:
    """Against float64: to a few units in the last place of x, or of the result where it is larger."""
    x = np.concatenate([np.linspace(-15, 15, 30_001), [0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30, 3e38]]).astype(np.float32)

    def pulled(x: Any) -> Any:
        y, pull = jax.vjp(ACTIVATIONS[kind].lower, x)
        return y, pull(jnp.ones_like(x))[0]

    (y, slope), text = compiled(pulled, jnp.asarray(x))
    assert "@flambeau_gelu_gradient" in text
    with jax.enable_x64(True):
        wide = jnp.asarray(x[:-3], jnp.float64)
        expected, expected_slope = jax.jit(pulled)(wide)
    np.testing.assert_allclose(y[:-3], expected, rtol=3e-7, atol=1e-6)
    np.testing.assert_allclose(slope[:-3], expected_slope, rtol=1e-6, atol=1e-6)
    assert np.asarray(y[-3:]).tolist() == [x[-3], 0.0, x[-1]]
    assert np.signbit(y[30_002])


def test_what_is_not_finite() -> None:
    """A NaN or an infinity stays in its row, and becomes what it becomes in plain XLA."""
    x = numbers(80, 64)
    x[3, 5], x[7, 0], x[9, 63], x[11] = np.nan, np.inf, -np.inf, np.inf
    plain: Any
    for name in ("linear", "layer norm", "gelu", "softmax", "log softmax"):
        case = CASES[name]
        shape = (64, 48) if name == "linear" else (80, 64)
        inputs = [jnp.asarray(x[: shape[0], : shape[1]]).reshape(*(1,) * ("softmax" in name), *shape)]
        if name == "linear":
            inputs += inputs_of(case)[1:]
        elif name == "layer norm":
            inputs += [jnp.ones(64), jnp.zeros(64)]
        found, text = compiled(case.function, *inputs)
        assert case.target in text
        plain = plainly(case.function, *inputs)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(plain), name)
        np.testing.assert_array_equal(np.isinf(found), np.isinf(plain), name)


@pytest.mark.parametrize("name", ["attention", "causal", "mask of numbers", "boolean mask"])
def test_attention_with_what_is_not_finite(name: str) -> None:
    """A query that is NaN has a result that is NaN, and no other one has; an infinite key is seen by all."""
    case = CASES[name]
    query, key, value = inputs_of(case)
    query = query.at[0, 0, 9].set(jnp.nan)
    found, _ = compiled(case.function, query, key, value)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(plainly(case.function, query, key, value)))
    assert np.isnan(found[0, 0, 9]).all()
    assert not np.isnan(found[0, 0, 10:]).any()


def test_places_outside_of_an_image_read_nothing() -> None:
    """Neither the value nor a gradient is NaN where only elements that do not count are infinite."""
    x, grid = inputs_of(CASES["samples"])
    function = with_gradients(CASES["samples"].function)
    x, grid = x.at[:, :, 0, 0].set(jnp.inf), grid.at[:].set(3.0).at[:, 0].set(0.4)
    found, text = compiled(function, x, grid)
    assert SAMPLING in text
    for some in (found, plainly(function, x, grid)):
        assert all(np.isfinite(item).all() for item in some)


def test_rows_that_may_look_at_nothing_are_zeros() -> None:
    case = CASES["boolean mask"]
    found, _ = compiled(with_gradients(case.function), *inputs_of(case))
    assert not np.asarray(found[0])[..., 0, :].any()
    assert not np.asarray(found[1])[..., 0, :].any()


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("linear", ((1, 500), (500, 500), (500,))),
        ("linear", ((0, 500), (500, 500), (500,))),
        ("linear", ((3, 5), (7, 5), (7,))),
        ("layer norm", ((4, 32), (32,), (32,))),
        ("gelu", ((100,),)),
        ("softmax", ((3, 4, 80),)),
        ("log softmax", ((30, 40, 10),)),
        ("samples", ((2, 3, 4, 4), (2, 3, 3, 2))),
        ("samples", ((2, 0, 4, 4), (2, 30, 30, 2))),
        ("attention", ((2, 3, 2, 4), (2, 3, 2, 4), (2, 3, 2, 4))),
        ("attention", ((0, 3, 64, 64),) * 3),
        ("attention", ((2, 3, 64, 64), (1, 3, 64, 64), (2, 3, 64, 64))),
    ],
)
def test_left_to_plain_xla(name: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    inputs = inputs_of(CASES[name]._replace(shapes=shapes))
    assert "@flambeau" not in text_of(CASES[name].function, *inputs)


def test_other_types_are_left_to_plain_xla() -> None:
    for case in CASES.values():
        with jax.enable_x64(True):
            wide = [jnp.asarray(item, jnp.float64) for item in inputs_of(case)]
        assert "@flambeau" not in text_of(case.function, *wide)


@pytest.mark.parametrize("name", ["softmax", "log softmax"])
def test_the_gradient_of_softmax_takes_the_result(name: str) -> None:
    """The exponentials are not computed again where the program has them; and large numbers lose nothing."""
    case = CASES[name]
    (x,) = inputs_of(case)
    program = jax.jit(with_gradients(case.function)).lower(1000 + 50 * x).compile()
    assert (program.as_text() or "").count('custom_call_target="flambeau_softmax_') == 2, "the value and the gradient"
    y = np.asarray(program(1000 + 50 * x)[0], np.float64)
    powers = np.exp(y) if name == "log softmax" else y
    np.testing.assert_allclose(powers.sum(-1), 1, rtol=2e-6)


def test_no_gradient_is_computed_that_nobody_wants() -> None:
    case = CASES["linear"]
    x, *parameters = inputs_of(case)
    pulled = jax.jit(lambda x, *p: jax.vjp(lambda *p: case.function(x, *p), *p)[1](jnp.ones((64, 32))))
    program = pulled.lower(x, *parameters).compile().as_text() or ""
    assert library.flops(program) == 2 * 64 * prod(case.shapes[1])
    assert program.count('custom_call_target="flambeau_') == 1, "the weight's and the bias's, in one call"


@pytest.mark.parametrize(
    "name", ["linear, in pieces", "layer norm in pieces", "gelu in pieces", "softmax in pieces", "causal"]
)
def test_the_same_bits_from_many_threads(name: str) -> None:
    case = CASES[name]
    inputs = inputs_of(case)
    with jax.enable_x64(True):
        program = jax.jit(with_gradients(case.function)).lower(*inputs).compile()
    expected = [np.asarray(item).tobytes() for item in program(*inputs)]
    wrong: list[int] = []

    def run(index: int) -> None:
        for _ in range(20):
            if [np.asarray(item).tobytes() for item in program(*inputs)] != expected:
                wrong.append(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells where threads may run")
def test_threads_may_run_where_they_might_before() -> None:
    """Helpers leave the calling thread's processor for a moment; afterwards they may come back."""
    allowed = os.sched_getaffinity(0)
    x, weight = jnp.asarray(numbers(64, 784)), jnp.asarray(numbers(256, 784))
    run = jax.jit(linear_by)
    for _ in range(200):
        x = run(x, weight)[:, :1] + x
    x.block_until_ready()
    ended = time.monotonic() + 5
    while any(_may_run(int(thread), allowed) != allowed for thread in os.listdir("/proc/self/task")):
        assert time.monotonic() < ended


def _may_run(thread: int, otherwise: set[int]) -> set[int]:
    """The processors of a thread, which may have ended meanwhile."""
    try:
        return os.sched_getaffinity(thread)
    except ProcessLookupError:
        return otherwise
