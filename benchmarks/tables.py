"""Print results as Markdown, and put them into docs/performance.md, so that no figure there is typed by hand.

    python benchmarks/tables.py             # print all tables
    python benchmarks/tables.py --write     # put them between the markers of docs/performance.md

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``, where NAME is the question's; ``NAME: PREFIX``
takes only the cases whose titles begin so.
"""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["rewritten", "table"]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
RESULTS = Path(__file__).resolve().parent / "results"
_MARKED = re.compile(r"(<!-- table: ([\w.]+)(?:: (.*?))? -->\n).*?(<!-- end -->)", re.DOTALL)
# Units of seconds, the first that leaves a number of at least one.
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def table(result: dict[str, Any], prefix: str = "") -> str:
    """One question's cases: a row each, a column for each side, then how we compare and what was asked of us."""
    cases = [case for case in result["cases"] if case["case"].startswith(prefix)]
    sides = list(dict.fromkeys(name for case in cases for name in case["sides"]))
    compared = any("ratio" in case for case in cases)
    asked = any("met" in case for case in cases)
    head = ["", *sides, *(["ratio"] if compared else []), *(["bar", "met"] if asked else [])]
    rows = [head, ["---"] * len(head)]
    for case in cases:
        row = [case["case"], *_measured(case, sides)]
        if compared:
            row.append(f"{case['ratio']:.2f}" if "ratio" in case else "")
        if asked:
            row += _asked(case)
        rows.append(row)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    moving = [case["case"] for case in cases if not case["agreed"]]
    note = f"\nMedians still moved by more than 5 % after the last round: {'; '.join(moving)}.\n" if moving else ""
    return f"{_origin(result)}\n\n" + "\n".join(lines) + f"\n{note}"


def _measured(case: dict[str, Any], sides: Sequence[str]) -> Iterator[str]:
    """Median and quartiles of each side, in one unit for the row: the one that suits our side."""
    scale, unit = 1.0, case["unit"]
    if unit == "s":
        ours = next(iter(case["sides"].values()))["median"]
        scale, unit = next((pair for pair in _SECONDS if ours >= pair[0]), _SECONDS[-1])
    for name in sides:
        side = case["sides"].get(name)
        if side is None:
            yield ""
            continue
        median, low, high = (_rounded(side[key] / scale) for key in ("median", "low", "high"))
        yield f"{median} {unit}" + (f" ({low} to {high})" if side["rounds"] > 1 else "")


def _rounded(value: float) -> str:
    """A number with three digits that count, and thousands with commas."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _asked(case: dict[str, Any]) -> list[str]:
    if "met" not in case:
        return ["", ""]
    limit = case.get("limit")
    bar = f"{case['bar']:.2f}" if limit is None else next(_measured({**case, "sides": _only(limit)}, ["limit"]))
    return [bar, "yes" if case["met"] else "**no**"]


def _only(limit: float) -> dict[str, Any]:
    return {"limit": {"median": limit, "low": limit, "high": limit, "rounds": 1}}


def _origin(result: dict[str, Any]) -> str:
    """When, on what and with what."""
    machine, settings, versions = result["machine"], result["settings"], result["versions"]
    names = {"flambeau": "Flambeau", "jax": "JAX", "torch": "PyTorch", "flax": "Flax", "equinox": "Equinox"}
    with_what = ", ".join(f"{shown} {versions[name]}" for name, shown in names.items() if name in versions)
    quick = " (quick: says nothing about speed)" if settings["quick"] else ""
    return (
        f"`python benchmarks/{result['question']}.py`, {result['date'][:10]}{quick}: {machine['processor']}, "
        f"{machine['cores']} cores, {settings['threads']} threads, {settings['device']}; {with_what}."
    )


def rewritten(page: str, results: dict[str, dict[str, Any]]) -> str:
    """A page with the tables of these results between its markers; the others stay as they are."""

    def replaced(found: re.Match[str]) -> str:
        result = results.get(found[2])
        return found[0] if result is None else f"{found[1]}{table(result, found[3] or '')}{found[4]}"

    return _MARKED.sub(replaced, page)


def main() -> None:
    """Print, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the files of results")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    options = parser.parse_args()
    results = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(options.results.glob("*.json"))}
    if options.write:
        PAGE.write_text(rewritten(PAGE.read_text("utf-8"), results), encoding="utf-8")
        return
    for name, result in results.items():
        print(f"## {name}\n\n{table(result)}")


if __name__ == "__main__":
    main()
