"""What the transforms share: which arguments they differentiate, and tensors that enter and leave a transform."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from flambeau.base.tree import TreeSpec, flatten, leaves_of, mapped, unflatten
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.points import Point, connected
from flambeau.differentiation.tape import Edge, Tracked
from flambeau.graph.record import record
from flambeau.primitives.creation import full
from flambeau.tensors.core import made
from flambeau.tensors.tensor import Tensor

__all__ = [
    "Argnums",
    "Entered",
    "check_outputs",
    "check_real",
    "checked_aux",
    "entered",
    "left",
    "replaced",
    "selected",
    "started",
    "zeros_like",
]

Argnums = int | tuple[int, ...]


def _position(argnum: Any, count: int) -> int:
    if not isinstance(argnum, int):
        raise RuntimeError(f"argnum must be int, got: {type(argnum)}")
    if not -count <= argnum < count:
        raise RuntimeError(f"Got argnum={argnum}, but only {count} positional inputs")
    return argnum % count


def selected(arguments: Sequence[Any], argnums: Any) -> tuple[int, ...]:
    """Positions of the arguments that ``argnums`` names; raises RuntimeError in PyTorch's words."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    chosen = cast("tuple[Any, ...]", (argnums,) if isinstance(argnums, int) else argnums)
    if not chosen:
        raise RuntimeError("argnums must be non-empty")
    positions = tuple([_position(item, len(arguments)) for item in chosen])
    if len(set(positions)) != len(positions):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return positions


def replaced(arguments: Sequence[Any], positions: Sequence[int], others: Sequence[Any]) -> tuple[Any, ...]:
    """Arguments with others at some positions."""
    new = list(arguments)
    for position, other in zip(positions, others, strict=True):
        new[position] = other
    return tuple(new)


# -- into a transform and out of it --------------------------------------------------------------------------------


class Entered(NamedTuple):
    """Tensors on their way through a transform.

    Attributes:
        tensors: what the caller gave, one by one.
        spec: the structure in which they were given.
        inner: the same values at the transform's own points of the tape, in that structure.
        points: these points.
    """

    tensors: list[Tensor]
    spec: TreeSpec
    inner: Any
    points: list[Point]

    @property
    def targets(self) -> list[Edge]:
        """The points as places on the tape."""
        return [(point, 0) for point in self.points]


def started(tensor: Tensor, edge: Edge | None) -> tuple[Tensor, Point]:
    """A tensor's value at a point of its own, which passes gradients on to ``edge``."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    point = Point(edge, is_leaf=True)
    return made(tensor.read(), (point, 0)), point


@contextmanager
def entered(tree: Any) -> Generator[Entered]:
    """Run a block on tensors that are new to the tape, with the tape on.

    Raises:
        ValueError: a leaf of the structure is no tensor.
        RuntimeError: it is one of whole numbers.
    """
    leaves, spec = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")
    pairs = [started(leaf, leaf.edge() if MODE.grad else None) for leaf in leaves]
    before = MODE.grad
    points = [point for _, point in pairs]
    MODE.grad = True
    try:
        yield Entered(leaves, spec, unflatten([tensor for tensor, _ in pairs], spec), points)
    finally:
        MODE.grad = before
        for point in points:
            point.open = False


def left(result: Tracked) -> Tensor:
    """A result of a transform that has ended: on the tape only where a gradient of it could still be asked for."""
    return made(result.node, result.edge if MODE.grad and connected([result.edge]) else None)


def taken(value: Any) -> Any:
    """A tensor that the function returned, as the transform's caller gets it."""
    if not isinstance(value, Tensor):
        raise RuntimeError(f"Expected tensors, got unsupported type {type(value)}")
    return value if value.edge() is None else left(Tracked(value.read(), value.edge()))


def zeros_like(tensor: Tensor) -> Tensor:
    """Zeros of a tensor's shape, type and device."""
    aval = tensor.aval
    return made(record(full, (0.0,), (aval.shape, aval.dtype, aval.device)))


# -- what functions return -----------------------------------------------------------------------------------------


def checked_aux(output: Any, has_aux: bool, api: str) -> tuple[Any, Any]:
    """A function's output and what else it returned; raises RuntimeError in PyTorch's words."""
    if not has_aux:
        return output, None
    if not (isinstance(output, tuple) and len(cast("tuple[Any, ...]", output)) == 2):
        raise RuntimeError(f"{api}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return cast("tuple[Any, Any]", output)


def check_outputs(outputs: list[Any], api: str) -> None:
    """Raise RuntimeError, in PyTorch's words, unless there are outputs and all are tensors."""
    if not outputs or (len(outputs) == 1 and outputs[0] is None):
        raise RuntimeError(f"{api}: Expected f to be a function that has non-empty output (got output = {outputs})")
    for output in outputs:
        if not isinstance(output, Tensor):
            raise RuntimeError(
                f"{api}: expected f(*primals) to return only tensors, got unsupported type {type(output)}"
            )


def check_real(name: str, tree: Any, which: str) -> None:
    """Raise RuntimeError, in PyTorch's words, if a tensor is complex."""
    for index, leaf in enumerate(leaves_of(tree)):
        if isinstance(leaf, Tensor) and leaf.is_complex():
            raise RuntimeError(
                f"{name}: Expected all {which} to be real but received complex tensor at flattened input idx: {index}"
            )


def all_taken(tree: Any) -> Any:
    """A structure of what the function returned, as the transform's caller gets it."""
    return mapped(taken, tree)
