"""``flambeau convert``: one kind of checkpoint into another."""

import argparse

from flambeau.cli.console import Commands, add_output
from flambeau.cli.writing import report_written, written

__all__ = ["add_parser", "run"]


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "convert",
        help="write a checkpoint as another kind: .pth, .safetensors, .npz",
        description="Write a checkpoint as another kind, which the end of OUT's name says: .pth, .pt, .bin, .ckpt "
        "(PyTorch), .safetensors, .npz, .npy (NumPy). Tied tensors stay tied where the kind can say so. OUT is "
        "replaced in one step.",
    )
    parser.add_argument("source", metavar="IN", help="checkpoint, of any kind that Flambeau reads")
    parser.add_argument("target", metavar="OUT", help="file to be written")
    add_output(parser, machine=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert the file; returns the exit status."""
    from flambeau.tools.converting import format_of
    from flambeau.tools.opening import open_checkpoint

    format_of(arguments.target)
    opened = open_checkpoint(arguments.source)
    written(opened.checkpoint.obj, arguments.target, opened.checkpoint.metadata, arguments.quiet)
    report_written(arguments.source, arguments.target, arguments.quiet)
    return 0
