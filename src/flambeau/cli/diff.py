"""``flambeau diff``: how two checkpoints differ."""

import argparse
from typing import TYPE_CHECKING

from flambeau.cli.console import Commands, add_output, hint, paint, print_json, print_table, progress, say

if TYPE_CHECKING:
    from flambeau.tools.comparing import Change, Comparison
    from flambeau.tools.opening import Opened

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "diff",
        help="compare two checkpoints: names, shapes, types, values",
        description="Compare two checkpoints, of one kind or of two. The exit status is 0 where they are equal, 1 "
        "where they differ, 2 where one cannot be read. Numbers count as equal when they are within --atol or "
        "within --rtol.",
    )
    parser.add_argument("before", metavar="A", help="checkpoint")
    parser.add_argument("after", metavar="B", help="checkpoint to compare it with")
    parser.add_argument("--atol", type=float, default=0.0, help="absolute difference that is let pass (default: 0)")
    parser.add_argument("--rtol", type=float, default=0.0, help="relative difference that is let pass (default: 0)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare the files; returns the exit status."""
    from flambeau.tools.comparing import compare
    from flambeau.tools.opening import open_checkpoint

    before, after = open_checkpoint(arguments.before), open_checkpoint(arguments.after)
    with progress(before.nbytes, "comparing", arguments.quiet) as report:
        found = compare(
            before.checkpoint.obj,
            after.checkpoint.obj,
            absolute=arguments.atol,
            relative=arguments.rtol,
            report=report,
        )
    if arguments.json:
        print_json({"before": before.path, "after": after.path, "differ": found.differ, **found.as_json()})
    elif not arguments.quiet:
        _print(before, after, found)
    return int(found.differ)


def _print(before: "Opened", after: "Opened", found: "Comparison") -> None:
    """Write what differs, and how much is equal."""
    from flambeau.tools.sizes import shown_count

    for sign, opened, style in (("-", before, "red"), ("+", after, "green")):
        say(paint(f"{sign} {opened.path}: {opened.kind}", style))
    if found.differ:
        say()
    only = [("-", name, "only in A", text) for name, text in found.only_before.items()]
    only += [("+", name, "only in B", text) for name, text in found.only_after.items()]
    rows = [(f"{sign} {name}", what, text) for sign, name, what, text in only]
    rows += [(f"~ {change.name}", *_described(change)) for change in found.changes]
    print_table(rows, styles=("", "yellow", ""))
    equal = [shown_count(found.equal, "tensor")]
    if found.equal_values:
        equal.append(shown_count(found.equal_values, "value"))
    say()
    if found.differ:
        differing = len(only) + len({change.name for change in found.changes})
        say(f"{paint(f'{differing:,} differ', 'bold')}; equal: {', '.join(equal)}")
    else:
        say(f"{paint('no difference', 'bold', 'green')}: {', '.join(equal)}")


def _described(change: "Change") -> tuple[str, str]:
    """Say how something differs."""
    if change.what != "values":
        return change.what, f"{change.before} {hint('→', '->')} {change.after}"
    where = f"{change.absolute:.3g} at {list(change.index)}, relative {change.relative:.3g}"
    return change.what, f"largest difference {where}; {change.count:,} of {change.total:,} differ"
