"""What an operation costs, by XLA's own count of its lowering; nothing is compiled, and nothing is run."""

from collections.abc import Iterator
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun

from flambeau.devices.backend import jax_device
from flambeau.devices.device import CPU
from flambeau.graph.node import Node, Operation
from flambeau.kernels.library import set_aside
from flambeau.runtime.compiling import device_of, traced, traced_program
from flambeau.runtime.cut import Cut

__all__ = ["flops"]


def flops(operation: Operation) -> int:
    """Floating-point operations that one run of an operation takes.

    A multiplication and an addition count as two; comparing and choosing count, too; moving elements does not, nor do
    functions such as ``exp``, which XLA counts apart. Each operation is counted by itself, once in a process.
    """
    found = operation.derived.get("flops")
    if found is None:
        cut = _alone(operation)
        place = device_of(cut)
        with jax.enable_x64(True), set_aside():  # XLA cannot count what a native kernel computes
            found = _counted(traced_program(cut, jax_device(CPU if place.type == "meta" else place)))
        operation.derived["flops"] = found
    return found


def _alone(operation: Operation) -> Cut:
    """A program of one operation."""
    leaves: list[Node] = []
    inputs: list[Any] = []
    numbers: dict[type, list[Any]] = {float: [], int: [], complex: []}
    for aval in operation.inputs:
        if isinstance(aval, type):
            inputs.append(aval(1))
            numbers.get(aval, numbers[int]).append(aval(1))
        else:
            leaves.append(Node(None, (), aval))
            inputs.append(leaves[-1])
    node = Node(operation, tuple(inputs), operation.result)
    return Cut((), [node], leaves, (0,), (), numbers[float], numbers[int], numbers[complex])


def _counted(program: Any) -> int:
    """XLA's count of a traced program. It counts the body of a loop once, so the other rounds of a scan are added."""
    costs = program.lower().cost_analysis() or {}
    rounds = sum((length - 1) * _counted(traced(jaxpr_as_fun(body), body.in_avals)) for length, body in
                 _scans(program.jaxpr))  # fmt: skip
    return int(costs.get("flops", 0)) + rounds


def _scans(jaxpr: Any) -> Iterator[tuple[int, Any]]:
    """Number of rounds and body of every scan; those inside a body are left to it."""
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        if equation.primitive.name == "scan":
            yield equation.params["length"], equation.params["jaxpr"]
            continue
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                    yield from _scans(inner)
