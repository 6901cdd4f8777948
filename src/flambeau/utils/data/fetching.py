"""Fetching: keys in, a batch out; the same in the main process and in workers."""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from flambeau.utils.data.collate import default_collate
from flambeau.utils.data.dataset import GathersBatches, IterableDataset

__all__ = ["Recipe", "fetcher"]


class Recipe(NamedTuple):
    """How batches are made of a dataset.

    Attributes:
        dataset: where samples come from.
        batched: whether keys come in lists.
        collate: makes a batch of samples, or converts a single one.
        drop_last: whether a last batch that is shorter is left out (of a stream).
    """

    dataset: Any
    batched: bool
    collate: Callable[[Any], Any]
    drop_last: bool


def fetcher(recipe: Recipe) -> Callable[[Any], Any]:
    """The function that fetches a batch; it raises StopIteration at the end of a stream."""
    return _from_stream(recipe) if isinstance(recipe.dataset, IterableDataset) else _by_key(recipe)


def _by_key(recipe: Recipe) -> Callable[[Any], Any]:
    dataset, collate = recipe.dataset, recipe.collate
    gather: Callable[[list[int]], Any] | None = None
    if isinstance(dataset, GathersBatches) and collate is default_collate:
        gather = dataset.gathered
    source: Any = dataset
    if not recipe.batched:
        return lambda key: collate(source[key])
    fetch_all = getattr(source, "__getitems__", None)

    def fetch(keys: Any) -> Any:
        if gather is not None:
            batch = gather(list(map(operator.index, keys)))
            if batch is not None:
                return batch
        return collate(fetch_all(keys) if callable(fetch_all) else [source[key] for key in keys])

    return fetch


def _from_stream(recipe: Recipe) -> Callable[[Any], Any]:
    stream = iter(recipe.dataset)
    ended = False

    def fetch(keys: Any) -> Any:
        nonlocal ended
        if not recipe.batched:
            return recipe.collate(next(stream))
        if ended:
            raise StopIteration
        samples: list[Any] = []
        for _ in keys:
            try:
                samples.append(next(stream))
            except StopIteration:
                ended = True
                break
        if not samples or (recipe.drop_last and len(samples) < len(keys)):
            raise StopIteration
        return recipe.collate(samples)

    return fetch
