"""Kill saves at random moments, fill the disk, and save from two processes at once: is the file always whole?

    python benchmarks/kill_saves.py [--kills 300]

A process overwrites one file again and again, and is killed with SIGKILL at a random moment; then the file is read, all
of it. It must be complete: one of the versions that were saved, whose number stands in every one of its tensors. Beside
it nothing may be left. The same for two processes that save at the same time, for a folder that may not be written,
and for a disk that is full (on a small file system of its own, which takes root's rights; left out without them).
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import flambeau as torch

PROGRAM = """
import sys
import flambeau as torch
path, number = sys.argv[1], int(sys.argv[2])
tensors = [torch.full((250_000,), float(number + turn)) for turn in range(40)]
[tensor.numpy() for tensor in tensors]
print("ready", flush=True)
for turn in range(40):
    torch.save({"number": number + turn, "state": {str(key): tensors[turn] for key in range(4)},
                "copy": tensors[turn].clone()}, path)
"""


def start(path: Path, number: int) -> subprocess.Popen[bytes]:
    """A process that saves one version after another."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), str(number)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def whole(path: Path) -> int:
    """The version a file holds; raises unless it holds all of one."""
    found = torch.load(path, mmap=False)
    for tensor in (*found["state"].values(), found["copy"]):
        values = tensor.numpy()
        if values.min() != values.max() or values[0] != found["number"]:
            raise AssertionError(f"{path} holds a mixture: {values.min()} to {values.max()}, {found['number']}")
    return found["number"]


def kills(folder: Path, count: int) -> None:
    path = folder / "model.pt"
    torch.save({"number": 0, "state": {}, "copy": torch.zeros(1)}, path)
    outcomes: Counter[str] = Counter()
    process = start(path, 0)
    started = time.perf_counter()
    process.wait()
    length = time.perf_counter() - started
    for turn in range(count):
        before = whole(path)
        process = start(path, 100 * (turn + 1))
        time.sleep(random.uniform(0, length))
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = whole(path)
        outcomes["the version before" if after == before else "a newer version"] += 1
        if os.listdir(folder) != [path.name]:
            outcomes[f"LEFT BEHIND {os.listdir(folder)}"] += 1
    print(f"{count} kills: {dict(outcomes)}")


def together(folder: Path, count: int) -> None:
    path = folder / "shared.pt"
    torch.save({"number": 0, "state": {}, "copy": torch.zeros(1)}, path)
    seen: set[int] = set()
    reads = 0
    for turn in range(count):
        pair = [start(path, 1_000 * turn), start(path, 1_000 * turn + 500)]
        while any(process.poll() is None for process in pair):
            seen.add(whole(path))
            reads += 1
    print(f"two processes saving at once, {count} times: {reads} reads meanwhile, all whole, {len(seen)} versions seen")


def refused(folder: Path) -> None:
    path = folder / "model.pt"
    torch.save({"number": 1, "state": {}, "copy": torch.ones(1)}, path)
    big = {"number": 2, "state": {}, "copy": torch.ones(4_000_000)}
    folder.chmod(0o555)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # root may write anywhere
        torch.save({"number": 3, "state": {}, "copy": torch.ones(1)}, path)
    except RuntimeError as error:
        os.seteuid(user)
        print(f"a folder that may not be written: {type(error).__name__} {error}; still version {whole(path)}")
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
    full = folder / "full"
    full.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(full)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        print("a full disk: left out, no file system could be mounted here")
        return
    try:
        torch.save({"number": 1, "state": {}, "copy": torch.ones(1)}, full / "model.pt")
        try:
            torch.save(big, full / "model.pt")
        except RuntimeError as error:
            print(f"a full disk: {type(error).__name__} {error}; still version {whole(full / 'model.pt')}")
        print(f"left beside it: {sorted(set(os.listdir(full)) - {'model.pt'})}")
    finally:
        subprocess.run(["umount", str(full)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    for work, arguments in ((kills, (options.kills,)), (together, (5,)), (refused, ())):
        with tempfile.TemporaryDirectory() as folder:
            work(Path(folder), *arguments)


if __name__ == "__main__":
    main()
