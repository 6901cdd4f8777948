"""Linear maps."""

from typing import Any

from flambeau.primitives import matmul as p
from flambeau.primitives.linear import LINEAR
from flambeau.primitives.primitive import Primitive
from flambeau.tensors.core import call
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import takes_out
from flambeau.tensors.tensor import Tensor

__all__ = ["bilinear", "linear"]


@takes_out()
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias``.

    Args:
        input: (..., in_features).
        weight: (out_features, in_features), or (in_features,) for a result without that dimension.
        bias: (out_features,).

    Returns:
        (..., out_features).

    Raises:
        TypeError: an argument is no tensor.
        RuntimeError: sizes or data types do not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2), torch.zeros(3))
        tensor([[2., 2., 2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
    """
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor)):
        tensor_argument("linear", 1, input)
        tensor_argument("linear", 2, weight, "weight")
    if len(weight.shape) == 1:
        product = input.matmul(weight)
        return product if bias is None else product + bias
    rank = min(len(input.shape), 3)
    if rank == 0:
        raise RuntimeError(f"both arguments to linear need to be at least 1D, but they are 0D and {len(weight.shape)}D")
    if bias is None:
        return call(LINEAR[rank, False], (input, weight))
    return call(LINEAR[rank, True], (bias, input, weight))


# A name of its own, because autocast does not treat it as a product of matrices.
_BILINEAR = Primitive("bilinear", p.einsum.lower, checks="others", grad_name=p.einsum.grad_name, variadic=True)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1 @ weight[o] @ x2 + bias[o], for every output feature o.

    Args:
        input1: (..., in1_features).
        input2: (..., in2_features).
        weight: (out_features, in1_features, in2_features).
        bias: (out_features,).

    Raises:
        RuntimeError: sizes do not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html
    """
    _check_bilinear(input1.shape, input2.shape, weight.shape)
    result: Any = call(_BILINEAR, (input1, weight, input2), ("...i,oij,...j->...o",))
    return result if bias is None else result + bias


def _check_bilinear(first: Any, second: Any, weight: Any) -> None:
    if len(first) != len(second):
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {len(first)} and {len(second)}")
    for axis, (one, other) in enumerate(zip(first[:-1], second[:-1], strict=True)):
        if one != other:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {axis}: got {one} and {other}")
    for label, size, wanted in (("input1", first[-1], weight[1]), ("input2", second[-1], weight[2])):
        if size != wanted:
            raise RuntimeError(f"bilinear(): {label} size does not match weight size: got {size} but expected {wanted}")
