"""``backward`` and ``grad``: walks backwards over the tape, from tensors to tensors."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from flambeau.differentiation.batching import Batch
from flambeau.differentiation.differentiate import differentiate
from flambeau.differentiation.modes import MODE
from flambeau.differentiation.tape import Edge, Tracked
from flambeau.graph.record import record
from flambeau.primitives.creation import full
from flambeau.tensors.core import Core, made

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["backward", "grad"]

_Tensors: TypeAlias = "Sequence[Tensor] | Tensor"
_Gradients: TypeAlias = "Sequence[Tensor | None] | Tensor | None"


def backward(
    tensors: _Tensors,
    grad_tensors: _Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: _Gradients = None,
    inputs: "_Tensors | Mapping[str, Tensor] | None" = None,
) -> None:
    """Add the gradients of ``tensors`` to ``.grad`` of the leaves they were made from; see ``Tensor.backward``.

    Args:
        tensors: where to start.
        grad_tensors: their gradients; may be left out for single elements.
        retain_graph: keep what the tape saved, for another backward. Default: ``create_graph``.
        create_graph: tape the gradients' own computation, for higher derivatives.
        grad_variables: the old name of ``grad_tensors``.
        inputs: tensors whose ``.grad`` is wanted; all leaves by default.

    Raises:
        RuntimeError: a tensor has no tape, or several elements and no gradient; gradients do not fit; the tape was
            freed; ``inputs`` is empty.

    Warns:
        FutureWarning: ``grad_variables`` is given.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html
    """
    if grad_variables is not None:
        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
        grad_tensors = grad_variables
    chosen = None if inputs is None else _chosen(inputs, "backward")
    roots = _root_gradients(_several(tensors), grad_tensors)
    found = differentiate(
        roots,
        targets=None if chosen is None else [_edge_of(tensor) for tensor in chosen],
        retain=create_graph if retain_graph is None else retain_graph,
        create=create_graph,
        accumulate=True,
    )
    before = MODE.grad
    MODE.grad = create_graph
    try:
        for tensor in chosen or ():
            if tensor.grad_fn is not None and tensor.edge() in found:
                tensor.accumulate(found[_edge_of(tensor)])
    finally:
        MODE.grad = before


def grad(
    outputs: _Tensors,
    inputs: "_Tensors | Mapping[str, Tensor]",
    grad_outputs: _Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Gradients of ``outputs`` with respect to ``inputs``, without touching ``.grad``.

    Args:
        outputs: where to start.
        inputs: tensors whose gradients are wanted, or a dictionary of them.
        grad_outputs: gradients of the outputs; may be left out for single elements.
        retain_graph: keep what the tape saved, for another walk. Default: ``create_graph``.
        create_graph: tape the gradients' own computation, for higher derivatives.
        only_inputs: deprecated, and without effect.
        allow_unused: give None for an input that the outputs do not depend on, instead of raising.
        is_grads_batched: whether each of ``grad_outputs`` has another dimension in front, for many walks at once.
        materialize_grads: give zeros for such an input.

    Returns:
        A tuple of the gradients; a dictionary for a dictionary.

    Raises:
        RuntimeError: an input was not used and ``allow_unused`` is not set; the tape was freed; ``inputs`` is empty.
        ValueError: ``allow_unused=False`` with ``materialize_grads``.

    Warns:
        FutureWarning: ``only_inputs`` is False.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> torch.autograd.grad((x * x).sum(), x)
        (tensor([2., 4.]),)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    chosen = _chosen(inputs, "grad")
    unused = bool(allow_unused) or materialize_grads
    retain = create_graph if retain_graph is None else retain_graph

    def walk(given: _Gradients) -> "list[Tensor | None]":
        return _gradients(_root_gradients(_several(outputs), given), chosen, retain, create_graph, unused)

    results = _batched(grad_outputs, walk) if is_grads_batched else walk(grad_outputs)
    if materialize_grads:
        results = [_zeros_like(one) if item is None else item for one, item in zip(chosen, results, strict=True)]
    return dict(zip(inputs, results, strict=True)) if isinstance(inputs, Mapping) else tuple(results)


def _gradients(
    roots: list[tuple[Edge, Tracked]], inputs: "Sequence[Tensor]", retain: bool, create: bool, unused: bool
) -> "list[Tensor | None]":
    """For each input its gradient; None for one that was not reached, if that may be."""
    targets = [_edge_of(tensor) for tensor in inputs]
    found = differentiate(roots, targets=targets, retain=retain, create=create)
    results = [made(*found[edge]) if edge in found else None for edge in targets]
    missing = [index for index, item in enumerate(results) if item is None]
    if missing and not unused:
        raise RuntimeError(
            f"The differentiated Tensor at index {missing[0]} appears to not have been used in the graph. Set "
            "allow_unused=True if this is the desired behavior."
        )
    return results


def _batched(given: Any, walk: "Callable[[list[Tensor]], list[Tensor | None]]") -> "list[Tensor | None]":
    """Gradients for every row of the outputs' gradients, of a walk recorded for one row."""
    rows: list[Tensor | None] = [None] if given is None else list(_several(given))
    tracked = [Tracked(item.read(), item.edge()) for item in rows if item is not None]
    if len(tracked) < len(rows):
        raise RuntimeError("is_grads_batched=True needs every one of grad_outputs, with the batch in front")
    batch = Batch(tracked[0].node.aval.shape[0])
    examples = [made(*batch.example(item, 0)) for item in tracked]
    with batch.running():
        found = walk(examples)
    present = [item for item in found if item is not None]
    wholes = iter(batch.whole([Tracked(item.read(), item.edge()) for item in present], [0] * len(present)))
    return [None if item is None else made(*next(wholes)) for item in found]


