"""Numbers of events, drawn from distributions whose parameters are tensors."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flambeau.base.shapes import broadcast
from flambeau.generators import draws
from flambeau.tensors.core import Core
from flambeau.tensors.generator import Generator, parameters
from flambeau.tensors.options import settings, tensor_argument
from flambeau.tensors.random import drawn_tensor, on_tape_of

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["binomial", "poisson"]


def poisson(input: "Tensor", generator: Generator | None = None) -> "Tensor":
    """Numbers of events, each from the Poisson distribution whose mean ``input`` has in its place.

    Args:
        input: the means, any shape, floating; zero or more. Gradients of zero flow to it.
        generator: where to draw from; the default one if None.

    Returns:
        Whole numbers, in the input's shape and type.

    Raises:
        RuntimeError: a mean is negative.
        NotImplementedError: the data type is not a floating one.

    Example:
        >>> import flambeau as torch
        >>> torch.poisson(torch.tensor([0.0, 1.0, 4.0, 20.0]), torch.Generator().manual_seed(0))
        tensor([ 0.,  2.,  5., 17.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.poisson.html
    """
    source: Any = tensor_argument("poisson", 1, input)
    return on_tape_of("poisson", (source,), _counted("poisson", source, draws.poisson, (source,), generator))


def binomial(count: "Tensor", prob: "Tensor", generator: Generator | None = None) -> "Tensor":
    """Numbers of successes among ``count`` trials, each of which succeeds with probability ``prob``.

    Args:
        count: the numbers of trials, float32 or float64.
        prob: the probabilities, of the same type; the shapes broadcast.
        generator: where to draw from; the default one if None.

    Returns:
        Whole numbers, in the common shape and in the type of ``count``.

    Raises:
        ValueError: a data type is not a floating one.
        RuntimeError: data types differ, or shapes do not fit; or, in backward, a gradient is wanted.
        NotImplementedError: the data type is one of 16 bits, or the device is ``meta``.

    Example:
        >>> import flambeau as torch
        >>> counts, odds = torch.tensor([5.0, 100.0]), torch.tensor([0.3, 0.9])
        >>> torch.binomial(counts, odds, torch.Generator().manual_seed(0))
        tensor([ 3., 89.])
    """
    sources: list[Any] = [tensor_argument("binomial", 1, count, "count"), tensor_argument("binomial", 2, prob, "prob")]
    for name, source in zip(("count", "prob"), sources, strict=True):
        if not source.dtype.is_floating_point:
            kind = source.dtype.tensor_type.removesuffix("Tensor")
            raise ValueError(f"binomial only supports floating-point dtypes for {name}, got: {kind}")
    kinds = [source.dtype.tensor_type.removesuffix("Tensor") for source in sources]
    if kinds[0] != kinds[1]:
        raise RuntimeError(f"Found dtype {kinds[1]} but expected {kinds[0]}")
    if count.device.type == "meta":
        raise NotImplementedError("aten::binomial: it has no meta kernel")
    result = on_tape_of("binomial", sources, _counted("binomial", count, draws.binomial, sources, generator))
    if result.requires_grad:
        result.register_hook(_no_derivative)
    return result


def _no_derivative(_: Any) -> None:
    raise RuntimeError("derivative for aten::binomial is not implemented")


def _counted(name: str, like: Core, draw: Callable[..., Any], sources: Sequence[Any], generator: Any) -> "Tensor":
    """Whole numbers, each drawn with the parameters that ``sources`` have in its place."""
    made = settings(name, {}, like.dtype, like.device)
    known = [] if made.device.type == "meta" else parameters(*sources)
    shape = broadcast(*[source.shape for source in sources])
    return drawn_tensor(made, shape, generator, lambda stream, shape, kind, _: draw(stream, shape, *known, kind))
