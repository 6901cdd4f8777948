"""Worker processes: batches, order, errors, seeds, persistence."""

from typing import Any

import pytest

from flambeau.tensors.generator import Generator
from flambeau.utils.data import DataLoader, get_worker_info
from flambeau.utils.data.crew import Crew
from tests.data.samples import Failing, Informed, Leaving, Pairs, Slow, Stream, prepare


def plain(batches: Any) -> list[Any]:
    return [{name: part if name == "name" else part.tolist() for name, part in batch.items()} for batch in batches]


def crew_of(loader: DataLoader) -> Crew:
    assert loader._crew is not None
    return loader._crew


def seeded() -> Generator:
    return Generator().manual_seed(5)


def test_workers_give_the_same_batches_in_order_and_stay_if_asked_to():
    expected = DataLoader(Pairs(11), batch_size=2, shuffle=True, generator=seeded())
    loader = DataLoader(
        Pairs(11), batch_size=2, shuffle=True, generator=seeded(), num_workers=2, persistent_workers=True
    )
    assert plain(loader) == plain(expected)
    processes = [process.pid for process in crew_of(loader)._processes]
    half = iter(loader)
    next(half)  # left in its middle
    assert sorted(name for batch in loader for name in batch["name"]) == sorted(map(str, range(11)))
    assert [process.pid for process in crew_of(loader)._processes] == processes
    crew_of(loader).close()


def test_what_a_worker_knows():
    found = list(DataLoader(Informed(6), batch_size=None, num_workers=2, generator=seeded()))
    assert [row[0] for row in found] == [0, 1, 0, 1, 0, 1]
    assert {row[1] for row in found} == {2}
    assert found[1][2] == found[0][2] + 1
    assert [row[3] for row in found] == list(range(6))
    assert len({row[4] for row in found}) == 2
    assert len({row[5] for row in found}) == 6
    assert get_worker_info() is None


def test_streams_are_shared_out():
    loader = DataLoader(Stream(7), batch_size=2, num_workers=2)
    assert [batch.tolist() for batch in loader] == [[0, 2], [1, 3], [4, 6], [5]]


def test_errors_come_back_with_pytorchs_words():
    loader = DataLoader(Failing(KeyError, 3), batch_size=2, num_workers=1)
    batches = iter(loader)
    assert next(batches).tolist() == [0, 1]
    with pytest.raises(KeyError, match=r"Caught KeyError in DataLoader worker process 0\.\n") as caught:
        next(batches)
    assert "no such sample" in str(caught.value)
    assert "samples.py" in str(caught.value)


def test_a_preparation_that_fails():
    with pytest.raises(ZeroDivisionError, match=r"Caught ZeroDivisionError in DataLoader worker process 0\."):
        list(DataLoader(Pairs(), num_workers=1, worker_init_fn=prepare))


def test_a_worker_that_is_gone():
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly with exit code 3"):
        list(DataLoader(Leaving(), num_workers=1))


def test_a_worker_that_is_late():
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.2 seconds"):
        list(DataLoader(Slow(), num_workers=1, timeout=0.2))


def test_what_cannot_be_sent():
    with pytest.raises(TypeError, match="cannot be sent to a worker process"):
        list(DataLoader(Pairs(), num_workers=1, collate_fn=lambda batch: batch))


def test_resuming_with_workers():
    loader = DataLoader(Pairs(12), batch_size=2, shuffle=True, num_workers=1)
    batches = iter(loader)
    for _ in range(2):
        next(batches)
    state = loader.state_dict()
    rest = plain(batches)
    again = DataLoader(Pairs(12), batch_size=2, shuffle=True, num_workers=1)
    again.load_state_dict(state)
    assert plain(again) == rest
    assert len(rest) == 4
