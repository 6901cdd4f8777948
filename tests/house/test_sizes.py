"""scripts/sizes.py sees what is too long, and nothing else."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "sizes.py"


def complaints(root: Path, files: dict[str, str]) -> tuple[int, list[str]]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def function(body_lines: int, docstring_lines: int = 0, keyword: str = "def") -> str:
    docstring = ['    """What.'] + ["    More."] * (docstring_lines - 2) + ['    """'] if docstring_lines else []
    return "\n".join([f"{keyword} work():", *docstring, *["    work()"] * body_lines]) + "\n"


def test_a_long_file_is_named(tmp_path: Path):
    code, lines = complaints(tmp_path, {"src/room/long.py": "x = 1\n" * 601, "src/room/short.py": "x = 1\n" * 600})
    assert code == 1
    assert lines == ["src/room/long.py:1: the file has 601 lines, the limit is 600: give each noun its own file"]


def test_a_long_function_is_named(tmp_path: Path):
    files = {"tests/test_long.py": "import this\n\n\n" + function(60), "tests/test_short.py": function(59)}
    code, lines = complaints(tmp_path, files)
    assert code == 1
    assert lines == [
        "tests/test_long.py:4: function work has 61 lines, the limit is 60 without its docstring:"
        " give each verb its own function"
    ]


def test_docstring_lines_are_free(tmp_path: Path):
    assert complaints(tmp_path, {"src/documented.py": function(59, docstring_lines=30)}) == (0, [])


def test_every_kind_of_function_and_folder_is_seen(tmp_path: Path):
    methods = "class Noun:\n" + "".join(f"    {line}\n" for line in function(60).splitlines())
    files = {
        "scripts/method.py": methods,
        "examples/coroutine.py": function(60, keyword="async def"),
        "benchmarks/kernel.cpp": "\n" * 601,
        "scripts/work": "#!/usr/bin/env bash\n" * 601,
        "elsewhere/long.py": "\n" * 601,
    }
    code, lines = complaints(tmp_path, files)
    assert code == 1
    assert [line.split(":")[0] for line in lines] == [
        "scripts/method.py",
        "scripts/work",
        "examples/coroutine.py",
        "benchmarks/kernel.cpp",
    ]


def test_this_repository_passes():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
