"""``flambeau verify``: is a checkpoint whole?"""

import argparse

from flambeau.cli.console import Commands, add_output, paint, print_json, progress, say

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "verify",
        help="check files for damage: structure, every view, every checksum",
        description="Check files for damage: their structure, that every tensor lies within its storage, and every "
        "checksum that they hold. The exit status is 1 where a file is damaged, 2 where one cannot be opened.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="checkpoint, of any kind that Flambeau reads")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check the files; returns the exit status."""
    import os

    from flambeau.tools.checking import verify

    total = sum(os.path.getsize(file) for file in arguments.files)
    with progress(total, "verifying", arguments.quiet) as report:
        results = [verify(file, report) for file in arguments.files]
    if arguments.json:
        described = [result.as_json() for result in results]
        print_json(described[0] if len(described) == 1 else described)
    else:
        for result in results:
            for damage in result.damages:
                say(f"{paint('DAMAGED', 'bold', 'red')}  {damage}")
            if not result.damages and not arguments.quiet:
                say(f"{paint('ok', 'bold', 'green')}       {result.path}: {result.text}")
    return int(any(result.damages for result in results))
