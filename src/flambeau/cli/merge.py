"""``flambeau merge``: several files into one."""

import argparse

from flambeau.cli.console import Commands, add_output
from flambeau.cli.writing import report_written, written

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "merge",
        help="write the tensors of several files, or of an index of shards, as one file",
        description="Write the tensors of several files as one file, which is replaced in one step. An index "
        "(model.safetensors.index.json) stands for all the files that it names.",
    )
    parser.add_argument("target", metavar="OUT", help="file to be written; the end of its name says of which kind")
    parser.add_argument("sources", nargs="+", metavar="SHARD", help="files to be merged, or an index")
    add_output(parser, machine=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Merge the files; returns the exit status."""
    from flambeau.tools.converting import format_of
    from flambeau.tools.joining import joined
    from flambeau.tools.opening import open_checkpoint

    format_of(arguments.target)
    obj, metadata = joined([open_checkpoint(source) for source in arguments.sources])
    written(obj, arguments.target, metadata, arguments.quiet)
    report_written(", ".join(arguments.sources), arguments.target, arguments.quiet)
    return 0
