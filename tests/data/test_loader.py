"""The loader without PyTorch: exact resuming, and batches that record nothing."""

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.graph.record import PENDING
from flambeau.tensors.generator import Generator, get_rng_state, manual_seed, set_rng_state
from flambeau.utils.data import DataLoader, RandomSampler, SubsetRandomSampler, TensorDataset, random_split
from tests.data.samples import Stream


def seeded() -> Generator:
    return Generator().manual_seed(5)


# What makes a loader of 20 samples, from a generator (or not from it).
LOADERS: dict[str, Any] = {
    "in order": lambda g: DataLoader(range(20), batch_size=3),
    "shuffled": lambda g: DataLoader(range(20), batch_size=3, shuffle=True),
    "shuffled, own generator": lambda g: DataLoader(range(20), batch_size=3, shuffle=True, generator=g),
    "replacement": lambda g: DataLoader(range(20), batch_size=3, sampler=RandomSampler(range(20), True, 70)),
    "replacement, own generator": lambda g: DataLoader(
        range(20), batch_size=3, sampler=RandomSampler(range(20), True, 70, generator=g)
    ),
    "subset": lambda g: DataLoader(range(20), batch_size=3, sampler=SubsetRandomSampler(range(10), generator=g)),
    "no batches": lambda g: DataLoader(range(20), batch_size=None, shuffle=True),
    "stream": lambda g: DataLoader(Stream(20), batch_size=3),
}


def lists(batches: Any) -> list[Any]:
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in batches]


@pytest.mark.parametrize("taken", [0, 1, 4, 7])
@pytest.mark.parametrize("name", LOADERS)
def test_resuming_gives_exactly_the_rest_of_this_epoch_and_the_next(name: str, taken: int):
    manual_seed(1)
    loader = LOADERS[name](seeded())
    list(loader)
    batches = iter(loader)
    for _ in range(taken):
        next(batches, None)
    state, random = loader.state_dict(), get_rng_state()
    finished = state["batches_yielded"] < taken
    rest, after = [] if finished else lists(batches), lists(loader)
    manual_seed(2)
    again = LOADERS[name](seeded())
    again.load_state_dict(state)
    set_rng_state(random)
    if not finished:
        assert lists(again) == rest
    assert lists(again) == after


def test_between_epochs_there_is_nothing_to_resume():
    loader = DataLoader(range(4), shuffle=True)
    assert loader.state_dict() == {"batches_yielded": 0, "generators": {}}
    list(loader)
    assert loader.state_dict() == {"batches_yielded": 0, "generators": {}}


def test_a_loop_that_was_left_can_be_resumed():
    loader = DataLoader(range(6), shuffle=True)
    seen = []
    for batch in loader:
        seen += batch.tolist()
        if len(seen) == 2:
            break
    again = DataLoader(range(6), shuffle=True)
    again.load_state_dict(loader.state_dict())
    assert sorted(seen + [batch.item() for batch in again]) == list(range(6))


def test_batches_of_tensors_record_nothing():
    dataset = TensorDataset(torch.tensor(np.eye(8, dtype=np.float32)), torch.tensor(np.arange(8)))
    part, _ = random_split(dataset, [6, 2], seeded())
    pending = len(PENDING)
    batches = list(DataLoader(part, batch_size=3, shuffle=True))
    assert len(PENDING) == pending
    assert [[tuple(item.shape) for item in batch] for batch in batches] == [[(3, 8), (3,)]] * 2
    for rows, labels in batches:
        assert rows.argmax(1).tolist() == labels.tolist()


def test_samples_of_a_subclass_are_its_own():
    class Doubled(TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            return tuple(item * 2 for item in super().__getitem__(index))

    dataset = Doubled(torch.tensor([1.0, 2.0, 3.0]))
    assert [batch[0].tolist() for batch in DataLoader(dataset, batch_size=2)] == [[2.0, 4.0], [6.0]]


def test_forked_workers_are_refused():
    with pytest.raises(ValueError, match="JAX must not be forked"):
        DataLoader(range(3), num_workers=1, multiprocessing_context="fork")
