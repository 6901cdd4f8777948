"""``Node``, ``Operation``, ``Aval``: the three nouns of the record."""

from collections.abc import Callable
from typing import Any, Final, cast

from flambeau.base.shapes import Size
from flambeau.devices.device import device as Device
from flambeau.dtypes.kinds import dtype as Dtype

__all__ = ["Aval", "Deferred", "Input", "Node", "Number", "Operation", "is_mapped", "leaf"]

Number = bool | int | float | complex


class Aval:
    """Shape, data type and device of a value not yet computed; equal ones are one object, so they compare fast.

    Attributes:
        shape, dtype, device: what a tensor shows of it.
        mapped: whether it is one example's share of a value inside ``vmap``; such a value is never computed by itself.
    """

    __slots__ = ("device", "dtype", "mapped", "shape")

    _known: Final[dict[tuple[Any, ...], "Aval"]] = {}

    def __init__(self, shape: Size, kind: Dtype, place: Device, mapped: bool) -> None:
        self.shape: Final = shape
        self.dtype: Final = kind
        self.device: Final = place
        self.mapped: Final = mapped

    @staticmethod
    def of(shape: tuple[int, ...], kind: Dtype, place: Device, mapped: bool = False) -> "Aval":
        """The one object of this shape, data type and device."""
        key = (shape, kind, place, mapped)
        found = Aval._known.get(key)
        if found is None:
            found = Aval._known.setdefault(key, Aval(Size(shape), kind, place, mapped))
        return found

    def __repr__(self) -> str:
        where = "" if self.device.type == "cpu" else f"@{self.device}"
        return f"{self.dtype.name}{list(self.shape)}{where}{' of an example' if self.mapped else ''}"


def is_mapped(aval: Any) -> bool:
    """Whether a value of this ``Aval``, tuple of them or class of a Python number is one example's."""
    return any(map(is_mapped, cast("Any", aval))) if isinstance(aval, tuple) else getattr(aval, "mapped", False)


class Operation:
    """A primitive applied to inputs of known shapes and types: what a program's structure is made of.

    Attributes:
        primitive: what is computed.
        static: arguments that are part of the formula.
        inputs: for each input its ``Aval``, or the class of a Python number, or a tuple for a tuple-valued node.
        result: ``Aval`` of the result, or a tuple of them.
        mapped: whether its results are one example's (see ``Aval``).
        sourceless: whether it is made from nothing but Python numbers, as constants and ranges are.
        serial: number by which a program's key names it.
        derived: what was worked out from this one (pullbacks, the inputs they read), by what distinguishes it.
    """

    __slots__ = ("derived", "inputs", "mapped", "primitive", "result", "serial", "sourceless", "static")

    _count = 0

    def __init__(self, primitive: Any, static: tuple[Any, ...], inputs: tuple[Any, ...], result: Any) -> None:
        self.primitive = primitive
        self.static = static
        self.inputs = inputs
        self.result = result
        self.mapped: bool = is_mapped(result)
        self.sourceless: bool = all(isinstance(item, type) for item in inputs)
        self.derived: dict[Any, Any] = {}
        Operation._count += 1
        self.serial = Operation._count

    def __repr__(self) -> str:
        return f"{self.primitive.name}({', '.join(map(repr, self.inputs))}) -> {self.result!r}"


class Node:
    """One value of the record: pending (it has inputs), or known (it has a value).

    Attributes:
        operation: what makes it; None for a leaf.
        inputs: nodes and Python numbers it is made from; empty once its value is known.
        aval: shape, type and device, or a tuple of them for an operation with several results.
        value: None while pending; else an array of NumPy or JAX, or a ``Deferred`` one.
        index, uses: scratch space of the runtime while it cuts a program; 0 outside.
    """

    __slots__ = ("aval", "index", "inputs", "operation", "uses", "value")

    def __init__(self, operation: Operation | None, inputs: tuple[Any, ...], aval: Any, value: Any = None) -> None:
        self.operation = operation
        self.inputs = inputs
        self.aval = aval
        self.value = value
        self.index = 0
        self.uses = 0

    def __repr__(self) -> str:
        state = "pending" if self.value is None else "known"
        return f"Node({self.aval!r}, {state})"


class Deferred:
    """An array that is fetched when somebody looks at it, such as a stretch of a mapped file.

    Attributes:
        fetch: gives the array, of NumPy; raises what is wrong with it.
    """

    __slots__ = ("fetch",)

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self.fetch = fetch


Input = Node | Number


def leaf(value: Any, aval: Aval) -> Node:
    """A node whose value is known from the start."""
    return Node(None, (), aval, value)
