"""How the benchmarks measure: both sides in one process, in alternating blocks, medians of many."""

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["interleaved", "table"]


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
    counts: dict[str, int] = {}
    for name, work in sides.items():
        work(2)
        started = clock()
        work(3)
        counts[name] = max(1, round(block / ((clock() - started) / 3)))
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            started = clock()
            work(counts[name])
            times[name].append((clock() - started) / counts[name])
    return times


def table(title: str, times: Mapping[str, list[float]], ours: str = "flambeau") -> str:
    """Rows of a Markdown table: median, quartiles, and how many times as long as ours each takes."""
    base = statistics.median(times[ours])
    rows = [f"| {title} | median ms | quartiles ms | time / ours |", "|---|---|---|---|"]
    for name, values in times.items():
        low, _, high = statistics.quantiles(values, n=4)
        median = statistics.median(values)
        rows.append(f"| {name} | {median * 1e3:.3f} | {low * 1e3:.3f} to {high * 1e3:.3f} | {median / base:.2f} |")
    return "\n".join(rows)
