"""The commands for checkpoints: what they print, to the letter, and how they end."""

import json
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.checkpoint import ObjectRecord, TensorRecord, read, write, write_npz, write_safetensors
from tests.checkpoint.crafting import checkpoint as crafted
from tests.cli.commands import run

SOURCES = Path(flambeau.__file__).parents[1]


def tensor(*shape: int, dtype: Any = np.float32, start: int = 0) -> TensorRecord:
    return TensorRecord.from_array((np.arange(np.prod(shape, dtype=int)) + start).astype(dtype).reshape(shape))


EMBED = tensor(10, 4)
MODEL = {"embed.weight": EMBED, "norm.count": tensor(dtype=np.int64), "head.weight": EMBED}
CHECKPOINT = {
    "epoch": 20,
    "model": OrderedDict(MODEL),
    "optimizer": {
        "state": {0: {"step": tensor(), "exp_avg": tensor(10, 4)}, 1: {"step": tensor(), "exp_avg": tensor(3)}},
        "param_groups": [{"lr": 0.001, "params": [0, 1]}],
    },
    "history": [0.5, 0.25],
    "best": tensor(3, dtype=np.float16),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(MODEL, "model.pth")
    write(CHECKPOINT, "checkpoint.pt")
    write_safetensors(MODEL, "model.safetensors")
    write_npz({"a": tensor(2)}, "a.npz")
    return tmp_path


LS = """\
checkpoint.pt: zip archive, {size}, 8 tensors (1 tied), 89 elements
├── epoch             20
├── model             OrderedDict of 3, 3 tensors
│   ├── embed.weight  [10, 4]  float32  160 B
│   ├── norm.count    []       int64      8 B
│   └── head.weight   [10, 4]  float32         = model.embed.weight
├── optimizer         dict of 2, 4 tensors
│   ├── state         dict of 2, 4 tensors, 180 B: step, exp_avg
│   └── param_groups  list of 1: dict of 2
├── history           list of 2: 0.5, 0.25
└── best              [3]      float16    6 B
"""
LS_SAFETENSORS = """\
model.safetensors: safetensors file, {size}, 3 tensors (1 tied), 41 elements
├── embed.weight  [10, 4]  float32  160 B
├── norm.count    []       int64      8 B
└── head.weight   [10, 4]  float32         = embed.weight
metadata format: pt
"""


def shown(path: str) -> str:
    size = os.path.getsize(path)
    return f"{size} B" if size < 1000 else f"{size / 1000:.2f} kB"


def test_ls(folder):
    done = run("ls", "checkpoint.pt")
    assert (done.status, done.err) == (0, "")
    assert done.out == LS.format(size=shown("checkpoint.pt"))
    assert run("ls", "model.safetensors").out == LS_SAFETENSORS.format(size=shown("model.safetensors"))
    both = run("ls", "a.npz", "model.safetensors").out
    assert both.startswith("a.npz: NumPy archive, ")
    assert both.endswith("\n\n" + run("ls", "model.safetensors").out)


def test_ls_of_everything(folder):
    out = run("ls", "--all", "checkpoint.pt").out
    first = next(line for line in out.splitlines() if "── 0 " in line)
    assert first.endswith("dict of 2, 2 tensors")
    assert "exp_avg  [10, 4]  float32  160 B\n" in out
    assert "│           └── params   list of 2\n" in out


def test_ls_in_json(folder):
    found = json.loads(run("ls", "--json", "checkpoint.pt").out)
    assert found["bytes"] == os.path.getsize("checkpoint.pt")
    assert (found["kind"], found["elements"], len(found["tensors"])) == ("zip archive", 89, 8)
    assert found["tensors"][2] == {
        "name": "model.head.weight",
        "path": ["model", "head.weight"],
        "shape": [10, 4],
        "dtype": "float32",
        "bytes": 160,
        "parameter": False,
        "location": "cpu",
        "tied_to": "model.embed.weight",
        "shares_memory_with": None,
    }
    assert {"name": "epoch", "path": ["epoch"], "value": "20"} in found["values"]
    assert [entry["file"] for entry in json.loads(run("ls", "--json", "a.npz", "model.pth").out)] == [
        "a.npz",
        "model.pth",
    ]


def test_ls_of_one_value_and_of_names_that_could_move_the_cursor(folder):
    write(5, "five.pt")
    assert run("ls", "five.pt").out.splitlines()[1] == "the object  5"
    write({"a\x1b[2J": tensor(1), "": 1, 7: [tensor(1)]}, "odd.pt")
    lines = run("ls", "odd.pt").out.splitlines()
    assert lines[1].startswith("├── 'a\\x1b[2J'")
    assert lines[2].startswith("├── ''")
    assert lines[3].startswith("└── 7")


def test_diff_of_equal_files(folder):
    done = run("diff", "model.pth", "model.safetensors")
    assert (done.status, done.err) == (0, "")
    assert done.out == ("- model.pth: zip archive\n+ model.safetensors: safetensors file\n\nno difference: 3 tensors\n")
    assert run("diff", "--quiet", "model.pth", "model.safetensors").out == ""


DIFF = """\
- model.pth: zip archive
+ other.safetensors: safetensors file

- head.weight   only in A  [10, 4] float32
+ new           only in B  [2] float32
~ embed.weight  values     largest difference 5 at [9, 3], relative 0.114; 1 of 40 differ
~ norm.count    dtype      int64 → int32

3 differ; equal: 0 tensors
"""


def test_diff(folder):
    values = EMBED.array().copy()
    values[9, 3] += 5
    write_safetensors(
        {"embed.weight": TensorRecord.from_array(values), "norm.count": tensor(dtype=np.int32), "new": tensor(2)},
        "other.safetensors",
    )
    done = run("diff", "model.pth", "other.safetensors")
    assert (done.status, done.err) == (1, "")
    assert done.out == DIFF.replace("3 differ", "4 differ")
    found = json.loads(run("diff", "--json", "model.pth", "other.safetensors").out)
    assert found["differ"] is True
    assert found["changes"][0] == {
        "name": "embed.weight",
        "what": "values",
        "count": 1,
        "total": 40,
        "absolute": 5.0,
        "relative": pytest.approx(5 / 44),
        "index": [9, 3],
    }
    write_safetensors({"embed.weight": TensorRecord.from_array(values)}, "one.safetensors")
    write_safetensors({"embed.weight": EMBED}, "two.safetensors")
    assert run("diff", "--atol", "5", "one.safetensors", "two.safetensors").status == 0
    assert run("diff", "--rtol", "0.1", "one.safetensors", "two.safetensors").status == 1


def damage(path: str) -> None:
    file = bytearray(Path(path).read_bytes())
    file[file.index(EMBED.array().tobytes()) + 8] ^= 1
    Path(path).write_bytes(file)


def test_verify(folder):
    done = run("verify", "model.pth", "model.safetensors", "a.npz")
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        f"ok       model.pth: zip archive, 3 tensors, {shown('model.pth')}, 8 checksums compared\n"
        f"ok       model.safetensors: safetensors file, 3 tensors, {shown('model.safetensors')}, structure only: it "
        "holds no checksums\n"
        f"ok       a.npz: NumPy archive, 1 tensor, {shown('a.npz')}, 1 checksum compared\n"
    )
    damage("model.pth")
    Path("cut.safetensors").write_bytes(Path("model.safetensors").read_bytes()[:-1])
    Path("empty.pt").touch()
    done = run("verify", "model.pth", "cut.safetensors", "empty.pt", "a.npz")
    assert done.status == 1
    lines = done.out.splitlines()
    assert lines[0].startswith("DAMAGED  model.pth: record 'model/data/0' is damaged")
    assert lines[0].endswith("(tensor embed.weight, head.weight)")
    assert lines[1].startswith("DAMAGED  cut.safetensors: tensor 'embed.weight' should end") or "norm.count" in lines[1]
    assert lines[2].startswith("DAMAGED  empty.pt: the file is empty")
    assert lines[3].startswith("ok       a.npz")
    found = json.loads(run("verify", "--json", "model.pth").out)
    assert (found["ok"], len(found["damages"]), found["checksums"]) == (False, 1, 8)
    assert run("verify", "--quiet", "a.npz").out == ""


