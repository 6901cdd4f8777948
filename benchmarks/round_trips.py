"""Send every kind of object through every format between PyTorch and Flambeau, in both directions, and count.

    python benchmarks/round_trips.py

Equal means: the same classes, keys in the same order, data types, shapes, strides, need of a gradient and, bit for bit,
elements; for whole layers the same text and fields, too. Strides are not compared where Flambeau does not keep them on
purpose: a view that shares its storage with no other tensor is saved, and loaded, as what it shows.
"""

import io
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from safetensors.torch import load_file, save_file

import flambeau
from flambeau.serialization import load_safetensors, save_safetensors
from tests.parity import test_objects as layers
from tests.parity import test_serialization as states

DTYPES = (
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex64 complex128 "
    "float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu"
).split()
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda x: x,
    "0-d": lambda x: x[0],
    "empty": lambda x: x[:0],
    "a row of a matrix": lambda x: x.reshape(2, 3)[1],
    "every other": lambda x: x[::2],
    "expanded": lambda x: x[:1].expand(4),
    "sharing": lambda x: [x, x[2:], x[2:]],
}
NOT_IN_SAFETENSORS = {"complex128", "float8_e4m3fnuz", "float8_e5m2fnuz"}


def tensors(library: Any, dtype: str, layout: str) -> Any:
    return LAYOUTS[layout](library.tensor([0, 1, 1, 0, 1, 0]).to(getattr(library, dtype)))


def through(old: bool) -> Callable[[Any, Any, Any], Any]:
    """A format of ``save``: the zip archive, or the stream from before PyTorch 1.6."""

    def send(writer: Any, reader: Any, obj: Any) -> Any:
        file = io.BytesIO()
        writer.save(obj, file, _use_new_zipfile_serialization=not old)
        file.seek(0)
        return reader.load(file, weights_only=False)

    return send


def through_safetensors(writer: Any, reader: Any, obj: Any) -> Any:
    """The safetensors format, PyTorch's side by the safetensors package."""
    sides = {
        torch: (lambda value, path: save_file({"x": value.contiguous()}, path), load_file),
        flambeau: (
            lambda value, path: save_safetensors({"x": value}, path),
            load_safetensors,
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/x.safetensors"
        sides[writer][0](obj, path)
        return sides[reader][1](path)["x"]


def contents(value: Any) -> Any:
    """What has to be equal; the safetensors format has no strides."""
    return states.plain(value)


def unstrided(value: Any) -> Any:
    return [item for index, item in enumerate(states.plain(value)) if index != 3]


def cases(name: str) -> Iterator[tuple[Callable[[Any], Any], Callable[[Any], Any]]]:
    """What is sent, as a function of the library, and how it is compared."""
    if name == "plain objects and small types":
        yield from ((make, contents) for make in states.OBJECTS.values())
    elif name == "tensors: 20 data types x 7 layouts":
        for dtype in DTYPES:
            for layout in LAYOUTS:
                make = lambda t, dtype=dtype, layout=layout: tensors(t, dtype, layout)  # noqa: E731
                yield make, unstrided if layout in ("every other", "expanded") else contents
    elif name == "training states":
        for optimizer in states.OPTIMIZERS:
            yield (lambda t, optimizer=optimizer: trained(t, optimizer)), contents
    elif name == "whole layers":
        for expression in layers.EXPRESSIONS:
            yield (lambda t, expression=expression: layers.made(t, expression)), layers.plain
    else:
        for dtype in DTYPES:
            if dtype not in NOT_IN_SAFETENSORS:
                for layout in ("plain", "0-d", "empty", "every other"):
                    yield (lambda t, dtype=dtype, layout=layout: tensors(t, dtype, layout)), unstrided


def trained(library: Any, optimizer: str) -> Any:
    training = states.Training(library, optimizer, 0)
    training.steps(0, 2)
    return training.state()


def count(name: str, send: Any, writer: Any, reader: Any) -> str:
    """``equal / tried``, and the first thing that went wrong."""
    equal = tried = 0
    wrong = ""
    for make, compared in cases(name):
        tried += 1
        try:
            original = make(writer)
            found, expected = compared(send(writer, reader, original)), compared(original)
            ours = str(found).replace("flambeau.", "torch.") == str(expected).replace("flambeau.", "torch.")
            equal += ours
            wrong = wrong or ("" if ours else f" ({str(found)[:200]} != {str(expected)[:200]})")
        except Exception as error:  # noqa: BLE001  (it is counted)
            wrong = wrong or f" ({type(error).__name__}: {str(error)[:120]})"
    return f"{equal} / {tried}{wrong}"


FORMATS = {
    "zip": through(old=False),
    "from before 1.6": through(old=True),
    "safetensors": through_safetensors,
}
KINDS = {
    "plain objects and small types": ("zip", "from before 1.6"),
    "tensors: 20 data types x 7 layouts": ("zip", "from before 1.6"),
    "training states": ("zip", "from before 1.6"),
    "whole layers": ("zip", "from before 1.6"),
    "tensors: 17 data types x 4 layouts": ("safetensors",),
}


def main() -> None:
    warnings.simplefilter("ignore")
    print("| kind | format | Flambeau to PyTorch | PyTorch to Flambeau |\n|---|---|---|---|")
    for kind, formats in KINDS.items():
        for name in formats:
            there = count(kind, FORMATS[name], flambeau, torch)
            back = count(kind, FORMATS[name], torch, flambeau)
            print(f"| {kind} | {name} | {there} | {back} |", flush=True)


if __name__ == "__main__":
    main()
