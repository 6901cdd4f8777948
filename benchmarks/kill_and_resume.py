"""Kill the quickstart at random moments, resume it each time, and compare the final weights with an undisturbed run's.

    python benchmarks/kill_and_resume.py [--runs 20] [--epochs 4]

Each run is killed with SIGKILL at a random moment, started again with the same command, and left to end. Its final
checkpoint must hold byte for byte the weights, the optimizer's state and the history of the undisturbed run.
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import flambeau as torch

COMMAND = [sys.executable, "-c", "import sys; from flambeau.cli.main import main; sys.exit(main())", "quickstart"]


def command(output: Path, epochs: int) -> list[str]:
    return [*COMMAND, "--output", str(output), "--epochs", str(epochs), "--save-every", "0.05"]


def digest(output: Path) -> str:
    """Digest of everything training produced."""
    state = torch.load(output / "checkpoint.pt")
    found = hashlib.sha256()
    for name, tensor in state["model_state_dict"].items():
        found.update(name.encode() + tensor.numpy().tobytes())
    for index, entry in sorted(state["optimizer_state_dict"]["state"].items()):
        found.update(str(index).encode() + entry["momentum_buffer"].numpy().tobytes())
    found.update(state["generator_state"].numpy().tobytes())
    found.update(repr(state["history"]).encode())
    return found.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Path(folder) / "undisturbed"
        subprocess.run(command(undisturbed, arguments.epochs), check=True, capture_output=True)
        started = time.monotonic()
        subprocess.run([*command(undisturbed, arguments.epochs), "--restart"], check=True, capture_output=True)
        length = time.monotonic() - started
        wanted = digest(undisturbed)
        print(f"undisturbed: {length:.1f} s, {wanted[:16]}")
        equal = 0
        for run in range(arguments.runs):
            output = Path(folder) / str(run)
            moment = random.uniform(0.1, 1.0) * length
            process = subprocess.Popen(
                command(output, arguments.epochs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(moment)
                how = "had ended"
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                how = "killed"
            had = "a checkpoint" if (output / "checkpoint.pt").exists() else "no checkpoint yet"
            subprocess.run(command(output, arguments.epochs), check=True, capture_output=True)
            same = digest(output) == wanted
            equal += same
            print(
                f"run {run + 1:2}: {how} after {moment:.2f} s, {had}, resumed: {'byte-equal' if same else 'DIFFERENT'}"
            )
    print(f"{equal} of {arguments.runs} byte-equal")
    return 0 if equal == arguments.runs else 1


if __name__ == "__main__":
    sys.exit(main())
