"""The list of tests that are known to fail is well formed, names real tests, and is strict."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.expected_failures import read, unknown

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tests" / "xfails.txt"


def collected(*files: str) -> set[str]:
    """The tests in some files."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--full", *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stdout.splitlines())


def test_every_line_names_a_test() -> None:
    pytest.importorskip("torch")
    listed = read(LIST)
    files = sorted({test.partition("::")[0] for test in listed})
    assert [name for name in files if not (ROOT / name).is_file()] == []
    names = collected(*files)
    assert [test for test in listed if test not in names] == []


def test_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "xfails.txt"
    path.write_text("# a note\n\na.py::test[x | y] | not there yet\nb.py::test | slow\n", encoding="utf-8")
    assert read(path) == {"a.py::test[x | y]": "not there yet", "b.py::test": "slow"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.py::test\n", "xfails.txt:1: expected 'test id | reason', got 'a.py::test'"),
        ("a.py::test | \n", "xfails.txt:1: expected"),
        ("a.py::test | x\na.py::test | y\n", "xfails.txt:2: a.py::test is listed twice"),
    ],
)
def test_lines_that_are_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "xfails.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words.replace("|", r"\|")):
        read(path)


def test_tests_that_are_gone_are_found() -> None:
    listed = ["a.py::old", "a.py::new", "b.py::other"]
    assert unknown(listed, ["a.py::new", "a.py::more"]) == ["a.py::old"]


def test_a_listed_test_that_passes_fails_the_run(tmp_path: Path) -> None:
    for name in ("conftest.py", "expected_failures.py"):
        (tmp_path / "tests").mkdir(exist_ok=True)
        (tmp_path / "tests" / name).write_text((ROOT / "tests" / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "tests" / "test_it.py").write_text("def test_bad():\n    assert 0\n\ndef test_good():\n    pass\n")
    (tmp_path / "tests" / "xfails.txt").write_text("tests/test_it.py::test_bad | a\ntests/test_it.py::test_good | b\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = --import-mode=importlib\n")

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        return done.returncode, done.stdout + done.stderr

    code, text = run("tests")
    assert (code, "[XPASS(strict)] b" in text, "1 failed, 1 xfailed" in text) == (1, True, True)
    (tmp_path / "tests" / "xfails.txt").write_text("tests/test_it.py::test_bad | a\ntests/test_it.py::test_none | b\n")
    code, text = run("tests")
    assert (code, "names tests that do not exist: tests/test_it.py::test_none" in text) == (4, True)
