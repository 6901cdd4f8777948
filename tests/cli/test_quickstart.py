"""`flambeau quickstart`: what it prints and writes, and that it can be stopped at any moment and lose nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import flambeau
from flambeau.cli import training
from tests.cli.commands import Done, run, stopped

OPTIONS = ("--epochs", 2)
OFTEN = (*OPTIONS, "--save-every", 0)  # a checkpoint after each step, so that there are many moments to stop at
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an uninterrupted run."""
    return tmp_path_factory.mktemp("uninterrupted")


@pytest.fixture(scope="module")
def finished(folder: Path) -> Done:
    """The uninterrupted run."""
    return run("quickstart", "--output", folder, *OPTIONS)


def state_of(folder: Path) -> dict[str, Any]:
    """What a checkpoint holds, with tensors as their bytes."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return [(key, plain(item)) for key, item in value.items()]
        return value.numpy().tobytes() if isinstance(value, flambeau.Tensor) else value

    return {name: plain(value) for name, value in flambeau.load(folder / "checkpoint.pt").items()}


def assert_like_uninterrupted(resumed: Path, uninterrupted: Path) -> None:
    """Everything is equal to the bit: weights, momentum, random numbers, losses."""
    found, expected = state_of(resumed), state_of(uninterrupted)
    assert found["model_state_dict"] == expected["model_state_dict"]
    assert found == expected


def test_what_is_printed(finished: Done, folder: Path) -> None:
    assert finished.status == 0
    number = r"[\d,]+"
    lines = [
        rf"{number} images to learn from, {number} held out, 10 classes",
        rf"epoch   1/2  loss \d\.\d{{4}}  accuracy +\d+\.\d%  {number} images/s",
        rf"epoch   2/2  loss \d\.\d{{4}}  accuracy +\d+\.\d%  {number} images/s",
        r"\d+\.\d% of the held-out images recognized; \d+\.\d s",
        f"checkpoint: {re.escape(str(folder))}/checkpoint.pt",
        f"curves:     {re.escape(str(folder))}/curves.png",
        f"next:       flambeau predict {re.escape(str(folder))}/checkpoint.pt IMAGE.png",
    ]
    assert re.fullmatch("\n".join(lines) + "\n", finished.out), finished.out
    assert float(finished.out.splitlines()[3].partition("%")[0]) > 80
    assert "1438/1438" not in finished.out, "the progress bar goes to stderr"
    assert "epoch 1:" in finished.err


def test_what_is_written(finished: Done, folder: Path) -> None:
    assert finished.status == 0
    assert sorted(entry.name for entry in folder.iterdir()) == ["checkpoint.pt", "curves.png"]
    picture = folder / "curves.png"
    assert picture.read_bytes().startswith(PNG)
    with Image.open(picture) as image:
        assert image.size == (960, 432)
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 50
    state = flambeau.load(folder / "checkpoint.pt")
    assert (state["epoch"], state["kind"], state["classes"]) == (2, "digits", [str(digit) for digit in range(10)])
    assert [sorted(entry) for entry in state["history"]] == [["accuracy", "loss"]] * 2
    assert state["options"] == {"epochs": 2, "batch_size": 32, "lr": 0.05, "seed": 0}
    assert state["model_state_dict"]["conv1.weight"].shape == (6, 3, 5, 5)


def test_a_finished_run_is_not_repeated(finished: Done, folder: Path) -> None:
    before = (folder / "checkpoint.pt").read_bytes()
    again = run("quickstart", "--output", folder, *OPTIONS)
    assert again.status == finished.status == 0
    assert again.out.startswith(f"resuming {folder}/checkpoint.pt in epoch 2\n")
    assert "loss" not in again.out
    assert (folder / "checkpoint.pt").read_bytes() == before


BEFORE = signal.getsignal(signal.SIGINT)  # the default one, or none where the tests run in the background


def test_the_users_interrupt_handler_comes_back(finished: Done) -> None:
    assert finished.status == 0
    assert signal.getsignal(signal.SIGINT) is BEFORE


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle_and_resumed(
    number: signal.Signals, finished: Done, folder: Path, tmp_path: Path
) -> None:
    halt = stopped(number, tmp_path, lambda state: state["progress"]["seen"] >= 300, *OFTEN)
    assert halt.status == (130 if number == signal.SIGINT else -number), halt.err
    reached = flambeau.load(tmp_path / "checkpoint.pt")
    assert reached["epoch"] < 2, "it was stopped too late"
    assert reached["progress"]["seen"] >= 300
    if number == signal.SIGINT:
        assert halt.out.endswith(f"interrupted; the same command goes on from {tmp_path}/checkpoint.pt\n")
        assert "Traceback" not in halt.err
    resumed = run("quickstart", "--output", tmp_path, *OPTIONS)
    assert resumed.status == finished.status == 0
    assert resumed.out.startswith(f"resuming {tmp_path}/checkpoint.pt in epoch {reached['epoch'] + 1}\n")
    assert_like_uninterrupted(tmp_path, folder)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["checkpoint.pt", "curves.png"]


@pytest.mark.parametrize("last", [32, 1408, 0])
def test_stopped_at_the_ends_of_an_epoch(
    last: int, finished: Done, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after an epoch's first batch, before its last one, and at its end."""
    saves: list[tuple[int, int]] = []
    original = training.Training.save

    def save(self: Any) -> None:
        original(self)
        saves.append((self.epoch, self.seen))
        if saves[-1] == (0 if last else 1, last):
            raise KeyboardInterrupt

    monkeypatch.setattr(training.Training, "save", save)
    assert run("quickstart", "--output", tmp_path, *OFTEN).status == 130
    assert (0, 1438) not in saves
    monkeypatch.undo()
    assert run("quickstart", "--output", tmp_path, *OPTIONS).status == finished.status == 0
    assert_like_uninterrupted(tmp_path, folder)


