"""Load the handwritten digits that come with the package, and make images of them that a small network can read.

NumPy alone: this file is also read by commands that must answer before JAX could have been loaded.
"""

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

LARGEST_VALUE = 16
"""The darkest value in the data: each of the 8 x 8 values counts the dark pixels of a 4 x 4 block."""

CHANNELS = 3
"""The gray image is repeated over as many channels as a network for color photographs expects."""


def load() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images and labels of the 1,797 digits.

    Returns:
        The images, of shape `(1797, 8, 8)`, with values from 0 (paper) to 16 (ink), and the labels, of shape
        `(1797,)`, with values from 0 to 9. Both are uint8.

    Raises:
        FileNotFoundError: If `digits.npz` is missing from the installed package.

    Example:
        >>> from flambeau.cli.digits.digits import load
        >>> images, labels = load()
        >>> images.shape, int(images.max()), labels[:5].tolist()
        ((1797, 8, 8), 16, [0, 1, 2, 3, 4])

    Source:
        E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998),
        https://doi.org/10.24432/C50P49. `SOURCE.md` beside this file has the license and the checksums.
    """
    with files("flambeau.cli.digits").joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
        return arrays["images"], arrays["labels"]


def as_images(images: NDArray[np.uint8], size: int = 32) -> NDArray[np.float32]:
    """Scale digits to the square images that a network for color photographs reads.

    Each image is resized bilinearly, as `interpolate(mode="bilinear", align_corners=False)` does, and its values are
    mapped from [0, 16] to [-1, 1]: `(value / 16 - 0.5) / 0.5`.

    Args:
        images: The digits, of shape `(batch, height, width)`, with values from 0 to 16.
        size: The height and width of the result, in pixels.

    Returns:
        A float32 array of shape `(batch, 3, size, size)` with values in [-1, 1]; its three channels are equal.

    Raises:
        ValueError: If `images` does not have three dimensions or `size` is not positive.

    Example:
        >>> from flambeau.cli.digits.digits import as_images, load
        >>> images, _ = load()
        >>> as_images(images[:4]).shape
        (4, 3, 32, 32)

    Source:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
    """
    if images.ndim != 3:
        raise ValueError(
            f"images must have the shape (batch, height, width), got {images.shape}; add the missing dimension"
            " with images[None]"
        )
    if size < 1:
        raise ValueError(f"size must be a positive number of pixels, got {size}")
    rows = interpolation_matrix(images.shape[1], size)
    columns = interpolation_matrix(images.shape[2], size)
    unit = images.astype(np.float32) / np.float32(LARGEST_VALUE)
    gray = (rows @ unit @ columns.T - np.float32(0.5)) / np.float32(0.5)
    # NumPy's annotations lose the width of a float in a matrix product, so it is said again; nothing is copied.
    return np.repeat(gray[:, None], CHANNELS, axis=1).astype(np.float32, copy=False)


def interpolation_matrix(old: int, new: int) -> NDArray[np.float32]:
    """Return the matrix that resizes a line of pixels bilinearly.

    Pixel `i` of the new line lies at `(i + 0.5) * old / new - 0.5` on the old one, but never before its first pixel,
    and takes a weighted mean of the two old pixels around that place; past the last pixel both are the last one.

    Args:
        old: The number of pixels of the line that is resized.
        new: The number of pixels wanted.

    Returns:
        A float32 matrix of shape `(new, old)` whose rows each sum to 1.

    Example:
        >>> from flambeau.cli.digits.digits import interpolation_matrix
        >>> interpolation_matrix(2, 4).tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    place = np.maximum((np.arange(new) + 0.5) * old / new - 0.5, 0)
    before = place.astype(np.int64)
    after = np.minimum(before + 1, old - 1)
    share = place - before
    matrix = np.zeros((new, old), dtype=np.float32)
    line = np.arange(new)
    # `before` and `after` are the same pixel at the end of the line, so the shares are added, not assigned.
    np.add.at(matrix, (line, before), 1 - share)
    np.add.at(matrix, (line, after), share)
    return matrix
