"""COMPILE: the one ``jax.jit``; programs are kept by structure, and what was compiled, and why, is on record."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from flambeau.base.config import config
from flambeau.devices.backend import jax_device
from flambeau.devices.device import device
from flambeau.devices.heap import give_back
from flambeau.graph.node import Aval, Node
from flambeau.kernels.library import identity
from flambeau.primitives.primitive import wrapped
from flambeau.runtime.cut import Cut
from flambeau.runtime.executables import keep_program, kept_program, link_program
from flambeau.runtime.joining import Step, joined
from flambeau.runtime.naming import Lowered, program_name
from flambeau.runtime.report import note_compilation
from flambeau.runtime.retention import make_room

__all__ = ["Program", "device_of", "program_for", "traced", "traced_program"]

# XLA's CPU compiler drops optimization barriers before it fuses; primitives use them where fusing would compute the
# same values many times over (see convolution). Its order of operations for many cores keeps values that are in the
# caches waiting: a perceptron's step took 9 % longer in that order, and other steps gained nothing from it.
_OPTIONS: dict[str, dict[str, Any]] = {
    "cpu": {
        "xla_disable_hlo_passes": "cse_barrier_expander",
        "xla_cpu_enable_concurrency_optimized_scheduler": False,
    }
}

_programs: dict[tuple[Any, ...], "Program"] = {}


class Program(NamedTuple):
    """A compiled program: calling ``run(numbers, *leaves)`` returns the values of its outputs."""

    run: Any
    place: Any


def device_of(cut: Cut) -> device:
    """The device a program runs on."""
    aval = cut.nodes[0].aval
    return aval[0].device if isinstance(aval, tuple) else aval.device


def program_for(cut: Cut) -> Program:
    """The compiled program of this structure; compiled, and noted, the first time."""
    key = (config.kernels, cut.key)
    found = _programs.get(key)
    if found is None:
        make_room(_programs)
        found = _compile(cut)
        _programs[key] = found
    return found


def _compile(cut: Cut) -> Program:
    """The program, found on disk or compiled now and kept there."""
    started = time.perf_counter()
    place = jax_device(device_of(cut))
    name = program_name(cut, _steps(cut), place, _options(place)) if _keeps() else None
    compiled = kept_program(name, place) if name else None
    if compiled is None:
        kernels = identity()
        compiled, kept = _translated(cut, place)
        if name and kept and kernels == identity():  # a library that failed to load has changed the program
            link_program(name, kept)
    note_compilation(cut.nodes, cut.leaves, cut.outputs, time.perf_counter() - started, compiled)
    give_back()
    return Program(compiled, place)


def _translated(cut: Cut, place: Any) -> tuple[Any, Lowered | None]:
    """The program traced, and compiled unless an equal one is on disk; with what it is kept as there."""
    with jax.enable_x64(True):
        lowered = traced_program(cut, place).lower()
        kept = Lowered.of(lowered, place, _options(place)) if _keeps() else None
        compiled = kept_program(kept.name, place) if kept else None
        if compiled is None:
            compiled = lowered.compile(compiler_options=_options(place))
            if kept:
                keep_program(kept, compiled)
    return compiled, kept


def _keeps() -> bool:
    """Whether programs are kept on disk by us: not if the user has set JAX's own cache.

    A program that JAX has found there cannot be written down again: it would lack its functions.
    """
    return config.cache is not None and cast("Any", jax.config).jax_compilation_cache_dir is None


def _options(place: Any) -> dict[str, Any] | None:
    """What the compiler is told on a kind of device."""
    return _OPTIONS.get(place.platform)


def traced(function: Any, inputs: Sequence[Any], donated: tuple[int, ...] = ()) -> Any:
    """A function traced by JAX on abstract inputs: ``jaxpr``, and ``lower()`` for what can be compiled.

    Args:
        function: of arrays, and of tuples of them.
        inputs: shapes and data types, with their shardings.
        donated: positions of the inputs whose memory may be taken over.
    """
    # Inputs that are not used stay, so that the text of the lowering says how the program is called.
    return jax.jit(function, donate_argnums=donated, keep_unused=True).trace(*inputs)


def traced_program(cut: Cut, place: Any) -> Any:
    """The cut's program traced by JAX for a device."""
    function = _function(joined(_steps(cut), cut.outputs), cut.outputs)
    sharding = SingleDeviceSharding(place)

    def abstract(aval: Any) -> Any:
        if isinstance(aval, Aval):
            return jax.ShapeDtypeStruct(aval.shape, aval.dtype.numpy, sharding=sharding)
        return tuple(map(abstract, aval))

    numbers = tuple(
        jax.ShapeDtypeStruct((len(values),), kind, sharding=sharding) if values else None
        for values, kind in ((cut.reals, np.float64), (cut.integers, np.int64), (cut.complexes, np.complex128))
    )
    donated = tuple(1 + index for index in cut.donated)
    return traced(function, (numbers, *(abstract(leaf.aval) for leaf in cut.leaves)), donated)


def _steps(cut: Cut) -> list[Step]:
    """The program's wiring, without its nodes, so that keeping a program keeps no values."""
    position = {id(node): index for index, node in enumerate(cut.nodes)}
    position.update((id(node), -1 - index) for index, node in enumerate(cut.leaves))
    used = {"real": 0, "integer": 0, "complex": 0}
    steps: list[Step] = []
    for node in cut.nodes:
        inputs: list[Any] = []
        for item in node.inputs:
            if isinstance(item, Node):
                inputs.append(position[id(item)])
            else:
                slot = {float: "real", complex: "complex"}.get(type(item), "integer")
                inputs.append((slot, used[slot]))
                used[slot] += 1
        assert node.operation is not None
        steps.append(Step(node.operation, tuple(inputs)))
    return steps


def _function(steps: Sequence[Step], outputs: Sequence[int]) -> Any:
    """The Python function JAX traces: it replays the steps."""

    def program(numbers: tuple[Any, Any, Any], *leaves: Any) -> list[Any]:
        packed = dict(zip(("real", "integer", "complex"), numbers, strict=True))
        values: list[Any] = []
        for operation, inputs in steps:
            arrays = [
                packed[item[0]][item[1]]
                if isinstance(item, tuple)
                else values[item]
                if item >= 0
                else leaves[-1 - item]
                for item in inputs
            ]
            values.append(operation.primitive.apply(wrapped(arrays, operation.inputs), operation.static))
        return [jax.tree.map(jnp.asarray, values[index]) for index in outputs]

    return program
