"""``Primitive``: a pure JAX function that the record can hold; its shapes and gradients come from JAX."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from flambeau.base.shapes import broadcast
from flambeau.devices.device import CPU, device
from flambeau.dtypes.kinds import dtype, from_numpy_dtype, python_dtype
from flambeau.dtypes.promotion import Category, result_type
from flambeau.graph.node import Aval, Node, Operation
from flambeau.graph.record import PENDING, operation_of
from flambeau.kernels.library import set_aside

__all__ = [
    "NON_DIFFERENTIABLE",
    "PICK",
    "Array",
    "Primitive",
    "Pullback",
    "Pullbacks",
    "Scalar",
    "as_array",
    "check_broadcast",
    "common_dtype",
    "conjugated",
    "floating",
    "no_derivative",
    "picks",
    "primitive",
    "promoted",
    "pullbacks",
    "reads",
    "saved_positions",
]

Array = jax.Array

# Names of the primitives through which no gradient flows; filled by ``primitive(differentiable=False)``, read by tests.
NON_DIFFERENTIABLE: set[str] = set()


class Scalar(NamedTuple):
    """A Python number inside a lowering: a traced value, so that another number needs no other program."""

    value: Any
    kind: type


class Primitive:
    """A pure JAX function of arrays, Python numbers and static arguments.

    Attributes:
        name: what reports and error messages call it.
        lower: ``lower(*inputs, *static)``, or ``lower(inputs, *static)`` if variadic; returns an array or a tuple.
        saves: positions of the inputs its gradient reads; None means all. The others are not kept for backward.
        checks: what PyTorch keeps for backward and guards against in-place changes: ``"inputs"``, ``"output"``, or
            ``"others"``, each input that it saves if another one of them needs a gradient.
        grad_name: name of PyTorch's ``grad_fn``, such as ``"AddBackward0"``.
        differentiable: whether gradients flow through it.
        residuals: whether its gradient reads what the forward pass computed on the way (primitives that scan).
        passes: positions of the inputs whose gradient is the result's own, unless their shape or type differs.
        splits: whether the gradients of its inputs have nothing in common: then each is an operation of its own.
        refuses: for positions of inputs that PyTorch has no gradient of, what raises its error when one is wanted.
    """

    __slots__ = (
        "checks", "differentiable", "grad_name", "lower", "name", "passes", "refuses", "residuals", "saves", "splits",
        "variadic",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        lower: Callable[..., Any],
        *,
        saves: tuple[int, ...] | None = None,
        checks: str = "inputs",
        grad_name: str = "",
        differentiable: bool = True,
        residuals: bool = False,
        variadic: bool = False,
        passes: tuple[int, ...] = (),
        splits: bool = False,
        refuses: Mapping[int, Exception] | None = None,
    ) -> None:
        self.name = name
        self.lower = lower
        self.saves = saves
        self.checks = checks
        self.grad_name = grad_name or "".join(part.capitalize() for part in name.split("_")) + "Backward0"
        self.differentiable = differentiable
        self.residuals = residuals
        self.variadic = variadic
        self.passes = passes
        self.splits = splits
        self.refuses = refuses or {}
        if not differentiable:
            NON_DIFFERENTIABLE.add(name)

    def __repr__(self) -> str:
        return f"Primitive({self.name})"

    def apply(self, inputs: Sequence[Any], static: tuple[Any, ...]) -> Any:
        """The JAX computation itself, on arrays, tracers and ``Scalar``s."""
        return self.lower(tuple(inputs), *static) if self.variadic else self.lower(*inputs, *static)

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
        """Aval of the result (a tuple of them for several results), by JAX's abstract evaluation."""
        place = common_device(inputs)
        with jax.enable_x64(True):
            result = jax.eval_shape(
                lambda *arrays: self.apply(wrapped(arrays, inputs), static), *map(_abstract, inputs)
            )
        if isinstance(result, (tuple, list)):
            return tuple(_aval(part, place) for part in result)  # pyright: ignore[reportUnknownVariableType]
        return _aval(result, place)


def no_derivative(name: str) -> dict[str, Any]:
    """Options of a primitive of two inputs through which PyTorch refuses to differentiate."""
    error = RuntimeError(f"derivative for aten::{name} is not implemented")
    return {"refuses": {0: error, 1: error}, "grad_name": "NotImplemented"}


def primitive(**options: Any) -> Callable[[Callable[..., Any]], Primitive]:
    """Make a ``Primitive`` of a JAX function; the options are ``Primitive``'s, its name is the function's."""

    def make(lower: Callable[..., Any]) -> Primitive:
        return Primitive(options.pop("name", lower.__name__.strip("_")), lower, **options)

    return make


