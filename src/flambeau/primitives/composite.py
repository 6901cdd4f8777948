"""``Composite``: steps recorded once as one operation, for a function that is replayed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from flambeau.graph.node import Aval, Operation
from flambeau.primitives.primitive import Primitive, Scalar, wrapped

__all__ = ["CompositeStep", "composite"]


class CompositeStep(NamedTuple):
    """One operation; inputs are positions: of earlier steps, or of the whole's inputs (-1, -2, ...)."""

    operation: Operation
    inputs: tuple[int, ...]


class _Composite(Primitive):
    """Steps, and which of their results, or of its own inputs, are its results."""

    __slots__ = ("avals", "results", "steps")

    def __init__(self, name: str, steps: Sequence[CompositeStep], results: Sequence[int], avals: Sequence[Any]) -> None:
        super().__init__(name, self._lower, variadic=True, differentiable=False)
        self.steps = steps
        self.results = results
        self.avals = tuple(avals)

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> tuple[Aval, ...]:
        """What the steps were evaluated to when they were recorded."""
        return self.avals

    def _lower(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        values: list[Any] = []
        for operation, places in self.steps:
            arrays = [values[place] if place >= 0 else _plain(inputs[-1 - place]) for place in places]
            values.append(operation.primitive.apply(wrapped(arrays, operation.inputs), operation.static))
        return tuple(values[place] if place >= 0 else inputs[-1 - place] for place in self.results)


def _plain(item: Any) -> Any:
    """An input as an array: that of a Python number comes wrapped."""
    return item.value if isinstance(item, Scalar) else item


_known: dict[Any, _Composite] = {}


def composite(name: str, steps: Sequence[CompositeStep], results: Sequence[int], avals: Sequence[Aval]) -> Primitive:
    """The one primitive of these steps, so that a program with it is found again.

    Args:
        name: what reports call it.
        steps: the steps.
        results: positions of the results among the steps, or of inputs (-1, -2, ...).
        avals: shape, type and device of each result.
    """
    key = (name, tuple([(operation.serial, places) for operation, places in steps]), tuple(results), tuple(avals))
    found = _known.get(key)
    return _known.setdefault(key, _Composite(name, steps, results, avals)) if found is None else found
