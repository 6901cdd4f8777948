"""The command line: ``flambeau COMMAND ...``."""

import argparse
import os
import sys
from collections.abc import Sequence

from flambeau.base.errors import FlambeauError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 130 when interrupted.

    Raises:
        SystemExit: the arguments are wrong (status 2), or something went wrong that the user can mend (status 1, said
            in one line).
    """
    from flambeau.cli import predict, quickstart

    parser = argparse.ArgumentParser(
        prog="flambeau", description="PyTorch's module system and checkpoints, without PyTorch."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    quickstart.add_parser(commands)
    predict.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough, as in `flambeau predict ... | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (FlambeauError, OSError) as error:
        parser.exit(1, f"flambeau: {error}\n")