_NUMBERS: dict[Any, str] = {bool: "int64", int: "int64", float: "float64", complex: "complex128"}


def common_device(inputs: tuple[Any, ...]) -> device:
    """The one device of all inputs.

    Raises:
        RuntimeError: there are several; in PyTorch's words.
        TypeError: an input is neither a tensor nor a number.
    """
    place: device | None = None
    for aval in inputs:
        if isinstance(aval, type):
            if aval not in _NUMBERS:
                raise TypeError(f"unsupported operand: expected a Tensor or a number, but got {aval.__name__}")
            continue
        found = aval[0].device if isinstance(aval, tuple) else aval.device
        if found is place:
            continue
        if place is not None and found != place:
            pair = f"{place} and {found}!"
            raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices, {pair}")
        place = found
    return place or CPU


def wrapped(arrays: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Arrays as a lowering takes them: those that stand for Python numbers become ``Scalar``s."""
    return [
        Scalar(array, aval) if isinstance(aval, type) else array for array, aval in zip(arrays, inputs, strict=True)
    ]


def _abstract(aval: Any) -> Any:
    """What JAX evaluates in place of an input."""
    if isinstance(aval, tuple):
        return tuple(_abstract(part) for part in aval)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(aval, Aval):
        return jax.ShapeDtypeStruct(aval.shape, aval.dtype.numpy)
    return jax.ShapeDtypeStruct((), _NUMBERS[aval])


def _aval(result: Any, place: device) -> Aval:
    return Aval.of(tuple(result.shape), from_numpy_dtype(result.dtype), place)


# -- promotion inside lowerings --------------------------------------------------------------------------------


def _operand(x: Any) -> tuple[dtype | type, Category]:
    """Data type and promotion category of an operand of a lowering."""
    if isinstance(x, Scalar):
        return x.kind, "number"
    return from_numpy_dtype(x.dtype), "tensor" if x.ndim else "scalar"


def common_dtype(*operands: Any) -> dtype:
    """PyTorch's result type of these operands."""
    return result_type(map(_operand, operands))


def as_array(x: Any, kind: dtype) -> Array:
    """Operand as an array of this data type."""
    value = x.value if isinstance(x, Scalar) else x
    if kind.is_complex or not jnp.iscomplexobj(value):
        return jnp.asarray(value, kind.numpy)
    return jnp.asarray(value.real, kind.numpy)


def check_broadcast(*operands: Any) -> None:
    """Raise RuntimeError, in PyTorch's words, unless the operands broadcast."""
    broadcast(*[x.shape for x in operands if not isinstance(x, Scalar)])


def promoted(*operands: Any) -> list[Array]:
    """Operands converted to their common data type; raises RuntimeError if they do not broadcast."""
    check_broadcast(*operands)
    kind = common_dtype(*operands)
    return [as_array(x, kind) for x in operands]


def floating(x: Any) -> Array:
    """Operand as PyTorch's floating functions see it: whole numbers become the default floating type."""
    kind = common_dtype(x)
    return as_array(x, kind if kind.is_floating_point or kind.is_complex else python_dtype(float))


# -- several results -------------------------------------------------------------------------------------------


def _pick(values: tuple[Array, ...], index: int) -> Array:
    return values[index]


class _Pick(Primitive):
    """Takes one result of an operation with several."""

    __slots__ = ()

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Aval:
        return inputs[0][static[0]]


PICK = _Pick("pick", _pick)


def picks(node: Node) -> list[Node]:
    """The nodes of a tuple-valued node's results; a plain node is its own only result."""
    operation = node.operation
    if operation is None or not isinstance(operation.result, tuple):
        return [node]
    found: Any = operation.derived.get("picks")
    if found is None:
        count = len(operation.result)
        found = [operation_of(PICK, (index,), (operation.result,)) for index in range(count)]
        operation.derived["picks"] = found
    parts = [Node(pick, (node,), pick.result) for pick in found]
    if not operation.mapped:
        PENDING.extend(parts)
    return parts


# -- gradients -------------------------------------------------------------------------------------------------


class Pullback(Primitive):
    """``jax.vjp`` of an operation: (the inputs it saves, cotangents of the results asked for) -> gradients."""

    __slots__ = ("mask", "operation", "saved", "wrt")

    def __init__(self, operation: Operation, wrt: tuple[int, ...], mask: tuple[int, ...]) -> None:
        super().__init__(f"{operation.primitive.name}_pullback", self._lower)
        self.operation = operation
        self.wrt = wrt
        self.mask = mask
        self.saved = saved_positions(operation)

    def _lower(self, *values: Any) -> Any:
        return self.pulled(values, self.forward)

    def forward(self, inputs: Sequence[Any]) -> tuple[Array, ...]:
        """The results of the operation whose cotangents are given."""
        result = self.operation.primitive.apply(inputs, self.operation.static)
        return tuple(result[index] for index in self.mask) if isinstance(result, (tuple, list)) else (result,)

    def pulled(self, values: Sequence[Any], forward: Callable[[Sequence[Any]], tuple[Array, ...]]) -> Any:
        """The gradients, of a given way to run the operation forward."""
        primals = [None if isinstance(aval, type) else _zeros(aval) for aval in self.operation.inputs]
        for position, value in zip(self.saved, values, strict=False):
            primals[position] = value

        def run(*active: Array) -> tuple[Array, ...]:
            inputs = list(primals)
            for position, value in zip(self.wrt, active, strict=True):
                inputs[position] = value
            return forward(inputs)

        pull = jax.vjp(run, *[primals[position] for position in self.wrt])[1]
        gradients = conjugated(pull(conjugated(values[len(self.saved) :])))
        return gradients if len(self.wrt) > 1 else gradients[0]

    def evaluate(self, static: tuple[Any, ...], inputs: tuple[Any, ...]) -> Any:
        """Gradients have the shapes of the inputs."""
        avals = tuple(self.operation.inputs[position] for position in self.wrt)
        return avals[0] if len(avals) == 1 else avals


def conjugated(gradients: Sequence[Array]) -> tuple[Array, ...]:
    """Gradients in the other convention: PyTorch's of a real loss is the conjugate of JAX's, for complex inputs."""
    return tuple(jnp.conj(item) if jnp.iscomplexobj(item) else item for item in gradients)


def _zeros(aval: Aval) -> Array:
    """Stand-in for an input that the gradient does not read; XLA removes it."""
    return jnp.zeros(aval.shape, aval.dtype.numpy)


def saved_positions(operation: Operation) -> tuple[int, ...]:
    """Positions of the inputs that the gradient of an operation reads; Python numbers are always kept."""
    found: Any = operation.derived.get("saved")
    if found is None:
        saves = operation.primitive.saves
        found = operation.derived["saved"] = tuple(
            index
            for index, aval in enumerate(operation.inputs)
            if saves is None or index in saves or isinstance(aval, type)
        )
    return found


class Pullbacks(NamedTuple):
    """How the gradients of an operation's inputs come from those of its results.

    Attributes:
        passed: positions of the inputs whose gradient is the one that is given.
        steps: operations that compute the others, each with the positions of its results' inputs.
    """

    passed: tuple[int, ...]
    steps: tuple[tuple[Operation, tuple[int, ...]], ...]


def pullbacks(operation: Operation, wrt: tuple[int, ...], mask: tuple[int, ...]) -> Pullbacks:
    """The operations that compute gradients of ``operation``.

    Args:
        operation: the forward operation.
        wrt: positions of the inputs whose gradients are wanted.
        mask: indexes of the results whose cotangents are given.

    Raises:
        RuntimeError: PyTorch has no gradient of one of these inputs.
    """
    key = (wrt, mask)
    found = operation.derived.get(key)
    if found is None:
        primitive = operation.primitive
        for index in primitive.refuses.keys() & wrt:
            raise copy(primitive.refuses[index])
        passed = [index for index in wrt if index in primitive.passes and operation.inputs[index] is operation.result]
        others = tuple([index for index in wrt if index not in passed])
        parts = [(index,) for index in others] if primitive.splits else [others] if others else []
        found = Pullbacks(tuple(passed), tuple([(_pullback(operation, part, mask), part) for part in parts]))
        operation.derived[key] = found
    return found


def _pullback(operation: Operation, wrt: tuple[int, ...], mask: tuple[int, ...]) -> Operation:
    """The operation that computes these gradients at once."""
    made = Pullback(operation, wrt, mask)
    results = operation.result if isinstance(operation.result, tuple) else (operation.result,)
    inputs = tuple(operation.inputs[position] for position in made.saved)
    return operation_of(made, (), inputs + tuple(results[index] for index in mask))


def reads(operation: Operation) -> Sequence[bool]:
    """Of which of its inputs, none of them a tuple, an operation's results depend.

    The gradient of ``x * y`` by x is given x, but does not read it: nothing is to flow back that way, not even zeros,
    which NaN and infinities would turn into NaN.
    """
    found = operation.derived.get("reads")
    if found is None:
        with jax.enable_x64(True), set_aside():  # nothing tells what a native kernel reads
            traced = jax.make_jaxpr(
                lambda *arrays: operation.primitive.apply(wrapped(arrays, operation.inputs), operation.static)
            )(*map(_abstract, operation.inputs))
        found = partial_eval.dce_jaxpr(traced.jaxpr, [True] * len(traced.jaxpr.outvars))[1]
        operation.derived["reads"] = found
    return found
