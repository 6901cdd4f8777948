"""Programs kept on disk: found by the next process, whatever is wrong with the folder, and never too many."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import flambeau as torch
from flambeau.base.config import config
from flambeau.graph.node import Aval, leaf
from flambeau.graph.record import record
from flambeau.primitives.primitive import Primitive
from flambeau.runtime import compiling, store
from flambeau.runtime.force import host_value

PROGRAM = """
import json, sys
import flambeau as torch
from flambeau.runtime import compiling
traced = []
inner = compiling.traced
compiling.traced = lambda *given: traced.append(1) or inner(*given)
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
losses = []
for _ in range(3):
    optimizer.zero_grad()
    loss = model(torch.ones(2, 1, 8, 8)).square().mean()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(json.dumps([len(traced), losses]))
"""


def trained(folder: Path | str, program: str = PROGRAM, **environment: str) -> tuple[int, list[float]]:
    """Number of programs a new process traces, and its losses."""
    inherited = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    settings = {**inherited, "FLAMBEAU_CACHE": str(folder), "FLAMBEAU_KERNELS": "0", **environment}
    done = subprocess.run(
        [sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    traced, losses = json.loads(done.stdout)
    return traced, losses


FACTORIZATION = """
import json
import flambeau as torch
print(json.dumps([0, [torch.linalg.cholesky(torch.eye(2) * 4).sum().item()]]))
"""

NETWORK = """
import json, sys
import flambeau as torch
from flambeau.runtime import compiling
sys.path.insert(0, {benchmarks!r})
import networks
traced = []
inner = compiling.traced
compiling.traced = lambda *given: traced.append(1) or inner(*given)
torch.manual_seed(0)
model = networks.{model}
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
losses = []
for _ in range(2):
    optimizer.zero_grad()
    scores = model({batch})
    loss = torch.nn.functional.cross_entropy(scores, torch.arange(len(scores)) % 10)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(json.dumps([len(traced), losses]))
"""


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.program"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of this process."""
    monkeypatch.setattr(config, "cache", tmp_path / "programs")
    return tmp_path / "programs"


def test_the_next_process_traces_nothing_and_learns_the_same(tmp_path: Path):
    first = trained(tmp_path)
    assert first[0] > 0
    assert entries(tmp_path)
    assert trained(tmp_path) == (0, first[1])


@pytest.mark.parametrize(
    ("model", "batch"),
    [
        ("gpt(torch, layers=2, width=32, heads=2, context=32)", "torch.arange(128).view(4, 32)"),
        ("civilnet(torch)", "torch.ones(4, 3, 32, 32)"),
        ("resnet18(torch)", "torch.ones(2, 3, 8, 8)"),
        ("lstm(torch)", "torch.ones(4, 2, 256)"),
    ],
    ids=["gpt", "civilnet", "resnet18", "lstm"],
)
def test_the_next_process_traces_no_program_of_a_network(tmp_path: Path, model: str, batch: str):
    """With native kernels, where there are any."""
    if config.kernel_folder is not None:
        (tmp_path / "kernels").symlink_to(config.kernel_folder)
    benchmarks = str(Path(__file__).parents[2] / "benchmarks")
    program = NETWORK.format(benchmarks=benchmarks, model=model, batch=batch)
    first = trained(tmp_path, program, FLAMBEAU_KERNELS="1")
    assert first[0] > 0
    assert trained(tmp_path, program, FLAMBEAU_KERNELS="1") == (0, first[1])


def test_where_jaxs_own_cache_is_set_it_serves_alone(tmp_path: Path):
    own = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    first = trained(tmp_path, **own)
    assert entries(tmp_path) == []
    assert trained(tmp_path, **own) == first


def test_the_next_process_finds_lapack(tmp_path: Path):
    assert trained(tmp_path, FACTORIZATION) == (0, [4.0])
    assert trained(tmp_path, FACTORIZATION) == (0, [4.0])


