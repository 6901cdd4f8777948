"""NAME: what a program is called on disk, so that the next process finds it without tracing it.

In memory a program's key counts the operations of this process. On disk it has two names. The one by which it is looked
for first is a digest of its operations in full (their formulas by the place they are written at, their static arguments
and what their closures hold), how they are wired, what is returned and what may be overwritten, and of this package's
source files. It leads to the other, the digest of the program's lowering, which outlives changes of the sources that do
not change the program. Both cover JAX, its settings, and the machine. An operation that holds something which cannot be
told apart by its text, such as a function of the user's, gives its programs no first name.
"""

import functools
import hashlib
import os
import platform
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from flambeau.base.config import config
from flambeau.devices.device import device
from flambeau.dtypes.kinds import dtype, get_default_dtype
from flambeau.graph.node import Aval, Operation
from flambeau.kernels.library import identity
from flambeau.kernels.native_function import NativeFunction
from flambeau.primitives.primitive import Primitive
from flambeau.runtime.cut import Cut

__all__ = ["Lowered", "program_name"]

# Packages whose functions are told apart by their place in the source, because their versions are part of every name.
_TRUSTED = ("flambeau", "jax", "numpy", "operator", "_operator", "math", "builtins")
_PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(Ellipsis),
    range,
    slice,
    np.dtype,
    dtype,
    device,
    Aval,
)


class _UnnamedError(Exception):
    """Something that cannot be told apart by its text."""


def program_name(
    cut: Cut, steps: Sequence[tuple[Operation, tuple[Any, ...]]], place: Any, options: dict[str, Any] | None
) -> str | None:
    """The name of a program for a device, compiled with such options; None if one of its operations has none."""
    try:
        wired = [f"{_operation(operation)}{inputs}" for operation, inputs in steps]
    except (_UnnamedError, RecursionError):
        return None
    counts = (len(cut.reals), len(cut.integers), len(cut.complexes))
    leaves = [leaf.aval for leaf in cut.leaves]
    outline = repr((cut.outputs, cut.donated, counts, leaves, _sources(), get_default_dtype()))
    return _digest("\n".join((*wired, outline, _surroundings(place, options))))


class Lowered(NamedTuple):
    """A traced program, as the store knows it.

    Attributes:
        name: by the text of its lowering, and by how its inputs and results are nested.
        native: whether it calls native kernels of ours.
        factorizes: whether it calls LAPACK.
    """

    name: str
    native: bool
    factorizes: bool

    @classmethod
    def of(cls, lowered: Any, place: Any, options: dict[str, Any] | None) -> "Lowered":
        """What ``lower()`` gave, to be compiled for a device with such options."""
        text = lowered.as_text()
        nesting = f"{lowered.in_tree}\n{lowered.out_tree}"
        name = _digest(f"{text}\n{nesting}\n{_surroundings(place, options)}")
        return cls(name, native="custom_call @flambeau_" in text, factorizes="custom_call @lapack_" in text)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


# -- what surrounds every program -------------------------------------------------------------------------------


def _surroundings(place: Any, options: dict[str, Any] | None) -> str:
    """Everything outside a program that its code depends on."""
    settings = cast("Any", jax.config)
    known = cast("dict[str, Any]", settings.values)
    chosen = [(name, getattr(settings, name, value)) for name, value in known.items() if "cache" not in name]
    return repr((jax.__version__, np.__version__, config.xla_flags, _on(place), identity(), options, chosen))


