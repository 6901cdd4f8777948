"""A question: its cases, what each side took, and the JSON file that says so.

A file of results holds ``question``, ``date``, ``machine``, ``versions``, ``settings`` and ``cases``. A case has a
``case`` (its title), a ``unit`` ("s", "x", "MB"), and ``sides``: for each its ``median``, quartiles ``low`` and
``high``, and ``rounds``. Where the sides are compared there are ``against`` (the best of these counts) and ``ratio``
(theirs / ours, above 1 is better); where a figure is asked of us there are ``bar`` (of the ratio) or ``limit`` (of our
median), and ``met``. ``agreed`` is false where the medians still moved by more than 5 % after the most rounds.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata, util
from pathlib import Path
from typing import Any

from timing import settled

__all__ = ["COMPILE", "EAGER", "OURS", "PYTORCH", "Question", "installed"]

OURS, EAGER, COMPILE = "Flambeau", "PyTorch eager", "torch.compile"
PYTORCH = (EAGER, COMPILE)
RESULTS = Path(__file__).parent / "results"
_PACKAGES = (
    "flambeau",
    "jax",
    "jaxlib",
    "numpy",
    "torch",
    "flax",
    "equinox",
    "optax",
    "safetensors",
    "onednn-cpu-gomp",
)


def installed(package: str) -> bool:
    """Whether a peer is here to be measured beside us."""
    return util.find_spec(package) is not None


class Question:
    """One script's question.

    Args:
        name: of its file of results.
        document: what ``--help`` prints.
        extend: adds the question's own options.
    """

    def __init__(
        self, name: str, document: str | None, extend: Callable[[argparse.ArgumentParser], Any] | None = None
    ) -> None:
        parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--quick", action="store_true", help="fewer and smaller cases, short blocks: does it run?")
        parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
        parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
        parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the files of results")
        if extend is not None:
            extend(parser)
        self.name = name
        self.options = parser.parse_args()
        self.quick: bool = self.options.quick
        self.cases: list[dict[str, Any]] = []

    def compare(
        self,
        title: str,
        sides: Mapping[str, Callable[[int], object]],
        *,
        block: float = 0.3,
        clock: Callable[[], float] = time.perf_counter,
        **verdict: Any,
    ) -> None:
        """Measure all sides of a case in turns, and note it; ``block`` is seconds, ``verdict`` is ``note``'s."""
        block, most = (0.05, 5) if self.quick else (block, 25)
        times, agreed = settled(sides, block=block, most=most, clock=clock)
        self.note(title, times, agreed=agreed or self.quick, **verdict)

    def note(
        self,
        title: str,
        times: Mapping[str, Sequence[float]],
        *,
        unit: str = "s",
        against: Sequence[str] = PYTORCH,
        bar: float | None = None,
        limit: float | None = None,
        agreed: bool = True,
    ) -> None:
        """Note what a case took, side by side, and print it.

        Args:
            title: of the case.
            times: for each side the values measured; the first side is ours.
            unit: of the values.
            against: sides whose best is compared with ours.
            bar: least ratio (theirs / ours) asked of us.
            limit: largest median asked of us.
            agreed: whether the medians stayed within 5 %.
        """
        sides = {name: _summary(values) for name, values in times.items()}
        case: dict[str, Any] = {"case": title, "unit": unit, "sides": sides, "agreed": agreed}
        ours = next(iter(sides.values()))["median"]
        theirs = [sides[name]["median"] for name in against if name in sides]
        if theirs:
            case |= {"against": [name for name in against if name in sides], "ratio": min(theirs) / ours}
        if bar is not None and theirs:
            case |= {"bar": bar, "met": case["ratio"] >= bar}
        if limit is not None:
            case |= {"limit": limit, "met": ours <= limit}
        self.cases.append(case)
        shown = "  ".join(f"{name} {side['median']:.6g}" for name, side in sides.items())
        verdict = f"  ratio {case['ratio']:.2f}" if theirs else ""
        print(f"{title}: {shown} {unit}{verdict}{'' if agreed else ' (medians still moving)'}", flush=True)

    def finish(self) -> None:
        """Write the file of results."""
        self.options.results.mkdir(parents=True, exist_ok=True)
        suffix = "" if self.options.device == "cpu" else f".{self.options.device}"
        path = self.options.results / f"{self.name}{suffix}.json"
        content = {
            "question": self.name,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": _machine(),
            "versions": {name: _version(name) for name in _PACKAGES if _version(name)},
            "settings": {
                "device": self.options.device,
                "threads": self.options.threads,
                "quick": self.quick,
                "kernels": _kernels(),
            },
            "cases": self.cases,
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _summary(values: Sequence[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return {"median": median, "low": low, "high": high, "rounds": len(values)}


def _machine() -> dict[str, Any]:
    """What was measured on; no names."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        memory = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1]) // 1000
    except (OSError, StopIteration):
        memory = 0
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": model,
        "cores": os.cpu_count(),
        "memory MB": memory,
        "python": platform.python_version(),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _kernels() -> str:
    """Which native kernels our side had."""
    import flambeau

    lines = flambeau.show_config().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("CPU kernels")), "")