def test_damaged_entries_are_compiled_anew(tmp_path: Path):
    first = trained(tmp_path)
    for index, path in enumerate(entries(tmp_path)):
        data = path.read_bytes()
        path.write_bytes((b"", data[:-1], data[:40] + bytes([data[40] ^ 1]) + data[41:])[index % 3])
    assert trained(tmp_path) == first
    assert trained(tmp_path) == (0, first[1])


def test_a_program_does_not_depend_on_where_in_the_source_it_was_asked_for(tmp_path: Path):
    first = trained(tmp_path)
    assert trained(tmp_path, program="# another file\n\n" + PROGRAM) == (0, first[1])


def test_without_a_folder_nothing_is_kept(tmp_path: Path):
    traced, losses = trained("0", XDG_CACHE_HOME=str(tmp_path))
    assert (traced > 0, len(losses), list(tmp_path.iterdir())) == (True, 3, [])


def test_another_default_data_type_is_another_program(tmp_path: Path):
    first = trained(tmp_path)
    other = trained(
        tmp_path, program=PROGRAM.replace("torch.manual", "torch.set_default_dtype(torch.float64)\ntorch.manual")
    )
    assert other[0] == first[0]
    assert other[1] != first[1]


def test_a_changed_static_argument_is_another_program(tmp_path: Path):
    trained(tmp_path)
    traced, losses = trained(tmp_path, program=PROGRAM.replace("ReLU()", "Softplus(2.0)"))
    assert traced > 0
    assert losses != trained(tmp_path)[1]


@pytest.mark.parametrize("content", [b"", b"x", bytes(1_000_000)], ids=["nothing", "a byte", "a million"])
def test_what_is_kept_is_fetched(folder: Path, content: bytes):
    store.keep("name", content)
    assert store.fetch("name") == content
    assert store.fetch("other") is None


def test_what_was_used_longest_ago_goes_first(folder: Path):
    for index in range(10):
        store.keep(str(index), os.urandom(10_000))
        os.utime(folder / f"{index}.program", (index, index))
    store.fetch("0")
    (folder / "something else").write_bytes(bytes(100_000))
    store.trim(folder, 60_000)
    assert [path.stem for path in entries(folder)] == ["0", "7", "8", "9"]
    assert (folder / "something else").exists()


def test_an_entry_that_another_process_takes_away_meanwhile(folder: Path):
    for index in range(10):
        store.keep(str(index), os.urandom(10_000))
    (folder / "writing-gone.program").symlink_to(folder / "nowhere")  # found in the folder, but not to be looked at
    store.trim(folder, 60_000)
    assert len(entries(folder)) < 10


def test_the_folder_keeps_below_its_limit(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "cache_bytes", 100_000)
    for index in range(200):
        store.keep(str(index), os.urandom(5_000))
    assert sum(path.stat().st_size for path in entries(folder)) < 100_000 + store._EVERY * 6_000


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has other rights")
def test_a_folder_others_may_write_to_is_not_trusted(folder: Path):
    store.keep("name", b"content")
    folder.chmod(0o777)
    assert store.fetch("name") is None
    folder.chmod(0o700)
    assert store.fetch("name") == b"content"


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(config, "cache", tmp_path / "file" / "programs")
    store.keep("name", b"content")
    assert store.fetch("name") is None


def test_the_size_must_be_a_number():
    done = subprocess.run(
        [sys.executable, "-c", "import flambeau.base.config"],
        env={**os.environ, "FLAMBEAU_CACHE_MB": "1 GB"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "FLAMBEAU_CACHE_MB must be a whole number of megabytes, got '1 GB'" in done.stderr


def test_programs_that_ignore_different_inputs_are_different(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Their lowerings would be the same if unused inputs were dropped from them."""
    monkeypatch.setattr(compiling, "_keeps", lambda: True)  # whether or not JAX's own cache is set
    place = torch.device("cpu")
    x, y = (leaf(np.full(5, value, np.float32), Aval.of((5,), torch.float32, place)) for value in (1.0, 2.0))
    for take, expected in ((lambda x, y: x + 1, 2.0), (lambda x, y: y + 1, 3.0)):
        assert host_value(record(Primitive("take", take), (x, y))).tolist() == [expected] * 5
    assert entries(folder)
