#!/usr/bin/env python3
"""Fail when a file or a function has outgrown its readers.

A file holds one noun and stays within `FILE_LIMIT` lines, everything counted. A function holds one verb and stays
within `FUNCTION_LIMIT` lines from its `def` to its end, without the lines of its docstring: a public docstring carries
the formula, the shapes and an example, and should not have to be cut short to make room for code.

    python scripts/sizes.py          # this repository
    python scripts/sizes.py FOLDER   # another tree with the same layout
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LIMIT = 600
FUNCTION_LIMIT = 60
FOLDERS = ("src", "tests", "scripts", "examples", "benchmarks")
SUFFIXES = (".py", ".pyi", ".sh", ".cc", ".cpp", ".h")


def source_files(root: Path) -> Iterator[Path]:
    """Yield the source files of a tree in a stable order."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and (path.suffix in SUFFIXES or is_script(path)):
                yield path


def is_script(path: Path) -> bool:
    """Tell whether a file without a suffix is a script, by its first two bytes."""
    if path.suffix:
        return False
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines that a function's docstring takes."""
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None or first.end_lineno is None:
        return 0
    return first.end_lineno - first.lineno + 1


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines from its `def` to its end, without its docstring."""
    end = function.end_lineno if function.end_lineno is not None else function.lineno
    return end - function.lineno + 1 - docstring_lines(function)


def complaints(path: Path, name: str) -> Iterator[str]:
    """Yield one line for each thing in a file that is too long."""
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    if lines > FILE_LIMIT:
        yield f"{name}:1: the file has {lines} lines, the limit is {FILE_LIMIT}: give each noun its own file"
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(text, filename=name)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (length := function_lines(node)) > FUNCTION_LIMIT:
            yield (
                f"{name}:{node.lineno}: function {node.name} has {length} lines, the limit is {FUNCTION_LIMIT}"
                " without its docstring: give each verb its own function"
            )


def main(arguments: list[str]) -> int:
    """Print every complaint about a tree; return 1 when there is one."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    found = 0
    for path in source_files(root):
        for complaint in complaints(path, path.relative_to(root).as_posix()):
            print(complaint)
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
