"""Datasets that worker processes can import."""

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from flambeau.utils.data import Dataset, IterableDataset, get_worker_info


class Pairs(Dataset[Any]):
    """Arrays of NumPy, numbers and texts."""

    def __init__(self, length: int = 10) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        return {"x": np.full(2, index, np.float32), "y": index, "name": str(index)}


class Failing(Pairs):
    """Raises at one index."""

    def __init__(self, error: type[Exception], index: int) -> None:
        super().__init__(8)
        self.error = error
        self.index = index

    def __getitem__(self, index: int) -> Any:
        if index == self.index:
            raise self.error("no such sample")
        return index


class Informed(Pairs):
    """What a worker knows of itself."""

    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        assert info is not None
        return info.id, info.num_workers, info.seed, index, os.getpid(), int(np.random.randint(1 << 30))


class Slow(Pairs):
    """Takes its time."""

    def __getitem__(self, index: int) -> Any:
        time.sleep(30)
        return index


class Leaving(Pairs):
    """Ends its process."""

    def __getitem__(self, index: int) -> Any:
        os._exit(3)


class Stream(IterableDataset[int]):
    """Numbers, shared out among the workers."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        if info is None:
            return iter(range(self.length))
        return iter(range(info.id, self.length, info.num_workers))


def prepare(worker: int) -> None:
    """A ``worker_init_fn`` that fails."""
    raise ZeroDivisionError(f"worker {worker} is not ready")
