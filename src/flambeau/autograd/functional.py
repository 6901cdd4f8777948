"""PyTorch's ``torch.autograd.functional``: derivatives of functions of tensors, by the transforms of ``func``.

Source: https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from flambeau.differentiation.modes import set_grad_enabled
from flambeau.tensors import walks
from flambeau.tensors.creation import ones_like
from flambeau.tensors.tensor import Tensor
from flambeau.transforms.forward import pushed
from flambeau.transforms.jacobian import jacfwd, jacrev
from flambeau.transforms.reverse import grad, pullback_of

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_Tensors = Tensor | tuple[Tensor, ...]


def vjp(
    func: Callable[..., Any], inputs: _Tensors, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """A function's value, and the gradient of ``v`` times it.

    Args:
        func: takes the inputs; returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        v: tensors like the outputs; may be left out for a single output of one element.
        create_graph: whether the results are on the tape of the inputs.
        strict: raise where an output does not depend on an input.

    Raises:
        TypeError: something is no tensor.
        RuntimeError: ``v`` has the wrong form; an output is independent with ``strict``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.vjp.html
    """
    given, several = _checked(inputs, "inputs", "vjp")
    with set_grad_enabled(create_graph):
        value, pull, _ = pullback_of(_guarded(func, "vjp", strict), given, range(len(given)), False)
        vector = _vector(v, value, "vjp", "the user-provided function returns")
        found = pull(vector, create_graph=create_graph)
    return value, found if several else found[0]


def jvp(
    func: Callable[..., Any], inputs: _Tensors, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """A function's value, and its derivative along ``v``; arguments as for ``vjp``, ``v`` like the inputs.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.jvp.html
    """
    given, _ = _checked(inputs, "inputs", "jvp")
    vector = _checked(_vector(v, inputs, "jvp", "the input to the user-provided function is"), "v", "jvp")[0]
    with set_grad_enabled(create_graph):
        return pushed(_guarded(func, "jvp", strict), given, range(len(given)), vector)[:2]


def jacobian(
    func: Callable[..., Any],
    inputs: _Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All partial derivatives of a function.

    Args:
        func: takes the inputs; returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple of tensors.
        create_graph: whether the result is on the tape of the inputs.
        strict: raise where an output does not depend on an input.
        vectorize: accepted; all rows are always computed together.
        strategy: ``"reverse-mode"`` or ``"forward-mode"``.

    Returns:
        A tensor of the output's shape followed by the input's; a tuple for several inputs or outputs, or a tuple for
        each output of a tensor for each input.

    Example:
        >>> import flambeau as torch
        >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.jacobian.html
    """
    _check_strategy(strategy)
    given, several = _checked(inputs, "inputs", "jacobian")
    argnums = tuple(range(len(given))) if several else 0
    with set_grad_enabled(create_graph):
        return _JACOBIANS[strategy](_guarded(func, "jacobian", strict), argnums)(*given)


