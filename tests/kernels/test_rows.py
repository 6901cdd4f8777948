"""Rows and numbers at positions, taken and added by kernels, are those of plain XLA, to the last bit."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flambeau.kernels import library
from flambeau.primitives.embedding import embedding, embedding_bag
from flambeau.primitives.indexing import gather, index, index_put, index_select, put, scatter_reduce, take
from flambeau.primitives.rows import add_each, add_rows, take_each, take_rows

pytestmark = pytest.mark.usefixtures("kernels")


class Case(NamedTuple):
    """A function of (x, positions, values if any), and their shapes."""

    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]


SIZE = 90  # how many positions there are in each case


def summed(x: Any, where: Any, values: Any) -> Any:
    return scatter_reduce.lower(x, values, where, 1, "sum", True)


CASES = {
    "rows": Case(partial(take_rows, axis=0), ((90, 37), (301,))),
    "rows of one number": Case(partial(take_rows, axis=0), ((90,), (5001,))),
    "columns": Case(partial(take_rows, axis=2), ((7, 20, 90), (41,))),
    "planes": Case(partial(take_rows, axis=1), ((3, 90, 5, 7), (77,))),
    "numbers": Case(partial(take_each, axis=1), ((67, 90), (67, 203))),
    "numbers of planes": Case(partial(take_each, axis=1), ((3, 90, 17), (3, 150, 17))),
    "rows added": Case(partial(add_rows, axis=0), ((90, 37), (301,), (301, 37))),
    "narrow rows added": Case(partial(add_rows, axis=0), ((90, 3), (3001,), (3001, 3))),
    "columns added": Case(partial(add_rows, axis=2), ((7, 20, 90), (41,), (7, 20, 41))),
    "numbers added": Case(partial(add_each, axis=1), ((67, 90), (67, 203), (67, 203))),
    "numbers of a row added": Case(partial(add_each, axis=0), ((90,), (5001,), (5001,))),
    "numbers of planes added": Case(partial(add_each, axis=1), ((3, 90, 17), (3, 150, 17), (3, 150, 17))),
    "gather": Case(lambda x, where: gather.lower(x, where, 1), ((67, 90), (67, 203))),
    "scatter_add": Case(summed, ((67, 90), (67, 203), (67, 203))),
    "index_select": Case(lambda x, where: index_select.lower(x, where, 1), ((7, 90, 20), (41,))),
    "index": Case(lambda x, where: index.lower((x, where), (True,)), ((90, 37), (7, 43))),
    "index_put": Case(
        lambda x, where, y: index_put.lower((x, y, where), (True,), True), ((90, 37), (7, 43), (7, 43, 37))
    ),
    "take": Case(take.lower, ((9, 10), (71, 79))),
    "put": Case(lambda x, where, y: put.lower(x, y, where, True), ((9, 10), (71, 79), (71, 79))),
    "embedding": Case(lambda x, where: embedding.lower(x, where, 3, False), ((90, 37), (7, 43))),
    "embedding_bag": Case(
        lambda x, where: embedding_bag.lower((x, where, jnp.arange(0, 301, 7)), "sum", 3, False, False),
        ((90, 37), (301,)),
    ),
}


def inputs_of(case: Case, kind: Any = np.float32, positions: Any = np.int64, beyond: int = 0) -> list[Any]:
    """Numbers, and positions with many equal ones, some of them ``beyond`` the ends."""
    random = np.random.default_rng(len(case.shapes))
    made: list[Any] = [random.normal(size=shape) for shape in case.shapes]
    where = random.integers(-beyond, SIZE + beyond, case.shapes[1])
    made[1] = where
    return [jnp.asarray(item, positions if item is where else kind) for item in made]


def pulled(case: Case) -> Callable[..., Any]:
    """The result and the gradients of the numbers, of (cotangent, x, positions, values)."""

    def run(cotangent: Any, x: Any, where: Any, *values: Any) -> list[Any]:
        result, pull = jax.vjp(lambda *floats: case.function(floats[0], where, *floats[1:]), x, *values)
        return [result, *pull(cotangent)]

    return run


def compiled(function: Callable[..., Any], inputs: list[Any]) -> tuple[list[Any], str]:
    lowered = jax.jit(partial(function)).lower(*inputs)
    return lowered.compile()(*inputs), lowered.as_text()


def same(case: Case, inputs: list[Any]) -> str:
    """The program's text, once its results are found to be those of plain XLA."""
    result = jax.eval_shape(case.function, *inputs)
    cotangent = jnp.asarray(np.random.default_rng(9).normal(size=result.shape), result.dtype)
    found, text = compiled(pulled(case), [cotangent, *inputs])
    with library.set_aside():
        expected, plain = compiled(pulled(case), [cotangent, *inputs])
    assert "@flambeau" not in plain
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_array_equal(np.asarray(mine, np.float64), np.asarray(theirs, np.float64))
    return text


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_taken_and_added(case: Case) -> None:
    with jax.enable_x64(True):
        text = same(case, inputs_of(case))
    assert "@flambeau_take" in text
    assert "@flambeau_add" in text or len(case.shapes) == 2


