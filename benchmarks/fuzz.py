"""Read a great many damaged checkpoints, and count what happened.

python benchmarks/fuzz.py [--count 1000000] [--jobs 2] [--seed 0] [--only zip,legacy,...]

Every input is a valid file of one of the containers, changed at random: bits flipped, bytes changed, moved, doubled and
dropped, files cut off, pieces of another file put in; or, behind a right checksum, instructions of the pickle changed.
What may happen is a ``LoadError``, or a value: the file's own, unless the change was given a right checksum. Anything
else is counted as a fault: another exception, more than 5 seconds, more memory than the file justifies, and whatever
would mean that a file did something (an import, a file opened for writing, a process, a socket, compiled code).
"""

import argparse
import json
import multiprocessing
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flambeau.base.errors import LoadError
from tests.hostile.corpus import CORPUS, Sample

SECONDS = 5
MEMORY = 512 << 20  # bytes a worker may grow by, whatever it reads
WATCHED = (
    "compile", "exec", "import", "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "os.spawn",
    "os.system", "pickle.find_class", "shutil.", "socket.", "subprocess.Popen", "ctypes.", "marshal.",
)  # fmt: skip

_acts: list[str] = []
_watching = False


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what a file must never make happen."""
    if not _watching:
        return
    if event == "open":
        mode = arguments[1] if len(arguments) > 1 else None
        if isinstance(mode, str) and not set(mode) & set("wax+"):
            return
        _acts.append(f"open {arguments[0]!r} {mode!r}")
    elif event.startswith(WATCHED):
        _acts.append(f"{event} {arguments[:1]!r}")


class TooSlowError(Exception):
    """A file took longer than it may."""


def ring(number: int, frame: Any) -> None:
    raise TooSlowError


# -- changes ---------------------------------------------------------------------------------------------------------


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def drop(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 4, 8, 64, 512))]


def double(data: bytearray, rng: random.Random) -> None:
    at, size = rng.randrange(len(data)), rng.choice((1, 4, 30, 46, 200))
    data[at:at] = data[at : at + size]


def move(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((1, 2, 4, 8, 30, 64))
    start, end = rng.randrange(len(data)), rng.randrange(len(data))
    data[end : end + size] = data[start : start + size]


def scribble(data: bytearray, rng: random.Random) -> None:
    at, size = rng.randrange(len(data)), rng.choice((1, 2, 4, 8))
    data[at : at + size] = rng.choice(
        (rng.randbytes(size), b"\xff" * size, b"\0" * size, b"\x7f" + b"\xff" * (size - 1))
    )


def splice(data: bytearray, rng: random.Random) -> None:
    other = rng.choice(CORPUS).data
    at, start = rng.randrange(len(data)), rng.randrange(len(other))
    size = rng.choice((16, 64, 256, 1024))
    data[at : at + rng.choice((0, size))] = other[start : start + size]


CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (flip, cut, drop, double, move, scribble, splice)


def changed(sample: Sample, rng: random.Random) -> tuple[bytes, bool]:
    """A sample after one to three changes, and whether its checksums were made right again."""
    sealed = sample.seal is not None and rng.random() < 0.5
    data = bytearray(sample.inner if sealed else sample.data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if data:
            rng.choice(CHANGES)(data, rng)
    return (sample.seal(bytes(data)), True) if sealed and sample.seal is not None else (bytes(data), False)


# -- reading ---------------------------------------------------------------------------------------------------------


def outcome(sample: Sample, data: bytes, sealed: bool) -> str:
    """What reading an input came to."""
    global _watching  # noqa: PLW0603  (the audit hook cannot be taken away)
    _acts.clear()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    _watching = True
    try:
        found = sample.read(data)
    except LoadError:
        result = "refused"
    except TooSlowError:
        result = "FAULT: more than 5 s"
    except MemoryError:
        result = "FAULT: memory"
    except BaseException as error:  # noqa: BLE001  (that is the question)
        result = f"FAULT: {type(error).__name__}: {str(error)[:80]}"
    else:
        if found == sample.text:
            result = "the same value"
        elif sealed or not sample.checked:
            result = "another value (nothing in the file tells)"
        else:
            result = "FAULT: another value"
    finally:
        _watching = False
        signal.setitimer(signal.ITIMER_REAL, 0)
    return f"FAULT: {_acts[0][:80]}" if _acts else result


def work(job: tuple[int, int, str]) -> tuple[dict[str, Counter[str]], dict[str, bytes], int]:
    """Read so many inputs; returns outcomes by container, an input for each fault, and the growth in memory."""
    count, seed, only = job
    signal.signal(signal.SIGALRM, ring)
    samples = [sample for sample in CORPUS if not only or sample.container in only.split(",")]
    for sample in samples:
        sample.read(sample.data)
    for codec in ("ascii", "latin1", "raw_unicode_escape", "unicode_escape", "utf-8"):
        "".encode(codec)  # Python loads its codecs when they are first used
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resource.setrlimit(resource.RLIMIT_AS, (_mapped() + MEMORY, resource.RLIM_INFINITY))
    sys.addaudithook(watch)
    rng = random.Random(seed)
    counts: dict[str, Counter[str]] = {}
    faults: dict[str, bytes] = {}
    for _ in range(count):
        sample = rng.choice(samples)
        data, sealed = changed(sample, rng)
        result = outcome(sample, data, sealed)
        counts.setdefault(sample.container, Counter())[result] += 1
        if result.startswith("FAULT"):
            faults.setdefault(result, data)
    return counts, faults, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def _mapped() -> int:
    """Bytes of address space in use."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main() -> int:
    """Share the work out, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="containers, by comma")
    parser.add_argument("--faults", type=Path, help="folder for an input of each fault")
    options = parser.parse_args()
    started = time.monotonic()
    pieces = max(options.jobs, options.count // 20_000)
    jobs = [(options.count // pieces, options.seed * 1_000_003 + piece, options.only) for piece in range(pieces)]
    totals: dict[str, Counter[str]] = {}
    faults: dict[str, bytes] = {}
    growth = 0
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        for counts, found, grown in pool.imap_unordered(work, jobs):
            for container, counter in counts.items():
                totals.setdefault(container, Counter()).update(counter)
            faults.update(found)
            growth = max(growth, grown)
    print(json.dumps(totals, indent=2, sort_keys=True))
    done = sum(map(Counter.total, totals.values()))
    wrong = sum(number for counter in totals.values() for name, number in counter.items() if name.startswith("FAULT"))
    print(
        f"{done:,} inputs, {wrong} faults, {time.monotonic() - started:.0f} s, "
        f"memory grew by {growth / 1024:.0f} MB at most"
    )
    if options.faults is not None:
        options.faults.mkdir(parents=True, exist_ok=True)
        for number, (name, data) in enumerate(sorted(faults.items())):
            (options.faults / f"{number}.bin").write_bytes(data)
            print(f"{number}.bin: {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
