"""``flambeau ls``: what is in a checkpoint."""

import argparse
from typing import TYPE_CHECKING

from flambeau.cli.console import Commands, add_output, hint, paint, print_json, print_table, say

if TYPE_CHECKING:
    from flambeau.tools.listing import Listing

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "ls",
        help="list what is in checkpoints: names, shapes, types, sizes, ties",
        description="List what is in checkpoints. Of tensors only the descriptions are read, not the bytes. A tensor "
        "tied to an earlier one is marked by = and that one's name.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="checkpoint, of any kind that Flambeau reads")
    parser.add_argument("--all", action="store_true", help="unfold optimizer states, lists and whatever is summarized")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the files; returns the exit status."""
    from flambeau.tools.listing import listing
    from flambeau.tools.opening import open_checkpoint

    listings = [listing(open_checkpoint(file)) for file in arguments.files]
    if arguments.json:
        described = [found.as_json() for found in listings]
        print_json(described[0] if len(described) == 1 else described)
        return 0
    for number, found in enumerate(listings):
        if number:
            say()
        _print(found, arguments.all)
    return 0


def _print(found: "Listing", everything: bool) -> None:
    """Write one file's tree."""
    say(f"{paint(found.opened.path, 'bold')}: {found.title}")
    rows = [
        (_branch(row.lines) + row.label, row.shape, row.dtype, row.size, row.note)
        for row in found.rows(everything=everything)
    ]
    print_table(rows, right=(3,), styles=("", "cyan", "green", "", "dim"))
    for name, text in found.opened.checkpoint.metadata.items():
        say(paint(f"metadata {name}: {text if len(text) <= 100 else text[:97] + '...'}", "dim"))


def _branch(lines: tuple[bool, ...]) -> str:
    """Draw the lines of the tree before a label."""
    if not lines:
        return ""
    before = "".join("    " if last else hint("│   ", "|   ") for last in lines[:-1])
    return before + (hint("└── ", "`-- ") if lines[-1] else hint("├── ", "|-- "))
