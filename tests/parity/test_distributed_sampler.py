"""``DistributedSampler`` against PyTorch: the same keys from the same seed, and the same errors."""

import pytest

import flambeau
from tests.parity.outcomes import same

torch = pytest.importorskip("torch")

CASES = {
    "even": ((12, 3), {}),
    "uneven": ((10, 3), {}),
    "dropped": ((10, 3), {"drop_last": True}),
    "in order": ((10, 4), {"shuffle": False}),
    "seed": ((10, 2), {"seed": 7}),
    "few": ((2, 5), {}),
    "dropped even": ((12, 3), {"drop_last": True}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_keys(name):
    (count, replicas), options = CASES[name]
    for rank in range(replicas):
        samplers = [
            library.utils.data.DistributedSampler(range(count), replicas, rank, **options)
            for library in (flambeau, torch)
        ]
        for epoch in (0, 3):
            for sampler in samplers:
                sampler.set_epoch(epoch)
            assert list(samplers[0]) == list(samplers[1])
        assert len(samplers[0]) == len(samplers[1])


def test_errors():
    same(lambda t: t.utils.data.DistributedSampler(range(4), 2, 2))
    same(lambda t: t.utils.data.DistributedSampler(range(4), 2, -1))
    same(lambda t: t.utils.data.DistributedSampler(range(4)))


def test_kinds_of_datasets():
    same(lambda t: (t.utils.data._DatasetKind.Map, t.utils.data._DatasetKind.Iterable))
