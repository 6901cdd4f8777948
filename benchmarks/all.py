"""Every question, one after another, each in a process of its own; then the tables.

    python benchmarks/all.py [--only training_steps,startup] [--quick] [--device cuda] [--write]

Results are files in benchmarks/results (elsewhere with --results; a quick run, which says nothing about speed, puts
them into a temporary folder). With --write the tables of docs/performance.md are made anew from them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# What is measured, and where it says something.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "startup": ("cpu",),
    "training_steps": ("cpu", "cuda"),
    "compiled_steps": ("cpu",),
    "memory": ("cpu",),
    "operations": ("cpu",),
    "recurrent_layers": ("cpu",),
    "recording": ("cpu",),
    "modules": ("cpu",),
    "files": ("cpu",),
}


def main() -> int:
    """Run what was asked for; returns how many questions failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(QUESTIONS), help="questions, by comma")
    parser.add_argument("--quick", action="store_true", help="do they run? about three minutes")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--results", type=Path, help="folder of the files of results")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    results = options.results or (Path(tempfile.mkdtemp()) if options.quick else FOLDER / "results")
    common = ["--device", options.device, "--results", str(results), *(["--quick"] if options.quick else [])]
    failed: list[str] = []
    for name in options.only.split(","):
        if options.device not in QUESTIONS[name] or not (FOLDER / f"{name}.py").exists():
            continue
        started = time.monotonic()
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *common], check=False)
        print(f"   {time.monotonic() - started:.0f} s\n", flush=True)
        if done.returncode:
            failed.append(name)
    tables = [sys.executable, str(FOLDER / "tables.py"), "--results", str(results)]
    subprocess.run([*tables, *(["--write"] if options.write else [])], check=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
