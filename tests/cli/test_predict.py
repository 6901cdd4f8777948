"""`flambeau predict`: the right digit first, and clear words for wrong files."""

import re
from pathlib import Path

import pytest

import flambeau
from tests.cli.commands import digit_image, run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert run("quickstart", "--output", folder, "--epochs", 2).status == 0
    return folder / "checkpoint.pt"


@pytest.mark.parametrize("inverted", [False, True], ids=["ink on paper", "chalk on a board"])
@pytest.mark.parametrize("label", range(10))
def test_the_right_digit_comes_first(label: int, inverted: bool, checkpoint: Path, tmp_path: Path) -> None:
    image = digit_image(label, tmp_path / "digit.png", which=2, inverted=inverted)
    done = run("predict", checkpoint, image)
    assert (done.status, done.err) == (0, "")
    first, *rows = done.out.splitlines()
    assert first == str(label)
    found = [re.fullmatch(r"  (\d)  +(\d+\.\d\d)%  (#*)", row) for row in rows]
    shares = {int(row[1]): float(row[2]) for row in found if row}
    assert list(shares) == list(range(10))
    assert max(shares, key=shares.__getitem__) == label
    assert sum(shares.values()) == pytest.approx(100, abs=0.1)


def test_files_that_are_not_there(checkpoint: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nothing.png"
    for arguments in ((checkpoint, missing), (missing, checkpoint), (tmp_path, checkpoint)):
        done = run("predict", *arguments)
        assert (done.status, done.out) == (1, "")
        assert re.fullmatch(r".*: no such file", done.err)


def test_wrong_images(checkpoint: Path, tmp_path: Path) -> None:
    text, cut = tmp_path / "text.png", tmp_path / "cut.png"
    text.write_text("hello")
    done = run("predict", checkpoint, text)
    assert done.status == 1
    assert done.err == f"{text}: cannot identify image file '{text}'"
    cut.write_bytes(digit_image(3, tmp_path / "whole.png").read_bytes()[:-60])
    done = run("predict", checkpoint, cut)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"{cut}: ")


def test_wrong_checkpoints(checkpoint: Path, tmp_path: Path) -> None:
    image = digit_image(3, tmp_path / "digit.png")
    done = run("predict", image, image)
    assert done.status == 1
    assert done.err.startswith(f"flambeau: {image}: ")
    other = tmp_path / "other.pt"
    for content in ({"model_state_dict": {}, "classes": ["a"]}, [1, 2]):
        flambeau.save(content, other)
        done = run("predict", other, image)
        assert (done.status, done.err) == (1, f"{other}: this is no checkpoint of flambeau quickstart")
    damaged = bytearray(checkpoint.read_bytes())
    weights = flambeau.load(checkpoint)["model_state_dict"]["fc1.weight"].numpy().tobytes()
    damaged[damaged.index(weights) + 1000] ^= 1
    other.write_bytes(damaged)
    done = run("predict", other, image)
    assert done.status == 1
    assert re.match(r"flambeau: .*is damaged: its checksum should be", done.err)
