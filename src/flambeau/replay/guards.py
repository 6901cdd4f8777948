"""``Guards``: what has to be as it was for a replay to do what the function would do."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, cast

from flambeau.replay.recording import Recording
from flambeau.tensors.core import Core

__all__ = ["Guards"]

_FIELDS: Final = (
    "_storage", "_storage.node.aval", "_requires_grad", "_grad_fn", "_grad_dtype", "_leaf_hooks",
    "_post_accumulate_hooks",
)  # fmt: skip
_state_of = attrgetter(*_FIELDS)


class Guards:
    """The world of a recorded call, its tensors, its gradients, and its optimizers' settings."""

    def __init__(self, recording: Recording) -> None:
        count = len(recording.tensors) - recording.given
        self.world = recording.world
        self.tensors: list[Core] = recording.tensors[:count]
        stepped = {id(group) for step in recording.steps() for group in step.optimizer.param_groups}
        self.settings = [(group, names, values, id(group) in stepped) for group, names, values in self.world.settings]
        self.patterns = [_pattern(values, loose) for _, _, values, loose in self.settings]
        self.states = [_state_of(tensor) for tensor in self.tensors]
        self.gradients = [gradient is not None for gradient in recording.gradients()[:count]]
        self.storages = {id(tensor._storage) for tensor in self.tensors}

    def hold(self, given: Sequence[Core]) -> bool:
        """Whether all is as it was; ``given`` are the tensors among the arguments."""
        return (
            [_state_of(tensor) for tensor in self.tensors] == self.states
            and [tensor._grad is not None for tensor in self.tensors] == self.gradients
            and self.world.unchanged()
            and self.apart(given)
            and self._settings() == self.patterns
        )

    def _settings(self) -> list[Any]:
        """The optimizers' settings as they are compared."""
        return [_pattern([group.get(name) for name in names], loose) for group, names, _, loose in self.settings]

    def apart(self, given: Sequence[Core]) -> bool:
        """Whether no argument shows what a parameter or another tensor of the world shows."""
        return self.storages.isdisjoint([id(tensor._storage) for tensor in given])


def _pattern(values: Sequence[Any], loose: bool) -> list[Any]:
    """Settings as they are compared: of numbers that a replay follows only whether they are zero, as formulas ask."""
    return [_of_one(value, loose) for value in values]


def _of_one(value: Any, loose: bool) -> Any:
    if isinstance(value, Core):
        return id(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return value == 0 if loose else (type(value), value)
    if isinstance(value, (tuple, list)):
        return [_of_one(item, loose) for item in cast("Sequence[Any]", value)]
    return value
