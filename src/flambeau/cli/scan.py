"""``flambeau scan``: what the pickles in a file name."""

import argparse
from typing import TYPE_CHECKING, Final

from flambeau.cli.console import Commands, add_output, paint, print_json, print_table, say

if TYPE_CHECKING:
    from flambeau.checkpoint.scanning import Scan

__all__ = ["add_parser", "run"]

# In the order in which they are shown.
_STYLES: Final = {"suspicious": "red", "unknown": "yellow", "allowed": "dim"}


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "scan",
        help="list every class and function that files name, without executing anything",
        description="List every class and function that the pickles in files name, without executing anything. The "
        "exit status is 1 where a name is suspicious or a pickle cannot be followed to its end, 2 where a file cannot "
        "be read. Loading a file with Flambeau is safe in any case: this is for whoever loads it otherwise.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="checkpoint, or a bare pickle")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scan the files; returns the exit status."""
    from flambeau.tools.scanning import scan_files

    found = {path: scan for file in arguments.files for path, scan in scan_files(file).items()}
    if arguments.json:
        described = [_as_json(path, scan) for path, scan in found.items()]
        print_json(described[0] if len(described) == 1 else described)
    else:
        for path, scan in found.items():
            _print(path, scan, arguments.quiet)
    return int(any(not scan.safe for scan in found.values()))


def _as_json(path: str, scan: "Scan") -> dict[str, object]:
    """Describe what a file names in terms of JSON."""
    names = [
        {
            "name": entry.name,
            "verdict": entry.verdict,
            "reason": entry.reason,
            "called": entry.called,
            "where": entry.where,
        }
        for entry in scan.globals
    ]
    return {
        "file": path,
        "kind": scan.container,
        "safe": scan.safe,
        "globals": names,
        "opcodes": scan.opcodes,
        "problems": scan.problems,
    }


def _print(path: str, scan: "Scan", quiet: bool) -> None:
    """Write what a file names, the worst first."""
    from flambeau.tools.sizes import shown_count

    counts = ", ".join(f"{len(names):,} {verdict}" for verdict in _STYLES if (names := _names(scan, verdict)))
    total = shown_count(len(scan.globals), "name") if scan.globals else "no names"
    if not (quiet and scan.safe):
        say(f"{paint(path, 'bold')}: {scan.container}, {total}{': ' + counts if counts else ''}")
    for verdict, style in _STYLES.items():
        if not (quiet and verdict != "suspicious"):
            rows = [
                (f"  {_printable(name)}", verdict, "called" if called else "named", _printable(where), reason)
                for name, called, where, reason in _names(scan, verdict)
            ]
            print_table(rows, styles=(style, style, "dim", "dim", style))
    for opcode in scan.opcodes:
        say(paint(f"  opcode {opcode}, which no checkpoint uses", "red"))
    for problem in scan.problems:
        say(paint(f"  not scanned to its end: {_printable(problem)}", "red"))


def _names(scan: "Scan", verdict: str) -> list[tuple[str, bool, str, str]]:
    """Give the names with a verdict."""
    return [(entry.name, entry.called, entry.where, entry.reason) for entry in scan.globals if entry.verdict == verdict]


def _printable(text: str) -> str:
    """Show a text that could move the terminal's cursor as what it is."""
    return text if text.isprintable() else ascii(text)
