"""``vmap``'s vocabulary: a placeholder for one example, and an operation that runs recorded steps for a whole batch."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flambeau.graph.node import Aval, Operation
from flambeau.primitives.pointwise import add
from flambeau.primitives.primitive import PICK, Primitive, Pullback, Scalar

__all__ = ["PLACEHOLDER", "Batched", "Result", "Step"]

ESCAPED = (
    "vmap: a Tensor made inside a function under vmap was used outside of it. Your tensor may have escaped from inside "
    "a function being vmapped: what is needed outside must be among the function's results."
)


def _refuse() -> Any:
    raise RuntimeError(ESCAPED)


# One example of a batch: a shape whose values only ``Batched`` can fill in.
PLACEHOLDER = Primitive("placeholder", _refuse, differentiable=False)


class Step(NamedTuple):
    """An operation on one example; inputs are positions: of earlier steps, or of the batch's inputs (-1, -2, ...)."""

    operation: Operation
    inputs: tuple[int, ...]


class Result(NamedTuple):
    """What is asked for: the value of a step (or of an input), and where the examples lie in it.

    Attributes:
        position: of the step, or of the input (-1, -2, ...).
        axis: where the batch's axis goes; None for the sum over the batch.
        aval: of one example.
    """

    position: int
    axis: int | None
    aval: Aval


class Batched(Primitive):
    """Steps recorded for one example, for all examples: static arguments are the number of examples.

    Attributes:
        steps: what is computed for an example.
        axes: for each input where its examples lie; None for what is the same for all.
        results: what is asked for.
    """

    __slots__ = ("axes", "batched", "results", "single", "steps", "summed")

    def __init__(self, steps: Sequence[Step], axes: Sequence[int | None], results: Sequence[Result]) -> None:
        super().__init__("vmap", self._lower, grad_name="VmapBackward0", differentiable=False, variadic=True)
        self.steps = steps
        self.axes = axes
        self.results = results
        self.batched = self._batched()
        self.single, self.summed = self._demands()

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
        """The results' shapes: one example's, with the batch's axis in its place."""
        avals = [_whole(result, static[0]) for result in self.results]
        return tuple(avals) if len(avals) > 1 else avals[0]

    # -- what follows from the structure -----------------------------------------------------------------------

    def _varies(self, position: int) -> bool:
        """Whether a value differs from example to example."""
        return self.batched[position] if position >= 0 else self.axes[-1 - position] is not None

    def _batched(self) -> list[bool]:
        self.batched: list[bool] = []
        for step in self.steps:
            self.batched.append(any(self._varies(item) for item in step.inputs))
        return self.batched

    def _demands(self) -> tuple[set[int], set[int]]:
        """Steps whose value is needed for each example, and steps of which only the sum over the batch is.

        The sum of the gradients of something all examples share (a weight) is one matrix product or convolution over
        the whole batch; their gradients one by one, to be summed after, would be as many.
        """
        single = {item.position for item in self.results if item.axis is not None and item.position >= 0}
        summed = {item.position for item in self.results if item.axis is None and item.position >= 0}
        for position in reversed(range(len(self.steps))):
            if position in summed:
                sources = self._summands(position)
                if sources is None:
                    single.add(position)
                    summed.discard(position)
                else:
                    summed.update(item for item in sources if item >= 0)
            if position in single:
                single.update(item for item in self.steps[position].inputs if item >= 0)
            elif position in summed and self._pulls(position):
                single.update(item for item in self.steps[position].inputs if item >= 0)
        return single, summed

    def _summands(self, position: int) -> tuple[int, ...] | None:
        """The steps whose sums make up this one's; None if it has to be summed itself."""
        operation, inputs = self.steps[position]
        if not self.batched[position]:
            return None
        if operation.primitive is add and operation.inputs[0] is operation.inputs[1]:
            return inputs
        if operation.primitive is PICK and self._pulls(inputs[0]):
            wrt = self.steps[inputs[0]].operation.primitive.wrt[operation.static[0]]
            return inputs if self._shared(inputs[0], wrt) else None
        if not self._pulls(position):
            return None
        wrt = operation.primitive.wrt
        return () if len(wrt) > 1 or self._shared(position, wrt[0]) else None  # of several, one was picked

    def _pulls(self, position: int) -> bool:
        """Whether a step is a gradient."""
        return position >= 0 and isinstance(self.steps[position].operation.primitive, Pullback)

    def _shared(self, position: int, wrt: int) -> bool:
        """Whether the input with respect to which a gradient is taken is the same for all examples."""
        operation, inputs = self.steps[position]
        saved = operation.primitive.saved
        return wrt not in saved or not self._varies(inputs[saved.index(wrt)])

    # -- the computation ---------------------------------------------------------------------------------------

    def _lower(self, inputs: tuple[Any, ...], size: int) -> Any:
        given = [
            item if axis is None or isinstance(item, Scalar) else jnp.moveaxis(item, axis, 0)
            for item, axis in zip(inputs, self.axes, strict=True)
        ]
        values: dict[int, Any] = {-1 - index: item for index, item in enumerate(given)}
        sums: dict[int, Any] = {}
        for position, (operation, sources) in enumerate(self.steps):
            if position in self.summed:
                sums[position] = self._sum(position, sums, values, size)
            if position in self.single:
                arguments = [values[item] for item in sources]
                values[position] = _mapped(operation, arguments, [self._varies(item) for item in sources])
        found = [self._result(result, values, sums, size) for result in self.results]
        return tuple(found) if len(found) > 1 else found[0]

    def _sum(self, position: int, sums: dict[int, Any], values: dict[int, Any], size: int) -> Any:
        """The sum over the batch of a step's value, made of other sums or by the pullback of the whole batch."""
        operation, sources = self.steps[position]
        if self._pulls(position):
            return _pulled(
                operation.primitive, [values[item] for item in sources], [self._varies(item) for item in sources], size
            )
        if operation.primitive is PICK:
            return sums[sources[0]][operation.static[0]]
        one, other = (
            sums[item] if item in sums else _total(values[item], self._varies(item), size) for item in sources
        )
        return one + other

    def _result(self, result: Result, values: dict[int, Any], sums: dict[int, Any], size: int) -> Any:
        position, axis, aval = result
        if axis is None:
            return sums[position] if position in sums else _total(values[position], self._varies(position), size)
        value = values[position]
        if not self._varies(position):
            value = jnp.broadcast_to(jnp.asarray(value), (size, *aval.shape))
        return jnp.moveaxis(value, 0, axis)


