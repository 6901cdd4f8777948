"""What is run, what is returned, what is compiled."""

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import flambeau as torch
from flambeau.base.config import config
from flambeau.graph.node import Aval, leaf
from flambeau.graph.record import PENDING, record
from flambeau.primitives.primitive import picks
from flambeau.primitives.reduction import max_along
from flambeau.runtime import compiling, retention
from flambeau.runtime.force import RUNS, force, force_all
from flambeau.runtime.report import COMPILATIONS
from flambeau.testing import compilations


def ones(*shape: int) -> torch.Tensor:
    return torch.tensor(np.ones(shape, np.float32))


def test_nothing_is_computed_until_somebody_looks() -> None:
    before = RUNS["programs"]
    y = (ones(3, 4) * 2 + 1).sum()
    assert RUNS["programs"] == before
    assert y.shape == ()
    assert y.item() == 36
    assert RUNS["programs"] == before + 1


def test_shape_errors_come_at_once() -> None:
    with pytest.raises(RuntimeError, match=r"The size of tensor a \(3\) must match the size of tensor b \(4\)"):
        _ = ones(3) + ones(4)


def test_what_a_live_tensor_shows_is_computed_along() -> None:
    hidden = ones(8) * 3
    loss = (hidden + 1).sum()
    before = RUNS["programs"]
    loss.item()
    assert hidden.tolist() == [3.0] * 8
    assert RUNS["programs"] == before + 1


def test_what_nobody_can_see_is_dropped() -> None:
    force_all()
    x = ones(5)
    for _ in range(10):
        _ = x * 2
    del _  # pyright: ignore[reportPossiblyUnboundVariable]  # the loop ran
    y = x + 1
    y.tolist()
    assert not PENDING


def test_a_pending_graph_that_is_not_connected_stays_pending() -> None:
    force_all()
    first, second = ones(2) * 2, ones(3) * 3
    first.tolist()
    assert len(PENDING) == 1
    assert second.tolist() == [3.0] * 3


def test_a_value_dropped_and_used_again_is_recomputed() -> None:
    x = ones(4)
    middle = (x * 2).read()
    force_all()
    assert middle.value is not None or middle.inputs


def test_python_numbers_are_inputs() -> None:
    x = ones(7)
    (x * 1.5 + 2).tolist()
    with compilations(at_most=0):
        found = (x * 2.5 + 7).tolist()
    assert found == [9.5] * 7


def test_compilations_name_their_reason() -> None:
    (ones(11) * 2 - 1).tolist()
    with compilations() as found:
        (ones(12) * 2 - 1).tolist()
    assert len(found) == 1
    assert "input 0 is float32[12], was float32[11]" in found[0].reason
    assert str(found[0]).startswith("2 operations in ")


def test_compilations_fail_when_there_are_too_many() -> None:
    with pytest.raises(AssertionError, match="1 programs were compiled, at most 0 expected"), compilations(at_most=0):
        (ones(13).exp() - 3).tolist()


def test_memory_nobody_refers_to_is_donated() -> None:
    x = ones(1000)
    x.tolist()
    node = x.read()
    x.add_(1)
    x.tolist()
    y = x.read().value
    x.add_(1)
    del y
    first = x.host().copy()
    array = x.read().value
    del array
    assert first[0] == 3
    assert node.value is not None


def test_a_donated_step_reuses_its_buffer() -> None:
    x = ones(4096)
    for _ in range(3):
        x.add_(1)
        torch_value = x.host()[0]
    del torch_value  # pyright: ignore[reportPossiblyUnboundVariable]  # the loop ran
    before = x.read().value.unsafe_buffer_pointer()
    x.add_(1)
    x.sum().item()
    assert x.read().value.unsafe_buffer_pointer() == before


def test_what_numpy_was_given_is_never_overwritten() -> None:
    x = ones(4096) + 0
    seen = x.numpy()
    x.add_(1)
    x.sum().item()
    assert seen[0] == 1
    assert x.tolist()[0] == 2
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = 5


