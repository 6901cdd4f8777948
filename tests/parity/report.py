"""docs/parity.md: how much of PyTorch is here, counted by PyTorch's own databases.

python -m tests.parity.op_db --missing [--seconds N]     again and again until nothing is missing
python -m tests.parity.module_db --missing [--seconds N] likewise
scripts/test tests/parity/test_optim_db.py tests/parity/test_schedulers.py --junitxml build/parity/optim_db.xml
python -m tests.parity.report                            write docs/parity.md from what those wrote

python -m tests.parity.op_db --quick --out build/parity/quick.json
python -m tests.parity.report --xfails build/parity/quick.json     lines for tests/xfails.txt, to be given reasons
"""

import collections
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.parity.exclusions import ERRORS, EXCLUDED
from tests.parity.names import areas

RESULTS = Path("build/parity")
TARGET = Path("docs/parity.md")
_SHORT = 120  # letters of a failure's text that are shown

_ABOUT = """# How much of PyTorch is here

Counted against PyTorch 2.13 on the CPU. `torch.testing._internal` has databases of inputs with which PyTorch examines
itself; the same inputs are given to both libraries, and everything is compared: values, shapes, data types, gradients,
second gradients, and the classes and texts of errors. Written by `python -m tests.parity.report`, which says how.
"""

_RULES = """
## What counts as equal

- values and gradients within PyTorch's tolerances (float32: 1.3e-6 relative, 1e-5 absolute, or the operation's own
  where its `OpInfo` has wider ones), or at least as near to PyTorch's result in float64 as PyTorch's own in float32;
- gradients also if they are equal in float64, in which PyTorch tests its own, and near (1e-3) in float32;
- a gradient that PyTorch leaves out (None) may be a tensor of zeros here;
- random results by shape and data type, and where the generator is followed by value, in the tests of random numbers;
- factorizations known up to a sign or phase (`svd`, `eig`, ...) as PyTorch's own gradient tests make them unique;
- the second gradients of the first five samples of an operation.
"""


