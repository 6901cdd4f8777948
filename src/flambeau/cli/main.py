"""The command line: ``flambeau COMMAND ...``."""

import argparse
import os
import sys
from collections.abc import Sequence

from flambeau.base.errors import FlambeauError
from flambeau.cli import convert, diff, edit, ls, merge, predict, quickstart, scan, split, verify

__all__ = ["main"]

# In the order of --help. None of them loads at once what its work needs: JAX, NumPy, tqdm, matplotlib, ...
_COMMANDS = (quickstart, predict, ls, diff, verify, scan, convert, edit, merge, split)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status.

    It is 0 where all is well, 130 when interrupted; ``diff`` returns 1 where files differ, ``verify`` where one is
    damaged, ``scan`` where one holds a suspicious name.

    Raises:
        SystemExit: the arguments are wrong (status 2), or something went wrong that the user can mend (said in one
            line; status 1, of the commands for checkpoints 2).
    """
    parser = argparse.ArgumentParser(
        prog="flambeau", description="PyTorch's module system and checkpoints, without PyTorch."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough, as in `flambeau ls ... | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (FlambeauError, OSError) as error:
        parser.exit(getattr(arguments, "failure", 1), f"flambeau: {error}\n")
    return status
