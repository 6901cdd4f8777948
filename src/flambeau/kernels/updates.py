"""Updates of optimizers by a native kernel on the CPU: all parameters in one call, in place."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from flambeau.kernels.library import target, wanted
from flambeau.kernels.native_function import defined

__all__ = ["updated", "updates"]

_FEW_ELEMENTS = 10_000  # below, XLA's loops are as quick, and worth no library

# parameters and states = formula(numbers, *parameters, *gradients, *first states, ...).
Formula = Callable[..., Sequence[Any]]


def updates(parameters: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether ``updated`` takes these parameters, with their gradients and states."""
    return (
        sum(item.size for item in parameters) >= _FEW_ELEMENTS
        and all(item.dtype == np.float32 for item in (*parameters, *others))
        and wanted()
    )


def updated(name: str, formula: Formula, numbers: Any, arrays: Sequence[Any], count: int, flags: int) -> Sequence[Any]:
    """What the formula computes: new parameters and states, in the order they are given in.

    Args:
        name: of the library's function that does the same.
        formula: the same in plain XLA.
        numbers: float32, all numbers of the rule.
        arrays: parameters, gradients, and each kind of states.
        count: number of parameters.
        flags: the rule's, one bit each.
    """
    return _update.bind(numbers, *arrays, name=name, formula=formula, count=count, flags=flags)


def _plain(numbers: Any, *arrays: Any, name: str, formula: Formula, count: int, flags: int) -> Sequence[Any]:
    return formula(numbers, *arrays)


def _native(numbers: Any, *arrays: Any, name: str, formula: Formula, count: int, flags: int) -> Sequence[Any]:
    found = target(name)
    if found is None:
        return formula(numbers, *arrays)
    places = [*range(count), *range(2 * count, len(arrays))]
    call = jax.ffi.ffi_call(
        found,
        [jax.ShapeDtypeStruct(arrays[place].shape, arrays[place].dtype) for place in places],
        input_output_aliases={1 + place: index for index, place in enumerate(places)},
    )
    return call(numbers, *arrays, count=np.int64(count), flags=np.int64(flags))


_update = defined("update", _plain, _native)
