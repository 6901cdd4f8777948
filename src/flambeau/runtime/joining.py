"""JOIN: a ReLU becomes part of the linear layer before it, and its gradient part of that of the layer after it.

A product's numbers are in a processor's cache when they have just been computed; a ReLU by itself reads and writes them
from further away, forward and back. Values are the same to the bit.

What a ReLU was given is positive where what it gave is. So its gradient is read off its result, and a layer before it
need not return what it was given.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from flambeau.graph.node import Operation
from flambeau.graph.record import operation_of
from flambeau.primitives.linear import is_linear
from flambeau.primitives.movement import alias
from flambeau.primitives.pointwise import UNARY
from flambeau.primitives.primitive import PICK, Primitive, Pullback, pullbacks

__all__ = ["Step", "joined"]

_RELU = UNARY["relu"]
_BEFORE, _AFTER = (True, False), (False, True)  # static arguments of a linear layer


class Step(NamedTuple):
    """One operation of a program; inputs are positions: of earlier steps, of leaves (negative), or number slots."""

    operation: Operation
    inputs: tuple[Any, ...]


def joined(steps: Sequence[Step], outputs: Sequence[int]) -> list[Step]:
    """Steps with the same results at the same positions."""
    given = {step.inputs[0]: place for place, step in reversed([*enumerate(steps)]) if _is_relu(step)}
    if not given:
        return [*steps]
    found = [_reading_result(step, place, given) for place, step in enumerate(steps)]
    users = Counter(item for step in found for item in step.inputs)
    users.update(outputs)
    for place, step in enumerate(found):
        if _is_relu(step):
            source = step.inputs[0]
            join = _join_relu
        elif _is_pullback(step, _RELU):
            source = step.inputs[1]
            join = _join_pullback
        else:
            continue
        if source >= 0 and users[source] == 1 and join(found, step, source):
            found[place] = Step(operation_of(alias, (), (step.operation.result,)), (source,))
    return found


def _is_relu(step: Step) -> bool:
    return step.operation.primitive is _RELU


def _is_pullback(step: Step, of: Primitive) -> bool:
    primitive = step.operation.primitive
    return isinstance(primitive, Pullback) and primitive.operation.primitive is of


def _reading_result(step: Step, place: int, given: dict[Any, int]) -> Step:
    """A ReLU's gradient, of the ReLU's result if that is there before; any other step as it is."""
    if not _is_pullback(step, _RELU):
        return step
    result = given.get(step.inputs[0], place)
    return step._replace(inputs=(result, step.inputs[1])) if result < place else step


def _join_relu(steps: list[Step], relu: Step, source: int) -> bool:
    """Have the step there return its ReLU, if it is a linear layer."""
    operation, inputs = steps[source]
    if is_linear(operation):
        steps[source] = Step(operation_of(operation.primitive, _AFTER, operation.inputs), inputs)
    return is_linear(operation)


def _join_pullback(steps: list[Step], pullback: Step, source: int) -> bool:
    """Have the step there be the gradient of what a ReLU was given, if it is a linear layer's of the ReLU's result."""
    picked = steps[source].operation.primitive is PICK
    maker = steps[source].inputs[0] if picked else source
    operation, inputs = steps[maker]
    pulled = operation.primitive
    if not isinstance(pulled, Pullback) or not is_linear(pulled.operation):
        return False
    layer = pulled.operation
    x = len(layer.inputs) - 2
    index = steps[source].operation.static[0] if picked else 0
    if pulled.wrt[index] != x or inputs[pulled.saved.index(x)] != pullback.inputs[0]:
        return False
    before = operation_of(layer.primitive, _BEFORE, layer.inputs)
    steps[maker] = Step(pullbacks(before, pulled.wrt, pulled.mask).steps[0][0], inputs)
    return True
