"""How the benchmarks measure: all sides in one process, in alternating blocks, medians of many."""

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["interleaved", "settled", "table"]

_SET = 5  # rounds after which medians are compared
_AGREEMENT = 0.05


def interleaved(
    sides: Mapping[str, Callable[[int], object]],
    *,
    block: float = 0.3,
    rounds: int = 15,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time several ways of doing the same.

    Args:
        sides: for each name a function that does the work the given number of times, and waits for the end.
        block: seconds a block takes, so that each side finds its caches and threads warm.
        rounds: blocks of each side.
        clock: `time.process_time` counts the processor's time instead: on a machine that others use, only that means
            anything, and only on one thread, because threads that wait for each other count, too.

    Returns:
        For each name the seconds one piece of work took, block by block.
    """
    counts = {name: _count(work, block, clock) for name, work in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        _round(sides, counts, times, clock)
    return times


def settled(
    sides: Mapping[str, Callable[[int], object]],
    *,
    block: float = 0.3,
    most: int = 25,
    patience: float = 45.0,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[dict[str, list[float]], bool]:
    """Time several ways of doing the same until the medians stay where they are.

    After every five rounds each side's median of these is compared with that of the five before; once all agree within
    5 %, or after the most rounds or the seconds of patience, it is enough.

    Returns:
        What ``interleaved`` returns, and whether the medians agreed.
    """
    counts = {name: _count(work, block, clock) for name, work in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    done, started = 0, time.perf_counter()
    while done < most and time.perf_counter() - started < patience:
        for _ in range(min(_SET, most)):
            _round(sides, counts, times, clock)
        done += min(_SET, most)
        if all(map(_agree, times.values())):
            return times, True
    return times, False


def _count(work: Callable[[int], object], block: float, clock: Callable[[], float]) -> int:
    """How often the work fits into a block; everything is compiled afterwards."""
    work(2)
    tried = 1
    while True:
        started = clock()
        work(tried)
        seconds = clock() - started
        if seconds > block / 5:
            return max(1, round(block / (seconds / tried)))
        tried *= 4


def _round(
    sides: Mapping[str, Callable[[int], object]],
    counts: Mapping[str, int],
    times: dict[str, list[float]],
    clock: Callable[[], float],
) -> None:
    """One block of each side."""
    for name, work in sides.items():
        started = clock()
        work(counts[name])
        times[name].append((clock() - started) / counts[name])


def _agree(values: list[float]) -> bool:
    """Whether the last two sets of rounds have the same median."""
    if len(values) < 2 * _SET:
        return False
    before, after = statistics.median(values[-2 * _SET : -_SET]), statistics.median(values[-_SET:])
    return abs(after - before) <= _AGREEMENT * before


def table(title: str, times: Mapping[str, list[float]], ours: str = "flambeau") -> str:
    """Rows of a Markdown table: median, quartiles, and how many times as long as ours each takes."""
    base = statistics.median(times[ours])
    rows = [f"| {title} | median ms | quartiles ms | time / ours |", "|---|---|---|---|"]
    for name, values in times.items():
        low, _, high = statistics.quantiles(values, n=4)
        median = statistics.median(values)
        rows.append(f"| {name} | {median * 1e3:.3f} | {low * 1e3:.3f} to {high * 1e3:.3f} | {median / base:.2f} |")
    return "\n".join(rows)
