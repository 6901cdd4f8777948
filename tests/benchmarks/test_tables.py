"""Results become tables, and the tables of the page are those of the results."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A benchmark's file as a module; they find each other as scripts do, in their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)

    def loaded(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield loaded
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


def side(*values: float, rounds: int = 9) -> dict[str, float]:
    return {"low": values[0], "median": values[1], "high": values[2], "rounds": rounds}


RESULT: dict[str, Any] = {
    "question": "steps",
    "date": "2026-01-02T03:04:05+00:00",
    "machine": {"processor": "a chip", "cores": 2},
    "versions": {"flambeau": "0.1.0", "jax": "0.10.2", "torch": "2.13.0"},
    "settings": {"device": "cpu", "threads": 2, "quick": False, "kernels": "oneDNN"},
    "cases": [
        {"case": "net", "unit": "s", "agreed": True, "against": ["theirs"], "ratio": 1.5, "bar": 1.4, "met": True,
         "sides": {"ours": side(0.001, 0.002, 0.003), "theirs": side(0.0029, 0.003, 0.0031)}},
        {"case": "one", "unit": "s", "agreed": False, "limit": 5e-6, "met": False,
         "sides": {"ours": side(5e-6, 6e-6, 7e-6)}},
        {"case": "memory", "unit": "MB", "agreed": True, "sides": {"ours": side(1234, 1234, 1234, rounds=1)}},
    ],
}  # fmt: skip

TABLE = """\
`python benchmarks/steps.py`, 2026-01-02: a chip, 2 cores, 2 threads, cpu; Flambeau 0.1.0, JAX 0.10.2, PyTorch 2.13.0.

|  | ours | theirs | ratio | bar | met |
| --- | --- | --- | --- | --- | --- |
| net | 2.00 ms (1.00 to 3.00) | 3.00 ms (2.90 to 3.10) | 1.50 | 1.40 | yes |
| one | 6.00 us (5.00 to 7.00) |  |  | 5.00 us | **no** |
| memory | 1,234 MB |  |  |  |  |

Medians still moved by more than 5 % after the last round: one.
"""


def test_a_table_says_who_took_how_long_and_whether_that_is_enough(script: Any):
    assert script("tables").table(RESULT) == TABLE


def test_only_the_tables_between_markers_are_made_anew(script: Any):
    page = "a\n<!-- table: steps: memory -->\nold\n<!-- end -->\nb\n<!-- table: other -->\nkept\n<!-- end -->\n"
    found = script("tables").rewritten(page, {"steps": RESULT})
    assert "old" not in found
    assert "| memory | 1,234 MB |" in found
    assert "| net |" not in found
    assert found.startswith("a\n<!-- table: steps: memory -->\n")
    assert found.endswith("<!-- end -->\nb\n<!-- table: other -->\nkept\n<!-- end -->\n")
    assert script("tables").rewritten(found, {"steps": RESULT}) == found


def test_every_table_of_the_page_has_a_question(script: Any):
    questions = script("all").QUESTIONS
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    marked = {found[2].partition(".")[0] for found in script("tables")._MARKED.finditer(page)}
    assert "training_steps" in marked
    assert marked <= set(questions)


@pytest.mark.parametrize("name", ["training_steps", "recurrent_layers", "recording", "modules", "files", "startup"])
def test_every_question_can_be_asked(script: Any, name: str):
    assert callable(script(name).main)


def test_cases_of_a_gpu_work_in_small(script: Any):
    steps = script("training_steps")
    import flambeau

    for key in ("resnet50 inference", "gpt2"):
        case = steps.CASES[key]
        build, batch = case.smaller
        work = steps.stepper(flambeau, case._replace(build=build, batch=batch, precision="float32"), "cpu")
        assert work(1) == pytest.approx(work(1), rel=1)


def test_results_hold_what_was_measured(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["x", "--quick", "--results", str(tmp_path)])
    question = script("question").Question("small", "Does it run?")
    question.note("case", {"ours": [2.0, 1.0, 3.0], "theirs": [8.0, 4.0, 6.0]}, against=("theirs",), bar=2.5)
    question.note("alone", {"ours": [2.0]}, limit=1.0)
    question.finish()
    found = json.loads((tmp_path / "small.json").read_text(encoding="utf-8"))
    case, alone = found["cases"]
    assert case["sides"]["ours"] == {"low": 1.0, "median": 2.0, "high": 3.0, "rounds": 3}
    assert (case["ratio"], case["bar"], case["met"]) == (3.0, 2.5, True)
    assert (alone["limit"], alone["met"]) == (1.0, False)
    assert found["settings"]["quick"] is True


def test_measuring_goes_on_until_the_medians_agree(script: Any):
    timing = script("timing")
    clock = iter(range(100_000))
    times, agreed = timing.settled(
        {"a": lambda count: None, "b": lambda count: None}, block=1, clock=lambda: next(clock)
    )
    assert (agreed, len(times["a"]), len(times["b"])) == (True, 10, 10)
    moving = iter(1.3**index for index in range(10_000))
    total = [0.0]

    def slower() -> float:
        total[0] += next(moving)
        return total[0]

    times, agreed = timing.settled({"a": lambda count: None}, block=1e-9, most=15, clock=slower)
    assert (agreed, len(times["a"])) == (False, 15)
