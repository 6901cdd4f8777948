"""PyTorch's own examination of its operations: each ``OpInfo``'s samples and error inputs, given to both libraries.

python -m tests.parity.op_db [--names NAME,...] [--from N] [--to M] [--quick] [--out FILE]

examines the operations, or those with the given names or numbers; prints how many samples and names pass, and what
fails, by reason; and merges the results into a file of JSON, from which ``tests.parity.report`` makes its tables.
"""

import argparse
import itertools
import json
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest

import flambeau
from flambeau.graph.record import PENDING
from flambeau.runtime.force import force
from tests.parity.exclusions import EXCLUDED
from tests.parity.oracle import TOLERANCES, flat, weights
from tests.parity.translation import leaves, mine, mine_function, precise, theirs

torch = pytest.importorskip("torch")
common = pytest.importorskip("torch.testing._internal.common_methods_invocations")
common_device_type = pytest.importorskip("torch.testing._internal.common_device_type")

INFOS: dict[str, Any] = {info.full_name: info for info in common.op_db}
MOST = 400  # samples of an operation
SECOND = 5  # samples of an operation whose second gradients are compared
TOGETHER = 250  # recorded operations after which samples are computed, as one program

# Operations whose values mean nothing: only shape and type are compared.
UNINITIALIZED = {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"}
# Operations whose results are known up to signs, phases or order only: compared as PyTorch's gradient tests make them
# unique (``output_process_fn_grad``).
AMBIGUOUS = {
    "linalg.eig",
    "linalg.eigh",
    "linalg.svd",
    "svd",
    "svd_lowrank",
    "pca_lowrank",
}
# PyTorch computes these gradients in the forward pass, and takes them for constants afterwards: their own are zero.
CONSTANT_GRADIENTS = {"nn.functional.linear_cross_entropy.chunked", "nn.functional.linear_cross_entropy.chunked_none"}


class Case(NamedTuple):
    """One sample of one operation."""

    info: Any
    number: int
    sample: Any

    @property
    def values(self) -> tuple[Any, Any, Any]:
        """Input, arguments, and arguments by name."""
        return self.sample.input, self.sample.args, self.sample.kwargs


class Outcome(NamedTuple):
    """What a library makes of a sample.

    Attributes:
        results: what the operation returns.
        unique: the same, as gradients are taken of it.
        gradients: of the inputs.
        seconds: gradients of the gradients.
        error: class and text of what it raised.
    """

    results: Sequence[Any] = ()
    unique: Sequence[Any] = ()
    gradients: Sequence[Any] = ()
    seconds: Sequence[Any] = ()
    error: tuple[str, str] | None = None

    def nodes(self) -> list[Any]:
        """Everything of Flambeau's that has to be computed."""
        everything = [*self.results, *self.unique, *self.gradients, *self.seconds]
        return [item.read() for item in everything if isinstance(item, flambeau.Tensor)]


def kind_of(info: Any) -> Any:
    """The data type of the samples: ``float32`` where the operation has it, its first by name otherwise."""
    return torch.float32 if torch.float32 in info.dtypes else min(info.dtypes, key=str, default=None)


def cases(info: Any, most: int = MOST) -> list[Case]:
    """The first samples of an operation."""
    kind = kind_of(info)
    if kind is None:
        return []
    torch.manual_seed(0)
    np.random.seed(0)  # PyTorch's samples use it
    grad = info.supports_autograd and kind.is_floating_point
    samples = itertools.islice(info.sample_inputs("cpu", kind, requires_grad=grad), most)
    return [Case(info, number, sample) for number, sample in enumerate(samples)]


# -- running ---------------------------------------------------------------------------------------------------------


def run(library: Any, case: Case, values: Any, *, grad: bool = True, twice: bool = True) -> Outcome:
    """What a library makes of a sample, or the error it raises."""
    change = mine_function if library is flambeau else (lambda function: function)
    try:
        function = change(case.info.op)
        process = change(case.sample.output_process_fn_grad)
        library.manual_seed(0)
        first, args, kwargs = values
        results = flat(function(first, *args, **kwargs))
        unique = flat(process(results[0] if len(results) == 1 else tuple(results)))
        if not grad or not case.info.supports_autograd:
            return Outcome(results, unique)
        twice = twice and case.info.supports_gradgrad and case.number < SECOND
        return Outcome(results, unique, *_gradients(library, list(leaves(values)), unique, twice))
    except Exception as error:  # noqa: BLE001  (any error is an outcome)
        return Outcome(error=(type(error).__name__, re.sub(r"\n\tFix: .*", "", str(error))))


def _gradients(library: Any, inputs: list[Any], roots: Sequence[Any], twice: bool) -> tuple[list[Any], list[Any]]:
    """Gradients of a weighted sum, and of a weighted sum of those."""
    first = _derived(library, inputs, roots, twice)
    return first, _derived(library, inputs, first, False) if twice else []


def _derived(library: Any, inputs: list[Any], roots: Sequence[Any], again: bool) -> list[Any]:
    roots = [item for item in roots if getattr(item, "requires_grad", False)]
    if not roots or not inputs:
        return []
    terms = [(item * weights(library, item)).sum() for item in roots]
    total: Any = sum(term.real + term.imag if term.is_complex() else term for term in terms)
    return list(library.autograd.grad(total, inputs, allow_unused=True, create_graph=again))


def problems(batch: Sequence[Case]) -> Iterator[tuple[Case, tuple[str, str] | None]]:
    """Each case with what is wrong: a reason and a text; None where nothing is."""
    waiting: list[tuple[Case, Outcome]] = []
    for case in batch:
        waiting.append((case, run(flambeau, case, mine(case.values))))
        if len(PENDING) >= TOGETHER:
            yield from _judged(waiting)
            waiting = []
    yield from _judged(waiting)


def _judged(waiting: Sequence[tuple[Case, Outcome]]) -> Iterator[tuple[Case, tuple[str, str] | None]]:
    """Compute what was recorded, all together if that works, and compare."""
    together = _computed([node for _, outcome in waiting for node in outcome.nodes()]) is None
    for case, outcome in waiting:
        if not together:
            outcome = run(flambeau, case, mine(case.values))
            error = _computed(outcome.nodes())
            outcome = outcome if error is None else Outcome(error=(type(error).__name__, str(error)))
        yield case, _problem(case, outcome)


def _computed(nodes: list[Any]) -> Exception | None:
    """Compute nodes as one program; returns the error where there is one."""
    try:
        force(nodes)
    except Exception as error:  # noqa: BLE001  (whose it is shows when each sample is computed by itself)
        PENDING.clear()
        return error
    return None


# -- comparing -------------------------------------------------------------------------------------------------------


def _problem(case: Case, found: Outcome) -> tuple[str, str] | None:
    """The first thing that differs from PyTorch, by reason."""
    expected = run(torch, case, theirs(case.values))
    if expected.error is not None and expected.error[1].startswith("derivative for"):  # of second gradients
        expected = run(torch, case, theirs(case.values), twice=False)
        found = found._replace(seconds=())
    if case.info.full_name in CONSTANT_GRADIENTS:
        expected, found = expected._replace(seconds=()), found._replace(seconds=())
    if found.error is not None or expected.error is not None:
        return _other_error(found.error, expected.error)
    exact: list[Outcome] = []

    def more_precise(part: str) -> Sequence[Any]:
        if not exact:
            exact.append(run(torch, case, precise(case.values)))
        return getattr(exact[0], part)

    limits = tolerances(case.info)
    loose = case.info.name in UNINITIALIZED or _is_random(case, expected)
    values = "unique" if case.info.name in AMBIGUOUS else "results"
    wrong = differing(getattr(found, values), getattr(expected, values), limits, loose, lambda: more_precise(values))
    if values == "unique":
        wrong = wrong or differing(found.results, expected.results, limits, True, tuple)
    if wrong is not None or loose:
        return wrong
    for part in ("gradients", "seconds"):
        pair = _filled(getattr(found, part), getattr(expected, part), part)
        wrong = differing(*pair, limits, False, partial(more_precise, part))
        if wrong is not None and not (wrong[0] == "value" and _exactly_right(case, found, expected, part)):
            return f"{part.removesuffix('s')}: {wrong[0]}", wrong[1]
    return None


def _filled(found: Sequence[Any], expected: Sequence[Any], part: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Gradients with zeros where PyTorch has none (None) since nothing depends on the input; not the other way."""
    if part != "seconds" and len(found) != len(expected):
        return found, expected
    count = max(len(found), len(expected))
    pairs = list(
        zip([*found] + [None] * (count - len(found)), [*expected] + [None] * (count - len(expected)), strict=True)
    )
    return (
        [
            torch.zeros_like(other) if own is None and other is not None and part == "seconds" else own
            for own, other in pairs
        ],
        [_zeros(own) if other is None and own is not None else other for own, other in pairs],
    )


def _zeros(own: Any) -> Any:
    """PyTorch's zeros of the shape and type of a tensor of Flambeau's."""
    return torch.zeros(tuple(own.shape), dtype=getattr(torch, str(own.dtype).removeprefix("torch.")))


def _exactly_right(case: Case, found: Outcome, expected: Outcome, part: str) -> bool:
    """Whether gradients that are nearly equal are equal in 64 bits, in which PyTorch's own tests of gradients run."""
    near = (1e-3, 1e-3)
    if (
        differing(
            *_filled(getattr(found, part), getattr(expected, part), part), near, False, lambda: getattr(expected, part)
        )
        is not None
    ):
        return False
    twice = part == "seconds"
    own = run(flambeau, case, mine(precise(case.values)), twice=twice)
    other = run(torch, case, precise(case.values), twice=twice)
    if own.error or other.error or _computed(own.nodes()) is not None:
        return False
    return (
        differing(*_filled(getattr(own, part), getattr(other, part), part), None, False, lambda: getattr(other, part))
        is None
    )


def _other_error(found: tuple[str, str] | None, expected: tuple[str, str] | None) -> tuple[str, str] | None:
    """What is wrong where one of the libraries raises."""
    if found == expected:
        return None
    text = f"{found}, expected {expected}"
    if found is None:
        return "no error", text
    if expected is not None:
        return "error text" if found[0] == expected[0] else "error class", text
    if found[0] == "AttributeError" and "has no attribute" in found[1]:
        return "missing name", found[1]
    if found[0] == "NotImplementedError":
        return "not implemented", found[1]
    return "error", f"{found[0]}: {found[1]}"


def _is_random(case: Case, first: Outcome) -> bool:
    """Whether PyTorch's result depends on the seed."""
    seeded = torch.manual_seed
    with mock.patch.object(torch, "manual_seed", lambda seed: seeded(seed + 1)):  # some operations seed by themselves
        second = run(torch, case, theirs(case.values), grad=False)
    return any(
        isinstance(one, torch.Tensor) and not torch.equal(one.detach().nan_to_num(), other.detach().nan_to_num())
        for one, other in zip(first.results, second.results, strict=True)
        if getattr(one, "layout", None) is torch.strided
    )


def differing(
    found: Sequence[Any], expected: Sequence[Any], limits: tuple[float, float] | None, loose: bool, exact: Any
) -> tuple[str, str] | None:
    """What differs between results: their number, a shape, a data type, or a value beyond the tolerance.

    A value beyond it may still be at least as near to PyTorch's result in 64 bits as PyTorch's own, which is the rule
    of PyTorch's test of its references.
    """
    if len(found) != len(expected):
        return "count", f"{len(found)} results, expected {len(expected)}"
    for index, (own, other) in enumerate(zip(found, expected, strict=True)):
        if not isinstance(other, torch.Tensor):
            if not loose and not _equal(own, other):
                return "value", f"{own!r}, expected {other!r}"
            continue
        if own is None:
            return "value", "None, expected a tensor"
        if tuple(own.shape) != tuple(other.shape):
            return "shape", f"{tuple(own.shape)}, expected {tuple(other.shape)}"
        if str(own.dtype) != str(other.dtype):
            return "dtype", f"{own.dtype}, expected {other.dtype}"
        if not loose and not _near(own, other, limits, lambda: _item(exact(), index)):  # noqa: B023
            return "value", f"result {index}: {_excerpt(_numbers(own), _numbers(other))}"
    return None


def _item(items: Sequence[Any], index: int) -> Any:
    return items[index] if index < len(items) else None


def _equal(own: Any, other: Any) -> bool:
    """Whether two values that are no tensors are the same."""
    if isinstance(other, (float, complex)):
        return bool(np.allclose(own, other, 1.3e-6, 1e-5, equal_nan=True))
    return own == mine(other)


def _near(own: Any, other: Any, limits: tuple[float, float] | None, exact: Any) -> bool:
    """Whether a tensor is within tolerance, or as good as PyTorch's by its result in 64 bits."""
    rtol, atol = TOLERANCES.get(str(other.dtype).removeprefix("torch."), (1.3e-6, 1e-5))
    if limits is not None:
        rtol, atol = max(rtol, limits[0]), max(atol, limits[1])
    mine_, theirs_ = _numbers(own), _numbers(other)
    if np.allclose(mine_, theirs_, rtol, atol, equal_nan=True):
        return True
    if not (other.is_floating_point() or other.is_complex()):
        return False
    best = exact()
    if not isinstance(best, torch.Tensor) or best.shape != other.shape:
        return False
    best = _numbers(best)
    if not all(np.array_equal(np.isfinite(best), np.isfinite(item)) for item in (mine_, theirs_)):
        return False
    keep = np.isfinite(best)
    distances = [np.abs(item[keep] - best[keep]).sum() for item in (mine_, theirs_)]
    return bool(distances[0] <= distances[1])


def _numbers(value: Any) -> Any:
    """A tensor's elements as 64-bit numbers."""
    value = value.detach()
    if isinstance(value, flambeau.Tensor):
        return value.host().astype(np.complex128 if value.is_complex() else np.float64)
    return (
        value.to_dense()
        .to(torch.complex128 if value.is_complex() else torch.float64)
        .resolve_conj()
        .resolve_neg()
        .numpy()
    )


def _excerpt(found: Any, expected: Any) -> str:
    """The place where two arrays differ most."""
    difference = np.array(np.abs(found - expected))
    difference[np.isnan(found) & np.isnan(expected)] = 0
    place = np.unravel_index(np.argmax(np.where(np.isnan(difference), np.inf, difference)), found.shape)
    return f"{found[place]} at {tuple(map(int, place))} of {found.shape}, expected {expected[place]}"


def tolerances(info: Any) -> tuple[float, float] | None:
    """PyTorch's own tolerances for the operation, where wider than those of the data type."""
    rtol = atol = 0.0
    for decorator in info.decorators:
        place, test = getattr(decorator, "device_type", None), getattr(decorator, "cls_name", None)
        if place not in {None, "cpu"} and (place, test) != ("cuda", "TestCommon"):
            continue
        for item in getattr(decorator, "decorators", [decorator]):
            if isinstance(item, common_device_type.toleranceOverride) and kind_of(info) in item.d:
                limit = item.d[kind_of(info)]
                rtol, atol = max(rtol, limit.rtol), max(atol, limit.atol)
    return (rtol, atol) if rtol or atol else None


# -- error inputs ----------------------------------------------------------------------------------------------------


def error_cases(info: Any) -> list[Case]:
    """The inputs that PyTorch refuses."""
    if info.error_inputs_func is None:
        return []
    torch.manual_seed(0)
    return [Case(info, number, entry.sample_input) for number, entry in enumerate(info.error_inputs("cpu"))]


def error_problem(case: Case) -> tuple[str, str] | None:
    """What differs in class or text from PyTorch's error."""
    expected = run(torch, case, theirs(case.values), grad=False)
    try:
        values = mine(case.values)
    except Exception as error:  # noqa: BLE001  (what cannot be given to Flambeau is a difference)
        return "error", f"{type(error).__name__}: {error}"
    return _other_error(run(flambeau, case, values, grad=False).error, expected.error)


def examine(info: Any, most: int = MOST, errors: bool = True) -> dict[str, Any]:
    """Everything that is asked of one operation, as it stands in the file of results."""
    found: dict[str, Any] = {"name": info.name, "samples": 0, "errors": 0, "failures": [], "error_failures": []}
    if info.full_name in EXCLUDED or info.name in EXCLUDED:
        found["excluded"] = EXCLUDED.get(info.full_name) or EXCLUDED[info.name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = cases(info, most)
        found["samples"] = len(batch)
        if "excluded" in found:
            return found
        found["failures"] = [[case.number, *wrong] for case, wrong in problems(batch) if wrong is not None]
        refused = error_cases(info) if errors else []
        found["errors"] = len(refused)
        wrongs = [(case.number, error_problem(case)) for case in refused]
        found["error_failures"] = [[number, *wrong] for number, wrong in wrongs if wrong is not None]
    return found


# -- the whole sweep -------------------------------------------------------------------------------------------------

RESULTS = Path("build/parity/op_db.json")


def chosen(names: Sequence[str], first: int, last: int | None) -> list[Any]:
    """The operations with these names, or with these numbers in PyTorch's order."""
    infos = list(INFOS.values())[first:last]
    return [info for info in INFOS.values() if {info.name, info.full_name} & set(names)] if names else infos


def main() -> None:
    """Examine, merge the results into the file, and print them."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity.op_db", description="PyTorch's op_db against Flambeau."
    )
    parser.add_argument("--names", default="", help="names of operations, separated by commas")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first operation")
    parser.add_argument("--to", dest="last", type=int, help="number after the last operation")
    parser.add_argument("--quick", action="store_true", help="three samples of an operation")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop before an operation after this time")
    parser.add_argument("--missing", action="store_true", help="only operations that the file has no results of")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results")
    given = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    infos = chosen(list(filter(None, given.names.split(","))), given.first, given.last)
    done: dict[str, Any] = {}
    for info in infos:
        if given.missing and info.full_name in results:
            continue
        if time.monotonic() - started > given.seconds:
            print(f"stopped before {info.full_name}, number {list(INFOS).index(info.full_name)}")
            break
        done[info.full_name] = results[info.full_name] = examine(info, 3 if given.quick else MOST)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results, indent=0))
        print(*listed(info.full_name, done[info.full_name]), sep="\n", end="", flush=True)
    print(counted(done))


def listed(name: str, found: dict[str, Any]) -> list[str]:
    """A line for each failure of an operation."""
    lines = [f"{name} [{number}] {reason}: {text[:250]}" for number, reason, text in found["failures"]]
    lines += [f"{name} (error {number}) {reason}: {text[:400]}" for number, reason, text in found["error_failures"]]
    return [*lines, ""]


def counted(results: dict[str, Any]) -> str:
    """How much passes, of results as they stand in the file."""
    tried = [found for found in results.values() if "excluded" not in found]
    samples = sum(found["samples"] for found in tried)
    failed = sum(len(found["failures"]) for found in tried)
    names = {found["name"] for found in tried}
    whole = names - {found["name"] for found in tried if found["failures"]}
    errors = sum(found["errors"] for found in tried)
    wrong = sum(len(found["error_failures"]) for found in tried)
    return (
        f"samples: {samples - failed} of {samples}; names: {len(whole)} of {len(names)}; "
        f"error inputs: {errors - wrong} of {errors}"
    )


if __name__ == "__main__":
    main()
