"""What was compiled, when and why: laziness nobody can see is laziness nobody trusts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from flambeau.graph.node import Node
from flambeau.kernels.library import flops

__all__ = ["COMPILATIONS", "Compilation", "note_compilation"]


@dataclass(frozen=True, slots=True)
class Compilation:
    """One program compiled in this process.

    Attributes:
        reason: what was new: the structure, or which input's shape or data type.
        operations: number of recorded operations in it.
        seconds: time tracing and compiling took.
        names: names of its primitives, in order.
        inputs: shapes and data types of its inputs, in order.
        program: JAX's compiled program; None once the runtime keeps it no longer.
    """

    reason: str
    operations: int
    seconds: float
    names: tuple[str, ...]
    inputs: tuple[str, ...]
    reference: Any = field(repr=False, compare=False, default=lambda: None)

    @property
    def program(self) -> Any:
        """JAX's compiled program, as long as the runtime keeps it."""
        return self.reference()

    @property
    def flops(self) -> float:
        """Floating-point operations one run takes, as XLA counts them, and those of native CPU kernels."""
        program = self.program
        if program is None:
            raise RuntimeError("the program is no longer kept: ask for its flops before many others are compiled")
        return float(program.cost_analysis()["flops"]) + flops(program.as_text())

    def __str__(self) -> str:
        return f"{self.operations} operations in {self.seconds:.2f} s: {self.reason}"


COMPILATIONS: list[Compilation] = []


def note_compilation(
    nodes: Sequence[Node], leaves: Sequence[Node], outputs: Sequence[int], seconds: float, program: Any
) -> None:
    """Add a program to the list, with the reason why none of the earlier ones would do."""
    names = tuple(node.operation.primitive.name for node in nodes if node.operation is not None)
    inputs = tuple(repr(leaf.aval) for leaf in leaves)
    reason = _reason(names, inputs, len(outputs))
    COMPILATIONS.append(Compilation(reason, len(nodes), seconds, names, inputs, ref(program)))


def _reason(names: tuple[str, ...], inputs: tuple[str, ...], outputs: int) -> str:
    """Compare with the latest program of the same operations."""
    for earlier in reversed(COMPILATIONS):
        if earlier.names != names:
            continue
        if len(earlier.inputs) == len(inputs):
            changed = [
                f"input {index} is {new}, was {old}"
                for index, (old, new) in enumerate(zip(earlier.inputs, inputs, strict=True))
                if old != new
            ]
            if changed:
                more = f" (and {len(changed) - 3} more)" if len(changed) > 3 else ""
                return "new shape or data type: " + "; ".join(changed[:3]) + more
        return f"same operations and inputs, but {outputs} results are looked at, or other memory can be reused"
    shown = ", ".join(names[:4]) + (f", ... {names[-1]}" if len(names) > 4 else "")
    return f"new structure: {shown}"