@pytest.mark.parametrize(("epoch", "seen"), [(0, 1438), (0, 1408), (1, 1438)])
def test_asked_to_stop_near_the_end_of_an_epoch(
    epoch: int, seen: int, finished: Done, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch's last step ends the epoch, whoever asks to stop in it; the last epoch's ends the run."""
    original = training.tqdm.set_postfix_str

    def interrupt(bar: Any, *arguments: Any, **options: Any) -> None:
        original(bar, *arguments, **options)
        if (bar.desc, bar.n) == (f"epoch {epoch + 1}", seen):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training.tqdm, "set_postfix_str", interrupt)
    halt = run("quickstart", "--output", tmp_path, *OPTIONS)
    monkeypatch.undo()
    reached = flambeau.load(tmp_path / "checkpoint.pt")
    done = seen == 1438
    assert (reached["epoch"], reached["progress"]["seen"]) == (epoch + done, 0 if done else seen)
    assert halt.status == (0 if (epoch, seen) == (1, 1438) else 130)
    assert run("quickstart", "--output", tmp_path, *OPTIONS).status == finished.status == 0
    assert_like_uninterrupted(tmp_path, folder)


def test_restart(finished: Done, folder: Path, tmp_path: Path) -> None:
    assert finished.status == 0
    shutil.copy(folder / "checkpoint.pt", tmp_path)
    done = run("quickstart", "--output", tmp_path, "--epochs", 1, "--seed", 1, "--restart")
    assert done.status == 0
    assert "resuming" not in done.out
    assert "epoch   1/1" in done.out
    assert flambeau.load(tmp_path / "checkpoint.pt")["options"]["seed"] == 1


def test_other_options_are_refused(finished: Done, folder: Path) -> None:
    before = (folder / "checkpoint.pt").read_bytes()
    done = run("quickstart", "--output", folder, "--epochs", 3)
    assert (done.status, finished.status) == (1, 0)
    assert re.search(r"belongs to a run with options \{'epochs': 2.*this one has \{'epochs': 3.*--restart", done.err)
    assert (folder / "checkpoint.pt").read_bytes() == before


# Images of one's own --------------------------------------------------------------------------------------------------

COLORS = {"blue": (30, 40, 220), "red": (220, 40, 30)}


def photographs(folder: Path, count: int = 10) -> Path:
    """Folder of two classes of images, all of one color with some noise."""
    random = np.random.default_rng(0)
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            noise = random.integers(-30, 30, (12, 16, 3))
            pixels = np.uint8(np.clip(np.array(color) + noise, 0, 255))
            Image.fromarray(pixels).save(folder / name / f"{number}.{'png' if number % 2 else 'jpg'}")
    return folder


def test_images_of_ones_own(tmp_path: Path) -> None:
    data, output = photographs(tmp_path / "images"), tmp_path / "results"
    (data / "red" / "notes.txt").write_text("not an image")
    done = run("quickstart", "--data", data, "--output", output, "--epochs", 12)
    assert done.status == 0
    assert done.out.startswith("16 images to learn from, 4 held out, 2 classes\n")
    assert (output / "curves.png").read_bytes().startswith(PNG)
    for name in COLORS:
        seen = run("predict", output / "checkpoint.pt", data / name / "3.png")
        assert (seen.status, seen.out.splitlines()[0]) == (0, name)
    other = run("quickstart", "--output", output, "--epochs", 12)
    assert other.status == 1
    assert re.search(r"belongs to a run with (classes|kind)", other.err)


def test_folders_that_are_not_enough(tmp_path: Path) -> None:
    output = tmp_path / "results"
    missing = run("quickstart", "--data", tmp_path / "nowhere", "--output", output)
    assert (missing.status, missing.err) == (1, f"--data {tmp_path / 'nowhere'}: no such folder")
    (tmp_path / "images" / "lonely").mkdir(parents=True)
    few = run("quickstart", "--data", tmp_path / "images", "--output", output)
    assert few.status == 1
    assert "expected at least two sub-folders, one a class, with at least two images each; found 1" in few.err
    data = photographs(tmp_path / "broken")
    (data / "red" / "1.png").write_bytes(PNG + b"rest is missing")
    broken = run("quickstart", "--data", data, "--output", output)
    assert broken.status == 1
    assert f"{data / 'red' / '1.png'}: " in broken.err
    assert not output.exists()


# Wrong calls ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("train",), "invalid choice: 'train'"),
        (("quickstart", "--epochs", 0), "argument --epochs: expected a number above 0, got 0"),
        (("quickstart", "--epochs", "many"), "argument --epochs: invalid int value: 'many'"),
        (("quickstart", "--batch-size", -4), "argument --batch-size: expected a number above 0, got -4"),
        (("quickstart", "--lr", "nan"), "argument --lr: expected a number above 0, got nan"),
        (("predict",), "the following arguments are required: checkpoint, image"),
    ],
)
def test_wrong_arguments(arguments: tuple[object, ...], words: str) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("usage: flambeau")
    assert words in done.err


def test_help() -> None:
    for arguments in (["--help"], ["quickstart", "--help"], ["predict", "--help"]):
        done = run(*arguments)
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("usage: flambeau")


def test_help_is_answered_without_jax() -> None:
    program = "import sys; from flambeau.cli.main import main\ntry: main()\nfinally: print('jax' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, "quickstart", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(flambeau.__file__).parents[1])},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("False\n")


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("quickstart", "--output", tmp_path / "file")
    assert done.status == 1
    assert re.fullmatch(r"flambeau: \[Errno 17\] File exists: '.*file'\n", done.err)


def test_files_of_others_in_the_output(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    flambeau.save({"weights": flambeau.ones(2)}, path)
    done = run("quickstart", "--output", tmp_path, "--epochs", 1)
    assert done.status == 1
    assert done.err.startswith(f"{path} is no checkpoint of flambeau quickstart: choose another --output")
    path.write_bytes(path.read_bytes()[:-100])
    done = run("quickstart", "--output", tmp_path, "--epochs", 1)
    assert done.status == 1
    assert done.err.startswith(f"flambeau: {path}")
