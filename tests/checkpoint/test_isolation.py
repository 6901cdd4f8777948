"""The reader stands alone: what it imports, and what a file cannot make it do."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flambeau import checkpoint
from tests.checkpoint.crafting import SIX, call, pickled, tensor, text
from tests.checkpoint.crafting import checkpoint as crafted

ROOM = Path(checkpoint.__file__).parent
FILES = sorted(ROOM.glob("*.py"))
PERMITTED = set(
    "argparse codecs collections contextlib dataclasses datetime decimal errno flambeau fractions functools io "
    "itertools json math ml_dtypes mmap numpy os pathlib stat struct sys threading types typing uuid zlib".split()
)
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "setattr", "delattr", "globals", "locals"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports_and_calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= PERMITTED
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert (node.module or "").partition(".")[0] in PERMITTED
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS
            if node.func.id in ("getattr", "hasattr"):
                assert isinstance(node.args[1], ast.Constant), "an attribute's name is written here, not computed"


SCRIPT = """
import sys
events = []
watched = ("import", "exec", "compile", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect")
from flambeau.checkpoint import read
before = set(sys.modules)

def watch(event, arguments):
    if event in watched or event == "open" and arguments[0] != sys.argv[1]:
        events.append((event, arguments))

sys.addaudithook(watch)
outcome = "loaded"
try:
    loaded = read(sys.argv[1])
    for storage in loaded.storages.values():
        storage.load()
except Exception as error:
    outcome = type(error).__name__
watched = ()
print(outcome, events, sorted(set(sys.modules) - before))
print(sorted({"jax", "jaxlib", "torch"} & {name.partition(".")[0] for name in sys.modules}))
rooms = {name.split(".")[1] for name in sys.modules if name.startswith("flambeau.")}
print(sorted(room for room in rooms - {"base", "checkpoint", "version"} if not room.startswith("_")))
"""


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (tensor(), "loaded"),
        (call("os.system", text("touch harm")), "DisallowedGlobal"),
        (call("this.is.not.a.module.anywhere", text("x")), "DisallowedGlobal"),
    ],
    ids=["a tensor", "a command", "an import"],
)
def test_reading_imports_opens_and_starts_nothing(tmp_path, body, outcome):
    path = tmp_path / "a.pt"
    path.write_bytes(crafted(pickled(body), {"0": SIX}))
    environment = {**os.environ, "PYTHONPATH": str(ROOM.parents[1])}
    command = [sys.executable, "-c", SCRIPT, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.stdout.splitlines() == [f"{outcome} [] []", "[]", "[]"], done.stderr
    assert os.listdir(tmp_path) == ["a.pt"]
