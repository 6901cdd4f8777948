"""The quickstart's digits are the published ones, and their images are resized as PyTorch resizes."""

import hashlib

import numpy as np
import pytest

from flambeau.cli.digits.digits import as_images, interpolation_matrix, load

CHECKSUMS = {
    "images": "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3",
    "labels": "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
}
DIGITS_PER_CLASS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_arrays_are_the_published_ones():
    images, labels = load()
    assert (images.shape, images.dtype) == ((1797, 8, 8), np.uint8)
    assert (labels.shape, labels.dtype) == ((1797,), np.uint8)
    found = {"images": hashlib.sha256(images.tobytes()), "labels": hashlib.sha256(labels.tobytes())}
    assert {name: digest.hexdigest() for name, digest in found.items()} == CHECKSUMS


def test_values_and_classes():
    images, labels = load()
    assert (images.min(), images.max()) == (0, 16)
    assert np.bincount(labels).tolist() == DIGITS_PER_CLASS


@pytest.mark.parametrize("size", [32, 8, 5, 1])
def test_images_are_scaled_and_normalized(size: int):
    images, _ = load()
    scaled = as_images(images[:20], size)
    assert (scaled.shape, scaled.dtype) == ((20, 3, size, size), np.float32)
    assert scaled.min() >= -1
    assert scaled.max() <= 1
    np.testing.assert_array_equal(scaled[:, 0], scaled[:, 1])
    np.testing.assert_array_equal(scaled[:, 0], scaled[:, 2])


def test_the_same_size_changes_the_range_only():
    images, _ = load()
    np.testing.assert_array_equal(as_images(images[:50], 8)[:, 1], images[:50].astype(np.float32) / 8 - 1)


# The values of torch.nn.functional.interpolate(mode="bilinear", align_corners=False) on the line [0, 1, 4].
@pytest.mark.parametrize(
    ("new", "line"),
    [(1, [1.0]), (2, [0.25, 3.25]), (4, [0.0, 0.625, 2.125, 4.0]), (6, [0.0, 0.25, 0.75, 1.75, 3.25, 4.0])],
)
def test_interpolation_matrix_follows_pytorch(new: int, line: list[float]):
    np.testing.assert_allclose(interpolation_matrix(3, new) @ np.array([0, 1, 4], np.float32), line, rtol=1e-6)


def test_wrong_arguments_are_named():
    images, _ = load()
    with pytest.raises(ValueError, match=r"images must have the shape \(batch, height, width\), got \(8, 8\)"):
        as_images(images[0])
    with pytest.raises(ValueError, match="size must be a positive number of pixels, got 0"):
        as_images(images, 0)