@pytest.mark.parametrize("name", ["rows", "columns", "numbers", "rows added", "columns added", "numbers added"])
def test_positions_from_the_end_and_out_of_range(name: str) -> None:
    """NaN is taken from nowhere, and nothing is added there; positions may be of 32 bits."""
    case = CASES[name]
    inputs = inputs_of(case, positions=np.int32, beyond=120)
    assert "@flambeau_take" in same(case, inputs)
    found = case.function(*inputs)
    assert np.isnan(found).any() == (len(inputs) == 2)


@pytest.mark.parametrize("name", ["rows", "numbers", "rows added", "narrow rows added", "numbers added", "embedding"])
def test_bfloat16(name: str, halves: None) -> None:
    """Each sum is rounded, as in plain XLA."""
    with jax.enable_x64(True):
        assert "@flambeau_take" in same(CASES[name], inputs_of(CASES[name], jnp.bfloat16))


@pytest.mark.parametrize("name", ["rows", "numbers", "rows added", "numbers added"])
def test_other_derivatives_and_maps(name: str) -> None:
    """Forwards, twice, and mapped over a batch."""
    case = CASES[name]
    x, where, *values = inputs_of(case, positions=np.int32)

    def everything(x: Any, *values: Any) -> Any:
        def computed(x: Any, *values: Any) -> Any:
            return jnp.sin(case.function(x, where, *values)).sum()

        gradients = jax.grad(computed, range(1 + len(values)))
        second = jax.jvp(gradients, (x, *values), (jnp.cos(x), *map(jnp.cos, values)))
        mapped = jax.vmap(gradients)(jnp.stack([x, 2 * x]), *[jnp.stack([item, item]) for item in values])
        return second, mapped

    found, _ = compiled(everything, [x, *values])
    with library.set_aside():
        expected, _ = compiled(everything, [x, *values])
    for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


def test_what_is_added_to_is_left_as_it_was() -> None:
    """The sum is made in place of x only where nobody else wants it."""
    x, where, values = inputs_of(CASES["rows added"], positions=np.int32)
    before = np.asarray(x).copy()
    twice = jax.jit(lambda x: (add_rows(x, where, values, 0), add_rows(x, where, 2 * values, 0), x))(x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(twice[2], before)
    np.testing.assert_allclose(twice[1] - before, 2 * (twice[0] - before), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("rows", ((9, 3), (7,))),
        ("numbers", ((9, 3), (7, 400))),
        ("numbers", ((1000, 30), (500, 30))),
        ("rows added", ((90, 37), (0,), (0, 37))),
        ("rows added", ((90, 37), (301,), (301, 1))),
    ],
)
def test_left_to_plain_xla(name: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    case = CASES[name]._replace(shapes=shapes)
    assert "@flambeau" not in compiled(case.function, inputs_of(case, positions=np.int32))[1]


def test_other_types_are_left_to_plain_xla() -> None:
    case = CASES["rows"]
    with jax.enable_x64(True):
        for kind in (np.float64, np.float16, np.int64):
            assert "@flambeau" not in compiled(case.function, inputs_of(case, kind))[1]
