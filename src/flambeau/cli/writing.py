"""How the commands that write a checkpoint do it: with progress, warnings, and a last line."""

import os
from collections.abc import Mapping

from flambeau.cli.console import hint, progress, say, warn, watch

__all__ = ["report_written", "written"]


def written(obj: object, target: str, metadata: Mapping[str, str], quiet: bool) -> None:
    """Write an object, and what its format cannot hold as warnings.

    Args:
        obj: plain values and records.
        target: file to be written.
        metadata: text by name.
        quiet: say nothing.
    """
    from flambeau.tools.converting import save, storages_of

    storages = storages_of(obj)
    with progress(sum(storage.nbytes for storage in storages), "writing", quiet) as report:
        watch(storages, report)
        warnings = save(obj, target, metadata)
    for text in warnings:
        warn(text, quiet)


def report_written(source: str, target: str, quiet: bool, changes: str = "") -> None:
    """Say what was written.

    Args:
        source: what was read.
        target: what was written.
        quiet: say nothing.
        changes: what was changed.
    """
    if quiet:
        return
    from flambeau.tools.listing import listing
    from flambeau.tools.opening import open_checkpoint

    title = listing(open_checkpoint(target)).title if os.path.isfile(target) else ""
    say(f"{source} {hint('→', '->')} {target}: {title}{'; ' + changes if changes else ''}")
