"""``flambeau scan``: what the pickles in a file name."""

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Final

from flambeau.cli.console import Commands, add_output, paint, print_json, print_table, say

if TYPE_CHECKING:
    from flambeau.checkpoint.scan import ScannedGlobal

__all__ = ["add_parser", "run"]

_STYLES: Final = {
    "dangerous": ("bold", "red"),
    "broken": ("bold", "red"),
    "unknown": ("yellow",),
    "allowed": ("dim",),
}
_MEANINGS: Final = {
    "dangerous": "an ordinary unpickler would run code",
    "broken": "the rest cannot be read",
    "unknown": "not built by Flambeau",
    "allowed": "",
}


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "scan",
        help="list every class and function that files name, without executing anything",
        description="List every class and function that the pickles in files name, without executing anything. The "
        "exit status is 1 where a name is dangerous or a pickle is broken, 2 where a file cannot be read. Loading a "
        "file with Flambeau is safe in any case: this is for whoever loads it otherwise.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="checkpoint, or a bare pickle")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scan the files; returns the exit status."""
    from flambeau.checkpoint.scan import BROKEN, DANGEROUS, scan

    found = {file: scan(file) for file in arguments.files}
    if arguments.json:
        described = [_as_json(file, names) for file, names in found.items()]
        print_json(described[0] if len(described) == 1 else described)
    else:
        for file, names in found.items():
            _print(file, names, arguments.quiet)
    return int(any(name.verdict in (DANGEROUS, BROKEN) for names in found.values() for name in names))


def _as_json(file: str, names: "list[ScannedGlobal]") -> dict[str, object]:
    """Describe a file's names in terms of JSON."""
    listed = [
        {"name": name.name, "verdict": name.verdict, "record": name.record, "position": name.position} for name in names
    ]
    return {"file": file, "globals": listed}


def _print(file: str, names: "list[ScannedGlobal]", quiet: bool) -> None:
    """Write a file's names, the worst first, each once."""
    from flambeau.tools.sizes import shown_count

    times = Counter((name.verdict, _printable(name.name), name.record) for name in names)
    first = {(name.verdict, _printable(name.name), name.record): name.position for name in reversed(names)}
    verdicts = Counter(verdict for verdict, _, _ in times)
    counts = ", ".join(f"{verdicts[verdict]:,} {verdict}" for verdict in _STYLES if verdicts[verdict])
    distinct = shown_count(len(times), "name") if times else "no names"
    say(f"{paint(file, 'bold')}: {distinct}{': ' + counts if counts else ''}")
    for verdict, styles in _STYLES.items():
        if quiet and verdict == "allowed":
            continue
        rows = [
            (
                f"  {name}",
                verdict,
                f"{record or 'pickle'}, byte {first[key]:,}" + (f", {times[key]:,} times" if times[key] > 1 else ""),
                _MEANINGS[verdict],
            )
            for key in sorted(times)
            for _, name, record in (key,)
            if key[0] == verdict
        ]
        print_table(rows, styles=(styles[-1], styles[-1], "dim", "dim"))


def _printable(text: str) -> str:
    """Show a name that could move the terminal's cursor as what it is."""
    return text if text.isprintable() else ascii(text)
