"""``jvp`` and ``linearize``: directional derivatives, as the derivative of ``vjp`` by its cotangent.

``vjp`` is linear in the cotangent: its derivative by it, transposed, is the function's own derivative. The tape knows
both, and the compiler removes what only the value of the first walk would need.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from flambeau.base.tree import TreeSpec, flatten, unflatten
from flambeau.differentiation.differentiate import differentiate
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.points import Point, connected
from flambeau.differentiation.tape import Edge, Tracked
from flambeau.tensors.tensor import Tensor
from flambeau.transforms.arguments import (
    Entered,
    all_taken,
    check_outputs,
    checked_aux,
    entered,
    left,
    replaced,
    zeros_like,
)

__all__ = ["jvp", "linearize", "pushed"]

_API = "jvp(f, primals, tangents)"


class _Linear(NamedTuple):
    """A function's derivative at one place, ready for any tangents.

    Attributes:
        inputs: the tensors to differentiate by.
        outputs: what the function returned, one by one.
        gradients: the inputs' gradients as functions of the cotangents; None where there is none.
        cotangents: for each output the cotangent's point on the tape; None where there is none.
    """

    inputs: list[Tensor]
    outputs: list[Any]
    gradients: list[Tracked | None]
    cotangents: list[Edge | None]


def _linear(within: Entered, outputs: Sequence[Tensor]) -> _Linear:
    """Walk backwards once, with cotangents that are differentiated by in their turn."""
    roots: list[tuple[Edge, Tracked]] = []
    cotangents: list[Edge | None] = []
    for output in outputs:
        edge = output.edge()
        place: Edge | None = None
        if edge is not None:
            place = (Point(open=False), 0)
            roots.append((edge, Tracked(zeros_like(output).read(), place)))
        cotangents.append(place)
    found = differentiate(roots, targets=within.targets, retain=True, create=True, stop=True)
    gradients = [found.get(edge) for edge in within.targets]
    return _Linear(within.tensors, list(outputs), gradients, cotangents)


def _along(linear: _Linear, tangents: Sequence[Tensor]) -> list[Tensor | None]:
    """The outputs' derivatives along tangents; None for outputs that do not depend on the inputs."""
    roots: list[tuple[Edge, Tracked]] = []
    for tensor, gradient, tangent in zip(linear.inputs, linear.gradients, tangents, strict=True):
        if gradient is not None and gradient.edge is not None:
            tangent = tangent.to(tensor.dtype)
            roots.append((gradient.edge, Tracked(tangent.read(), tangent.edge())))
    targets = [edge for edge in linear.cotangents if edge is not None]
    edges = [gradient.edge for gradient in linear.gradients if gradient is not None]
    create = MODE.grad and connected([*edges, *[tangent.edge() for tangent in tangents]])
    found = differentiate(roots, targets=targets, retain=True, create=create, stop=True)
    return [None if edge is None or edge not in found else left(found[edge]) for edge in linear.cotangents]


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple[Any, ...]:
    """A function's value, and its derivative along a direction: J(primals) tangents.

    Args:
        func: takes the primals; returns a tensor or a structure of tensors, or with ``has_aux`` a pair of that and
            other tensors.
        primals: tuple of arguments; each a tensor or a structure of tensors.
        tangents: the direction, in the structure and the shapes of the primals.
        strict: raise where an output does not depend on the inputs; its derivative is zero otherwise.
        has_aux: whether ``func`` also returns tensors that are passed on.

    Returns:
        The value and the derivative, which has its structure; with ``has_aux`` also the other tensors.

    Raises:
        RuntimeError: the structures or shapes differ; an output is no tensor, or independent with ``strict``.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.func.jvp(lambda x: x * x, (x,), (torch.tensor([1.0, 0.0]),))
        (tensor([1., 4.]), tensor([2., 0.]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jvp.html
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{_API}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    given = cast("tuple[Any, ...]", primals)
    value, derivative, aux = pushed(func, given, range(len(given)), tangents, strict, has_aux)
    return (value, derivative, aux) if has_aux else (value, derivative)


def pushed(
    func: Callable[..., Any],
    primals: Sequence[Any],
    positions: Sequence[int],
    tangents: Any,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple[Any, Any, Any]:
    """A function's value, its derivative along tangents of some of its arguments, and its other tensors."""
    given = tuple([primals[position] for position in positions])
    directions = _checked(given, tangents)
    with entered(given) as within:
        output, aux = checked_aux(func(*replaced(primals, positions, within.inner)), has_aux, _API)
        outputs, spec = flatten(output)
        check_outputs(outputs, _API)
        linear = _linear(within, outputs)
    found = _along(linear, directions)
    if strict and None in [None if item is None else 1 for item in found]:
        raise RuntimeError(
            f"{_API[:-1]}, strict=True): The output of f is independent of the inputs. This is not allowed with "
            "strict=True."
        )
    return all_taken(output), _filled(found, outputs, spec), all_taken(aux) if has_aux else None


