"""``flambeau split``: one checkpoint into files of limited size, with an index."""

import argparse
import os

from flambeau.cli.console import Commands, add_output, hint, progress, say, warn, watch

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "split",
        help="write a checkpoint as several files of limited size, with an index",
        description="Write a checkpoint's tensors as several files of limited size, with an index that says which "
        "tensor is in which. The folder is made if it is not there.",
    )
    parser.add_argument("source", metavar="IN", help="checkpoint, of any kind that Flambeau reads")
    parser.add_argument("folder", metavar="DIR", help="folder of the files to be written")
    parser.add_argument("--max-size", type=_size, default=2_000_000_000, metavar="SIZE", help="such as 500MB or 2GB, "
                        "which is the default")  # fmt: skip
    parser.add_argument("--format", choices=("safetensors", "pytorch"), help="kind of the files (default: that of IN)")
    add_output(parser, machine=False)
    parser.set_defaults(run=run)


def _size(text: str) -> int:
    """Read a number of bytes."""
    from flambeau.tools.sizes import parsed_size

    try:
        return parsed_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Split the file; returns the exit status."""
    from flambeau.checkpoint.shard_writer import write_shards
    from flambeau.tools.converting import flattened, shard_format, storages_of
    from flambeau.tools.opening import open_checkpoint
    from flambeau.tools.sizes import shown_count, shown_size

    opened = open_checkpoint(arguments.source)
    flat = flattened(opened.checkpoint.obj)
    for text in flat.warnings:
        warn(text, arguments.quiet)
    storages = storages_of(flat.tensors)
    os.makedirs(arguments.folder, exist_ok=True)
    with progress(sum(storage.nbytes for storage in storages), "writing", arguments.quiet) as report:
        watch(storages, report)
        paths = write_shards(
            flat.tensors,
            arguments.folder,
            most=arguments.max_size,
            format=arguments.format or shard_format(opened),
        )
    if not arguments.quiet:
        size = shown_size(sum(os.path.getsize(path) for path in paths))
        counts = f"{shown_count(len(paths) - 1, 'file')}, {shown_count(len(flat.tensors), 'tensor')}"
        say(f"{arguments.source} {hint('→', '->')} {paths[-1]}: {counts}, {size}")
    return 0
