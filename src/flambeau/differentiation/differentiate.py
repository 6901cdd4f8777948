"""DIFFERENTIATE: one walk backwards over the tape, recording the nodes that compute gradients."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from flambeau.differentiation.anomaly import WATCHES
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.tape import Edge, GradFn, Tracked, taped, tracked
from flambeau.graph.node import Aval
from flambeau.graph.record import record
from flambeau.primitives.pointwise import add

__all__ = ["differentiate"]


def differentiate(
    roots: Sequence[tuple[Edge, Tracked]],
    *,
    targets: Sequence[Edge] | None = None,
    retain: bool = False,
    create: bool = False,
    accumulate: bool = False,
    stop: bool = False,
) -> dict[Edge, Tracked]:
    """Gradients of the roots.

    Hooks are called in PyTorch's order: a leaf's as soon as its gradient is complete, before the walk goes on.

    Args:
        roots: where to start: pairs (place on the tape, its gradient).
        targets: places whose gradients are wanted; None means every leaf that is reached.
        retain: keep what the tape saved, for another walk.
        create: put the gradients' own computation on the tape.
        accumulate: add the gradients of leaves to their ``.grad``.
        stop: do not go on from a target to what it was made from.

    Returns:
        For each place reached among the targets (or each leaf) its gradient; without the leaves it was added to.

    Raises:
        RuntimeError: the tape was released already, or a saved tensor was changed in place.
    """
    ends: set[Edge] = set(targets or ()) if stop else set()
    functions, leaves = _reached([edge for edge, _ in roots], ends)
    wanted = None if targets is None else _leading_to(functions, set(targets))
    walk = _Walk(wanted, leaves, None if targets is None else set(targets), ends, create, accumulate)
    before = MODE.grad
    MODE.grad = create
    try:
        for edge, gradient in roots:
            walk.deliver(edge, gradient)
        walk.run(retain)
    finally:
        MODE.grad = before
    return walk.found


def _reached(starts: Sequence[Edge], ends: set[Edge]) -> tuple[list[GradFn], dict[Edge, int]]:
    """Functions that can be reached from here, and how often each leaf can; iterative, since tapes are deep."""
    seen: set[GradFn] = set()
    functions: list[GradFn] = []
    leaves: dict[Edge, int] = {}
    stack = list(starts)
    while stack:
        edge = stack.pop()
        target = edge[0]
        if ends and edge in ends:
            continue
        if not isinstance(target, GradFn):
            leaves[edge] = leaves.get(edge, 0) + 1
        elif target not in seen:
            seen.add(target)
            functions.append(target)
            for item in target.edges:
                if item is not None:
                    stack.append(item)
    return functions, leaves


def _leading_to(functions: list[GradFn], targets: set[Edge]) -> set[int]:
    """Identities of the functions through which a target is reached."""
    found: set[int] = set()
    for function in sorted(functions, key=lambda item: item.serial):
        for edge in function.edges:
            if edge is not None and (edge in targets or id(edge[0]) in found):
                found.add(id(function))
                break
    return found


class _Walk:
    """The state of one walk: gradients that have arrived and wait for their function's turn."""

    def __init__(
        self,
        wanted: set[int] | None,
        leaves: dict[Edge, int],
        targets: set[Edge] | None,
        ends: set[Edge],
        create: bool,
        accumulate: bool,
    ) -> None:
        self.wanted = wanted
        self.leaves = leaves
        self.targets = targets
        self.ends = ends
        self.create = create
        self.accumulate = accumulate
        self.waiting: dict[GradFn, list[Tracked | None]] = {}
        self.turns: list[tuple[int, GradFn]] = []
        self.found: dict[Edge, Tracked] = {}

    def deliver(self, edge: Edge, gradient: Tracked | None) -> None:
        """Add a gradient to what has arrived at a place; None says that nothing comes this way."""
        target, index = edge
        if self.ends and edge in self.ends:
            self._keep(edge, gradient)
            return
        slots = self.waiting.get(target)
        if slots is None:
            if not isinstance(target, GradFn):
                self._deliver_to_leaf(edge, gradient)
                return
            if gradient is None:
                return
            results: Aval | tuple[Aval, ...] | None = target.operation.result if target.operation is not None else None
            count = len(results) if isinstance(results, tuple) else getattr(target, "count", 1)
            slots = self.waiting[target] = [None] * count
            heappush(self.turns, (-target.serial, target))
        held = slots[index]
        if held is None:
            slots[index] = gradient
        elif gradient is not None:
            slots[index] = self._sum(held, gradient)

    def _deliver_to_leaf(self, edge: Edge, gradient: Tracked | None) -> None:
        """Add a gradient to what has arrived at a leaf, which is finished once nothing else leads to it."""
        if self.targets is not None and edge not in self.targets:
            return
        missing = self.leaves[edge] = self.leaves[edge] - 1
        if missing == 0 and self.accumulate and gradient is not None and edge not in self.found:
            edge[0].accumulate(gradient)
            return
        self._keep(edge, gradient)
        if missing == 0:
            self._finish(edge)

    def _keep(self, edge: Edge, gradient: Tracked | None) -> None:
        """Add a gradient to what was found for a place."""
        if gradient is not None:
            held = self.found.get(edge)
            self.found[edge] = gradient if held is None else self._sum(held, gradient)

    def _finish(self, edge: Edge) -> None:
        """Call a leaf's hooks with its gradient, if any has come, and add it to the leaf's own if asked to."""
        if edge not in self.found:
            return
        if self.accumulate:
            edge[0].accumulate(self.found.pop(edge))  # nobody else holds it, so that a step taken in a hook frees it
        else:
            self.found[edge] = edge[0].hooked(self.found[edge])

    def _sum(self, first: Tracked, second: Tracked) -> Tracked:
        if self.create:
            return taped(add, (first, second))[0]
        return tracked((record(add, (first.node, second.node)), None))

    def run(self, retain: bool) -> None:
        """Take the functions from the latest recorded down, each once all its gradients have arrived."""
        while self.turns:
            function = heappop(self.turns)[1]
            gradients = self.waiting.pop(function)
            needed = self.wanted is None or id(function) in self.wanted
            if needed and self.targets is not None:  # as in PyTorch, hooks change what is asked for here only where
                self._collect(function, gradients, self.targets)  # the walk ends
            if function.hooks is not None:
                _call_hooks(function.hooks, gradients)
            if needed:
                self._step(function, gradients)
                if not retain:
                    function.release()
            elif self.targets is not None:
                self._collect(function, gradients, self.targets)
        for edge in [edge for edge, missing in self.leaves.items() if missing]:
            self._finish(edge)  # gradients that were expected did not come

    def _collect(self, function: GradFn, gradients: list[Tracked | None], targets: set[Edge]) -> None:
        """Keep the gradients that were asked for of a function's results."""
        for index, gradient in enumerate(gradients):
            if gradient is not None and (function, index) in targets:
                self.found[function, index] = gradient

    def _step(self, function: GradFn, gradients: list[Tracked | None]) -> None:
        """One function's gradients on to its inputs."""
        edges = function.edges
        if self.wanted is None:
            want = [edge is not None for edge in edges]
        else:
            want = [edge is not None and (id(edge[0]) in self.wanted or edge in (self.targets or ())) for edge in edges]
        if True not in want:
            return
        if function.pre_hooks:
            gradients = _run_function_hooks(function.pre_hooks, gradients)
        if WATCHES:
            results = WATCHES[0].pulled(function, lambda: function.pull(gradients, want, self.create))
        else:
            results = function.pull(gradients, want, self.create)
        if function.post_hooks:
            results = _run_function_hooks(function.post_hooks, results, gradients)
        for edge, result in zip(edges, results, strict=True):
            if edge is not None:
                self.deliver(edge, result)


def _call_hooks(hooks: dict[int, dict[int, Callable[[Tracked], Tracked | None]]], gradients: list[Any]) -> None:
    """Call each result's hooks with its gradient; what a hook returns takes the gradient's place."""
    for index, functions in hooks.items():
        for function in list(functions.values()):
            if gradients[index] is not None:
                gradients[index] = function(gradients[index]) or gradients[index]


def _run_function_hooks(hooks: dict[int, Callable[..., Any]], gradients: list[Any], *more: list[Any]) -> list[Any]:
    """Call hooks on a function itself with all its gradients."""
    for hook in list(hooks.values()):
        replaced = hook(gradients, *more)
        gradients = gradients if replaced is None else replaced
    return gradients
