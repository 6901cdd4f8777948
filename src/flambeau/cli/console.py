"""What commands write: tables as wide as the terminal, colors where somebody sees them, progress, warnings, JSON."""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from flambeau.base.config import config

if TYPE_CHECKING:
    from flambeau.checkpoint.records import StorageRecord

__all__ = [
    "Commands",
    "add_output",
    "hint",
    "paint",
    "print_json",
    "print_table",
    "progress",
    "say",
    "warn",
    "watch",
]

# argparse has no public name for it
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # pyright: ignore[reportPrivateUsage]

_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_GAP: Final = "  "
_LEAST: Final = 16  # columns that a shortened cell keeps at least
_FAILURE: Final = 2  # exit status of a command that could not do its work


def add_output(parser: argparse.ArgumentParser, *, machine: bool = True) -> None:
    """Add the options of every tool about what it writes.

    Args:
        parser: the command's parser.
        machine: whether the command can answer in JSON.
    """
    if machine:
        parser.add_argument("--json", action="store_true", help="answer in JSON, with exact numbers of bytes")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, no warnings, only what is asked for")
    parser.set_defaults(failure=_FAILURE)


def paint(text: str, *styles: str, error: bool = False) -> str:
    """Color a text, where the output is a terminal that shows colors.

    Args:
        text: the text.
        styles: names of colors, ``"bold"``, ``"dim"``.
        error: whether the text goes to the error output.
    """
    stream = sys.stderr if error else sys.stdout
    if not styles or not config.color or not stream.isatty():
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def say(text: str = "") -> None:
    """Write a line; characters that the output cannot show are replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def hint(unicode: str, plain: str) -> str:
    """Choose between a character and its replacement in ASCII, by what the output can show."""
    try:
        unicode.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return plain
    return unicode


def warn(text: str, quiet: bool) -> None:
    """Write a warning to the error output."""
    if not quiet:
        print(f"{paint('warning:', 'yellow', error=True)} {text}", file=sys.stderr)


def print_json(value: object) -> None:
    """Write a value as JSON."""
    print(json.dumps(value, indent=2))


def print_table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), styles: Sequence[str] = ()) -> None:
    """Write rows of cells in columns; on a terminal, the widest of the first column are shortened to fit.

    Args:
        rows: the cells of each row. Where only the first and last have any, the last stands beside the first.
        right: columns that are aligned to the right.
        styles: style of each column, or an empty text.
    """
    if not rows:
        return
    full = [row for row in rows if any(row[1:-1])]
    widths = [max((len(row[column]) for row in full), default=0) for column in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    if sys.stdout.isatty():
        over = sum(widths) + len(_GAP) * (len(widths) - 1) - shutil.get_terminal_size().columns
        for column in (0, len(widths) - 1):
            if over > 0:
                kept = max(min(_LEAST, widths[column]), widths[column] - over)
                over -= widths[column] - kept
                widths[column] = kept
    for row in rows:
        if not any(row[1:-1]):
            # What says something of the first cell alone needs no columns between.
            first = _shortened(row[0], widths[0])
            say(f"{first.ljust(widths[0])}{_GAP}{paint(row[-1], *filter(None, styles[-1:]))}".rstrip())
            continue
        cells: list[str] = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            short = _shortened(cell, width)
            padded = short.rjust(width) if column in right else short.ljust(width)
            cells.append(paint(padded, *filter(None, (styles[column] if styles else "",))) if short else padded)
        say(_GAP.join(cells).rstrip())


def _shortened(cell: str, width: int) -> str:
    """Take the middle out of a text that is too long."""
    if len(cell) <= width:
        return cell
    mark = hint("…", "~")
    tail = (width - 1) * 2 // 3
    return cell[: width - 1 - tail] + mark + cell[len(cell) - tail :]


@contextmanager
def progress(total: int, label: str, quiet: bool) -> Generator[Callable[[int], object]]:
    """Show how much of a long work is done, on a terminal only; gives what is called with every number of bytes done.

    Args:
        total: number of bytes.
        label: what is done.
        quiet: show nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield _ignore
        return
    try:
        from tqdm import tqdm
    except ImportError:  # the tools work without it
        yield _ignore
        return
    bar = cast("Any", tqdm)(total=total, desc=label, unit="B", unit_scale=True, leave=False, delay=0.5)
    with bar:
        yield bar.update


def _ignore(_: int) -> None:
    """Show nothing."""


def watch(storages: "Sequence[StorageRecord]", report: Callable[[int], object]) -> None:
    """Report a storage's bytes as soon as they are asked for.

    Args:
        storages: the storages.
        report: takes the number of bytes.
    """
    for storage in storages:
        storage.load = _watched(storage, report)


def _watched(storage: "StorageRecord", report: Callable[[int], object]) -> Callable[[], Any]:
    """Give what loads a storage, and reports it once."""
    load, pending = storage.load, [storage.nbytes]

    def loaded() -> Any:
        if pending:
            report(pending.pop())
        return load()

    return loaded