def test_the_first_step_is_the_same_program_as_the_second() -> None:
    scale, places = torch.ones(6, requires_grad=True), torch.arange(6.0)
    running = torch.zeros(6)

    def step() -> None:
        loss = (scale * places).sin().sum()
        loss.backward()
        with torch.no_grad():
            running.mul_(0.9).add_(scale.grad)
            scale.sub_(scale.grad)
            scale.grad = None
        loss.item()
        running.tolist()

    step()
    with compilations(at_most=0):
        step()


def test_long_graphs_run_in_shared_pieces() -> None:
    x = ones(16)
    w = ones(16)

    def loop(steps: int) -> float:
        y = x
        for _ in range(steps):
            y = (y * w + x).tanh()
        return y.sum().item()

    loop(1000)
    compiled = len(COMPILATIONS)
    value = loop(1000)
    assert len(COMPILATIONS) == compiled
    expected = np.float32(1)
    for _ in range(1000):
        expected = np.tanh(expected * np.float32(1) + np.float32(1))
    assert value == pytest.approx(16 * expected, rel=1e-5)


def test_pending_graphs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "pending_limit", 100)
    x = ones(3)
    for _ in range(1000):
        x = x + 1
        assert len(PENDING) <= 101
    assert x.tolist() == [1001.0] * 3


def test_recording_from_several_threads() -> None:
    results: dict[int, float] = {}

    def work(number: int) -> None:
        for _ in range(20):
            x = ones(number + 1)
            for _ in range(10):
                x = x * 1.0 + number
            results[number] = x.sum().item()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: (number + 1) * (1.0 + 10 * number) for number in range(4)}


def test_the_users_jax_configuration_is_untouched() -> None:
    import jax
    import jax.numpy as jnp

    assert torch.tensor(np.ones(2)).dtype is torch.float64
    assert (torch.tensor(np.ones(2)) * 2).sum().item() == 4
    assert not jax.config.read("jax_enable_x64")
    assert jnp.ones(2).dtype == jnp.float32


def test_eager_switch_runs_every_operation_at_once() -> None:
    program = (
        "import flambeau as torch\n"
        "from flambeau.runtime.force import RUNS\n"
        "x = torch.ones(3) * 2\n"
        "y = x + 1\n"
        "z = y * y\n"
        "assert RUNS['programs'] >= 1, RUNS\n"
        "print(z.sum().item())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "FLAMBEAU_EAGER": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "27.0"


def test_the_number_of_programs_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "programs_kept", 20)
    start = len(COMPILATIONS)
    for size in range(1, 61):
        assert (ones(size, 7) * 3 + 1).sum().item() == 28.0 * size
    assert len(compiling._programs) <= 20
    gc.collect()
    compiled = COMPILATIONS[start:]
    assert compiled[0].program is None
    with pytest.raises(RuntimeError, match="the program is no longer kept"):
        _ = compiled[0].flops
    assert compiled[-1].flops > 0
    assert (ones(1, 7) * 3 + 1).sum().item() == 28.0  # compiled again


def test_programs_make_room_before_the_memory_maps_run_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "max_map_count"
    limit.write_text("100")
    monkeypatch.setattr(retention, "_LIMIT", limit)
    programs = dict.fromkeys(range(64))
    retention.make_room(programs)
    assert list(programs) == list(range(32, 64))
    programs[64] = None
    retention.make_room(programs)  # between two looks
    assert len(programs) == 33
    monkeypatch.setattr(retention, "_LIMIT", tmp_path / "absent")
    programs = dict.fromkeys(range(64))
    retention.make_room(programs)
    assert len(programs) == 64


def test_several_results_may_be_looked_at_after_they_were_computed() -> None:
    """A program whose first operation picks a result of an operation that an earlier program has run."""
    x = leaf(np.array([[1.0, 3.0], [4.0, 2.0]], np.float32), Aval.of((2, 2), torch.float32, torch.device("cpu")))
    both = record(max_along, (x,), (1, False))
    force((both,))
    values, places = picks(both)
    force((values, places))
    assert [np.asarray(values.value).tolist(), np.asarray(places.value).tolist()] == [[3.0, 4.0], [1, 0]]
