"""``grad``, ``grad_and_value`` and ``vjp``: derivatives by one walk backwards over the tape."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from flambeau.base.tree import flatten, unflatten
from flambeau.differentiation.differentiate import differentiate
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.points import connected
from flambeau.differentiation.tape import Edge, Tracked
from flambeau.graph.record import record
from flambeau.primitives.creation import full
from flambeau.tensors.tensor import Tensor
from flambeau.transforms.arguments import (
    Argnums,
    Entered,
    all_taken,
    check_outputs,
    checked_aux,
    entered,
    left,
    replaced,
    selected,
    zeros_like,
)

__all__ = ["grad", "grad_and_value", "pullback_of", "vjp"]


def grad(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of a function of one number's value.

    Args:
        func: returns a tensor without dimensions, or with ``has_aux`` a pair of it and other tensors.
        argnums: which positional arguments to differentiate by: a number, or a tuple of them. Each may be a tensor or
            a structure (dictionary, list, tuple) of tensors.
        has_aux: whether ``func`` also returns tensors that are passed on.

    Returns:
        A function of the same arguments that returns the gradient: in the structure of the argument, or a tuple of
        such for a tuple of ``argnums``; with ``has_aux`` a pair of it and the other tensors.

    Raises:
        RuntimeError: ``func`` returns something else; an argument is not of a floating type.
        ValueError: an argument to differentiate by is no tensor.

    Example:
        >>> import flambeau as torch
        >>> torch.func.grad(torch.sin)(torch.tensor(0.0))
        tensor(1.)
        >>> torch.func.grad(torch.func.grad(lambda x: x**3))(torch.tensor(2.0))
        tensor(12.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.grad.html
    """

    @functools.wraps(func, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = _grad_and_value(func, argnums, has_aux, args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def grad_and_value(func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient and the value of a function; see ``grad``.

    Returns:
        A function that returns the pair (gradient, value); with ``has_aux`` the value is a pair of the function's value
        and its other tensors.

    Example:
        >>> import flambeau as torch
        >>> torch.func.grad_and_value(lambda x: (x * x).sum())(torch.tensor([1.0, 2.0]))
        (tensor([2., 4.]), tensor(5.))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.grad_and_value.html
    """

    @functools.wraps(func, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return _grad_and_value(func, argnums, has_aux, args, kwargs)

    return wrapper


def _grad_and_value(func: Callable[..., Any], argnums: Any, has_aux: bool, args: Any, kwargs: Any) -> tuple[Any, Any]:
    api = "grad_and_value(f)(*args)"
    positions = selected(args, argnums)
    with entered([args[position] for position in positions]) as within:
        output, aux = checked_aux(func(*replaced(args, positions, within.inner), **kwargs), has_aux, api)
    if not isinstance(output, Tensor):
        raise RuntimeError(f"{api}: Expected f(*args) to return a Tensor, got {type(output)}")
    if output.dim() != 0:
        raise RuntimeError(
            f"{api}: Expected f(*args) to return a scalar Tensor, got tensor with {output.dim()} dims. Maybe you "
            "wanted to use the vjp or jacrev APIs instead?"
        )
    aval = output.aval
    one = Tracked(record(full, (1.0,), (aval.shape, aval.dtype, aval.device)), None)
    create = MODE.grad and connected([output.edge()])
    found = pulled(within, [output], [one], retain=create, create=create)
    gradients = unflatten(found, within.spec)
    value = all_taken(output)
    return gradients[0] if isinstance(argnums, int) else tuple(gradients), (value, all_taken(aux)) if has_aux else value


def pulled(
    within: Entered, outputs: Sequence[Tensor], cotangents: Sequence[Tracked], *, retain: bool, create: bool
) -> list[Tensor]:
    """Gradients of a transform's tensors from those of the function's outputs."""
    roots: list[tuple[Edge, Tracked]] = []
    for output, cotangent in zip(outputs, cotangents, strict=True):
        edge = output.edge()
        if edge is not None:
            roots.append((edge, cotangent))
    found = differentiate(roots, targets=within.targets, retain=retain, create=create, stop=True)
    return [
        left(found[edge]) if edge in found else zeros_like(tensor)
        for tensor, edge in zip(within.tensors, within.targets, strict=True)
    ]


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """A function's value, and the function that takes gradients of it back to the arguments.

    Args:
        func: takes the primals; returns a tensor or a structure of tensors, or with ``has_aux`` a pair of that and
            other tensors.
        primals: arguments; each a tensor or a structure of tensors.
        has_aux: whether ``func`` also returns tensors that are passed on.

    Returns:
        The value; a function from cotangents (in the structure of the value) to a tuple of gradients, one for each
        primal; with ``has_aux`` also the other tensors.

    Raises:
        RuntimeError: an output is no tensor or not of a floating type; cotangents have another structure.

    Example:
        >>> import flambeau as torch
        >>> value, pull = torch.func.vjp(lambda x: x * x, torch.tensor([1.0, 2.0]))
        >>> pull(torch.tensor([1.0, 10.0]))
        (tensor([ 2., 40.]),)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vjp.html
    """
    value, pull, aux = pullback_of(func, primals, tuple(range(len(primals))), has_aux)
    return (value, pull, aux) if has_aux else (value, pull)


def pullback_of(
    func: Callable[..., Any], primals: Sequence[Any], positions: Sequence[int], has_aux: bool
) -> tuple[Any, Callable[..., Any], Any]:
    """A function's value, the function that takes gradients back to some of its arguments, and its other tensors."""
    api = "vjp(f, *primals)"
    with entered(tuple([primals[position] for position in positions])) as within:
        output, aux = checked_aux(func(*replaced(primals, positions, within.inner)), has_aux, api)
    outputs, spec = flatten(output)
    check_outputs(outputs, api)
    for item in outputs:
        if not (item.is_floating_point() or item.is_complex()):
            raise RuntimeError(
                "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype "
                f"{item.dtype}"
            )

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, given_spec = flatten(cotangents)
        if given_spec != spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function."
                f" cotangents: {given_spec.pretty()}, primal output: {spec.pretty()}"
            )
        _check_shapes(given, outputs)
        create = MODE.grad if create_graph is None else create_graph
        edges = [item.edge() for item in (*outputs, *given)]
        tracked = [Tracked(item.read(), item.edge()) for item in given]
        found = pulled(within, outputs, tracked, retain=retain_graph, create=create and connected(edges))
        return unflatten(found, within.spec)

    return all_taken(output), pull, all_taken(aux) if has_aux else None


def _check_shapes(given: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    for index, (cotangent, output) in enumerate(zip(given, outputs, strict=True)):
        if cotangent.shape != output.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{index}] has a shape of {cotangent.shape} and output[{index}] has a "
                f"shape of {output.shape}."
            )