def _filled(found: Sequence[Tensor | None], outputs: Sequence[Tensor], spec: TreeSpec) -> Any:
    """Derivatives in the structure of the outputs, with zeros where there are none."""
    items = [zeros_like(output) if item is None else item for item, output in zip(found, outputs, strict=True)]
    return unflatten(items, spec)


def _checked(primals: Any, tangents: Any) -> list[Tensor]:
    """The tangents one by one; raises RuntimeError, in PyTorch's words, unless they match the primals."""
    flat, spec = flatten(primals)
    directions, other = flatten(tangents)
    if spec != other:
        raise RuntimeError(
            f"{_API}: Expected primals and tangents to have the same python structure. For example, if primals is a "
            f"tuple of 3 tensors, tangents also must be. Got primals with structure {spec} and tangents with structure "
            f"{other}"
        )
    for name, items in (("primals", flat), ("tangents", directions)):
        if not items:
            raise RuntimeError(f"{_API}: Expected {name} to contain at least one Tensor.")
        for item in items:
            if not isinstance(item, Tensor):
                raise RuntimeError(f"{_API}: Expected {name} to only contain Tensors, got {type(item)}")
    for primal, tangent in zip(flat, directions, strict=True):
        if not (primal.is_floating_point() or primal.is_complex()):
            raise ValueError(f"Expected primal to be floating point or complex, but got: {primal.dtype}")
        if primal.shape != tangent.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is "
                f"not supported. Tensor is of size {list(primal.shape)} while the given forward gradient is of size "
                f"{list(tangent.shape)}."
            )
    return directions


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """A function's value, and the linear function that is its derivative there.

    The derivative costs less than ``jvp`` where it is taken along many directions, since ``func`` is called once only.

    Args:
        func: takes the primals; returns a tensor or a structure of tensors.
        primals: arguments; each a tensor or a structure of tensors.

    Returns:
        The value, and a function from tangents (as many as primals, in their structures) to the derivative.

    Raises:
        RuntimeError: tangents of other structures, shapes, devices or data types than the primals'.

    Example:
        >>> import flambeau as torch
        >>> value, push = torch.func.linearize(lambda x: x * x, torch.tensor([1.0, 2.0]))
        >>> push(torch.tensor([0.0, 1.0]))
        tensor([0., 4.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.linearize.html
    """
    with entered(primals) as within:
        output = func(*within.inner)
        outputs, spec = flatten(output)
        check_outputs(outputs, "linearize(f, *primals)")
        linear = _linear(within, outputs)

    def push(*tangents: Any) -> Any:
        given, other = flatten(tangents)
        if other != within.spec:
            raise RuntimeError(f"Expected the tangents {other} to have the same argspec as the primals {within.spec}")
        for index, (tangent, primal) in enumerate(zip(given, within.tensors, strict=True)):
            for fact in ("shape", "device", "dtype"):
                found, wanted = getattr(tangent, fact), getattr(primal, fact)
                if found != wanted:
                    raise RuntimeError(
                        f"tangent:{index} with {fact} {found} in flattened pytree doesn't match the {fact} {wanted} of "
                        "the corresponding primal."
                    )
        return _filled(_along(linear, given), outputs, spec)

    return all_taken(output), push
