"""PyTorch's own examination of its layers: each ``ModuleInfo``'s inputs, given to both libraries.

python -m tests.parity.module_db [CLASS ...] [--missing] [--seconds N] [--out FILE]

examines every input; prints how many pass, and what fails; and merges the results into a file of JSON.
"""

import argparse
import copy
import inspect
import json
import pickle
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import flambeau
from tests.parity.oracle import compare, flat, weights
from tests.parity.translation import leaves, mine, theirs

torch = pytest.importorskip("torch")
common_modules = pytest.importorskip("torch.testing._internal.common_modules")

INFOS: dict[str, Any] = {info.module_cls.__name__: info for info in common_modules.module_db}
PRESENT = sorted(name for name in INFOS if hasattr(flambeau.nn, name))
SAMPLE = 2  # inputs of a class that are tried unless all are asked for
# PyTorch's own tolerance for the class, where it is wider than that of the data type; for attention, CTC and decoder
# layers because PyTorch's gradients are off by 2e-5, 3e-5 and 8e-6 there, compared with those of 64 bits (of decoder
# layers, Flambeau's by 4e-6).
PRECISION = {
    "ConvTranspose3d": 1e-4,
    "CTCLoss": 1e-4,
    "LazyConvTranspose3d": 1e-4,
    "MultiheadAttention": 1e-4,
    "Transformer": 1e-4,
    "TransformerDecoderLayer": 2e-5,
}


class Case(NamedTuple):
    """One input of one class.

    Attributes:
        name: the class.
        number: which of its inputs.
        training: the mode the input is made for, and the modules are put into.
    """

    name: str
    number: int
    training: bool
    input: Any

    def modules(self, **more: Any) -> tuple[Any, Any]:
        """The class built with both libraries from the same seed: Flambeau's, PyTorch's."""
        args, kwargs = self.input.constructor_input.args, {**self.input.constructor_input.kwargs, **more}
        built: list[Any] = []
        for library, change in ((flambeau, mine), (torch, theirs)):
            library.manual_seed(0)
            module = getattr(library.nn, self.name)(*change(args), **change(kwargs))
            if hasattr(module, "initialize_parameters"):
                module(*change(self.input.forward_input.args))
            built.append(module.train(self.training))
        return built[0], built[1]

    def __str__(self) -> str:
        return f"{self.name}, input {self.number} ({self.input.desc or 'plain'}), training={self.training}"


