"""Opening, reading and saving 1 GB: Flambeau, PyTorch and the safetensors package.

    python benchmarks/files.py [--gigabytes 1] [--rounds 5]

64 tensors of equal size, in the system's file cache. Each way is measured in a process of its own, in turns, so that
the peak of its memory is its own. "One tensor" opens the file and looks at the values of one tensor; "all" reads every
value into memory (Flambeau compares the checksums, PyTorch compares none); "save" ends when the bytes are on the disk,
file and folder, for everyone. "Extra memory" is how far the peak rises, in units of the file's size: for one tensor
and for all above what the process had before, for save above what it had with the state in memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

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

WAYS = {
    "one": ("flambeau", "torch", "torch mmap", "safetensors"),
    "all": ("flambeau", "torch", "torch mmap", "safetensors"),
    "save": ("flambeau", "torch", "safetensors", "raw bytes"),
}
TITLES = {"one": "open, one tensor", "all": "read all", "save": "save durably"}


def measured(side: str, task: str, path: Path, count: int, size: int) -> tuple[float, float]:
    command = [sys.executable, "-c", PROGRAM, side, task, str(path), str(count), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side}, {task}:\n{done.stderr}")
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    count = 64
    size = int(options.gigabytes * 1e9) // count // 4096 * 4096
    with tempfile.TemporaryDirectory() as folder:
        files = {side: Path(folder) / f"{side}.bin" for side in ("flambeau", "torch", "safetensors")}
        make = (
            "import sys, numpy as np, torch, safetensors.torch, flambeau\n"
            f"arrays = {{str(i): np.random.default_rng(i).random({size // 4}, np.float32) for i in range({count})}}\n"
            "state = {name: torch.from_numpy(array) for name, array in arrays.items()}\n"
            f"torch.save(state, {str(files['torch'])!r})\n"
            f"safetensors.torch.save_file(state, {str(files['safetensors'])!r})\n"
            "flambeau.save({name: flambeau.from_numpy(array) for name, array in arrays.items()}, "
            f"{str(files['flambeau'])!r})\n"
        )
        subprocess.run([sys.executable, "-c", make], check=True)
        for task, sides in WAYS.items():
            results: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
            for _ in range(options.rounds + 1):
                for side in sides:
                    path = files.get(side.split()[0], files["torch"])
                    results[side].append(measured(side, task, path, count, size))
            print(f"\n| {TITLES[task]} | median ms | least to most | time / ours | extra memory / file |")
            print("|---|---|---|---|---|")
            medians = {side: statistics.median([seconds for seconds, _ in runs[1:]]) for side, runs in results.items()}
            for side, runs in results.items():
                times = [seconds * 1e3 for seconds, _ in runs[1:]]
                memory = statistics.median([grown for _, grown in runs[1:]]) / (count * size)
                print(
                    f"| {side} | {medians[side] * 1e3:.1f} | {min(times):.1f} to {max(times):.1f} "
                    f"| {medians[side] / medians['flambeau']:.2f} | {memory:.2f} |"
                )


if __name__ == "__main__":
    main()
