"""L-BFGS without PyTorch: what it finds, how often it compiles, and its line search."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.optim import LBFGS
from flambeau.optim.line_search import Point, strong_wolfe
from flambeau.runtime.report import COMPILATIONS


def rosenbrock(optimizer: LBFGS, point: Any) -> Any:
    """A closure for the banana-shaped valley, whose floor is (1, 1)."""

    def loss() -> Any:
        optimizer.zero_grad()
        x, y = point
        value = (1 - x) ** 2 + 100 * (y - x**2) ** 2
        value.backward()
        return value

    return loss


def test_it_walks_through_the_valley() -> None:
    point = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = LBFGS([point], line_search_fn="strong_wolfe", max_iter=60)
    first = optimizer.step(rosenbrock(optimizer, point))
    assert first.item() == pytest.approx(24.2)
    assert point.tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
    assert optimizer.state[point]["n_iter"] < 60


def test_a_long_history_compiles_once_for_each_power_of_two() -> None:
    weight = torch.tensor(np.linspace(-1, 1, 12), requires_grad=True)
    scales = torch.tensor(np.linspace(1, 9, 12))
    optimizer = LBFGS([weight], lr=0.02, max_iter=10, history_size=20)

    def loss() -> Any:
        optimizer.zero_grad()
        value = ((weight - 0.3) ** 2 * scales).sum()
        value.backward()
        return value

    counts: list[int] = []
    for _ in range(5):
        before = len(COMPILATIONS)
        optimizer.step(loss)
        counts.append(len(COMPILATIONS) - before)
    assert len(optimizer.state[weight]["old_dirs"]) == 20
    assert counts[1] + counts[2] <= 4
    assert counts[3:] == [0, 0]


def test_real_and_complex_parameters_together() -> None:
    real = torch.tensor([3.0, -1.0], requires_grad=True)
    pair = torch.tensor([1 + 2j, -2j], dtype=torch.complex64, requires_grad=True)
    optimizer = LBFGS([real, pair], line_search_fn="strong_wolfe")

    def loss() -> Any:
        optimizer.zero_grad()
        value = (real**2).sum() + ((pair - (2 - 1j)).abs() ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    assert real.tolist() == pytest.approx([0.0, 0.0], abs=1e-4)
    assert pair.tolist() == pytest.approx([2 - 1j] * 2, abs=1e-4)


def test_a_parameter_without_a_gradient_stays() -> None:
    used, unused = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    optimizer = LBFGS([used, unused])

    def loss() -> Any:
        optimizer.zero_grad()
        value = (used**2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    assert unused.tolist() == [1.0, 1.0, 1.0]
    assert used.tolist() == pytest.approx([0.0, 0.0], abs=1e-5)


def test_copies_go_on_alike() -> None:
    point = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = LBFGS([point], lr=0.001, max_iter=5)
    optimizer.step(rosenbrock(optimizer, point))
    twins = [copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))]
    optimizer.step(rosenbrock(optimizer, point))
    for twin in twins:
        other = twin.param_groups[0]["params"][0]
        twin.step(rosenbrock(twin, other))
        assert other.tolist() == point.tolist()


def test_nothing_is_done_at_the_minimum() -> None:
    point = torch.ones(2, requires_grad=True)
    optimizer = LBFGS([point])
    assert optimizer.step(rosenbrock(optimizer, point)).item() == 0.0
    assert optimizer.state[point] == {"func_evals": 1, "n_iter": 0}


# Slope at 0, the losses and slopes of sizes, first size, largest number of evaluations; the size found, and how many.
PARABOLA = (lambda x: (x - 3.0) ** 2, lambda x: 2 * (x - 3.0))
CUBIC = (lambda x: x**3 - 3 * x, lambda x: 3 * x**2 - 3)
SEARCHES: dict[str, tuple[Any, float, int, float, int]] = {
    "good at once": (PARABOLA, 3.0, 25, 3.0, 1),
    "from a short step": (PARABOLA, 0.1, 25, 1.0, 2),
    "from a long step": (PARABOLA, 30.0, 25, 3.0, 2),
    "between two": (CUBIC, 5.0, 25, 1.0, 2),
    "no evaluations left": (PARABOLA, 30.0, 0, 0.0, 1),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_line_search(name: str) -> None:
    (loss, slope), size, most, expected, evaluations = SEARCHES[name]
    nothing = torch.zeros(1)

    def evaluate(at: Any) -> Point:
        return Point(at, float(loss(at)), nothing, np.float64(slope(at)))

    found, used = strong_wolfe(evaluate, evaluate(0.0), size, 1.0, most)
    assert (float(found.size), used) == (pytest.approx(expected), evaluations)
