"""``DistributedSampler``: the part of a dataset that one of several processes takes."""

from collections.abc import Iterator, Sized
from math import ceil
from typing import Any

from flambeau.devices.device import CPU
from flambeau.generators.draws import permutation
from flambeau.tensors.generator import Generator, stream_of
from flambeau.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th key of a dataset, from the ``rank``-th on, in an order that all processes share.

    The order is drawn as PyTorch draws it, so that the same seed and epoch give the same parts.

    Args:
        dataset: what has a length.
        num_replicas: number of processes; to be given, as there is no process group to ask.
        rank: number of this process, from 0.
        shuffle: whether the order is random, another one every epoch.
        seed: of the order; equal in all processes.
        drop_last: leave out what does not divide evenly; otherwise the first keys are repeated.

    Raises:
        ValueError: ``num_replicas`` or ``rank`` is missing, or the rank is not below the number of processes.

    Example:
        >>> from flambeau.utils.data import DistributedSampler
        >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
        [1, 3, 0]

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.distributed.DistributedSampler
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError(
                "Default process group has not been initialized, please make sure to call init_process_group.\n"
                "\tFix: give num_replicas= and rank=, there are no process groups"
            )
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset: Sized = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        uneven = drop_last and count % num_replicas != 0
        self.num_samples = ceil((count - num_replicas if uneven else count) / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        keys = list(range(count))
        if self.shuffle:
            stream = stream_of(Generator().manual_seed(self.seed + self.epoch), CPU)
            keys = [int(key) for key in permutation(stream, count)]
        missing = self.total_size - count
        if missing > 0 and keys:
            keys += (keys * ceil(missing / count))[:missing]
        return iter(keys[: self.total_size][self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins: its number changes the order.

        Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.distributed.DistributedSampler
        """
        self.epoch = epoch
