"""``Checkpoints``: a folder of a training run's states: the latest ones and the best."""

import os
import re
import warnings
from collections.abc import Iterable
from math import isnan
from pathlib import Path
from typing import Any, Final, Literal

from flambeau.base.errors import LoadError
from flambeau.serialization import load
from flambeau.serialization.background import BackgroundSave, in_background, wait_for_all
from flambeau.serialization.saving import prepared
from flambeau.training.state import Restored, gathered, give_back

__all__ = ["Checkpoints"]

_NAME: Final = re.compile(r"step-(\d+)\.pt")


class Checkpoints:
    """The checkpoints of one training run, in a folder of their own.

    Each file holds everything: the states of model, optimizer, scheduler, data loader and whatever else has one, plain
    values, and the random generators (the default one, Python's and NumPy's). A run that is killed and restored goes on
    bit for bit as if nothing had happened, in the middle of an epoch, too. A file is complete or not there.

    Args:
        folder: where the files are; made at the first save.
        keep: number of the latest checkpoints to keep; older ones are removed after a save.
        best: keep also the one whose metric is the smallest (``"min"``) or largest (``"max"``); None keeps none.

    Raises:
        ValueError: ``keep`` is below 1, or ``best`` is something else.

    Example:
        >>> import tempfile
        >>> import flambeau as torch
        >>> folder = tempfile.mkdtemp()
        >>> model = torch.nn.Linear(2, 1)
        >>> checkpoints = torch.training.Checkpoints(folder, keep=2, best="min")
        >>> for step, loss in enumerate([0.5, 0.2, 0.3, 0.4]):
        ...     _ = checkpoints.save(step, metric=loss, model=model, epoch=0)
        >>> [path.name for path in checkpoints.paths()]
        ['step-000000001.pt', 'step-000000002.pt', 'step-000000003.pt']
        >>> restored = checkpoints.restore(model=model)
        >>> restored.step, restored.values
        (3, {'epoch': 0})
        >>> checkpoints.best_path().name
        'step-000000001.pt'
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, keep: int = 3, best: Literal["min", "max"] | None = None
    ) -> None:
        if keep < 1:
            raise ValueError(f"Checkpoints(keep={keep}): at least the latest checkpoint has to be kept; give 1 or more")
        if best not in (None, "min", "max"):
            raise ValueError(f"Checkpoints(best={best!r}): expected 'min', 'max' or None")
        self.folder = Path(folder)
        self.keep = keep
        self.best = best
        self._metrics: dict[Path, float | None] = {}

    # -- saving --------------------------------------------------------------------------------------------------

    def save(
        self, step: int, *, metric: float | None = None, background: bool = False, **members: Any
    ) -> Path | BackgroundSave:
        """Save everything.

        Args:
            step: number of the step; a checkpoint of the same step is replaced.
            metric: what the step is judged by, for ``best``.
            background: write while the training goes on.
            members: whatever has ``state_dict`` and ``load_state_dict``; generators; plain values, which ``restore``
                returns.

        Returns:
            The file; with ``background`` a handle to ask or wait for it.

        Raises:
            ValueError: ``step`` is negative.
            SaveError: something cannot be saved, the system refused, or an earlier save in the background failed.
        """
        if step < 0:
            raise ValueError(f"save(step={step}): the step has to be 0 or more")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:09d}.pt"
        value = None if metric is None else float(metric)
        writing = prepared(gathered(step, value, members), path)

        def write() -> None:
            writing()
            self._metrics[path] = value
            self._remove_old()

        if background:
            return in_background(path, write)
        wait_for_all()
        write()
        return path

    def _remove_old(self) -> None:
        """Remove what is neither among the latest nor the best."""
        paths = self.paths()
        kept = {*paths[-self.keep :], self._best_of(paths)}
        for path in paths:
            if path not in kept:
                path.unlink(missing_ok=True)  # another process may have been faster
                self._metrics.pop(path, None)

    # -- finding -------------------------------------------------------------------------------------------------

    def paths(self) -> list[Path]:
        """The checkpoints there are, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [(int(match[1]), path) for path in self.folder.iterdir() if (match := _NAME.fullmatch(path.name))]
        return [path for _, path in sorted(found)]

    def best_path(self) -> Path | None:
        """The checkpoint with the best metric; None if there is none."""
        return self._best_of(self.paths())

    def _best_of(self, paths: Iterable[Path]) -> Path | None:
        if self.best is None:
            return None
        metrics = {path: self._metric(path) for path in paths}
        judged = [(value, path) for path, value in metrics.items() if value is not None and not isnan(value)]
        if not judged:
            return None
        return (min if self.best == "min" else max)(judged, key=lambda pair: pair[0])[1]

    def _metric(self, path: Path) -> float | None:
        """A checkpoint's metric; None where it has none, or cannot be read."""
        if path not in self._metrics:
            try:
                self._metrics[path] = load(path, map_location="cpu")["metric"]
            except (LoadError, OSError, KeyError, TypeError):
                return None
        return self._metrics[path]

    # -- restoring -----------------------------------------------------------------------------------------------

    def restore(
        self, path: str | os.PathLike[str] | None = None, *, generators: bool = True, **members: Any
    ) -> Restored | None:
        """Give every member the state it had; if one refuses its state, all keep what they have.

        Args:
            path: the checkpoint; None means the newest that is not damaged.
            generators: whether the random generators go on from where they were, too.
            members: objects under the names they were saved under; those left out of the file's stay as they are.

        Returns:
            What was restored; None if there is no checkpoint.

        Raises:
            LoadError: the checkpoint, or every one of them, is damaged or something else.
            KeyError: it has no state for a member.

        Warns:
            UserWarning: a newer checkpoint is damaged, and an older one was taken.
        """
        wait_for_all()
        if path is not None:
            return self._restored(os.fspath(path), members, generators)
        paths = self.paths()
        for number, candidate in enumerate(reversed(paths), 1):
            try:
                return self._restored(os.fspath(candidate), members, generators)
            except LoadError as error:
                if number == len(paths):
                    raise
                warnings.warn(f"{error}; restoring the checkpoint before it", UserWarning, stacklevel=2)
        return None

    def _restored(self, path: str, members: dict[str, Any], generators: bool) -> Restored:
        return give_back(load(path, mmap=False), members, generators, path)  # every checksum is compared

    def __repr__(self) -> str:
        return f"Checkpoints({str(self.folder)!r}, keep={self.keep}, best={self.best!r})"
