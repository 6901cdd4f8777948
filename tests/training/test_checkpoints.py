"""Whole training states: saved, kept, found, restored all or nothing, and resumed bit for bit."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.base.errors import LoadError, NotACheckpoint
from flambeau.training import Checkpoints, Restored


class Run:
    """A small training with everything random: shuffling, dropout, augmentation by Python's and NumPy's generators."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(4, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(8, 1),
        )
        self.optimizer = torch.optim.Adam(self.model.named_parameters(), lr=0.01)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 3, 0.5)
        data = torch.utils.data.TensorDataset(
            torch.arange(80).reshape(20, 4) / 40, torch.arange(20).reshape(20, 1) / 10
        )
        self.loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
        self.noise = torch.Generator().manual_seed(seed)

    def members(self) -> dict[str, Any]:
        names = ("model", "optimizer", "scheduler", "loader", "noise")
        return {name: getattr(self, name) for name in names}

    def steps(self, checkpoints: Checkpoints | None, first: int, last: int, **options: Any) -> None:
        """Train from one step to before another, with a checkpoint after each."""
        step = first
        while step < last:
            for inputs, targets in self.loader:
                inputs = inputs + random.random() / 100 + np.random.rand() / 100
                inputs = inputs + torch.rand(4, 1, generator=self.noise) / 100
                loss = torch.nn.functional.mse_loss(self.model(inputs), targets)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                step += 1
                if checkpoints is not None:
                    checkpoints.save(step, metric=loss.item(), **self.members(), **options)
                if step == last:
                    return

    def bits(self) -> list[bytes]:
        states = [self.model.state_dict(), *self.optimizer.state_dict()["state"].values()]
        return [item.numpy().tobytes() for state in states for item in state.values()]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("stop", [3, 5, 7])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, stop: int, background: bool) -> None:
    whole = Run()
    whole.steps(None, 0, 12)
    Run().steps(Checkpoints(tmp_path), 0, stop, background=background)
    again = Run(seed=9)
    restored = Checkpoints(tmp_path).restore(**again.members())
    assert restored is not None
    assert restored.step == stop
    again.steps(None, stop, 12)
    assert again.bits() == whole.bits()


def test_nothing_to_restore(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent").restore(model=torch.nn.Linear(1, 1)) is None


def test_the_latest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2, best="max")
    for step, metric in enumerate([1.0, 5.0, float("nan"), 2.0, 3.0]):
        checkpoints.save(step, metric=metric)
    assert [path.name for path in checkpoints.paths()] == [f"step-{step:09d}.pt" for step in (1, 3, 4)]
    again = Checkpoints(tmp_path, keep=1, best="max")
    assert again.best_path() == tmp_path / "step-000000001.pt"
    again.save(10, metric=9.0)
    assert [path.name for path in again.paths()] == ["step-000000010.pt"]
    assert Checkpoints(tmp_path).best_path() is None


def test_values_come_back(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(4, metric=0.5, epoch=3, history=[{"loss": 1.0}])
    restored = checkpoints.restore()
    path = str(tmp_path / "step-000000004.pt")
    assert restored == Restored(4, 0.5, {"epoch": 3, "history": [{"loss": 1.0}]}, path)
    assert checkpoints.restore(path) == restored


def test_a_damaged_newest_checkpoint_is_passed_over(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, x=torch.ones(3))
    newest = checkpoints.save(2, x=torch.ones(3))
    assert isinstance(newest, Path)
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="restoring the checkpoint before it"):
        restored = checkpoints.restore()
    assert restored is not None
    assert restored.step == 1
    with pytest.raises(LoadError, match="step-000000002"):
        checkpoints.restore(newest)


def test_all_or_nothing(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    run = Run()
    run.steps(None, 0, 2)
    checkpoints.save(2, first=run.model, second=run.optimizer, last=torch.nn.Linear(3, 3))
    run.steps(None, 2, 4)
    other = torch.nn.Linear(2, 2)
    before, stream, drawn = run.bits(), torch.get_rng_state().tolist(), random.getstate()
    with pytest.raises(RuntimeError, match=r"size mismatch for weight"):
        checkpoints.restore(first=run.model, second=run.optimizer, last=other)
    assert run.bits() == before
    assert torch.get_rng_state().tolist() == stream
    assert random.getstate() == drawn


def test_refusals(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(0, model=torch.nn.Linear(1, 1))
    with pytest.raises(KeyError, match=r"has no state of 'net'; it has \['model'\]"):
        checkpoints.restore(net=torch.nn.Linear(1, 1))
    with pytest.raises(TypeError, match=r"restore\(epoch=...\): expected something with state_dict"):
        checkpoints.restore(epoch=3)
    with pytest.raises(ValueError, match="the step has to be 0 or more"):
        checkpoints.save(-1)
    with pytest.raises(ValueError, match="give 1 or more"):
        Checkpoints(tmp_path, keep=0)
    with pytest.raises(ValueError, match="expected 'min', 'max' or None"):
        Checkpoints(tmp_path, best="most")  # pyright: ignore[reportArgumentType]
    torch.save({"model": 1}, tmp_path / "other.pt")
    with pytest.raises(NotACheckpoint, match="holds no state of a training run"):
        checkpoints.restore(tmp_path / "other.pt")
    assert repr(checkpoints) == f"Checkpoints({str(tmp_path)!r}, keep=3, best=None)"


def test_a_checkpoint_is_an_ordinary_file(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1)
    Checkpoints(tmp_path).save(7, model=model)
    found = torch.load(tmp_path / "step-000000007.pt")
    assert found["members"]["model"]["weight"].tolist() == model.weight.tolist()


PROGRAM = """
import sys
from tests.training.test_checkpoints import Run
from flambeau.training import Checkpoints
checkpoints, run = Checkpoints(sys.argv[1]), Run()
restored = checkpoints.restore(**run.members())
print("ready", flush=True)
run.steps(checkpoints, restored.step if restored else 0, 60, background=True)
"""


def test_killed_runs_end_with_the_same_bits(tmp_path: Path) -> None:
    whole = Run()
    whole.steps(None, 0, 60)
    for delay in (0.05, 0.15, 0.3):
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
        assert all(name.startswith("step-") for name in os.listdir(tmp_path))
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], check=True, capture_output=True)
    again = Run(seed=1)
    restored = Checkpoints(tmp_path).restore(**again.members())
    assert restored is not None
    assert restored.step == 60
    assert again.bits() == whole.bits()
