"""Random tensors: numbers are drawn on the host at once, in PyTorch's order, and are leaves of the record.

This module also serves as ``torch.random``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from flambeau.base.shapes import broadcast
from flambeau.differentiation.tape import Tracked
from flambeau.dtypes.kinds import DTYPES, dtype
from flambeau.generators import boxmuller, draws
from flambeau.generators.streams import Stream
from flambeau.kernels.drawing import write_normals
from flambeau.primitives.creation import DRAWS
from flambeau.tensors.arguments import whole
from flambeau.tensors.core import Core, call, call_in_place, wrap_array
from flambeau.tensors.generator import (
    Generator,
    default_generator,
    device_key,
    drawn,
    fork_rng,
    get_rng_state,
    initial_seed,
    lots,
    manual_seed,
    parameters,
    seed,
    set_rng_state,
    stream_of,
)
from flambeau.tensors.options import Options, Settings, hollow, settings, shape_of, tensor_argument
from flambeau.tensors.outputs import deliver, delivered, takes_out

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = [
    "Generator",
    "Random",
    "bernoulli",
    "default_generator",
    "device_key",
    "drawn_tensor",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "on_tape_of",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]

# ``draw(stream, shape, NumPy type, whether the tensor to fill is row-major)``
boxmuller.WRITERS.append(write_normals)

_Draw = Callable[[Stream, tuple[int, ...], Any, bool], Any]


def drawn_tensor(made: Settings, shape: tuple[int, ...], generator: Any, draw: _Draw, order: Any = None) -> "Tensor":
    """A tensor of drawn numbers; the meta device draws none."""
    if made.device.type == "meta":
        return made.deliver(hollow(shape, made.dtype, made.device))
    sizes, examples = lots()

    def arranged(stream: Stream) -> Any:
        return _arranged(stream, (*sizes, *shape), made.dtype, draw, _behind_lots(order, sizes))

    return made.deliver(examples(drawn(stream_of(generator, made.device), arranged, made.dtype, made.device)))


def _behind_lots(order: Sequence[int] | None, sizes: Sequence[int]) -> list[int] | None:
    """An order of dimensions, once there are others in front."""
    count = len(sizes)
    return None if order is None else [*range(count), *[axis + count for axis in order]]


def _arranged(stream: Stream, shape: tuple[int, ...], kind: dtype, draw: _Draw, order: Sequence[int] | None) -> Any:
    """Draw in the order in which the elements lie in memory: dimensions in ``order``, the last one fastest."""
    if order is None or list(order) == sorted(order):
        return draw(stream, shape, kind.numpy, True)
    values = draw(stream, tuple([shape[axis] for axis in order]), kind.numpy, False)
    return np.ascontiguousarray(values.transpose(np.argsort(order)))


def _order(tensor: Core) -> list[int]:
    """The dimensions of a tensor from the widest stride to the narrowest."""
    strides = tensor.geometry()[1]
    return sorted(range(len(strides)), key=lambda axis: -strides[axis])


def _uniform(stream: Stream, shape: tuple[int, ...], kind: Any, contiguous: bool) -> Any:
    return draws.uniform(stream, shape, dtype=kind)


def _normal(stream: Stream, shape: tuple[int, ...], kind: Any, contiguous: bool) -> Any:
    return draws.normal(stream, shape, dtype=kind, contiguous=contiguous)


# -- shapes in, tensors out ----------------------------------------------------------------------------------------


def rand(*size: Any, generator: Generator | None = None, **options: Any) -> "Tensor":
    """Uniform numbers from [0, 1).

    Args:
        size: the shape, as numbers or as one sequence (also by name).
        generator: where to draw from; the default one if None.
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Raises:
        NotImplementedError: the data type is not a floating or complex one.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.random import manual_seed, rand
        >>> _ = manual_seed(0)
        >>> rand(2)
        tensor([0.4963, 0.7682])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.rand.html
    """
    shape = shape_of("rand", size, options.pop("size", None))
    return drawn_tensor(settings("rand", options), shape, generator, _uniform)


def randn(*size: Any, generator: Generator | None = None, **options: Any) -> "Tensor":
    """Normal numbers of mean 0 and variance 1.

    Args:
        size: the shape, as numbers or as one sequence (also by name).
        generator: where to draw from; the default one if None.
        options: ``dtype``, ``device``, ``requires_grad``, ``out`` and their like.

    Raises:
        NotImplementedError: the data type is not a floating or complex one.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.random import manual_seed, randn
        >>> _ = manual_seed(0)
        >>> randn(2, 2)
        tensor([[ 1.5410, -0.2934],
                [-2.1788,  0.5684]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.randn.html
    """
    shape = shape_of("randn", size, options.pop("size", None))
    return drawn_tensor(settings("randn", options), shape, generator, _normal)


def _bounds(name: str, arguments: Sequence[Any], named: dict[str, Any], count: int) -> list[Any]:
    """The arguments ``low = 0, high`` and what follows them, however they were given."""
    keys = ["high", "size"][:count]
    if "low" in named or len(arguments) + sum(key in named for key in keys) > count:
        keys = ["low", *keys]
    keys = [key for key in keys if key not in named]
    if len(arguments) != len(keys):
        given = ", ".join(type(item).__name__ for item in arguments)
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({given}), but expected (int high, "
            "...) or (int low, int high, ...)"
        )
    found = {"low": 0, **named, **dict(zip(keys, arguments, strict=True))}
    return [found[key] for key in ("low", "high", "size")[: count + 1]]


def randint(*arguments: Any, generator: Generator | None = None, **options: Any) -> "Tensor":
    """Whole numbers from ``low`` (included) to ``high`` (excluded): ``randint(low=0, high, size)``.

    Args:
        arguments: ``high, size`` or ``low, high, size`` (also by name); ``size`` is a sequence.
        generator: where to draw from; the default one if None.
        options: ``dtype`` (int64 if not given), ``device``, ``requires_grad``, ``out`` and their like.

    Raises:
        RuntimeError: ``low`` is not below ``high``, or a bound does not fit the data type.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.random import manual_seed, randint
        >>> _ = manual_seed(0)
        >>> randint(10, (5,))
        tensor([4, 9, 3, 0, 3])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.randint.html
    """
    named = {key: options.pop(key) for key in ("low", "high", "size") if key in options}
    low, high, size = _bounds("randint", arguments, named, 2)
    if size.__class__.__name__ not in ("tuple", "list", "Size"):
        raise TypeError(f"randint(): argument 'size' must be tuple of ints, not {size.__class__.__name__}")
    made = settings("randint", options, DTYPES["int64"])
    return drawn_tensor(made, shape_of("randint", (size,)), generator, _whole(int(low), int(high)))


def _whole(low: int, high: int | None) -> _Draw:
    def draw(stream: Stream, shape: tuple[int, ...], kind: Any, contiguous: bool) -> Any:
        return draws.integers(stream, shape, low, high, kind)

    return draw


def randperm(n: int, *, generator: Generator | None = None, **options: Unpack[Options]) -> "Tensor":
    """A random permutation of the whole numbers from 0 to ``n - 1``.

    Args:
        n: how many.
        generator: where to draw from; the default one if None.
        options: ``dtype`` (int64 if not given), ``device``, ``requires_grad``, ``out`` and their like.

    Raises:
        RuntimeError: ``n`` is negative, or too large for the data type.
        TypeError: ``n`` is no whole number.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.random import manual_seed, randperm
        >>> _ = manual_seed(0)
        >>> randperm(4)
        tensor([0, 1, 3, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.randperm.html
    """
    made = settings("randperm", options, DTYPES["int64"])
    return drawn_tensor(made, (whole("randperm", "n", n),), generator, _permutations)


def _permutations(stream: Stream, shape: tuple[int, ...], kind: Any, contiguous: bool) -> Any:
    if len(shape) == 1:
        return draws.permutation(stream, shape[0], kind)
    return np.stack([_permutations(stream, shape[1:], kind, contiguous) for _ in range(shape[0])])


# -- tensors in, tensors out ---------------------------------------------------------------------------------------


def _like(name: str, input: Any, generator: Any, options: Options | dict[str, Any], draw: _Draw) -> "Tensor":
    """Drawn numbers of a tensor's shape, type and device, laid out in memory as PyTorch would."""
    source: Core = tensor_argument(name, 1, input)
    made = settings(name, options, source.dtype, source.device)
    form = options.get("memory_format")
    order: list[int] | None = _order(source) if form is None or form.name == "preserve_format" else None
    if form is not None and form.name.startswith("channels_last"):
        order = [0, *range(2, len(source.shape)), 1]
    return drawn_tensor(made, tuple(source.shape), generator, draw, order)


def rand_like(input: "Tensor", *, generator: Generator | None = None, **options: Unpack[Options]) -> "Tensor":
    """Uniform numbers from [0, 1) of a tensor's shape, data type and device.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.rand_like.html
    """
    return _like("rand_like", input, generator, options, _uniform)


def randn_like(input: "Tensor", *, generator: Generator | None = None, **options: Unpack[Options]) -> "Tensor":
    """Normal numbers of mean 0 and variance 1, of a tensor's shape, data type and device.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.randn_like.html
    """
    return _like("randn_like", input, generator, options, _normal)


def randint_like(input: "Tensor", *arguments: Any, generator: Generator | None = None, **options: Any) -> "Tensor":
    """Whole numbers of a tensor's shape, data type and device: ``randint_like(input, low=0, high)``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.randint_like.html
    """
    named = {key: options.pop(key) for key in ("low", "high") if key in options}
    low, high = _bounds("randint_like", arguments, named, 1)
    return _like("randint_like", input, generator, options, _whole(int(low), int(high)))


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, **options: Unpack[Options]
) -> "Tensor":
    """Normal numbers, each with its own mean and standard deviation where these are tensors.

    Args:
        mean: a number or a tensor.
        std: a number or a tensor; zero or more.
        size: the shape; needed, and allowed, only where both are numbers.
        generator: where to draw from; the default one if None.
        options: ``dtype``, ``device``, ``requires_grad`` and their like where both are numbers; else ``out`` only.

    Raises:
        TypeError: both are numbers and there is no ``size``, or one is a tensor and there is.
        RuntimeError: a standard deviation is negative.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.random import manual_seed, normal
        >>> _ = manual_seed(0)
        >>> normal(2.0, 0.5, (3,))
        tensor([2.7705, 1.8533, 0.9106])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.normal.html
    """
    tensors = [item for item in (mean, std) if isinstance(item, Core)]
    out = options.get("out")
    if tensors and out is not None:
        return deliver("normal", normal, (mean, std, size), {"generator": generator}, out)
    if bool(tensors) == (size is not None):
        given = ", ".join("Tensor" if isinstance(item, Core) else type(item).__name__ for item in (mean, std))
        raise TypeError(
            f"normal() received an invalid combination of arguments - got ({given}{'' if size is None else ', size'}), "
            "but expected two numbers and a size, or at least one tensor and no size"
        )
    if not tensors:
        made = settings("normal", options)
        return drawn_tensor(made, shape_of("normal", (), size), generator, _normal_of(float(mean), float(std)))
    kind, place = tensors[0].dtype, tensors[0].device
    shape = broadcast(*[item.shape for item in tensors])
    draw = _normal if place.type == "meta" else _normal_around(mean, std, tensors)
    result = drawn_tensor(settings("normal", {}, kind, place), shape, generator, draw)
    named = "_".join(word for word, item in (("mean", mean), ("std", std)) if isinstance(item, Core))
    return settings("normal", options, kind, place).deliver(on_tape_of(f"normal_{named}", tensors, result))


def _normal_of(mean: float, std: float) -> _Draw:
    def draw(stream: Stream, shape: tuple[int, ...], kind: Any, contiguous: bool) -> Any:
        return draws.normal(stream, shape, mean, std, kind, contiguous=contiguous)

    return draw


def _normal_around(mean: Any, std: Any, tensors: Sequence[Core]) -> _Draw:
    known = iter(parameters(*tensors))
    center, deviation = [next(known) if isinstance(item, Core) else float(item) for item in (mean, std)]

    def draw(stream: Stream, shape: tuple[int, ...], kind: Any, contiguous: bool) -> Any:
        width = np.broadcast_to(deviation, shape) if isinstance(std, Core) else deviation
        return np.asarray(draws.normal_like(stream, np.broadcast_to(center, shape), width, kind), kind).reshape(shape)

    return draw


def on_tape_of(name: str, sources: Sequence[Core], result: "Tensor") -> "Tensor":
    """Drawn numbers on the tape of what they were drawn with, with gradients of zero, as PyTorch has it."""
    if any(item.edge() is not None for item in sources):
        return call(DRAWS[name], (result, *sources))
    return result


@takes_out()
def bernoulli(input: "Tensor", p: float | None = None, *, generator: Generator | None = None) -> "Tensor":
    """Ones and zeros, each one with the probability that ``input`` has in its place (or with ``p``).

    Raises:
        RuntimeError: a probability is not within 0 to 1.
        NotImplementedError: the data type is not a floating one.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.random import bernoulli
        >>> bernoulli(torch.tensor([0.0, 1.0]))
        tensor([0., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.bernoulli.html
    """
    source: Any = tensor_argument("bernoulli", 1, input)
    made = settings("bernoulli", {}, source.dtype, source.device)
    probabilities: Any = p
    if p is None and made.device.type != "meta":
        probabilities = parameters(source)[0]
    result = drawn_tensor(made, tuple(source.shape), generator, _trials(probabilities))
    return on_tape_of("bernoulli", (source,), result)


def _trials(p: Any) -> _Draw:
    def draw(stream: Stream, shape: tuple[int, ...], kind: Any, contiguous: bool) -> Any:
        return draws.bernoulli(stream, shape, p, kind)

    return draw


def multinomial(
    input: "Tensor",
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: "Tensor | None" = None,
) -> "Tensor":
    """Indices drawn with the probabilities in each row, which need not sum to one.

    Args:
        input: probabilities, shape (categories,) or (rows, categories).
        num_samples: how many indices to draw from each row.
        replacement: whether an index may be drawn more than once.
        generator: where to draw from; the default one if None.
        out: int64, takes the result.

    Returns:
        int64 indices of shape (num_samples,) or (rows, num_samples).

    Raises:
        RuntimeError: the probabilities or the number of samples are not possible.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.tensors.random import multinomial
        >>> multinomial(torch.tensor([0.0, 1.0, 0.0]), 1)
        tensor([1])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.multinomial.html
    """
    source: Any = tensor_argument("multinomial", 1, input)
    if out is not None and out.dtype.name != "int64":
        kind = out.dtype.tensor_type.removesuffix("Tensor")
        raise RuntimeError(f"multinomial expects Long tensor out, got: {kind}")
    made = settings("multinomial", {}, DTYPES["int64"], source.device)
    if made.device.type == "meta":
        return delivered(
            "multinomial", made.deliver(hollow((*source.shape[:-1], num_samples), made.dtype, made.device)), out
        )
    sizes, examples = lots()
    weights = np.broadcast_to(parameters(source)[0], (*sizes, *source.shape))
    rows = weights.reshape(-1, weights.shape[-1]) if sizes else weights
    found = draws.multinomial(stream_of(generator, made.device), rows, num_samples, replacement)
    found = found.reshape((*weights.shape[:-1], num_samples))
    result = made.deliver(examples(wrap_array(found, made.dtype, made.device)))
    return delivered("multinomial", result, out)


# -- in place ------------------------------------------------------------------------------------------------------


def _fill(tensor: Core, name: str, generator: Any, draw: _Draw) -> "Tensor":
    """Overwrite a tensor with drawn numbers; one that is on the tape stays there, with a gradient of zero."""
    tensor.check_writable()
    shape, kind, place = tuple(tensor.shape), tensor.dtype, tensor.device
    strides = tensor.geometry()[1]
    if any(size > 1 and stride == 0 for size, stride in zip(shape, strides, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )
    if place.type == "meta":
        return cast("Tensor", tensor)
    sizes, examples = lots()
    if sizes and not tensor.aval.mapped:
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same "
            "randomness. If this is necessary for your usage, please file an issue with functorch."
        )
    order = _behind_lots(_order(tensor), sizes)

    def arranged(stream: Stream) -> Any:
        return _arranged(stream, (*sizes, *shape), kind, draw, order)

    numbers = examples(drawn(stream_of(generator, place), arranged, kind, place))
    if tensor.edge() is not None:
        return call_in_place(tensor, DRAWS[name], (numbers, tensor))
    tensor.write(Tracked(numbers.read(), None))
    return cast("Tensor", tensor)


class Random(Core):
    """Methods that draw."""

    def normal_(self, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> "Tensor":
        """Fill with normal numbers.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.normal_.html
        """
        mean, std = float(mean), float(std)
        row_major = cast("Tensor", self).is_contiguous()

        def draw(stream: Stream, shape: tuple[int, ...], kind: Any, contiguous: bool) -> Any:
            return draws.normal(stream, shape, mean, std, kind, contiguous=row_major)

        return _fill(self, "normal", generator, draw)

    def uniform_(
        self, low: float = 0.0, to: float = 1.0, *, generator: Generator | None = None, **named: float
    ) -> "Tensor":
        """Fill with uniform numbers from [from, to): ``uniform_(from=0, to=1)``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.uniform_.html
        """
        low, to = float(_from("uniform_", low, named)), float(to)
        return _fill(self, "uniform", generator, lambda s, shape, kind, _: draws.uniform(s, shape, low, to, kind))

    def random_(self, *bounds: int | None, generator: Generator | None = None, **named: int | None) -> "Tensor":
        """Fill with whole numbers: ``random_(from, to)``, ``random_(to)``, or over the type's range ``random_()``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.random_.html
        """
        if not bounds and not named:
            return _fill(self, "random", generator, lambda s, shape, kind, _: draws.unbounded_integers(s, shape, kind))
        if len(bounds) == 1 and not named:
            bounds = (0, bounds[0])
        given = {**dict(zip(("from", "to"), bounds, strict=False)), **named}
        low, to = int(_from("random_", 0, given, frozenset(("to",)))), given.get("to")
        return _fill(self, "random", generator, _whole(low, None if to is None else int(to)))

    def bernoulli_(self, p: Any = 0.5, *, generator: Generator | None = None) -> "Tensor":
        """Fill with ones and zeros, ones with probability ``p`` (a number, or a tensor with one for each element).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.bernoulli_.html
        """
        given: Any = parameters(p)[0] if isinstance(p, Core) else float(p)
        return _fill(self, "bernoulli", generator, _trials(given))

    def bernoulli(self, p: float | None = None, *, generator: Generator | None = None) -> "Tensor":
        """Ones and zeros with these probabilities, or with ``p``; see ``torch.bernoulli``."""
        return bernoulli(cast("Tensor", self), p, generator=generator)

    def multinomial(
        self, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
    ) -> "Tensor":
        """Indices drawn with these probabilities; see ``torch.multinomial``."""
        return multinomial(cast("Tensor", self), num_samples, replacement, generator=generator)

    def exponential_(self, lambd: float = 1.0, *, generator: Generator | None = None) -> "Tensor":
        """Fill with exponentially distributed numbers of mean ``1 / lambd``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.exponential_.html
        """
        return _fill(self, "exponential", generator, lambda s, shape, kind, _: draws.exponential(s, shape, lambd, kind))

    def geometric_(self, p: float, *, generator: Generator | None = None) -> "Tensor":
        """Fill with the numbers of trials up to the first success, each of probability ``p``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.geometric_.html
        """
        return _fill(self, "geometric", generator, lambda s, shape, kind, _: draws.geometric(s, shape, p, kind))

    def log_normal_(self, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> "Tensor":
        """Fill with numbers whose logarithms are normal.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.log_normal_.html
        """
        return _fill(
            self, "log_normal", generator, lambda s, shape, kind, _: draws.log_normal(s, shape, mean, std, kind)
        )

    def cauchy_(self, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> "Tensor":
        """Fill with numbers of the Cauchy distribution.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.cauchy_.html
        """
        return _fill(self, "cauchy", generator, lambda s, shape, kind, _: draws.cauchy(s, shape, median, sigma, kind))


def _from(name: str, low: float, named: dict[str, Any], others: frozenset[str] = frozenset()) -> float:
    """The lower bound, which PyTorch calls ``from``, a word Python keeps for itself."""
    for key in named.keys() - {"from"} - others:
        raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    return named.get("from", low)