def test_scan(folder):
    Path("bad.pt").write_bytes(crafted(b"\x80\x02cos\nsystem\n(X\x02\0\0\0lstR0cmy.code\nModel\n0N."))
    done = run("scan", "model.pth", "bad.pt", "model.safetensors", "a.npz")
    assert (done.status, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[0] == "model.pth: zip archive, 4 names: 4 allowed"
    assert lines[1:5] == [
        "  torch._utils._rebuild_tensor_v2  allowed  called  model/data.pkl",
        "  torch.FloatStorage               allowed  named   model/data.pkl",
        "  collections.OrderedDict          allowed  called  model/data.pkl",
        "  torch.LongStorage                allowed  named   model/data.pkl",
    ]
    assert lines[5:] == [
        "bad.pt: zip archive, 2 names: 1 suspicious, 1 unknown",
        "  os.system  suspicious  called  t/data.pkl  starts programs or touches files",
        "  my.code.Model  unknown  named  t/data.pkl",
        "model.safetensors: safetensors file, no names",
        "a.npz: NumPy archive, no names",
    ]
    found = json.loads(run("scan", "--json", "bad.pt").out)
    assert found["safe"] is False
    assert found["globals"][0] == {
        "name": "os.system",
        "verdict": "suspicious",
        "reason": "starts programs or touches files",
        "called": True,
        "where": "t/data.pkl",
    }
    quiet = run("scan", "--quiet", "model.pth", "bad.pt")
    assert quiet.out.splitlines() == lines[5:7]
    assert run("scan", "model.pth", "model.safetensors").status == 0


def test_scan_of_what_breaks_off_and_of_bare_pickles(folder):
    Path("cut.pkl").write_bytes(b"(S'x'\nios\nsystem\n\x80\x02")
    done = run("scan", "cut.pkl")
    assert done.status == 1
    lines = done.out.splitlines()
    assert lines[:3] == [
        "cut.pkl: bare pickle, 1 name: 1 suspicious",
        "  os.system  suspicious  called  the file  starts programs or touches files",
        "  opcode INST at byte 6, which no checkpoint uses",
    ]
    assert lines[3].startswith("  not scanned to its end: the file: byte ")
    np.savez("objects.npz", a=np.array([{}], object))
    done = run("scan", "objects.npz")
    assert (done.status, done.out) == (2, "")
    assert "record 'a.npy': its elements are of NumPy's type object" in done.err


def test_scan_of_shards(folder):
    Path("a.bin").write_bytes(crafted(b"\x80\x02cos\nsystem\n0N."))
    Path("pytorch_model.bin.index.json").write_text('{"weight_map": {"x": "a.bin"}}')
    done = run("scan", "pytorch_model.bin.index.json")
    assert done.status == 1
    assert done.out.splitlines()[:2] == [
        "pytorch_model.bin.index.json: index of shards, no names",
        "a.bin: zip archive, 1 name: 1 suspicious",
    ]


@pytest.mark.parametrize("end", [".pth", ".safetensors", ".npz", ".bin"])
@pytest.mark.parametrize("start", ["model.pth", "model.safetensors"])
def test_convert(folder, start, end):
    done = run("convert", start, f"out{end}")
    assert done.status == 0
    assert done.out.startswith(f"{start} → out{end}: ")
    assert ("ties" in done.err) == (end == ".npz")
    assert run("diff", start, f"out{end}").status == 0
    found = read(f"out{end}").obj
    assert (found["embed.weight"].storage is found["head.weight"].storage) == (end != ".npz")


def test_convert_warns_of_what_is_left_out(folder):
    done = run("convert", "checkpoint.pt", "flat.safetensors")
    assert done.status == 0
    assert done.err == (
        "warning: the file holds names only: those of nested values are joined by dots\n"
        "warning: 4 values that are no tensors are left out: epoch, optimizer.param_groups.0.lr, "
        "optimizer.param_groups.0.params, history\n"
    )
    assert "optimizer.state.0.exp_avg" in read("flat.safetensors").obj
    assert run("convert", "--quiet", "checkpoint.pt", "flat.npz").err == ""


def test_convert_for_numpy(folder):
    import ml_dtypes

    write({"x": TensorRecord.from_array(np.ones(2, ml_dtypes.bfloat16))}, "x.pt")
    assert "NumPy has no bfloat16: written as float32" in run("convert", "x.pt", "x.npz").err
    assert np.load("x.npz")["x"].dtype == np.float32
    assert run("convert", "x.npz", "x.npy").status == 0
    assert np.load("x.npy").tolist() == [1, 1]
    assert run("convert", "x.npy", "y.safetensors").status == 0
    assert list(read("y.safetensors").obj) == ["tensor"]


def test_edit(folder):
    done = run(
        *("edit", "checkpoint.pt", "checkpoint.pt", "--drop", "optimizer", "--rename", "embed=tokens"),
        *("--add-prefix", "net.", "--cast", "bf16"),
    )
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("; 4 renamed, 1 dropped, 2 cast\n")
    found = read("checkpoint.pt").obj
    assert list(found) == ["epoch", "model", "history", "net.best"]
    assert list(found["model"]) == ["net.tokens.weight", "net.norm.count", "net.head.weight"]
    assert found["model"]["net.tokens.weight"].dtype == "bfloat16"
    assert found["model"]["net.tokens.weight"].storage is found["model"]["net.head.weight"].storage


def test_edit_warns_of_numbers_that_became_too_large(folder):
    write({"x": TensorRecord.from_array(np.array([1e10, 1], np.float32))}, "x.pt")
    done = run("edit", "x.pt", "y.pt", "--cast", "float16")
    assert done.err == "warning: 1 number too large for float16 became infinite or NaN\n"


def test_split_and_merge(folder):
    done = run("split", "model.pth", "parts", "--max-size", "100B", "--format", "safetensors")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("model.pth → parts/model.safetensors.index.json: 2 files, 3 tensors, ")
    index = "parts/model.safetensors.index.json"
    assert run("diff", "model.pth", index).status == 0
    assert run("verify", index).status == 0
    assert run("ls", index).out.startswith(f"{index}: index of shards, ")
    assert run("merge", "whole.pth", index).status == 0
    assert run("diff", "whole.pth", "model.pth").status == 0
    files = sorted(str(path) for path in Path("parts").glob("*.safetensors"))
    assert run("merge", "again.safetensors", *files).status == 0
    assert run("diff", "again.safetensors", "model.safetensors").status == 0
    done = run("merge", "twice.pth", "model.pth", "model.pth")
    assert (done.status, done.err) == (2, "flambeau: 'embed.weight' is in model.pth and in model.pth\n")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["ls", "nothing.pth"], "No such file or directory: 'nothing.pth'"),
        (["ls", "text.txt"], "text.txt: this is not a checkpoint"),
        (["diff", "model.pth", "nothing.pth"], "No such file or directory"),
        (["verify", "nothing.pth"], "No such file or directory"),
        (["scan", "nothing.pth"], "No such file or directory"),
        (["convert", "model.pth", "out.zip"], "out.zip: the end of its name should say what to write"),
        (["convert", "model.pth", "nowhere/out.pth"], "Parent directory nowhere does not exist"),
        (["convert", "model.pth", "out.npy"], "an .npy file holds one array, but there are 3 tensors"),
        (["edit", "model.pth", "out.pth", "--drop", "x"], "nothing in the file fits 'x'"),
        (["edit", "model.pth", "out.pth", "--rename", "x"], "expected OLD=NEW, got 'x'"),
        (["edit", "model.pth", "out.pth", "--cast", "int8"], "expected one of float16, "),
        (["split", "model.pth", "parts", "--max-size", "big"], "expected a size such as 2GB"),
        (["merge", "out.pth"], "the following arguments are required: SHARD"),
    ],
)
def test_what_goes_wrong_ends_with_2(folder, arguments, match):
    Path("text.txt").write_text("hello")
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert match in done.err
    assert not Path("out.pth").exists()


