"""Images resampled, sampled, taken apart and put together, against PyTorch: a line each."""

import warnings
from typing import Any

import numpy as np
import pytest

import flambeau
from tests.parity.oracle import check, run, torch

RANDOM = np.random.default_rng(5)


def draw(*shape: int) -> np.ndarray:
    """Numbers with two decimals, so that ties occur."""
    return RANDOM.normal(size=shape).round(2).astype(np.float32)


SEQUENCE = draw(2, 3, 6)
IMAGE = draw(2, 3, 6, 5)
VOLUME = draw(1, 2, 3, 4, 3)
GRID = draw(2, 4, 3, 2)
VOLUME_GRID = draw(1, 2, 3, 2, 3)
# Places at and next to the edges, where gradients change.
EDGES = np.array([[-1.0, 1.0], [1.0, -1.0], [-0.8, 0.8], [0.0, 0.0], [1.3, -3.7], [-2.5, 0.8]], np.float32)
EDGE_GRID = np.stack([EDGES, EDGES[::-1]]).reshape(2, 2, 3, 2)


def indices(library: Any, values: list[int], *shape: int) -> Any:
    return library.tensor(values).reshape(shape)


def resampled(x: np.ndarray, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    return (lambda t, x: t.nn.functional.interpolate(x, *args, **kwargs), x)


def sampled(x: np.ndarray, grid: np.ndarray, *args: Any) -> tuple[Any, ...]:
    return (lambda t, x, g: t.nn.functional.grid_sample(x, g, *args), x, grid)


CASES: dict[str, tuple[Any, ...]] = {
    "interpolate bicubic": resampled(IMAGE, (11, 4), mode="bicubic"),
    "interpolate bicubic factor": resampled(IMAGE, scale_factor=(1.7, 0.6), mode="bicubic"),
    "interpolate bicubic recompute": resampled(IMAGE, scale_factor=1.7, mode="bicubic", recompute_scale_factor=True),
    "interpolate bicubic aligned": resampled(IMAGE, (11, 1), mode="bicubic", align_corners=True),
    "interpolate bicubic half": (
        lambda t, x: t.nn.functional.interpolate(x.half(), (4, 4), mode="bicubic"), IMAGE),
    "interpolate bilinear recompute": resampled(IMAGE, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
    "interpolate trilinear": resampled(VOLUME, (5, 3, 2), mode="trilinear"),
    "interpolate trilinear aligned": resampled(VOLUME, scale_factor=2, mode="trilinear", align_corners=True),
    "interpolate linear aligned": resampled(SEQUENCE, 9, mode="linear", align_corners=True),
    "interpolate area": resampled(IMAGE, scale_factor=0.5, mode="area"),
    "interpolate area size": resampled(VOLUME, (2, 2, 2), mode="area"),
    "interpolate nearest 1d": resampled(SEQUENCE, scale_factor=0.7),
    "interpolate nearest 3d": resampled(VOLUME, (2, 5, 3)),
    "interpolate exact 3d": resampled(VOLUME, scale_factor=1.5, mode="nearest-exact"),
    "interpolate exact 1d": resampled(SEQUENCE, 4, mode="nearest-exact"),
    "interpolate smooth bilinear": resampled(IMAGE, (3, 8), mode="bilinear", antialias=True),
    "interpolate smooth bilinear aligned": resampled(IMAGE, 3, mode="bilinear", antialias=True, align_corners=True),
    "interpolate smooth bicubic": resampled(IMAGE, scale_factor=0.45, mode="bicubic", antialias=True),
    "interpolate smooth bicubic aligned": resampled(IMAGE, 3, mode="bicubic", antialias=True, align_corners=True),
    "interpolate lanczos": resampled(IMAGE, (3, 8), mode="lanczos", antialias=True),
    "grid_sample": sampled(IMAGE, GRID, "bilinear", "zeros", False),
    "grid_sample aligned": sampled(IMAGE, GRID, "bilinear", "zeros", True),
    "grid_sample border": sampled(IMAGE, GRID, "bilinear", "border", False),
    "grid_sample border aligned edges": sampled(IMAGE, EDGE_GRID, "bilinear", "border", True),
    "grid_sample border edges": sampled(IMAGE, EDGE_GRID, "bilinear", "border", False),
    "grid_sample reflection": sampled(IMAGE, GRID * 2, "bilinear", "reflection", False),
    "grid_sample reflection aligned": sampled(IMAGE, GRID * 2, "bilinear", "reflection", True),
    "grid_sample nearest": sampled(IMAGE, GRID, "nearest", "zeros", False),
    "grid_sample nearest border": sampled(IMAGE, GRID, "nearest", "border", True),
    "grid_sample nearest reflection": sampled(IMAGE, GRID, "nearest", "reflection", False),
    "grid_sample bicubic": sampled(IMAGE, GRID, "bicubic", "zeros", False),
    "grid_sample bicubic border": sampled(IMAGE, GRID, "bicubic", "border", True),
    "grid_sample bicubic reflection": sampled(IMAGE, GRID, "bicubic", "reflection", False),
    "grid_sample volume": sampled(VOLUME, VOLUME_GRID, "bilinear", "zeros", False),
    "grid_sample volume reflection": sampled(VOLUME, VOLUME_GRID, "bilinear", "reflection", True),
    "grid_sample volume border": sampled(VOLUME, VOLUME_GRID, "bilinear", "border", False),
    "grid_sample volume nearest": sampled(VOLUME, VOLUME_GRID, "nearest", "zeros", True),
    "affine_grid": (lambda t, m: t.nn.functional.affine_grid(m, (2, 1, 3, 4), False), draw(2, 2, 3)),
    "affine_grid aligned": (lambda t, m: t.nn.functional.affine_grid(m, [2, 1, 3, 4], True), draw(2, 2, 3)),
    "affine_grid volume": (lambda t, m: t.nn.functional.affine_grid(m, (1, 1, 2, 1, 3), False), draw(1, 3, 4)),
    "unfold": (lambda t, x: t.nn.functional.unfold(x, 2), IMAGE),
    "unfold all": (lambda t, x: t.nn.functional.unfold(x, (3, 2), (1, 2), (2, 0), (2, 1)), IMAGE),
    "unfold lone": (lambda t, x: t.nn.functional.unfold(x, 2, stride=2), IMAGE[0]),
    "fold": (lambda t, x: t.nn.functional.fold(x, (3, 4), 2), draw(2, 12, 6)),
    "fold all": (lambda t, x: t.nn.functional.fold(x, (6, 5), (3, 2), (1, 2), (2, 0), (2, 1)), draw(2, 18, 12)),
    "fold lone": (lambda t, x: t.nn.functional.fold(x, 4, 2, stride=2), draw(8, 4)),
    "max_unpool1d": (
        lambda t, x: t.nn.functional.max_unpool1d(*t.nn.functional.max_pool1d(x, 2, return_indices=True), 2), SEQUENCE),
    "max_unpool2d": (
        lambda t, x: t.nn.functional.max_unpool2d(*t.nn.functional.max_pool2d(x, (2, 1), return_indices=True), (2, 1)),
        IMAGE),
    "max_unpool2d size": (
        lambda t, x: t.nn.functional.max_unpool2d(
            *t.nn.functional.max_pool2d(x, 2, return_indices=True), 2, output_size=x.size()), IMAGE),
    "max_unpool2d lone overlap": (
        lambda t, x: t.nn.functional.max_unpool2d(x, indices(t, [4, 4, 1, 0], 1, 2, 2), 2, 1), draw(1, 2, 2)),
    "max_unpool3d": (
        lambda t, x: t.nn.functional.max_unpool3d(
            *t.nn.functional.max_pool3d(x, 2, (1, 2, 1), return_indices=True), 2, (1, 2, 1)), VOLUME),
    "fractional_max_pool2d": (
        lambda t, x, s: t.nn.functional.fractional_max_pool2d(x, 2, (3, 2), None, True, s.detach()),
        IMAGE, np.abs(draw(2, 3, 2)) % 1),
    "fractional_max_pool2d ratio": (
        lambda t, x, s: t.nn.functional.fractional_max_pool2d(x, (2, 3), output_ratio=(0.5, 0.6),
                                                              _random_samples=s.detach()),
        IMAGE[0], np.abs(draw(1, 3, 2)) % 1),
    "fractional_max_pool3d": (
        lambda t, x, s: t.nn.functional.fractional_max_pool3d(x, 2, (1, 2, 1), None, True, s.detach()),
        VOLUME, np.abs(draw(1, 2, 3)) % 1),
    "channel_shuffle": (lambda t, x: t.nn.functional.channel_shuffle(x, 3), draw(2, 6, 2, 2)),
    "channel_shuffle lone": (lambda t, x: t.nn.functional.channel_shuffle(x, 2), draw(3, 4, 2)),
    "conv_tbc": (lambda t, x, w, b: t.nn.functional.conv_tbc(x, w, b, 1), draw(5, 2, 3), draw(2, 3, 4), draw(4)),
}  # fmt: skip

# PyTorch's name is of a step that we do not record, or the other way round.
OTHER_NAMES = {"unfold lone", "fold lone", "fractional_max_pool2d ratio", "conv_tbc", "interpolate bicubic half",
               "interpolate area size", "max_unpool1d"}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_shape_type_gradient_and_compilations(name: str) -> None:
    function, *inputs = CASES[name]
    check(function, *inputs, atol=2e-5 if "bicubic" in name or "lanczos" in name else None)


@pytest.mark.parametrize("name", [name for name in CASES if name not in OTHER_NAMES])
def test_name_of_grad_fn(name: str) -> None:
    function, *inputs = CASES[name]
    names = []
    for library in (torch, flambeau):
        results, _ = run(library, function, inputs, gradients=True)
        names.append([item.grad_fn.name() for item in results if item.requires_grad])
    assert names[1] == names[0]


BYTES = RANDOM.integers(0, 256, (1, 3, 7, 6)).astype(np.uint8)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "lanczos"])
def test_bytes_stay_bytes(mode: str) -> None:
    """PyTorch multiplies with shares of 16 bits: a result may differ by one."""
    found = [
        library.nn.functional.interpolate(library.tensor(BYTES), (4, 11), mode=mode, antialias=mode == "lanczos")
        for library in (torch, flambeau)
    ]
    assert found[1].dtype == flambeau.uint8
    difference = found[0].numpy().astype(int) - found[1].numpy().astype(int)
    assert np.abs(difference).max() <= (0 if "nearest" in mode else 1)


@pytest.mark.parametrize(("rank", "shape"), [(2, (2, 3, 7, 6)), (3, (2, 2, 5, 6, 7))])
def test_fractional_pooling_draws_pytorchs_places(rank: int, shape: tuple[int, ...]) -> None:
    image = RANDOM.normal(size=shape).astype(np.float32)
    found = []
    for library in (torch, flambeau):
        library.manual_seed(4)
        function = getattr(library.nn.functional, f"fractional_max_pool{rank}d_with_indices")
        found.append([item.numpy() for item in function(library.tensor(image), 2, 3)])
    np.testing.assert_array_equal(found[1][0], found[0][0])
    np.testing.assert_array_equal(found[1][1], found[0][1])


def test_older_names_warn() -> None:
    for name, mode in (("upsample_nearest", "nearest"), ("upsample_bilinear", "bilinear")):
        with pytest.warns(UserWarning, match=f"`nn.functional.{name}` is deprecated"):
            found = getattr(flambeau.nn.functional, name)(flambeau.tensor(IMAGE), scale_factor=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = getattr(torch.nn.functional, name)(torch.tensor(IMAGE), scale_factor=2)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6, err_msg=mode)