def hessian(
    func: Callable[..., Any],
    inputs: _Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a function of one value; arguments as for ``jacobian``.

    Returns:
        A tensor of the input's shape twice; for several inputs a tuple for each of a tensor for each.

    Example:
        >>> import flambeau as torch
        >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.hessian.html
    """
    _check_strategy(outer_jacobian_strategy)
    given, several = _checked(inputs, "inputs", "hessian")
    argnums = tuple(range(len(given))) if several else 0
    with set_grad_enabled(create_graph):
        single = _single(func, "hessian", strict)
        slope = jacrev(lambda *items: single(*items)[0], argnums)
        return _JACOBIANS[outer_jacobian_strategy](slope, argnums)(*given)


def vhp(
    func: Callable[..., Any], inputs: _Tensors, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """A function's value, and ``v`` times its matrix of second derivatives; arguments as for ``jvp``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.vhp.html
    """
    given, several = _checked(inputs, "inputs", "vhp")
    vector = _checked(_vector(v, inputs, "vhp", "the input to the user-provided function is"), "v", "vhp")[0]
    with set_grad_enabled(create_graph):
        _, pull, value = pullback_of(_slope(func, "vhp", strict, len(given)), given, range(len(given)), True)
        found = pull(vector, create_graph=create_graph)
    return value, found if several else found[0]


def hvp(
    func: Callable[..., Any], inputs: _Tensors, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """A function's value, and its matrix of second derivatives times ``v``; arguments as for ``jvp``.

    Example:
        >>> import flambeau as torch
        >>> torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))
        (tensor(9.), tensor([ 6., 12.]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.hvp.html
    """
    given, several = _checked(inputs, "inputs", "hvp")
    vector = _checked(_vector(v, inputs, "hvp", "the input to the user-provided function is"), "v", "hvp")[0]
    with set_grad_enabled(create_graph):
        slope = _slope(func, "hvp", strict, len(given))
        _, found, value = pushed(slope, given, range(len(given)), vector, has_aux=True)
    return value, found if several else found[0]


# -- what goes in and comes out ------------------------------------------------------------------------------------


_JACOBIANS: dict[str, Callable[..., Callable[..., Any]]] = {"reverse-mode": jacrev, "forward-mode": jacfwd}


def _check_strategy(strategy: str) -> None:
    if strategy not in _JACOBIANS:
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )


def _checked(value: Any, name: str, api: str) -> tuple[tuple[Tensor, ...], bool]:
    """Tensors as a tuple, and whether they were one; raises TypeError in PyTorch's words."""
    several = isinstance(value, tuple)
    items = cast("tuple[Any, ...]", value if several else (value,))
    for index, item in enumerate(items):
        if not isinstance(item, Tensor):
            which = f"the value at index {index}" if several else f"the given {name}"
            raise TypeError(
                f"The {name} given to {api} must be either a Tensor or a tuple of Tensors but {which} has type "
                f"{type(item)}."
            )
    return items, several


def _vector(v: Any, like: Any, api: str, which: str) -> Any:
    """``v`` in the form of what it multiplies; raises RuntimeError in PyTorch's words."""
    others, several = _checked(like, "inputs", api)
    if v is None:
        if len(others) != 1 or others[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {which} a single Tensor with a single element.")
        return (ones_like(others[0]),) if several else ones_like(others[0])
    items, _ = _checked(v, "v", api)
    if len(items) != len(others):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(others)} but got {len(items)}."
            if several
            else "The given v should contain a single Tensor."
        )
    for index, (item, other) in enumerate(zip(items, others, strict=True)):
        if item.shape != other.shape:
            entry = f"Entry {index} in " if several else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {other.shape} but got {item.shape}.")
    return items if several else items[0]


def _guarded(func: Callable[..., Any], api: str, strict: bool) -> Callable[..., Any]:
    """A function whose outputs are checked."""

    def call(*inputs: Tensor) -> Any:
        outputs = func(*inputs)
        items, _ = _checked(outputs, "outputs of the user-provided function", api)
        if strict:
            _check_dependence(items, inputs, api)
        return outputs

    return call


def _check_dependence(outputs: Sequence[Tensor], inputs: Sequence[Tensor], api: str) -> None:
    """Raise RuntimeError, in PyTorch's words, unless every output depends on every input."""
    for index, output in enumerate(outputs):
        if not output.requires_grad:
            raise RuntimeError(
                f"Output {index} of the user-provided function does not require gradients. The outputs must be "
                "computed in a differentiable manner from the input when running in strict mode."
            )
        found = walks.grad(output, inputs, ones_like(output), retain_graph=True, allow_unused=True)
        for place, item in enumerate(found):
            if item is None:
                which = f"Output {index}" if api == "jacobian" else "The output"
                raise RuntimeError(
                    f"{which} of the user-provided function is independent of input {place}. This is not allowed in "
                    "strict mode."
                )


def _single(func: Callable[..., Any], api: str, strict: bool) -> Callable[..., tuple[Tensor, Tensor]]:
    """A function that is checked to return one value: as a tensor without dimensions, and as it was returned."""
    guarded = _guarded(func, api, strict)

    def call(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        output = guarded(*inputs)
        if not isinstance(output, Tensor):
            raise RuntimeError(f"The function given to {api} should return a single Tensor")
        if output.numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {api} should contain a single element")
        return output.reshape(()), output

    return call


def _slope(func: Callable[..., Any], api: str, strict: bool, count: int) -> Callable[..., tuple[Any, Any]]:
    """The function of all gradients of a function of one value, and of what that returned."""
    return grad(_single(func, api, strict), tuple(range(count)), has_aux=True)
