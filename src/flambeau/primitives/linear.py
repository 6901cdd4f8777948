"""Linear layers, with the ReLUs beside them where there are some."""

from math import prod

import jax.numpy as jnp

from flambeau.dtypes.kinds import from_numpy_dtype
from flambeau.graph.node import Operation
from flambeau.kernels.linear import linear as linear_by_kernel
from flambeau.kernels.linear import multiplies, relu
from flambeau.primitives.matmul import check_types, raise_unexpanded
from flambeau.primitives.primitive import Array, Primitive

__all__ = ["LINEAR", "is_linear"]


def _lower(inputs: tuple[Array, ...], before: bool = False, after: bool = False) -> Array:
    """``x @ weight.T + bias``, for (x, weight) or (bias, x, weight).

    The bias is the first input, so that its gradient is the first to arrive, as in PyTorch.

    Args:
        inputs: of any shapes; what does not fit is refused in PyTorch's words.
        before: whether x is what a ReLU gave; its gradient is then that of what the ReLU was given.
        after: whether to return the ReLU of the result.
    """
    bias, (x, weight) = inputs[:-2], inputs[-2:]
    _check(bias, x, weight)
    if multiplies((x, weight, *bias)):
        return linear_by_kernel(x, weight, *bias, before=before, after=after)
    x = relu(x) if before else x
    if prod(x.shape[:-1]) == 1 and weight.ndim == 2:  # XLA's CPU takes 20 times as long for one row as for one column
        product = jnp.matmul(weight, x.reshape(-1)).reshape(*x.shape[:-1], weight.shape[0])
    else:
        product = jnp.matmul(x, weight.T)
    if bias and bias[0].ndim and bias[0].shape[-1] not in (1, product.shape[-1]):
        raise_unexpanded(bias[0], product)
    result = product + bias[0] if bias else product
    return relu(result) if after else result


def _check(bias: tuple[Array, ...], x: Array, weight: Array) -> None:
    """Raise RuntimeError unless data types and inner sizes agree."""
    if bias:
        for label, item in (("mat1", x), ("self", bias[0])):
            if item.dtype != weight.dtype:
                kinds = [from_numpy_dtype(part.dtype).tensor_type.removesuffix("Tensor") for part in (item, weight)]
                raise RuntimeError(f"{label} and mat2 must have the same dtype, but got {kinds[0]} and {kinds[1]}")
    check_types(x, weight)
    if x.ndim == 0 or x.shape[-1] != weight.shape[-1]:
        shapes = f"{prod(x.shape[:-1])}x{x.shape[-1] if x.ndim else 1} and {weight.shape[-1]}x{weight.shape[0]}"
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shapes})")


def _named(grad_name: str, saves: tuple[int, ...]) -> Primitive:
    return Primitive("linear", _lower, saves=saves, checks="others", grad_name=grad_name, variadic=True)


# What PyTorch calls the last step of it, by (rank of the input or 3 for more, whether there is a bias).
LINEAR = {
    (1, False): _named("SqueezeBackward4", (0, 1)),
    (2, False): _named("MmBackward0", (0, 1)),
    (3, False): _named("UnsafeViewBackward0", (0, 1)),
    (1, True): _named("ViewBackward0", (1, 2)),
    (2, True): _named("AddmmBackward0", (1, 2)),
    (3, True): _named("ViewBackward0", (1, 2)),
}


def is_linear(operation: Operation) -> bool:
    """Whether an operation is a linear layer without a ReLU."""
    return operation.primitive.lower is _lower and not operation.static
