"""What a replay does again in Python: optimizers' steps and schedules, a few lines a group, and random draws.

An optimizer's step decides in Python which numbers its update reads: learning rates, corrections that follow from the
count of steps. So a replay runs the step's own code, with a ``Player`` in place of the record: the update's numbers are
taken, nothing is recorded, and what the step found out about its parameters the first time is not found out again.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from flambeau.devices.device import device
from flambeau.differentiation.modes import no_grad
from flambeau.dtypes.kinds import dtype
from flambeau.graph.node import Node
from flambeau.graph.observing import MismatchError, played_by

__all__ = ["Draw", "OptimizerStep", "Repetition", "ScheduleStep", "StepUpdate", "played"]


class Draw(NamedTuple):
    """Numbers drawn from a stream: ``again(stream)`` draws the next ones; their type and place."""

    stream: Any
    again: Callable[[Any], Any]
    kind: dtype
    place: device


class StepUpdate(NamedTuple):
    """One update of an optimizer's step: how many Python numbers it reads, and the flags of its formula."""

    numbers: int
    flags: tuple[Any, ...]


class OptimizerStep:
    """One step of an optimizer.

    Attributes:
        update_group: its method that updates a group.
        kept: what the step found out about its parameters, in order.
        updates: the updates it consists of, in order.
    """

    def __init__(self, update_group: Callable[[dict[str, Any]], Any]) -> None:
        self.update_group = update_group
        self.kept: list[Any] = []
        self.updates: list[StepUpdate] = []

    @property
    def optimizer(self) -> Any:
        """Whose step it is."""
        return getattr(self.update_group, "__self__", None)

    def like(self, other: Any) -> bool:
        """Whether another step is one of the same optimizer, with the same updates."""
        return (
            isinstance(other, OptimizerStep)
            and self.update_group == other.update_group
            and self.updates == other.updates
        )


class Repetition:
    """Something that records nothing and is called again, after the programs: ``call`` does it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call


class ScheduleStep(Repetition):
    """One step of a schedule."""


class _Player:
    """Plays steps again; see ``graph.observing.Player``."""

    def __init__(self) -> None:
        self.numbers: list[Sequence[float]] = []
        self.step: OptimizerStep | None = None
        self._kept = 0
        self._updates = 0
        self._written: list[tuple[Any, Node]] = []

    def play(self, step: OptimizerStep) -> None:
        """Run a step's own code for the sake of its numbers."""
        self.step, self._kept, self._updates = step, 0, 0
        for group in step.optimizer.param_groups:
            step.update_group(group)
        if self._updates != len(step.updates):
            raise MismatchError

    def kept(self) -> Any:
        """What ``Observer.keep`` was given at this point."""
        assert self.step is not None
        if self._kept == len(self.step.kept):
            raise MismatchError
        self._kept += 1
        return self.step.kept[self._kept - 1]

    def update(self, primitive: Any, numbers: Sequence[float], flags: tuple[Any, ...]) -> None:
        """Take an update's numbers."""
        assert self.step is not None
        updates = self.step.updates
        if self._updates == len(updates) or updates[self._updates] != (len(numbers), flags):
            raise MismatchError
        self._updates += 1
        self.numbers.append(numbers)

    def wrote(self, storage: Any) -> None:
        """Remember what a storage was before."""
        self._written.append((storage, storage.node))

    def undo(self) -> None:
        """Put back what the steps have written."""
        for storage, node in reversed(self._written):
            storage.node = node


def played(steps: Iterable[OptimizerStep]) -> list[Sequence[float]]:
    """Go optimizers' steps again, except for their updates.

    Returns:
        The Python numbers of each update.

    Raises:
        MismatchError: a step would not consist of the same updates; nothing has changed.
    """
    player = _Player()
    with played_by(player), no_grad():
        try:
            for step in steps:
                player.play(step)
        except BaseException:
            player.undo()
            raise
    return player.numbers
