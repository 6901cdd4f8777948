"""Arguments have the names and the order that PyTorch's own tables of operators give them."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import flambeau
from tests.parity.outcomes import same

torch = pytest.importorskip("torch")

# Functions whose names of arguments stand in PyTorch's documentation, not in its table; and those that take any.
_TOLD_OTHERWISE = {
    "functions": {
        "dsplit", "float_power", "heaviside", "hsplit", "tensor_split", "vsplit",  # below
        "histogramdd", "ormqr",
    },
    "methods": {
        "dsplit", "float_power", "float_power_", "heaviside", "heaviside_", "hsplit", "swapaxes", "swapaxes_",
        "tensor_split", "vsplit",  # below
        "uniform_",  # whose first is called "from"
    },
}  # fmt: skip


def schemas(name: str) -> list[Any]:
    """What PyTorch's table says of an operator, without the forms that take ``out`` and names of dimensions."""
    return [
        schema
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{name}")
        if not any(word in schema.overload_name for word in ("out", "name")) and schema.arguments
    ]


def fits(function: Callable[..., Any], schema: Any, skipped: int) -> bool:
    """Whether a function takes the arguments of an operator: in this order, and the others by name."""
    own = list(inspect.signature(function).parameters.values())[skipped:]
    if any(item.kind is item.VAR_POSITIONAL for item in own):
        return True
    ordered = [item.name for item in own if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
    given = [item for item in schema.arguments[skipped:] if item.name != "generator"]
    wanted = ["input" if item.name == "self" else item.name for item in given if not item.kwarg_only]
    named = {item.name for item in given if item.kwarg_only}
    free = any(item.kind is item.VAR_KEYWORD for item in own)
    return ordered[: len(wanted)] == wanted and (free or named <= {item.name for item in own})


def unfit(owner: Any, theirs: Any, skipped: int) -> set[str]:
    found: set[str] = set()
    for name in set(dir(owner)) & set(dir(theirs)):
        function = getattr(owner, name, None)  # a method that is left out on purpose says so
        builtin = inspect.isbuiltin(getattr(theirs, name)) or inspect.ismethoddescriptor(getattr(theirs, name))
        if name.startswith("_") or not callable(function) or inspect.isclass(function) or not builtin:
            continue
        known = [item for item in schemas(name) if not skipped or item.arguments[0].name == "self"]
        if known and not any(fits(function, schema, skipped) for schema in known):
            found.add(name)
    return found


def test_functions() -> None:
    assert unfit(flambeau, torch, 0) == _TOLD_OTHERWISE["functions"]


def test_methods() -> None:
    assert unfit(flambeau.Tensor, torch.Tensor, 1) == _TOLD_OTHERWISE["methods"]


CALLS: dict[str, Callable[[Any], Any]] = {
    "float_power": lambda t: [t.float_power(t.ones(2), exponent=2), t.ones(2).float_power(exponent=2)],
    "float_power_": lambda t: t.ones(2).double().float_power_(exponent=3),
    "heaviside": lambda t: [t.heaviside(t.zeros(2), values=t.ones(2)), t.zeros(2).heaviside(values=t.ones(2))],
    "swapaxes": lambda t: [t.swapaxes(t.ones(1, 2), axis0=0, axis1=1), t.ones(1, 2).swapaxes(axis0=0, axis1=1)],
    "swapaxes_": lambda t: t.ones(1, 2).swapaxes_(axis0=0, axis1=1),
    "hsplit": lambda t: [t.hsplit(t.ones(2, 2), sections=2), t.ones(2, 2).hsplit(indices=(1,))],
    "vsplit": lambda t: [t.vsplit(t.ones(2, 2), indices=(1,)), t.ones(2, 2).vsplit(sections=2)],
    "dsplit": lambda t: [t.dsplit(t.ones(1, 1, 2), sections=2), t.ones(1, 1, 2).dsplit(sections=1)],
    "tensor_split": lambda t: [t.tensor_split(t.arange(3), sections=2), t.arange(3).tensor_split(indices=(1,)),
                               t.tensor_split(t.arange(3), tensor_indices_or_sections=t.tensor(2), dim=0)],
    "unsafe_split": lambda t: [t.unsafe_split(t.arange(3), split_size=2), t.arange(3).unsafe_split(split_size=1)],
    "clone": lambda t: t.clone(t.ones(2), memory_format=t.contiguous_format),
    "matrix_exp": lambda t: t.matrix_exp(input=t.zeros(1, 1)),
    "result_type": lambda t: t.result_type(tensor=t.ones(1), other=2),
    "resize_as_": lambda t: [t.resize_as_(t.ones(2), t.ones(1, 2), memory_format=None),
                             t.ones(2).resize_as_(the_template=t.ones(1, 2))],
    "pinned": lambda t: t.ones(1).is_pinned(),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_names_of_arguments(name: str) -> None:
    same(CALLS[name])
