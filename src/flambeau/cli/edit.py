"""``flambeau edit``: a checkpoint with other names, fewer tensors, another type."""

import argparse

from flambeau.cli.console import Commands, add_output, warn
from flambeau.cli.writing import report_written, written

__all__ = ["add_parser", "run"]

_SHORT = {"half": "float16", "float": "float32", "double": "float64", "fp16": "float16", "bf16": "bfloat16"}


def add_parser(commands: Commands) -> None:
    """Describe the command's arguments."""
    parser = commands.add_parser(
        "edit",
        help="rename, drop, keep or cast tensors of a checkpoint",
        description="Write a checkpoint with changes, in this order: --drop, --keep, --strip-prefix, --rename, "
        "--add-prefix, --cast. Tensors are streamed from IN to OUT, one at a time. OUT may be IN; it is replaced in "
        "one step. Names are changed in state dicts, not in the numbered state of optimizers.",
    )
    parser.add_argument("source", metavar="IN", help="checkpoint, of any kind that Flambeau reads")
    parser.add_argument("target", metavar="OUT", help="file to be written; the end of its name says of which kind")
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        type=_renaming,
        metavar="OLD=NEW",
        help="rename a tensor, or every name that begins with OLD and a dot",
    )
    parser.add_argument(
        "--strip-prefix", action="append", default=[], metavar="TEXT", help="take a beginning off names: module."
    )
    parser.add_argument("--add-prefix", default="", metavar="TEXT", help="put a beginning before every name: backbone.")
    parser.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out what fits, with * and ?, by its whole name as `flambeau ls` shows it: optimizer, '*.bias'",
    )
    parser.add_argument("--keep", action="append", default=[], metavar="PATTERN", help="leave out everything else")
    parser.add_argument("--cast", type=_floating, metavar="DTYPE", help="change the type of floating-point tensors")
    parser.add_argument("--unshare", action="store_true", help="give tied tensors, and views, bytes of their own")
    add_output(parser, machine=False)
    parser.set_defaults(run=run)


def _renaming(text: str) -> tuple[str, str]:
    """Read OLD=NEW."""
    old, equals, new = text.partition("=")
    if not equals or not old:
        raise argparse.ArgumentTypeError(f"expected OLD=NEW, got {text!r}")
    return old, new


def _floating(text: str) -> str:
    """Read the name of a floating-point type."""
    from flambeau.tools.editing import FLOATING

    name = text.removeprefix("torch.")
    name = _SHORT.get(name, name)
    if name not in FLOATING:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(FLOATING)}, got {text!r}")
    return name


def run(arguments: argparse.Namespace) -> int:
    """Edit the file; returns the exit status."""
    from flambeau.tools.converting import format_of
    from flambeau.tools.editing import Edit, edited
    from flambeau.tools.opening import open_checkpoint
    from flambeau.tools.sizes import shown_count

    format_of(arguments.target)
    opened = open_checkpoint(arguments.source)
    result = edited(
        opened.checkpoint.obj,
        Edit(
            drop=arguments.drop,
            keep=arguments.keep,
            strip=arguments.strip_prefix,
            rename=arguments.rename,
            add=arguments.add_prefix,
            cast=arguments.cast,
            unshare=arguments.unshare,
        ),
    )
    written(result.obj, arguments.target, opened.checkpoint.metadata, arguments.quiet)
    if result.overflowed:
        lost = shown_count(sum(result.overflowed), "number")
        warn(f"{lost} too large for {arguments.cast} became infinite or NaN", arguments.quiet)
    counts = {"renamed": result.renamed, "dropped": result.dropped, "cast": result.cast}
    changes = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    report_written(arguments.source, arguments.target, arguments.quiet, changes)
    return 0
