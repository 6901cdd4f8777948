"""DIFFERENTIATE: one walk backwards over the tape, recording the nodes that compute gradients."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from flambeau.differentiation.modes import MODE
from flambeau.differentiation.tape import Edge, GradFn, Tracked, taped
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
    stop: bool = False,
) -> dict[Edge, Tracked]:
    """Gradients of the roots.

    Args:
        roots: where to start: pairs (place on the tape, its gradient).
        targets: places whose gradients are wanted; None means every leaf that is reached.
        retain: keep what the tape saved, for another walk.
        create: put the gradients' own computation on the tape.
        stop: do not go on from a target to what it was made from.

    Returns:
        For each place reached among the targets (or each leaf) its gradient.

    Raises:
        RuntimeError: the tape was released already, or a saved tensor was changed in place.
    """
    ends: set[Edge] = set(targets or ()) if stop else set()
    functions, leaves = _reached([edge for edge, _ in roots], ends)
    wanted = None if targets is None else _leading_to(functions, set(targets))
    walk = _Walk(wanted, set(leaves) if targets is None else set(targets), ends, create)
    before = MODE.grad
    MODE.grad = create
    try:
        for edge, gradient in roots:
            walk.deliver(edge, gradient)
        walk.run(retain)
    finally:
        MODE.grad = before
    return walk.found


def _reached(starts: Sequence[Edge], ends: set[Edge]) -> tuple[list[GradFn], list[Edge]]:
    """Functions and leaves that can be reached from here; iterative, since tapes are deep."""
    seen: set[int] = set()
    functions: list[GradFn] = []
    leaves: list[Edge] = []
    stack = list(starts)
    while stack:
        edge = stack.pop()
        target = edge[0]
        if id(target) in seen or edge in ends:
            continue
        seen.add(id(target))
        if isinstance(target, GradFn):
            functions.append(target)
            stack.extend([item for item in target.edges if item is not None])
        else:
            leaves.append(edge)
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

    def __init__(self, wanted: set[int] | None, targets: set[Edge], ends: set[Edge], create: bool) -> None:
        self.wanted = wanted
        self.targets = targets
        self.ends = ends
        self.create = create
        self.waiting: dict[GradFn, list[Tracked | None]] = {}
        self.turns: list[tuple[int, GradFn]] = []
        self.found: dict[Edge, Tracked] = {}

    def deliver(self, edge: Edge, gradient: Tracked) -> None:
        """Add a gradient to what has arrived at a place."""
        target, index = edge
        if edge in self.ends or not isinstance(target, GradFn):
            if edge in self.targets:
                held = self.found.get(edge)
                self.found[edge] = gradient if held is None else self._sum(held, gradient)
            return
        slots = self.waiting.get(target)
        if slots is None:
            results: Aval | tuple[Aval, ...] | None = target.operation.result if target.operation is not None else None
            count = len(results) if isinstance(results, tuple) else getattr(target, "count", 1)
            slots = self.waiting[target] = [None] * count
            heappush(self.turns, (-target.serial, target))
        held = slots[index]
        slots[index] = gradient if held is None else self._sum(held, gradient)

    def _sum(self, first: Tracked, second: Tracked) -> Tracked:
        if self.create:
            return taped(add, (first, second))[0]
        return Tracked(record(add, (first.node, second.node)), None)

    def run(self, retain: bool) -> None:
        """Take the functions from the latest recorded down, each once all its gradients have arrived."""
        while self.turns:
            function = heappop(self.turns)[1]
            gradients = self.waiting.pop(function)
            if function.hooks is not None:
                _call_hooks(function.hooks, gradients)
            for index, gradient in enumerate(gradients):
                if gradient is not None and (function, index) in self.targets:
                    self.found[function, index] = gradient
            if self.wanted is not None and id(function) not in self.wanted:
                continue
            self._step(function, gradients)
            if not retain:
                function.release()

    def _step(self, function: GradFn, gradients: list[Tracked | None]) -> None:
        """One function's gradients on to its inputs."""
        want = [edge is not None and self._leads(edge) for edge in function.edges]
        if not any(want):
            return
        if function.pre_hooks:
            gradients = _run_function_hooks(function.pre_hooks, gradients)
        results = function.pull(gradients, want, self.create)
        if function.post_hooks:
            results = _run_function_hooks(function.post_hooks, results, gradients)
        for edge, result in zip(function.edges, results, strict=True):
            if edge is not None and result is not None:
                self.deliver(edge, result)

    def _leads(self, edge: Edge) -> bool:
        return self.wanted is None or edge in self.targets or id(edge[0]) in self.wanted


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