def _whole(result: Result, size: int) -> Aval:
    """A result's ``Aval``, from one example's."""
    shape, axis = tuple(result.aval.shape), result.axis
    if axis is not None:
        shape = (*shape[:axis], size, *shape[axis:])
    return Aval.of(shape, result.aval.dtype, result.aval.device)


def _total(value: Any, varies: bool, size: int) -> Any:
    """The sum over the batch."""
    return jnp.sum(value, 0, dtype=value.dtype) if varies else value * jnp.asarray(size, value.dtype)


def _mapped(operation: Operation, arguments: list[Any], varies: list[bool]) -> Any:
    """An operation for every example, or once if all its inputs are shared."""
    if operation.primitive is PICK:
        return arguments[0][operation.static[0]]
    return _each(lambda inputs: operation.primitive.apply(inputs, operation.static), arguments, varies)


def _each(function: Callable[[list[Any]], Any], arguments: Sequence[Any], varies: Sequence[bool]) -> Any:
    """A function of a list for every example; some of the arguments are the same for all."""
    places = [index for index, item in enumerate(varies) if item]

    def one(*examples: Any) -> Any:
        filled = list(arguments)
        for place, example in zip(places, examples, strict=True):
            filled[place] = example
        return function(filled)

    return jax.vmap(one)(*[arguments[place] for place in places]) if places else one()


def _pulled(pullback: Pullback, values: list[Any], varies: list[bool], size: int) -> Any:
    """The sums over the batch of gradients with respect to what all examples share."""
    count = len(pullback.saved)
    batched = dict(zip(pullback.saved, varies[:count], strict=True))
    flags = [batched.get(position, False) for position in range(len(pullback.operation.inputs))]
    cotangents = [
        value if own else jnp.broadcast_to(value, (size, *value.shape))
        for value, own in zip(values[count:], varies[count:], strict=True)
    ]

    def forward(inputs: Sequence[Any]) -> tuple[Any, ...]:
        results = _each(pullback.forward, inputs, flags)
        return results if any(flags) else tuple(jnp.broadcast_to(item, (size, *item.shape)) for item in results)

    return pullback.pulled([*values[:count], *cotangents], forward)
