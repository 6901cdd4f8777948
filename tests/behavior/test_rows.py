"""The numbered behaviors of PyTorch's module system that users' articles describe, as PyTorch 2.13 really behaves.

Each has one test, ``test_row_NUMBER_...``, that runs with both libraries; this file counts them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.behavior.differences import DIFFERENT

FOLDER = Path(__file__).parent
ROWS = range(1, 130)


def rows() -> Iterator[tuple[int, ast.FunctionDef]]:
    """The rows' numbers and tests."""
    for path in sorted(FOLDER.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and (found := re.fullmatch(r"test_row_(\d{3})_\w+", node.name)):
                yield int(found[1]), node


def test_every_row_has_one_test_that_takes_a_library() -> None:
    assert sorted(number for number, _ in rows()) == list(ROWS)
    assert [node.name for _, node in rows() if node.args.args[0].arg != "torch"] == []


def test_the_table_of_differences_is_exactly_what_the_tests_say() -> None:
    asked = {
        (number, ast.literal_eval(call.args[1]))
        for number, node in rows()
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "differs"
    }
    assert asked == {(number, number) for number in DIFFERENT}
