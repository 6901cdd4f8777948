"""The quickstart's training: everything that makes up its state, one epoch after another."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from flambeau.cli.civilnet import CivilNet
from flambeau.cli.images import Images
from flambeau.differentiation.modes import no_grad
from flambeau.nn import functional as F
from flambeau.optim import SGD
from flambeau.optim.lr_scheduler import CosineAnnealingLR
from flambeau.serialization import load, save
from flambeau.tensors.creation import from_numpy
from flambeau.tensors.random import get_rng_state, manual_seed, set_rng_state
from flambeau.utils.data import DataLoader, TensorDataset

__all__ = ["Training", "is_checkpoint"]

_ENTRIES = frozenset(
    "epoch model_state_dict optimizer_state_dict scheduler_state_dict loader_state_dict generator_state loss progress "
    "history options kind classes".split()
)


def is_checkpoint(state: Any) -> bool:
    """Whether what was loaded from a file is a checkpoint of ours."""
    return isinstance(state, dict) and state.keys() >= _ENTRIES


class Training:
    """A model being trained, with all that is needed to stop at any step and go on as if nothing had happened.

    Args:
        images: what to learn from, and what to measure with.
        options: ``epochs``, ``batch_size``, ``lr``, ``seed``.
        path: the checkpoint.
        save_every: seconds between two checkpoints inside an epoch.
    """

    def __init__(self, images: Images, options: dict[str, Any], path: Path, save_every: float) -> None:
        manual_seed(options["seed"])
        self.images = images
        self.options = options
        self.path = path
        self.save_every = save_every
        self.model = CivilNet(len(images.classes))
        self.optimizer = SGD(self.model.parameters(), lr=options["lr"], momentum=0.9)
        self.scheduler = CosineAnnealingLR(self.optimizer, T_max=options["epochs"])
        dataset = TensorDataset(*map(from_numpy, images.train))
        self.loader = DataLoader(dataset, batch_size=options["batch_size"], shuffle=True)
        self.held_out = tuple(map(from_numpy, images.test))
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.loss_sum = 0.0
        self.seen = 0
        self.stop_asked = False
        self._saved_at = time.monotonic()

    # -- state ---------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that makes up the training."""
        return {
            "epoch": self.epoch,
            "model_state_dict": self.model.state_dict(),
            "optimizer_state_dict": self.optimizer.state_dict(),
            "scheduler_state_dict": self.scheduler.state_dict(),
            "loader_state_dict": self.loader.state_dict(),
            "generator_state": get_rng_state(),
            "loss": self.loss_sum / max(self.seen, 1),
            "progress": {"loss_sum": self.loss_sum, "seen": self.seen},
            "history": self.history,
            "options": self.options,
            "kind": self.images.kind,
            "classes": self.images.classes,
        }

    def save(self) -> None:
        """Write the checkpoint; the file is the old one or the new one, whatever happens."""
        save(self.state(), self.path)
        self._saved_at = time.monotonic()

    def restore(self) -> bool:
        """Go on from the checkpoint, if there is one; says whether there was.

        Raises:
            SystemExit: the file is no checkpoint of ours, or belongs to a run with other options or classes.
        """
        if not self.path.exists():
            return False
        state = load(self.path)
        if not is_checkpoint(state):
            raise SystemExit(
                f"{self.path} is no checkpoint of flambeau quickstart: choose another --output, or replace it with "
                "--restart"
            )
        for name, mine in (("options", self.options), ("classes", self.images.classes), ("kind", self.images.kind)):
            if state[name] != mine:
                raise SystemExit(
                    f"{self.path} belongs to a run with {name} {state[name]}, this one has {mine}: "
                    "give the same arguments, choose another --output, or start anew with --restart"
                )
        self.epoch = state["epoch"]
        self.history = state["history"]
        self.loss_sum, self.seen = state["progress"]["loss_sum"], state["progress"]["seen"]
        self.model.load_state_dict(state["model_state_dict"])
        self.optimizer.load_state_dict(state["optimizer_state_dict"])
        self.scheduler.load_state_dict(state["scheduler_state_dict"])
        self.loader.load_state_dict(state["loader_state_dict"])
        set_rng_state(state["generator_state"])
        return True

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.options["epochs"]

    # -- work ----------------------------------------------------------------------------------------------------

    def epochs(self) -> Iterator[dict[str, float]]:
        """Train the epochs that are left; yields the figures of each. Ends early once ``stop_asked`` is set."""
        while not self.finished and not self.stop_asked:
            started, before = time.monotonic(), self.seen
            self._train_epoch()
            if self.seen < len(self.images.train[1]):
                self.save()
                return
            seconds = time.monotonic() - started
            figures = {"loss": self.loss_sum / self.seen, "accuracy": self.accuracy()}
            speed = (self.seen - before) / seconds
            self.scheduler.step()
            self.history.append(figures)
            self.epoch += 1
            self.loss_sum, self.seen = 0.0, 0
            self.save()
            yield {**figures, "speed": speed}

    def _train_epoch(self) -> None:
        """Train to the end of the present epoch, or until ``stop_asked`` is set."""
        self.model.train()
        total = len(self.images.train[1])
        with tqdm(total=total, initial=self.seen, desc=f"epoch {self.epoch + 1}", unit=" images", leave=False) as bar:
            for inputs, labels in self.loader:
                loss = F.cross_entropy(self.model(inputs), labels)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                count = len(labels)
                value = loss.item()
                self.loss_sum += value * count
                self.seen += count
                bar.update(count)
                bar.set_postfix_str(f"loss {value:.3f}", refresh=False)
                if self.seen == total:
                    continue  # the loader ends the epoch itself, and the epoch's end saves
                if self.stop_asked:
                    return
                if time.monotonic() - self._saved_at >= self.save_every:
                    self.save()

    def accuracy(self) -> float:
        """Share of the held-out images that are recognized."""
        self.model.eval()
        inputs, labels = self.held_out
        with no_grad():
            right = self.model(inputs).argmax(dim=1) == labels
        return right.sum().item() / len(labels)