def lean(*arguments: str, environment: dict[str, str] | None = None, **options: Any) -> Any:
    """Run the command in a process in which nothing but NumPy and ml_dtypes can be imported."""
    program = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("jax", "jaxlib", "tqdm", "matplotlib", "PIL", "torch", "scipy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv[0] = "flambeau"
from flambeau.cli.main import main
sys.exit(main())
"""
    command = [sys.executable, "-c", program, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(SOURCES), **(environment or {})}
    return subprocess.run(command, capture_output=True, env=variables, check=False, **options)


def test_files_of_every_age_and_whole_models(folder):
    layer = ObjectRecord("my.Linear", state={"_parameters": {"weight": EMBED, "bias": None}, "_buffers": {},
                                             "_modules": {}, "_hooks": {}, "size": 4})  # fmt: skip
    model = ObjectRecord("my.Net", state={"_parameters": {}, "_buffers": {"mean": tensor(2)}, "_modules": {"fc": layer},
                                          "training": True})  # fmt: skip
    write({"model": model}, "whole.pth")
    assert run("ls", "whole.pth").out.splitlines()[1:] == [
        "└── model           my.Net of 3, 2 tensors",
        "    ├── mean        [2]      float32    8 B",
        "    ├── fc          my.Linear of 2, 1 tensor",
        "    │   ├── weight  [10, 4]  float32  160 B",
        "    │   └── size    4",
        "    └── training    True",
    ]
    assert run("convert", "whole.pth", "whole.safetensors").status == 0
    assert list(read("whole.safetensors").obj) == ["model.mean", "model.fc.weight"]
    done = run("edit", "whole.pth", "out.pth", "--cast", "bf16")
    assert (done.status, done.err.split("; ")[0]) == (
        2, "flambeau: the file holds an object of class my.Net, whose tensors cannot be changed in it")  # fmt: skip
    write(MODEL, "old.pth", legacy=True)
    assert run("diff", "old.pth", "model.pth").status == 0
    assert "structure only: it holds no checksums" in run("verify", "old.pth").out
    assert run("scan", "old.pth").status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["ls", "checkpoint.pt", "model.safetensors", "a.npz"],
        ["diff", "model.pth", "model.safetensors"],
        ["verify", "model.pth", "model.safetensors", "a.npz"],
        ["scan", "model.pth"],
        ["convert", "model.pth", "out.safetensors"],
        ["edit", "model.safetensors", "out.pth", "--cast", "bf16"],
        ["split", "model.pth", "parts"],
        ["merge", "out.npz", "model.pth"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_numpy_is_all_that_is_needed(folder, arguments):
    done = lean(*arguments)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout


def test_a_closed_pipe_is_no_error(folder):
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    command = [sys.executable, "-m", "flambeau", "ls", "--json", "checkpoint.pt"]
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_output_that_knows_only_ascii(folder):
    done = lean("ls", "checkpoint.pt", environment={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 0
    assert b"|   `-- head.weight   [10, 4]  float32         = model.embed.weight\n" in done.stdout


def on_a_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """Run the command on a terminal of its own, and give what it shows."""
    import pty

    main, side = pty.openpty()
    variables = {**os.environ, "PYTHONPATH": str(SOURCES), "COLUMNS": str(columns), "TERM": "xterm", **environment}
    command = [sys.executable, "-m", "flambeau", *arguments]
    with subprocess.Popen(command, stdout=side, stderr=side, env=variables) as process:
        os.close(side)
        pieces: list[bytes] = []
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            pieces.append(piece)
        process.wait(60)
    os.close(main)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def test_a_terminal_gets_colors_and_lines_that_fit(folder):
    write({"a.very.long.name.of.a.layer." * 3 + "weight": tensor(2, 2)}, "long.pt")
    colored = on_a_terminal(50, "ls", "long.pt")
    assert "\x1b[36m[2, 2]\x1b[0m" in colored
    plain = on_a_terminal(50, "ls", "long.pt", NO_COLOR="1")
    assert "\x1b" not in plain
    line = plain.splitlines()[1]
    assert len(line) <= 50
    assert line.startswith("└── a.")
    assert "…" in line
    assert line.endswith("weight  [2, 2]  float32  16 B")
    assert "a.very.long.name.of.a.layer.a.very" in run("ls", "long.pt").out