@functools.cache
def _sources() -> str:
    """Digest of this package's source files: their names, sizes and times."""
    found: list[tuple[str, int, int]] = []
    folders = [str(Path(__file__).parent.parent)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    state = entry.stat()
                    found.append((entry.path, state.st_size, state.st_mtime_ns))
                elif entry.is_dir() and entry.name != "__pycache__":
                    folders.append(entry.path)
    return _digest(repr(sorted(found)))


@functools.cache
def _on(place: Any) -> tuple[Any, ...]:
    """A device, and on the CPU the instructions it has and the number of threads."""
    found = (platform.machine(), place.platform, place.id, place.device_kind, place.client.platform_version)
    return (*found, _instructions(), os.cpu_count()) if place.platform == "cpu" else found


def _instructions() -> str:
    """The processor's instructions as Linux lists them; its name elsewhere."""
    try:
        with open("/proc/cpuinfo", "rb") as file:
            first = file.read(8192).split(b"\n\n")[0]
    except OSError:
        return platform.processor()
    wanted = (b"flags", b"Features", b"model name")
    return repr([line for line in first.split(b"\n") if line.startswith(wanted)])


# -- what a program consists of ---------------------------------------------------------------------------------


def _operation(operation: Operation) -> str:
    """Digest of an operation, worked out once in a process."""
    found = operation.derived.get("name")
    if found is None:
        parts = (operation.primitive, operation.static, operation.inputs)
        found = operation.derived["name"] = _digest(_text(parts))
    return found


def _text(value: Any) -> str:
    """A text that equal values share and different ones do not."""
    if isinstance(value, _PLAIN):
        return f"{type(value).__name__} {value!r}"
    for kind, describe in _KINDS:
        if isinstance(value, kind):
            return f"{type(value).__qualname__}({describe(value)})"
    return _place(value)


def _list(values: Any) -> str:
    return ", ".join(map(_text, values))


def _primitive(value: Primitive) -> str:
    """A primitive: its class, and all it holds; its methods are its class's."""
    slots = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
    parts = [type(value).__module__]
    for name in sorted(slots | getattr(value, "__dict__", {}).keys()):
        held = getattr(value, name, None)
        if isinstance(held, MethodType) and held.__self__ is value:
            parts.append(f"{name}={held.__name__}")
        else:
            parts.append(f"{name}={_text(held)}")
    return ", ".join(parts)


def _function(value: FunctionType) -> str:
    """A function: where it is written, and what it was made with."""
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    place = _named(value, value.__module__, f"{value.__qualname__}:{value.__code__.co_firstlineno}")
    code = value.__code__
    body = (code.co_code, code.co_names, tuple(item for item in code.co_consts if isinstance(item, _PLAIN)))
    return f"{place}, {_list((value.__defaults__, value.__kwdefaults__, cells, body))}"  # two may stand in one line


def _place(value: Any) -> str:
    """Something that is known by its name alone: a class, or a function that JAX or NumPy has made."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not callable(value) or not isinstance(name, str) or "<" in name:
        raise _UnnamedError
    return _named(value, getattr(value, "__module__", None), name)


def _named(value: Any, module: Any, name: str) -> str:
    if not isinstance(module, str) or module.split(".")[0] not in _TRUSTED:
        raise _UnnamedError
    return f"{type(value).__name__} {module}.{name}"


def _partial(value: "functools.partial[Any]") -> str:
    return _list((value.func, value.args, value.keywords))


def _array(value: Any) -> str:
    return f"{value.dtype!r} {value.shape} {value.tobytes().hex()}"


def _method(value: MethodType) -> str:
    return f"{value.__name__} of {_text(value.__self__)}"


def _native(value: NativeFunction) -> str:
    """A native function: all that it was made with and that programs depend on."""
    return _list((value.name, value.formula, value.value, value.gradients, value.targets))


# How to describe what is not plain, in the order of asking.
_KINDS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (Operation, _operation),
    (Primitive, _primitive),
    (NativeFunction, _native),
    (Enum, repr),
    ((tuple, list), _list),
    (dict, lambda value: _list(value.items())),
    ((set, frozenset), lambda value: ", ".join(sorted(map(_text, value)))),
    ((np.ndarray, np.generic), _array),
    (functools.partial, _partial),
    (FunctionType, _function),
    (MethodType, _method),
    (BuiltinFunctionType, _place),
    (type, _place),
    (jax.tree_util.PyTreeDef, lambda value: ""),  # of residuals: follows from the operation
)
