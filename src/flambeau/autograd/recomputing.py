"""``recomputed``: a function whose intermediate values are computed a second time for backward, instead of being kept.

In the forward pass the function is taped like any other code, but the tape is let go as soon as the places are known
where it leads out of the function: to its arguments, and to parameters it uses. One entry on the tape stands for all of
it. Backward calls the function again, on its arguments behind a barrier which also holds the gradient that came. So the
compiler neither merges the second computation with the first nor starts it earlier: what lies between is never kept.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from flambeau.base.tree import TreeSpec, flatten, unflatten
from flambeau.differentiation.differentiate import differentiate
from flambeau.differentiation.modes import enable_grad
from flambeau.differentiation.points import Point, exits_of
from flambeau.differentiation.tape import Edge, GradFn, Tracked, tape_position
from flambeau.graph.node import Aval, Node
from flambeau.graph.record import record
from flambeau.primitives.barrier import barrier
from flambeau.primitives.primitive import picks
from flambeau.tensors.core import made
from flambeau.tensors.generator import keys_after
from flambeau.tensors.tensor import Tensor

__all__ = ["Avals", "Recomputation", "recomputed"]


Avals = Sequence[Aval | None]
"""For each result of a function its shape, data type and device; None for what is no tensor."""


class Recomputation(NamedTuple):
    """How to call a function a second time.

    Attributes:
        function: what to call.
        leaves: its arguments one by one, without the tensors.
        tensors: which of the arguments are tensors.
        spec: the arguments' structure: (positional ones, named ones).
        within: makes the context in which to call it.
        check: called with the results' ``Aval``s of both times; raises where they differ.
    """

    function: Callable[..., Any]
    leaves: list[Any]
    tensors: list[bool]
    spec: TreeSpec
    within: Callable[[], AbstractContextManager[Any]]
    check: Callable[[Avals, Avals], None]

    def called(self, inputs: Iterable[Tensor]) -> list[Any]:
        """What the function returns for these tensors, one by one."""
        given = iter(inputs)
        pairs = zip(self.leaves, self.tensors, strict=True)
        args, kwargs = unflatten([next(given) if tensor else item for item, tensor in pairs], self.spec)
        with self.within():
            return flatten(self.function(*args, **kwargs))[0]


def recomputed(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    within: Callable[[], AbstractContextManager[Any]],
    check: Callable[[Avals, Avals], None],
) -> Any:
    """Call a function, and keep only its arguments for backward.

    Args:
        function: returns a tensor, or a structure of tensors and other things.
        args: its arguments, structures of tensors and other things.
        kwargs: its named arguments.
        within: makes the context in which it is called again.
        check: called with the results' ``Aval``s of both times; raises where they differ.

    Returns:
        What it returned; its tensors are on the tape as results of one operation.
    """
    given, spec = flatten((args, kwargs))
    tracked = [Tracked(item.read(), item.edge()) for item in given if isinstance(item, Tensor)]
    start = tape_position()
    with keys_after(tracked[0].node) if tracked else nullcontext():
        results, structure = flatten(function(*args, **kwargs))
    edges = _edges(results)
    inside = [edge is not None and isinstance(edge[0], GradFn) and edge[0].serial >= start for edge in edges]
    if any(inside):
        leaves = [None if isinstance(item, Tensor) else item for item in given]
        again = Recomputation(function, leaves, [isinstance(item, Tensor) for item in given], spec, within, check)
        exits = exits_of([edge for edge, new in zip(edges, inside, strict=True) if new], start)
        place = RecomputedGradFn(again, tracked, exits, _avals(results))
        edges.clear()
        results = [
            item.tape_at((place, index)) if new else item
            for index, (item, new) in enumerate(zip(results, inside, strict=True))
        ]
    return unflatten(results, structure)


def _edges(results: Sequence[Any]) -> list[Edge | None]:
    return [item.edge() if isinstance(item, Tensor) else None for item in results]


def _avals(results: Sequence[Any]) -> Avals:
    return [item.aval if isinstance(item, Tensor) else None for item in results]


class RecomputedGradFn(GradFn):
    """The place on the tape of a function that is called again for backward.

    Its edges are those of the tensor arguments, and then all that lead out of the function: parameters it uses.

    Attributes:
        again: how to call it; None once released.
        exits: the edges that lead out of it.
        results: ``Aval`` of each of its results; None for what is no tensor.
    """

    __slots__ = ("again", "count", "exits", "results")

    def __init__(self, again: Recomputation, inputs: Sequence[Tracked], exits: Sequence[Edge], results: Avals) -> None:
        reached = set(exits)
        own = [item.edge if item.edge in reached else None for item in inputs]
        super().__init__(None, [item.node for item in inputs], [item.edge for item in inputs], [*own, *exits])
        self.again: Recomputation | None = again
        self.exits = exits
        self.results = results
        self.count = len(results)

    def name(self) -> str:
        """PyTorch's name of it."""
        return "CheckpointFunctionBackward"

    def pull(self, cotangents: Sequence[Tracked | None], wanted: Sequence[bool], create: bool) -> list[Tracked | None]:
        """Call the function again behind a barrier, and walk back through it."""
        inputs, gradients = self._behind_barrier(cotangents)
        points = [None if edge is None else Point(edge) for edge in self.saved_edges]
        again = self.again
        assert again is not None
        gate = next(item.node for item in gradients if item is not None)
        with enable_grad(), keys_after(gate):
            results = again.called(
                [made(node, None if point is None else (point, 0)) for node, point in zip(inputs, points, strict=True)]
            )
        again.check(self.results, _avals(results))
        roots = [
            (edge, gradient)
            for edge, gradient in zip(_edges(results), gradients, strict=True)
            if edge is not None and gradient is not None
        ]
        del results
        targets: list[Edge | None] = [*[None if point is None else (point, 0) for point in points], *self.exits]
        ends = [edge for edge in targets if edge is not None]
        found = differentiate(roots, targets=ends, retain=create, create=create, stop=True)
        return [
            None if edge is None or not want else found.get(edge) for edge, want in zip(targets, wanted, strict=True)
        ]

    def _behind_barrier(self, cotangents: Sequence[Tracked | None]) -> tuple[list[Node], list[Tracked | None]]:
        """The arguments, and the gradients that have come: neither is there before the other."""
        nodes = self.unpacked()
        given = [item for item in cotangents if item is not None]
        parts = picks(record(barrier, (*nodes, *[item.node for item in given])))
        behind = iter([Tracked(part, item.edge) for part, item in zip(parts[len(nodes) :], given, strict=True)])
        return parts[: len(nodes)], [None if item is None else next(behind) for item in cotangents]

    def release(self) -> None:
        super().release()
        self.again = None