def main() -> None:
    """Write the page; or print the lines of tests/xfails.txt for a file of results of ``op_db --quick``."""
    if sys.argv[1:2] == ["--xfails"]:
        for name, found in json.loads(Path(sys.argv[2]).read_text()).items():
            if found["failures"] and "excluded" not in found:
                print(f"tests/parity/test_op_db.py::test_operation[{name}] | {_first(found['failures'])}")
        return
    parts = [_ABOUT, _names(), *_databases(), _RULES.strip() + "\n", _left_out()]
    TARGET.write_text("\n".join(parts), encoding="utf-8")


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([str(item).replace("|", "\\|") for item in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _names() -> str:
    found = areas()
    rows = [
        (area.title, len(area.names), area.present, len(area.excluded), ", ".join(f"`{name}`" for name in area.missing))
        for area in found
    ]
    total = ("all", *(sum(numbers) for numbers in zip(*[row[1:4] for row in rows], strict=True)), "")
    return "## Names\n\n" + _table(("area", "names", "here", "left out by name", "missing"), [*rows, total])


def _databases() -> list[str]:
    """A section for each database; one that was not examined here stays as the page has it."""
    page = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    parts: list[str] = []
    for heading, file, write in (
        (_MODULES, "module_db.json", _modules),
        (_OPTIMIZERS, "optim_db.xml", _optimizers),
        (_OPERATIONS, "op_db.json", _operations),
    ):
        path = RESULTS / file
        section = write(path) if path.exists() else _kept(page, heading)
        print(f"{heading.strip('# ')}: {'' if path.exists() else 'as it was, for want of '}{path}")
        if section:
            parts.append(section)
    return parts


_MODULES = "## Layers: `module_db`"
_OPTIMIZERS = "## Optimizers and schedulers: `optim_db`"
_OPERATIONS = "## Operations: `op_db`"


def _kept(page: str, heading: str) -> str:
    """A section of the page as it stands there."""
    _, found, rest = page.partition(f"{heading}\n")
    section = rest.partition("\n## ")[0].rstrip()
    return f"{heading}\n{section}\n" if found else ""


def _modules(path: Path) -> str:
    results: dict[str, Any] = json.loads(path.read_text())
    aspects: collections.Counter[str] = collections.Counter()
    for found in results.values():
        aspects.update(aspect for _, _, aspect, _ in found["failures"])
    inputs = sum(found["inputs"] for found in results.values())
    bad = sum(len({(training, number) for training, number, _, _ in found["failures"]}) for found in results.values())
    whole = sum(not found["failures"] for found in results.values())
    rows: list[tuple[Any, ...]] = [
        ("inputs that pass everything", inputs - bad, inputs),
        ("classes whose inputs all pass", whole, len(results)),
        *((f"inputs that pass: {aspect}", inputs - aspects[aspect], inputs) for aspect in _ASPECTS),
    ]
    failed = [
        f"- `{name}`, input {number}, training={training}, {aspect}: {text[:_SHORT]}"
        for name, found in results.items()
        for training, number, aspect, text in found["failures"]
    ]
    return "\n".join([_MODULES, "", _table(("what", "passing", "of"), rows), *failed, ""])


_ASPECTS = ("state", "copies", "conversion", "factory", "forward")


def _optimizers(path: Path) -> str:
    """Passed tests by function, of a report in JUnit's format; expected failures count as failures."""
    passed: collections.Counter[str] = collections.Counter()
    tried: collections.Counter[str] = collections.Counter()
    for case in ElementTree.parse(path).iter("testcase"):
        name = re.sub(r"\[.*", "", case.get("name", ""), flags=re.DOTALL)
        key = f"{case.get('classname', '').rpartition('.')[2]}: {name}"
        tried[key] += 1
        passed[key] += not len(case)
    rows = [(key, passed[key], count) for key, count in tried.items()]
    return f"{_OPTIMIZERS}\n\n" + _table(("tests", "passing", "of"), rows)


def _operations(path: Path) -> str:
    results: dict[str, Any] = json.loads(path.read_text())
    spaces = sorted({_space(found["name"]) for found in results.values()})
    rows = [_counted(space, [item for item in results.values() if _space(item["name"]) == space]) for space in spaces]
    rows.append(_counted("all", list(results.values())))
    head = (
        "names in",
        "names passing",
        "names tried",
        "left out",
        "samples passing",
        "samples tried",
        "errors equal",
        "errors",
    )
    reasons = collections.Counter(
        reason for found in results.values() for _, reason, _ in found["failures"] if "excluded" not in found
    )
    lines = [_OPERATIONS, "", _table(head, rows)]
    if reasons:
        lines += ["Samples that fail, by reason:", "", _table(("reason", "samples"), reasons.most_common())]
    lines += ["Operations with a sample that fails, and the first one:", ""]
    lines += [
        f"- `{name}`: {len(found['failures'])} of {found['samples']}; {_first(found['failures'])}"
        for name, found in results.items()
        if found["failures"] and "excluded" not in found
    ]
    return "\n".join([*lines, ""])


def _first(failures: list[Any]) -> str:
    _, reason, text = failures[0]
    return f"{reason}: {' '.join(text.split())[:_SHORT]}"


def _space(name: str) -> str:
    """The namespace of an operation."""
    room = name.rpartition(".")[0]
    return room if room and not room.startswith("torch") else "torch"


def _counted(title: str, found: list[dict[str, Any]]) -> tuple[Any, ...]:
    """A row of the table of operations."""
    tried = [item for item in found if "excluded" not in item]
    names = {item["name"] for item in tried}
    left = {item["name"] for item in found} - names
    whole = names - {item["name"] for item in tried if item["failures"]}
    samples, errors = (sum(item[key] for item in tried) for key in ("samples", "errors"))
    failed, wrong = (sum(len(item[key]) for item in tried) for key in ("failures", "error_failures"))
    return title, len(whole), len(names), len(left), samples - failed, samples, errors - wrong, errors


def _left_out() -> str:
    rows = [(f"`{name}`", reason) for name, reason in EXCLUDED.items()]
    reasons = collections.defaultdict(list[str])
    for (name, number), reason in ERRORS.items():
        reasons[reason].append(f"`{name}` {number}")
    errors = [(reason, ", ".join(names)) for reason, names in reasons.items()]
    return "\n".join(
        [
            "## Errors that differ, by number\n",
            _table(("reason", "error inputs"), errors),
            "## Operations left out by name\n",
            _table(("operation", "reason"), rows),
        ]
    )


if __name__ == "__main__":
    main()
