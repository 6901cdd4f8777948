"""``DataLoader``: batches of a dataset, in order or shuffled, from this process or from workers."""

import itertools
import multiprocessing
import multiprocessing.context
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from flambeau.devices.device import CPU
from flambeau.dtypes.kinds import DTYPES
from flambeau.generators.streams import Stream, default_stream
from flambeau.tensors.core import wrap_array
from flambeau.tensors.generator import Generator, stream_of
from flambeau.utils.data.collate import default_collate, default_convert
from flambeau.utils.data.crew import Crew
from flambeau.utils.data.dataset import IterableDataset
from flambeau.utils.data.fetching import Recipe
from flambeau.utils.data.iterators import Progress, SingleProcessIterator, WorkersIterator
from flambeau.utils.data.sampler import BatchSampler, Endless, RandomSampler, SequentialSampler, draw_seed
from flambeau.utils.data.worker import Job

__all__ = ["DataLoader"]


class DataLoader:
    """Batches of a dataset.

    With the same seed it gives the same batches as PyTorch and leaves the random generators where PyTorch does.
    ``state_dict`` and ``load_state_dict`` resume an epoch in its middle.

    Args:
        dataset: samples by key, or an ``IterableDataset``.
        batch_size: number of samples in a batch; None to hand over single samples.
        shuffle: take the samples in a new random order every epoch.
        sampler: in which order to take samples, instead of ``shuffle``.
        batch_sampler: which samples each batch has, instead of ``batch_size``, ``shuffle``, ``sampler``, ``drop_last``.
        num_workers: number of processes that fetch ahead; 0 to fetch in this one. They are started afresh, so the
            dataset and functions must be picklable, and a script must guard its main part by ``__name__``.
        collate_fn: makes a batch of a list of samples; ``default_collate`` by default.
        pin_memory: accepted; memory is XLA's business.
        drop_last: leave out a last batch that is shorter.
        timeout: seconds to wait for a batch of a worker; 0 for no limit.
        worker_init_fn: called in each worker with its number, before it begins.
        multiprocessing_context: how workers are started: ``"spawn"`` (the default) or ``"forkserver"``, or a context.
        generator: where to draw from; the default one if None.
        prefetch_factor: number of batches each worker is ahead; 2 by default.
        persistent_workers: keep the workers for the next epoch.
        pin_memory_device: accepted.
        in_order: with workers, whether batches come in the order of their keys or as they are ready.

    Raises:
        ValueError: arguments that exclude each other, or a number out of its range.
        TypeError: ``multiprocessing_context`` is none.

    Example:
        >>> import flambeau as torch
        >>> loader = torch.utils.data.DataLoader(torch.arange(5), batch_size=2)
        >>> list(loader)
        [tensor([0, 1]), tensor([2, 3]), tensor([4])]

    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
    """

    _FIXED: ClassVar = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
    _initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        streams = isinstance(dataset, IterableDataset)
        if streams:
            _check_stream(shuffle, sampler, batch_sampler)
        _check_order(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            if streams:
                sampler = Endless()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.persistent_workers = persistent_workers
        self._crew: Crew | None = None
        self._progress = Progress(finished=True)
        self._resumed: Progress | None = None
        self._initialized = True
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in self._FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How workers are started; None for the default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, value: Any) -> None:
        self._context = _checked_context(value, self.num_workers)

    def check_worker_number_rationality(self) -> None:
        """Warn if there are to be more workers than processors."""
        limit = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if limit is not None and self.num_workers > limit:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number "
                f"of worker in current system is {limit}, which is smaller than what this DataLoader is going to "
                "create. Please be aware that excessive worker creation might get DataLoader running slow or even "
                "freeze, lower the worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=3,
            )

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        count = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    @property
    def _index_sampler(self) -> Any:
        """What yields the keys of a batch, or of a sample if there are no batches."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    # -- iterating -------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        resumed, self._resumed = self._resumed, None
        if resumed is None:
            return self._begin(0)
        # The samplers draw once more what they drew at the epoch's beginning. The default stream, which everybody draws
        # from, then goes on where it is.
        streams = self._streams()
        present = streams["default"].get_state()
        for name, state in resumed.streams.items():
            if name in streams:
                streams[name].set_state(state)
        try:
            # Before the first batch the samplers have not drawn yet; they will from where the default stream then is.
            return self._begin(resumed.yielded, primed=resumed.yielded > 0)
        finally:
            streams["default"].set_state(present)

    def _begin(self, skipped: int, primed: bool = False) -> Iterator[Any]:
        """Begin an epoch.

        Args:
            skipped: number of batches to leave out.
            primed: draw the first keys now, not when they are asked for.
        """
        self._progress = progress = Progress({name: item.get_state() for name, item in self._streams().items()})
        recipe = Recipe(self.dataset, self.batch_sampler is not None, self.collate_fn, self.drop_last)
        base_seed = draw_seed(self.generator) if self._crew is None else 0
        keys: Iterator[Any] = iter(self._index_sampler)
        by_key = not isinstance(self.dataset, IterableDataset)
        if primed:
            first: list[Any] = list(itertools.islice(keys, (skipped if by_key else 0) + 1))
            keys = itertools.chain(first[skipped if by_key else 0 :], keys)
            progress.yielded = skipped if by_key else 0
        batches = self._iterator(recipe, keys, base_seed)
        if not by_key:
            for _ in itertools.islice(batches, skipped):
                pass
        return batches

    def _iterator(self, recipe: Recipe, keys: Iterator[Any], base_seed: int) -> Iterator[Any]:
        if self.num_workers == 0:
            return SingleProcessIterator(recipe, keys, self._progress)
        crew = self._crew
        if crew is None:
            context = multiprocessing.get_context("spawn") if self._context is None else self._context
            crew = Crew(context, Job(recipe, self.worker_init_fn, base_seed, self.num_workers), self.timeout)
        else:
            crew.restart()
        if self.persistent_workers:
            self._crew = crew
        ahead = (self.prefetch_factor or 1) * self.num_workers
        return WorkersIterator(
            crew, keys, self._progress, ahead=ahead, in_order=self.in_order, keep=self.persistent_workers
        )

    def _streams(self) -> dict[str, Stream]:
        """The random streams that an epoch draws from: the default one, and those of generators given."""
        owners = {
            "loader": self,
            "sampler": self.sampler,
            "batch_sampler": self.batch_sampler,
            "batch_sampler.sampler": getattr(self.batch_sampler, "sampler", None),
        }
        generators = {name: getattr(owner, "generator", None) for name, owner in owners.items()}
        own = {name: stream_of(item, CPU) for name, item in generators.items() if isinstance(item, Generator)}
        return {"default": default_stream(), **own}

    # -- resuming --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where in the epoch the loader is, for ``load_state_dict``; PyTorch's loader has no such method.

        Returns:
            A dictionary of ``"batches_yielded"``, the number of batches that this epoch has handed over, and
            ``"generators"``, the states of the random generators at its beginning. Between epochs there are the present
            states of generators given to the loader and its samplers; the default one is saved by ``get_rng_state``.

        Example:
            >>> import flambeau as torch
            >>> loader = torch.utils.data.DataLoader(range(6), batch_size=2, shuffle=True)
            >>> batches = iter(loader)
            >>> _ = next(batches)
            >>> state = loader.state_dict()
            >>> rest = [batch.tolist() for batch in batches]
            >>> again = torch.utils.data.DataLoader(range(6), batch_size=2, shuffle=True)
            >>> again.load_state_dict(state)
            >>> [batch.tolist() for batch in again] == rest
            True
        """
        progress = self._progress if self._resumed is None else self._resumed
        streams = progress.streams
        if progress.finished:
            streams = {name: item.get_state() for name, item in self._streams().items() if name != "default"}
        states = {name: wrap_array(state, DTYPES["uint8"], CPU) for name, state in streams.items()}
        return {"batches_yielded": 0 if progress.finished else progress.yielded, "generators": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Have the next epoch be the rest of the one that ``state_dict`` was called in.

        The keys of the batches are exact for samplers that draw from PyTorch's generators. What a dataset draws for
        itself is the caller's to restore; workers start again from the epoch's seeds.

        Args:
            state_dict: what ``state_dict`` of a loader made in the same way returned.
        """
        states = {name: tensor.host() for name, tensor in state_dict["generators"].items()}
        self._resumed = Progress(states, state_dict["batches_yielded"]) if "default" in states else None
        if self._resumed is None:
            streams = self._streams()
            for name in states.keys() & streams.keys():
                streams[name].set_state(states[name])
        self._progress = Progress(finished=True)


def _check_workers(workers: int, timeout: float, prefetch: int | None, persistent: bool) -> None:
    """Check what has to do with workers, in PyTorch's words."""
    if workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if workers == 0 and prefetch is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if workers > 0 and prefetch is not None and prefetch < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_order(size: int | None, shuffle: bool, sampler: Any, batch_sampler: Any, drop_last: bool) -> None:
    """Check what excludes each other, in PyTorch's words."""
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
    if batch_sampler is None and size is None and drop_last:
        raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    """Check what a stream excludes, in PyTorch's words."""
    given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in given.items():
        if value is not None:
            message = f"expected unspecified {name} option, but got {name}={value}"
            raise ValueError(f"DataLoader with IterableDataset: {message}")


def _checked_context(value: Any, workers: int) -> Any:
    """A context of ``multiprocessing``, given by name or as it is; one that forks is refused."""
    if value is None:
        return None
    if workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
            f"num_workers={workers}"
        )
    if isinstance(value, str):
        methods = multiprocessing.get_all_start_methods()
        if value not in methods:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {methods!r}, but got "
                f"multiprocessing_context={value!r}"
            )
        value = multiprocessing.get_context(value)
    if not isinstance(value, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the start method, "
            f"but got multiprocessing_context={value}"
        )
    if value.get_start_method() == "fork":
        raise ValueError(
            "multiprocessing_context='fork' is not supported: JAX must not be forked; use 'spawn' or 'forkserver'"
        )
    return value
