"""Opening, reading and saving 1 GB: Flambeau, PyTorch and the safetensors package.

    python benchmarks/files.py [--gigabytes 1] [--rounds 5] [--quick]

64 tensors of equal size, in the system's file cache. Each way is measured in a process of its own, in turns, so that
the peak of its memory is its own. "One tensor" opens the file and looks at the values of one tensor; "all" reads every
value into memory (Flambeau compares the checksums, PyTorch compares none); "save" ends when the bytes are on the disk,
file and folder, for everyone. "Extra memory" is how far the peak rises, in units of the file's size: for one tensor
and for all above what the process had before, for save above what it had with the state in memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from question import OURS, Question, installed

PROGRAM = """
import json, os, resource, sys, time
side, task, path, count, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
import numpy as np
if side == "flambeau":
    import flambeau as torch
    torch.zeros(1).numpy(), torch.load, torch.save  # what is imported late is imported now
else:
    import torch
    if side == "safetensors":
        import safetensors.torch as st
        from safetensors import safe_open

def synced(path):
    for name in (path, os.path.dirname(path)):
        handle = os.open(name, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024

def anonymous():
    return int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0]) * 1024

def touched(tensor):
    return float(tensor.numpy().reshape(-1)[-1])

def one():
    name = str(count // 2)
    if side == "flambeau":
        return touched(torch.load(path)[name])
    if side == "torch":
        return touched(torch.load(path, mmap=False)[name])
    if side == "torch mmap":
        return touched(torch.load(path, mmap=True)[name])
    with safe_open(path, framework="pt") as file:
        return touched(file.get_tensor(name))

def all():
    if side == "flambeau":
        state = torch.load(path, mmap=False)
    elif side == "safetensors":
        state = st.load_file(path)
    else:
        state = torch.load(path, mmap=side == "torch mmap")
    return sum(float(tensor.numpy().sum()) for tensor in state.values())

def save():
    target = path + ".new"
    started = time.perf_counter()
    if side == "flambeau":
        torch.save(state, target)
    elif side == "safetensors":
        st.save_file(state, target)
        synced(target)
    elif side == "torch":
        torch.save(state, target)
        synced(target)
    else:
        with open(target, "wb", buffering=0) as file:
            for tensor in state.values():
                file.write(tensor.numpy())
        synced(target)
    seconds = time.perf_counter() - started
    os.unlink(target)
    return seconds

if task == "save":
    arrays = {str(index): np.random.default_rng(index).random(size // 4, np.float32) for index in range(count)}
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if side == "flambeau":
        del arrays
before = peak()
started = time.perf_counter()
result = globals()[task]()
seconds = result if task == "save" else time.perf_counter() - started
print(json.dumps([seconds, peak() - before]))
"""

# For each task its title, the ways, whom ours is compared with, and what is asked: a ratio, or seconds for 1 GB.
TASKS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], dict[str, float]]] = {
    "one": ("open, one tensor", ("flambeau", "torch", "torch mmap", "safetensors"), ("torch",), {"limit": 0.05}),
    "all": ("read all", ("flambeau", "torch", "torch mmap", "safetensors"), ("torch",), {}),
    "save": ("save durably", ("flambeau", "torch", "safetensors", "raw bytes"), ("raw bytes",), {"bar": 0.9}),
}
NAMES = {"flambeau": OURS, "torch": "PyTorch", "torch mmap": "PyTorch, mmap", "safetensors": "safetensors"}
MAKE = """
import sys, importlib.util, numpy as np
folder, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
arrays = {str(i): np.random.default_rng(i).random(size // 4, np.float32) for i in range(count)}
import flambeau
flambeau.save({name: flambeau.from_numpy(array) for name, array in arrays.items()}, folder + "/flambeau.bin")
if importlib.util.find_spec("torch"):
    import torch, safetensors.torch
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    torch.save(state, folder + "/torch.bin")
    safetensors.torch.save_file(state, folder + "/safetensors.bin")
"""


def measured(side: str, task: str, path: Path, count: int, size: int) -> tuple[float, float]:
    """Seconds, and how many bytes the peak of the memory rose."""
    command = [sys.executable, "-c", PROGRAM, side, task, str(path), str(count), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side}, {task}:\n{done.stderr}")
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def extend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gigabytes", type=float, help="size of the file; 1, or 0.05 with --quick")
    parser.add_argument("--rounds", type=int, help="how often; 5, or 2 with --quick")


def main() -> None:
    question = Question("files", __doc__, extend)
    gigabytes = question.options.gigabytes or (0.05 if question.quick else 1.0)
    rounds = question.options.rounds or (2 if question.quick else 5)
    count = 64
    size = int(gigabytes * 1e9) // count // 4096 * 4096
    peers = installed("torch") and installed("safetensors")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", MAKE, folder, str(count), str(size)], check=True)
        for task, (title, ways, against, asked) in TASKS.items():
            runs: dict[str, list[tuple[float, float]]] = {side: [] for side in ways if peers or side == "flambeau"}
            for _ in range(rounds + 1):
                for side, found in runs.items():
                    path = Path(folder) / f"{side.split()[0] if side != 'raw bytes' else 'torch'}.bin"
                    found.append(measured(side, task, path, count, size))
            times = {NAMES.get(side, side): [seconds for seconds, _ in found[1:]] for side, found in runs.items()}
            memory = {
                NAMES.get(side, side): [grown / (count * size) for _, grown in found[1:]]
                for side, found in runs.items()
            }
            whom = [NAMES.get(side, side) for side in against]
            question.note(f"{title}, {gigabytes:g} GB", times, against=whom, **(asked if gigabytes == 1 else {}))
            question.note(f"{title}: extra memory / file", memory, unit="x", against=())
    question.finish()


if __name__ == "__main__":
    main()
