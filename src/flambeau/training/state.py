"""A training run's state: what is gathered from its members, and how it is given back, all or nothing."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple, cast

from flambeau.base.errors import NotACheckpoint
from flambeau.tensors.generator import Generator
from flambeau.training.randomness import generator_states, set_generator_states

__all__ = ["Restored", "gathered", "give_back"]

_FORMAT = 1


class Restored(NamedTuple):
    """What ``Checkpoints.restore`` found.

    Attributes:
        step: the step that was saved.
        metric: its metric, or None.
        values: the plain values saved with it, by name.
        path: the file.
    """

    step: int
    metric: float | None
    values: dict[str, Any]
    path: str


class _Member(NamedTuple):
    """How to take and give back the state of something."""

    take: Callable[[], Any]
    give: Callable[[Any], Any]


def _member(value: Any) -> _Member | None:
    """How to do it for this one; None if it is a plain value."""
    if isinstance(value, Generator):
        return _Member(value.get_state, value.set_state)
    if callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None)):
        return _Member(value.state_dict, value.load_state_dict)
    return None


def gathered(step: int, metric: float | None, members: Mapping[str, Any]) -> dict[str, Any]:
    """The state as one dictionary of plain values and tensors.

    Args:
        step: number of the step.
        metric: what it is judged by.
        members: whatever has ``state_dict`` and ``load_state_dict``, generators, and plain values.
    """
    ways = {name: _member(value) for name, value in members.items()}
    return {
        "format": _FORMAT,
        "step": step,
        "metric": metric,
        "members": {name: way.take() for name, way in ways.items() if way is not None},
        "values": {name: members[name] for name, way in ways.items() if way is None},
        "generators": generator_states(),
    }


def give_back(state: Any, members: Mapping[str, Any], generators: bool, path: str) -> Restored:
    """Give members their state; if one refuses, all have what they had before.

    Raises:
        NotACheckpoint: the file holds no state of a training run.
        KeyError: the file has no state for a member.
        TypeError: a member can take no state.
    """
    if not isinstance(state, dict) or state.get("format") != _FORMAT or not isinstance(state.get("members"), dict):  # pyright: ignore[reportUnknownMemberType]
        raise NotACheckpoint(f"{path}: the file holds no state of a training run as Checkpoints.save writes it")
    found = cast("dict[str, Any]", state)
    ways = {name: _taker(name, value, found["members"], path) for name, value in members.items()}
    before = {name: deepcopy(way.take()) for name, way in ways.items()}
    random = generator_states()
    done: list[str] = []
    try:
        for name, way in ways.items():
            done.append(name)
            way.give(found["members"][name])
        if generators:
            set_generator_states(found["generators"])
    except BaseException:
        for name in reversed(done):
            ways[name].give(before[name])
        set_generator_states(random)
        raise
    return Restored(found["step"], found["metric"], found["values"], path)


def _taker(name: str, value: Any, saved: Mapping[str, Any], path: str) -> _Member:
    """How to give a member its state; raises where that cannot be."""
    way = _member(value)
    if way is None:
        raise TypeError(
            f"restore({name}=...): expected something with state_dict() and load_state_dict(), or a Generator, but got "
            f"{type(value).__name__}; plain values come back in the result's `values`"
        )
    if name not in saved:
        raise KeyError(f"{path}: the checkpoint has no state of {name!r}; it has {sorted(saved)}")
    return way
