"""Files made to do harm do none, in any mode: each is refused by name, or becomes a record that does nothing."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from flambeau.base.errors import DisallowedGlobal, LoadError
from flambeau.checkpoint import read, scan
from tests.checkpoint.crafting import checkpoint, pickled
from tests.checkpoint.payloads import CALLS, FORMS, MARKER, PAYLOADS

ROOT = Path(__file__).parents[2]

# Reads every payload with every option, under Python's own watch; says what came of each, and what was seen.
SCRIPT = """
import io, json, sys
import flambeau as torch
from flambeau.base.errors import LoadError
from flambeau.checkpoint import read
from tests.checkpoint.crafting import checkpoint, pickled
from tests.checkpoint.payloads import PAYLOADS

# What reading does itself: identities, frames of warnings, and nothing else.
IGNORED = {"builtins.id", "sys._getframe", "object.__setattr__", "object.__delattr__"}
seen, watching = [], False

def watch(event, arguments):
    if watching and event not in IGNORED:
        seen.append((event, repr(arguments)[:200]))

def attempts(content):
    for unknown in ("error", "record"):
        yield f"read {unknown}", lambda: read(content, unknown=unknown).obj
        for weights_only in (True, False):
            file = io.BytesIO(content)
            yield f"load {unknown} {weights_only}", lambda: torch.load(file, unknown=unknown, weights_only=weights_only)

def outcome(attempt):
    try:
        return "loaded", type(attempt()).__module__.partition(".")[0]
    except LoadError as error:
        return "refused", str(error)
    except BaseException as error:
        return "leaked", repr(error)

layer = io.BytesIO()
torch.save([torch.nn.Linear(2, 2), torch.ones(2)], layer)
for _, attempt in attempts(layer.getvalue()):
    outcome(attempt)
sys.addaudithook(watch)
results = []
for name, body in PAYLOADS.items():
    content = checkpoint(pickled(body))
    for how, attempt in attempts(content):
        watching = True
        result = outcome(attempt)
        watching = False
        results.append((name, how, *result))
        if seen:
            results.append((name, how, "seen", str(seen)))
            seen.clear()
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    folder = tmp_path_factory.mktemp("payloads")
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    assert os.listdir(folder) == []
    lines = done.stdout.splitlines()
    assert len(lines) == 1, "a payload has printed something"
    return json.loads(lines[0])


def test_there_are_many() -> None:
    assert len(CALLS) >= 100
    assert len(FORMS) >= 60


def test_they_would_do_harm() -> None:
    """The payloads are no duds: Python's own pickle runs the plainest of them."""
    command = [sys.executable, "-c", "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"]
    payload = pickled(FORMS["OBJ"]).replace(b"touch", b"echo ")
    done = subprocess.run(command, input=payload, capture_output=True, check=False)
    assert done.stdout.decode().strip() == MARKER
    assert pickle.loads(pickled(PAYLOADS["builtins.type"])).__name__ == "X"


def test_nothing_runs(results: list[list[str]]) -> None:
    assert [row for row in results if row[2] == "seen"] == []


def test_every_refusal_is_ours(results: list[list[str]]) -> None:
    assert [row for row in results if row[2] == "leaked"] == []
    assert len([row for row in results if row[2] != "seen"]) == 6 * len(PAYLOADS)
    for name, _, kind, text in results:
        if kind == "refused":
            assert "<bytes>" in text or "<file>" in text, (name, text)
            assert len(text) < 1_000, name


def test_by_default_nothing_gets_through(results: list[list[str]]) -> None:
    through = {name for name, how, kind, _ in results if kind == "loaded" and " error" in how}
    assert through == set()


def test_as_records_everything_stays_inert(results: list[list[str]]) -> None:
    homes = {text for _, how, kind, text in results if kind == "loaded"}
    assert homes <= {"flambeau", "builtins", "collections", "argparse"}


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_modes_agree(name: str, weights_only: bool, results: list[list[str]]) -> None:
    found = {how: kind for found, how, kind, _ in results if found == name}
    assert found[f"load error {weights_only}"] == found["read error"] == "refused"


KNOWN = {"numpy.core.multiarray._reconstruct", "torch.storage._load_from_bytes", "flambeau.nn.modules.module.Module"}


@pytest.mark.parametrize("name", sorted(set(CALLS) - KNOWN))
def test_each_is_refused_by_its_name_and_recorded_by_its_name(name: str) -> None:
    content = checkpoint(pickled(PAYLOADS[name]))
    with pytest.raises(DisallowedGlobal, match=r"Weights only load failed\. .*GLOBAL ") as caught:
        read(content)
    record = read(content, unknown="record").obj
    assert record.name == name.replace("__builtin__", "builtins")
    assert type(record).__name__ == "CallRecord"
    report = scan(content)
    assert name in [entry.name for entry in report.globals if entry.called and entry.verdict != "allowed"]
    suspicious = name in report.names("suspicious")
    assert ("add_safe_globals" in str(caught.value)) is not suspicious or "system" in str(caught.value)


@pytest.mark.parametrize("name", FORMS)
def test_a_scan_of_any_form_ends_in_a_report(name: str) -> None:
    report = scan(checkpoint(pickled(FORMS[name])))
    assert report.globals or report.problems or report.opcodes


@pytest.mark.parametrize("name", ["INST", "OBJ", "NEWOBJ", "function from the memo", "name from the memo"])
def test_a_scan_sees_through_the_form(name: str) -> None:
    report = scan(checkpoint(pickled(FORMS[name])))
    assert report.names("suspicious") == ["os.system"]
    assert not report.safe


def test_records_can_be_printed() -> None:
    for body in PAYLOADS.values():
        try:
            record = read(checkpoint(pickled(body)), unknown="record").obj
        except LoadError:
            continue
        assert len(repr(record)) < 1_000