# -- where walks start and end -------------------------------------------------------------------------------------


def _root_gradients(tensors: "Sequence[Tensor]", gradients: _Gradients) -> list[tuple[Edge, Tracked]]:
    """Where to start a walk; raises RuntimeError in PyTorch's words."""
    given: Sequence[Tensor | None] = [None] * len(tensors) if gradients is None else _several(gradients)
    if len(given) < len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(given)} gradients")
    roots: list[tuple[Edge, Tracked]] = []
    for index, tensor in enumerate(tensors):
        edge = tensor.edge()
        if edge is None:
            raise RuntimeError(f"element {index} of tensors does not require grad and does not have a grad_fn")
        gradient = given[index]
        if gradient is None:
            if tensor.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            aval = tensor.aval
            roots.append((edge, Tracked(record(full, (1.0,), (aval.shape, aval.dtype, aval.device)), None)))
            continue
        _check_root(index, tensor, gradient)
        roots.append((edge, Tracked(gradient.read(), gradient.edge())))
    return roots


def _check_root(index: int, tensor: "Tensor", gradient: "Tensor") -> None:
    if gradient.shape != tensor.shape:
        message = f"Mismatch in shape: grad_output[{index}] has a shape of {gradient.shape} and output[{index}] "
        raise RuntimeError(f"{message}has a shape of {tensor.shape}.")
    if gradient.dtype.is_complex is not tensor.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[{index}] has a dtype of {gradient.dtype} and output[{index}] has a dtype of {tensor.dtype}."
        )


def _chosen(inputs: Any, name: str) -> "list[Tensor]":
    """The tensors whose gradients are wanted; raises RuntimeError in PyTorch's words."""
    chosen: list[Any] = list(cast("Any", inputs).values() if isinstance(inputs, Mapping) else _several(inputs))
    if not chosen:
        raise RuntimeError(f"`inputs` argument to `{name}()` cannot be empty.")
    for item in chosen:
        if not isinstance(item, Core):
            raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(item).__name__}")
    return cast("list[Tensor]", chosen)


def _zeros_like(tensor: "Tensor") -> "Tensor":
    aval = tensor.aval
    return made(record(full, (0.0,), (aval.shape, aval.dtype, aval.device)))


def _edge_of(tensor: "Tensor") -> Edge:
    """A differentiated tensor's place on the tape; raises RuntimeError if it has none."""
    edge = tensor.edge()
    if edge is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return edge


def _several(tensors: Any) -> Any:
    return (tensors,) if isinstance(tensors, Core) else tuple(tensors)
