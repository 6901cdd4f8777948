"""The updates of SGD and Adam by a kernel give what their formulas give, in place where that is allowed."""

from itertools import pairwise
from typing import Any

import jax
import numpy as np
import pytest

import flambeau
from flambeau.kernels import library
from flambeau.primitives.primitive import Scalar
from flambeau.primitives.update_rules import adam_update, sgd_update

SHAPES = ((100, 101), (), (0, 4), (17,))
SGD = (1.0, 0.013, 0.07, 0.9, 0.8, 0.7)
ADAM = (1.0, 0.013, 0.07, 0.1, 0.999, 0.001, 0.031, 1e-8)
NONE, DECAYS, SECOND, BOTH = (False, False, False), (True, False, False), (False, True, False), (True, True, False)

# Rule, its numbers, arrays of each parameter, flags.
CASES = {
    "sgd": (sgd_update, SGD, 2, NONE),
    "sgd, decay": (sgd_update, SGD, 2, DECAYS),
    "momentum": (sgd_update, SGD, 3, NONE),
    "momentum, decay": (sgd_update, SGD, 3, DECAYS),
    "nesterov": (sgd_update, SGD, 3, SECOND),
    "nesterov, decay, uphill": (sgd_update, (-1.0, *SGD[1:]), 3, (True, True, True)),
    "a first direction": (sgd_update, (*SGD[:4], -0.0, 1.0), 3, NONE),
    "adam": (adam_update, ADAM, 4, NONE),
    "adam, decay": (adam_update, ADAM, 4, DECAYS),
    "adam, decay, uphill": (adam_update, (-1.0, *ADAM[1:]), 4, (True, False, True)),
    "adam, a large share": (adam_update, (*ADAM[:3], 0.7, *ADAM[4:]), 4, NONE),
    "adamw": (adam_update, (*ADAM[:2], 0.99, *ADAM[3:]), 4, BOTH),
    "amsgrad": (adam_update, ADAM, 5, NONE),
    "amsgrad, decay": (adam_update, ADAM, 5, DECAYS),
    "amsgrad of adamw": (adam_update, (*ADAM[:2], 0.99, *ADAM[3:]), 5, BOTH),
}

pytestmark = pytest.mark.usefixtures("kernels")


def arrays(kinds: int, shapes: tuple[tuple[int, ...], ...], kind: type = np.float32) -> list[Any]:
    """Parameters, gradients and states; from the second state on none is negative. One gradient is not finite."""
    stream = np.random.default_rng(0)
    found = [stream.normal(size=shape).astype(kind) for _ in range(kinds) for shape in shapes]
    found = [np.abs(item) if at >= 3 * len(shapes) else item for at, item in enumerate(found)]
    found[len(shapes)].reshape(-1)[:4] = [np.nan, np.inf, -np.inf, -0.0]
    return found


def lowered(rule: Any, numbers: Any, flags: Any, tensors: list[Any], count: int) -> Any:
    def run(numbers: Any, *tensors: Any) -> Any:
        return rule.lower((*(Scalar(number, float) for number in numbers), *tensors), count, flags)

    return jax.jit(run).lower(np.array(numbers), *tensors)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_new_values_are_the_formulas(case: Any) -> None:
    """To the rounding of a step: where XLA rounds depends on what it fuses."""
    rule, numbers, kinds, flags = case
    tensors = arrays(kinds, SHAPES)
    with jax.enable_x64(True):
        native = lowered(rule, numbers, flags, tensors, len(SHAPES))
        with library.set_aside():
            plain = lowered(rule, numbers, flags, tensors, len(SHAPES))
        assert "@flambeau_" in native.as_text()
        assert "@flambeau_" not in plain.as_text()
        found, expected = (program.compile()(np.array(numbers), *tensors) for program in (native, plain))
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=3e-7)
        np.testing.assert_array_equal(np.copysign(1, np.nan_to_num(mine)), np.copysign(1, np.nan_to_num(theirs)))


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_large_parameters_in_pieces(name: str) -> None:
    """What several threads do is what one does, and a value that somebody keeps stays as it was."""

    def trained(shapes: tuple[tuple[int, ...], ...]) -> tuple[Any, Any, Any]:
        values = np.random.default_rng(0).normal(size=250_000).astype(np.float32)
        bounds = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
        parts = [values[start:end] for start, end in pairwise(bounds)]
        parameters = [
            flambeau.nn.Parameter(flambeau.tensor(part.reshape(shape)))
            for part, shape in zip(parts, shapes, strict=True)
        ]
        kept = [parameter.detach().clone() for parameter in parameters]
        optimizer = getattr(flambeau.optim, name)(parameters, lr=0.125)
        for _ in range(3):
            optimizer.zero_grad()
            flambeau.stack([(parameter * parameter).sum() for parameter in parameters]).sum().backward()
            optimizer.step()
        flat = [np.concatenate([np.ravel(item.detach().numpy()) for item in items]) for items in (parameters, kept)]
        return flat[0], flat[1], values

    whole, pieces = trained(((500, 500),)), trained(((100_003,), (7, 11), (300, 400), (29_920,)))
    np.testing.assert_array_equal(whole[0], pieces[0])
    for _, kept, values in (whole, pieces):
        np.testing.assert_array_equal(kept, values)


@pytest.mark.parametrize(("shapes", "kind"), [(((99, 101),), np.float32), (((200, 200),), np.float64)])
def test_few_numbers_and_other_types_are_left_to_plain_xla(shapes: Any, kind: type) -> None:
    with jax.enable_x64(True):
        assert "@flambeau_" not in lowered(sgd_update, SGD, NONE, arrays(3, shapes, kind), len(shapes)).as_text()