def cases(name: str, training: bool, full: bool) -> list[Case]:
    """The inputs of a class: all of them, or a sample that takes the first and one from the middle."""
    torch.manual_seed(0)
    info = INFOS[name]
    inputs = info.module_inputs_func(info, "cpu", torch.float32, True, training)
    numbers = range(len(inputs)) if full else sorted({len(inputs) * part // SAMPLE for part in range(SAMPLE)})
    return [Case(name, number, training, inputs[number]) for number in numbers if number < len(inputs)]


def same_state(found: Any, expected: Any) -> None:
    """Equal keys in equal order, and equal values, data types and versions."""
    assert list(found) == list(expected)
    assert list(found._metadata.items()) == list(expected._metadata.items())
    compare(list(found.values()), list(expected.values()))


# -- what is examined ------------------------------------------------------------------------------------------------


def check_state(case: Case) -> None:
    """Initial values, text, flags, and which parameters need gradients."""
    found, expected = case.modules()
    same_state(found.state_dict(), expected.state_dict())
    assert repr(found) == repr(expected)
    for mode in (True, False):
        flags = [[module.training for module in item.train(mode).modules()] for item in (found, expected)]
        assert flags[0] == flags[1]
    assert found.__dict__.keys() == expected.__dict__.keys()
    needs = [{name: p.requires_grad for name, p in item.named_parameters()} for item in (found, expected)]
    assert needs[0] == needs[1]


def check_copies(case: Case) -> None:
    """A pickled and a deeply copied module are equal to the module and share nothing with it."""
    module, _ = case.modules()
    for again in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert repr(again) == repr(module)
        assert again.training is module.training
        assert list(again.state_dict()) == list(module.state_dict())
        for one, other in zip(again.state_dict().values(), module.state_dict().values(), strict=True):
            assert flambeau.equal(one, other)
            assert one.data_ptr() != other.data_ptr()


def check_conversion(case: Case) -> None:
    """To 64 bits and back."""
    found, expected = case.modules()
    for double, single in (("double", "float"), ("half", "float")):
        for name in (double, single):
            for module in (found, expected):
                assert getattr(module, name)() is module
            same_state(found.state_dict(), expected.state_dict())


def check_factory(case: Case) -> None:
    """``dtype`` and ``device`` of the constructor, where there are any; ``test_lazy`` has those of lazy layers."""
    if case.name.startswith("Lazy") or not {"dtype", "device"} & set(
        inspect.signature(getattr(torch.nn, case.name)).parameters
    ):
        return
    for more in ({"dtype": torch.float64}, {"device": "cpu", "dtype": torch.float16}, {"device": "meta"}):
        found, expected = case.modules(**more)
        states = [
            {
                name: (str(value.dtype), str(value.device), tuple(value.shape))
                for name, value in item.state_dict().items()
            }
            for item in (found, expected)
        ]
        assert states[0] == states[1]
        if "meta" not in more.values():
            same_state(found.state_dict(), expected.state_dict())


def check_forward(case: Case) -> None:
    """Results, and the gradients of inputs and parameters; shapes only where results are random."""
    args, kwargs = case.input.forward_input.args, case.input.forward_input.kwargs
    refused = _refusal(case.modules()[1], theirs(args), theirs(kwargs))
    if refused is not None:  # the database has inputs of one data type for a few classes
        assert refused == _refusal(case.modules()[0], mine(args), mine(kwargs))
        return
    results: list[Any] = []
    gradients: list[Any] = []
    random = _is_random(case)
    for library, module, change in zip((flambeau, torch), case.modules(), (mine, theirs), strict=True):
        own_args, own_kwargs = change(args), change(kwargs)
        output = flat(module(*own_args, **own_kwargs))
        results.append(output)
        inputs = [*leaves((own_args, own_kwargs)), *module.parameters()]
        roots = [item for item in output if getattr(item, "requires_grad", False)]
        if roots and not random:
            sum((item * weights(library, item)).sum() for item in roots).backward()  # pyright: ignore[reportAttributeAccessIssue]
        gradients.append([leaf.grad for leaf in inputs])
    if random:
        assert [tuple(item.shape) for item in results[0]] == [tuple(item.shape) for item in results[1]]
        return
    compare(results[0], results[1])
    loose = PRECISION.get(case.name)
    compare(gradients[0], gradients[1], loose and 1.3e-6, loose, what="gradient")


def _refusal(module: Any, args: Any, kwargs: Any) -> tuple[str, str] | None:
    """Class and text of the error that a module raises; None if it raises none."""
    try:
        module(*args, **kwargs)
    except RuntimeError as error:
        return type(error).__name__, str(error)
    return None


def _is_random(case: Case) -> bool:
    """Whether PyTorch's result depends on the random numbers drawn by ``forward``."""
    module = case.modules()[1]
    outputs: list[list[Any]] = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        inputs = case.input.forward_input
        with torch.no_grad():
            outputs.append(flat(copy.deepcopy(module)(*theirs(inputs.args), **theirs(inputs.kwargs))))
    return not all(_alike(one, other) for one, other in zip(*outputs, strict=True))


def _alike(one: Any, other: Any) -> bool:
    return torch.equal(one.nan_to_num(), other.nan_to_num()) if isinstance(one, torch.Tensor) else one == other


ASPECTS: dict[str, Callable[[Case], None]] = {
    "state": check_state,
    "copies": check_copies,
    "conversion": check_conversion,
    "factory": check_factory,
    "forward": check_forward,
}


def problems(name: str, aspect: str, training: bool, full: bool) -> Iterator[tuple[Case, str | None]]:
    """Each case with what is wrong, None where nothing is."""
    for case in cases(name, training, full):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                ASPECTS[aspect](case)
            except Exception as error:  # noqa: BLE001  (an error of either library is a problem)
                text = f"{type(error).__name__}: {error}".strip()
                yield case, " ".join(text.split())[:300]
            else:
                yield case, None


def examined(name: str) -> dict[str, Any]:
    """Everything that is asked of one class, as it stands in the file of results."""
    inputs, failures = 0, []
    for training in (False, True):
        inputs += len(cases(name, training, True))
        for aspect in ASPECTS:
            found = [(case.number, text) for case, text in problems(name, aspect, training, True) if text is not None]
            failures += [[training, number, aspect, text] for number, text in found]
    return {"inputs": inputs, "failures": failures}


def main() -> None:
    """Examine classes, merge the results into the file, and print the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity.module_db")
    parser.add_argument("classes", nargs="*", help="names of classes; all by default")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop before a class after this time")
    parser.add_argument("--missing", action="store_true", help="only classes that the file has no results of")
    parser.add_argument("--out", type=Path, default=Path("build/parity/module_db.json"), help="file of the results")
    given = parser.parse_args()
    started = time.monotonic()
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    for name in given.classes or PRESENT:
        if given.missing and name in results:
            continue
        if time.monotonic() - started > given.seconds:
            print(f"stopped before {name}")
            break
        results[name] = examined(name)
        given.out.write_text(json.dumps(results, indent=0))
        for training, number, aspect, text in results[name]["failures"]:
            print(f"{aspect}: {name}, input {number}, training={training}: {text}")
    inputs = sum(found["inputs"] for found in results.values())
    bad = sum(len({(item[0], item[1]) for item in found["failures"]}) for found in results.values())
    print(f"classes: {len(results)} of {len(INFOS)}; inputs: {inputs - bad} of {inputs} pass everything")


if __name__ == "__main__":
    main()
