"""Images for the quickstart: the digits that come with the package, or a folder of the user's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flambeau.cli.digits.digits import as_images, load

__all__ = ["SIZE", "Images", "digits", "folder", "prepared"]

SIZE = 32
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
_HELD_OUT = 0.2


@dataclass(frozen=True, slots=True)
class Images:
    """Images to learn from and images held out.

    Attributes:
        kind: ``"digits"`` or ``"folder"``.
        classes: name of every class.
        train, test: pairs of images, float32 (count, 3, 32, 32) in [-1, 1], and labels, int64 (count,).
    """

    kind: str
    classes: list[str]
    train: tuple[Any, Any]
    test: tuple[Any, Any]


def digits() -> Images:
    """The 1,797 handwritten digits that come with the package."""
    raw, labels = load()
    return _split("digits", [str(digit) for digit in range(10)], as_images(raw, SIZE), labels.astype(np.int64))


def folder(path: Path) -> Images:
    """Images in ``path``, one sub-folder a class.

    Raises:
        SystemExit: there are fewer than two classes, or a class has fewer than two images.
    """
    if not path.is_dir():
        raise SystemExit(f"--data {path}: no such folder")
    classes = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    files = {name: sorted(file for file in (path / name).rglob("*") if file.suffix.lower() in _SUFFIXES)
             for name in classes}  # fmt: skip
    few = [name for name, found in files.items() if len(found) < 2]
    if len(classes) < 2 or few:
        need = "expected at least two sub-folders, one a class, with at least two images each"
        raise SystemExit(f"--data {path}: {need}; found {len(classes)} sub-folders, too few images in {few}")
    images = [prepared(file, "folder") for name in classes for file in files[name]]
    labels = [label for label, name in enumerate(classes) for _ in files[name]]
    return _split("folder", classes, np.concatenate(images), np.array(labels, np.int64))


def _split(kind: str, classes: list[str], images: Any, labels: Any) -> Images:
    """Hold out a fifth of the images, the same ones every time."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))
    held = order[: max(1, round(len(order) * _HELD_OUT))]
    kept = order[len(held) :]
    return Images(kind, classes, (images[kept], labels[kept]), (images[held], labels[held]))


def prepared(file: Path, kind: str) -> Any:
    """One image file as the network takes it: float32 (1, 3, 32, 32) in [-1, 1].

    A digit (``kind="digits"``) is brought into the form of the training data: light on dark, cut out, 8 x 8 shades.

    Raises:
        SystemExit: the file is no image.
    """
    try:
        with Image.open(file) as opened:
            image = opened.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what Pillow raises by format
        raise SystemExit(f"{file}: {error}") from None
    paper = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(paper, image)
    if kind == "digits":
        return as_images(_as_digit(flat.convert("L"))[None], SIZE)
    small = flat.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    pixels = np.asarray(small, np.float32).transpose(2, 0, 1)[None]
    return pixels / 127.5 - 1


def _as_digit(image: Image.Image) -> Any:
    """A drawing as 8 x 8 shades from 0 (paper) to 16 (ink)."""
    ink = np.asarray(image, np.float32) / 255
    border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    if np.median(border) > 0.5:
        ink = 1 - ink
    marked = np.argwhere(ink > 0.25)
    if len(marked):
        top, left = marked.min(axis=0)
        bottom, right = marked.max(axis=0) + 1
        ink = ink[top:bottom, left:right]
    side = max(ink.shape)
    square = np.zeros((side, side), np.float32)
    top, left = (side - ink.shape[0]) // 2, (side - ink.shape[1]) // 2
    square[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    small = Image.fromarray(np.uint8(square * 255)).resize((8, 8), Image.Resampling.BOX)
    return np.uint8(np.round(np.asarray(small, np.float32) / 255 * 16))
