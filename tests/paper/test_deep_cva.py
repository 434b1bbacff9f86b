"""Deep change vector analysis: known channels are chosen, and tiles leave no trace."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from scipy.ndimage import binary_closing, gaussian_filter
from skimage.measure import label
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from metriccd.decision.adaptive import adaptive_score
from metriccd.difference import cva, on_arrays
from metriccd.errors import DataError
from metriccd.nets.features import Vgg16, load_extractor
from metriccd.paper.deep_cva import deep_cva

RGB = (0, 1, 2)


def dates(seed: int = 0, rows: int = 64, cols: int = 96) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    t1 = 500 + 100 * gaussian_filter(rng.standard_normal((4, rows, cols)), (0, 2, 2)).astype("f4")
    t2 = 1.2 * t1 + 30 + rng.normal(0, 5, t1.shape).astype("f4")
    t2[:, 10:22, 20:44] += 60
    return t1, t2


class Channels(nn.Module):
    """The bands, each times a weight of its own, level by level; halved from the second on."""

    def __init__(self, *levels: list[float]) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, rgb: Tensor) -> tuple[Tensor, ...]:
        maps = []
        for depth, weights in enumerate(self.levels):
            level = functional.avg_pool2d(rgb, 2**depth)
            maps.append(torch.stack([w * level[:, i % 3] for i, w in enumerate(weights)], dim=1))
        return tuple(maps)


def measure(t1: np.ndarray, t2: np.ndarray, valid=None, **options) -> np.ndarray:
    extractor = options.pop("extractor", None) or load_extractor("embedded")
    usable = np.ones(t1.shape[1:], bool) if valid is None else valid
    return deep_cva(t1, t2, usable, rgb=RGB, extractor=extractor, **options)


def own_range(image: np.ndarray) -> np.ndarray:
    low = image.min(axis=(1, 2), keepdims=True)
    high = np.percentile(image, 99, axis=(1, 2), keepdims=True)
    return np.clip((image - low) / (high - low), 0, 1)


def standardized(image: np.ndarray) -> np.ndarray:
    mean, deviation = image.mean(axis=(1, 2)), image.std(axis=(1, 2))
    return (image - mean[:, None, None]) / deviation[:, None, None]


def by_hand(one: np.ndarray, other: np.ndarray, clamp: float = 0.95) -> np.ndarray:
    """Steps 4 and 5 on the chosen channels of both dates."""
    difference = np.abs(standardized(other) - standardized(one))
    limit = np.quantile(difference, clamp, axis=(1, 2))[:, None, None]
    return np.linalg.norm(np.minimum(difference, limit), axis=0)


def test_all_channels_of_the_bands_themselves_are_computed_by_hand() -> None:
    t1, t2 = dates()
    found = measure(t1, t2, extractor=Channels([1, 1, 1]), share=1.0)
    expected = by_hand(own_range(t1[:3]), own_range(t2[:3]))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert found[10:22, 20:44].mean() > 2 * found[30:].mean()


def test_every_level_keeps_its_widest_channels() -> None:
    t1, t2 = dates()
    # one of three and one of six: the second and the sixth channel
    extractor = Channels([1, 9, 1], [0.1, 0.1, 0.1, 0.1, 0.1, 5])
    found = measure(t1, t2, extractor=extractor, share=1 / 6)
    halves = torch.from_numpy(np.stack([own_range(t[:3]) for t in (t1, t2)]))
    deep = functional.interpolate(
        functional.avg_pool2d(halves, 2), scale_factor=2.0, mode="bilinear"
    ).numpy()
    one, other = (
        np.stack([date[1], level[2]]) for date, level in zip(halves.numpy(), deep, strict=True)
    )
    np.testing.assert_allclose(found, by_hand(one, other), rtol=1e-3, atol=1e-4)


def test_a_channel_that_one_quadrant_selects_is_kept() -> None:
    t1, _ = dates()
    t2 = t1.copy()  # pixels change places, so that the range of a band stays
    t2[2, :8, :8] = t1[2, :8, :8][::-1, ::-1]  # in the first quadrant only
    t2[0, 32:], t2[0, :32, 48:] = np.roll(t1[0, 32:], 9, 1), np.roll(t1[0, :32, 48:], 9, 1)
    found = measure(t1, t2, extractor=Channels([1, 1, 1]), share=1 / 3)
    one, other = (own_range(t[[0, 2]]) for t in (t1, t2))
    np.testing.assert_allclose(found, by_hand(one, other), rtol=1e-3, atol=1e-4)


def test_noise_channels_that_do_not_change_are_not_selected() -> None:
    t1, t2 = dates()

    class WithNoise(nn.Module):
        def forward(self, rgb: Tensor) -> tuple[Tensor]:
            generator = torch.Generator().manual_seed(3)  # the same at both dates
            noise = torch.randn((1, 27, *rgb.shape[2:]), generator=generator).expand(2, -1, -1, -1)
            return (torch.cat([noise, rgb], dim=1),)

    found = measure(t1, t2, extractor=WithNoise(), share=0.1)
    expected = measure(t1, t2, extractor=Channels([1, 1, 1]), share=1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_identical_dates_have_no_distance() -> None:
    t1, _ = dates()
    assert (measure(t1, t1) == 0).all()


def test_swapping_the_dates_changes_nothing() -> None:
    t1, t2 = dates()
    np.testing.assert_allclose(measure(t2, t1), measure(t1, t2), rtol=1e-3, atol=1e-4)


def test_radiometry_of_either_date_changes_nothing() -> None:
    t1, t2 = dates()
    gain = np.array([0.5, 3, 7, 1], np.float32)[:, None, None]
    np.testing.assert_allclose(measure(t1 * gain - 40, t2), measure(t1, t2), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("levels", [(1, 2), (2, 3)])
def test_tiles_leave_no_seam(monkeypatch, levels: tuple[int, ...]) -> None:
    t1, t2 = dates(rows=87, cols=71)
    valid = np.random.default_rng(0).random(t1.shape[1:]) > 0.1
    extractor = Vgg16(levels).eval()
    whole = measure(t1, t2, valid, extractor=extractor)
    monkeypatch.setattr(sys.modules["metriccd.paper.deep_cva"], "TILE", 32)
    np.testing.assert_allclose(
        measure(t1, t2, valid, extractor=extractor), whole, rtol=1e-3, atol=1e-3
    )


def test_a_sample_limits_channels_as_all_pixels_do(monkeypatch) -> None:
    t1, t2 = dates()
    whole = measure(t1, t2)
    monkeypatch.setattr(sys.modules["metriccd.paper.deep_cva"], "SAMPLE", 1500)
    assert np.abs(measure(t1, t2) - whole).mean() < 0.05 * whole.mean()


def test_invalid_pixels_have_no_influence() -> None:
    t1, t2 = dates()
    valid = np.ones(t1.shape[1:], bool)
    valid[40:50, 60:90] = False
    # what detection hands over is 0 there, but whatever it were, no statistic may see it
    poisoned = np.where(valid, t2, 1e6).astype(np.float32)
    found = measure(t1, poisoned, valid)
    np.testing.assert_array_equal(found, measure(t1, t2, valid))
    assert np.isfinite(found).all()
    assert (found[~valid] == 0).all()


def test_a_constant_date_gives_no_nan() -> None:
    t1, _ = dates()
    assert np.isfinite(measure(t1, np.full_like(t1, 7))).all()


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.5}, {"clamp": 0.0}])
def test_shares_are_shares(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must lie above 0 and up to 1"):
        measure(*dates(), **wrong)


def test_a_pair_without_valid_pixels_is_refused() -> None:
    t1, t2 = dates()
    with pytest.raises(DataError, match="at least one valid pixel"):
        measure(t1, t2, np.zeros(t1.shape[1:], bool))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_it_ranks_the_changes_of_beirut_above_plain_cva(data: Path, weights: Path) -> None:
    folder = data / "oscd" / "beirut"
    crop = (slice(100, 356), slice(400, 656))
    layers = []
    for name in ("pair/img1.png", "pair/img2.png", "cm/beirut-cm.tif"):
        with rasterio.open(folder / name) as source:
            layers.append(source.read()[:3, *crop].astype(np.float32))
    t1, t2, reference = layers
    changed = reference[0].ravel() == 2
    extractor = load_extractor(weights / "vgg16-imagenet-block1-2.npz")
    deep = roc_auc_score(changed, measure(t1, t2, extractor=extractor).ravel())
    plain = roc_auc_score(changed, on_arrays(cva, t1, t2).ravel())
    assert deep == pytest.approx(0.888, abs=0.005)
    assert plain == pytest.approx(0.784, abs=0.002)


def adaptive_map(image: np.ndarray, sigmas: tuple[float, ...], size: int) -> np.ndarray:
    """The rule in full resolution and with other tools."""
    change = np.zeros(image.shape, bool)
    for sigma in sigmas:
        total, weight = (
            gaussian_filter(part, sigma, mode="constant") for part in (image, np.ones_like(image))
        )
        objects = label(image > 2 * total / weight, connectivity=1)
        kept = np.bincount(objects.ravel()) >= size
        kept[0] = False
        change |= kept[objects]
    steps = np.arange(-3, 4)
    disk = steps[:, None] ** 2 + steps**2 <= 9
    return binary_closing(np.pad(change, 3), disk)[3:-3, 3:-3]


def blotchy(rows: int = 220, cols: int = 260) -> np.ndarray:
    rng = np.random.default_rng(4)
    image = gaussian_filter(rng.standard_normal((rows, cols)), 6) ** 4
    image += 0.1 * np.linspace(0, image.max(), cols)
    return ((image - image.min()) / image.max()).astype(np.float32)


@pytest.mark.parametrize("sigmas", [(25.0,), (31.0, 51.0), (101.0, 151.0, 201.0)])
def test_the_adaptive_rule_is_the_one_of_its_authors(sigmas: tuple[float, ...]) -> None:
    image = blotchy()
    found = adaptive_score(image, np.ones(image.shape, bool), sigmas=sigmas) > 0.5
    expected = adaptive_map(image, sigmas, 128)
    assert 0.02 < expected.mean() < 0.5
    assert (found == expected).mean() > 0.995  # local means come from blocks


def test_the_adaptive_score_is_the_contrast_to_twice_the_mean() -> None:
    image = blotchy()
    valid = np.ones(image.shape, bool)
    score = adaptive_score(image, valid, sigmas=(1e4,), min_pixels=1, radius=0)
    twice = 2 * image.mean(dtype=np.float64)
    np.testing.assert_allclose(score, image / (image + twice), atol=1e-3)
    assert ((score > 0.5) == (image > twice)).mean() > 0.999


def test_dropped_objects_and_closed_gaps_move_across_the_threshold() -> None:
    image = np.zeros((90, 90), np.float32)
    image[10:40, 10:40] = 1
    image[20:22, 20:22] = 0.01  # a gap within an object
    image[70:75, 70:75] = 1  # too small
    score = adaptive_score(image, np.ones(image.shape, bool), sigmas=(30.0,))
    expected = np.zeros(image.shape, bool)
    expected[10:40, 10:40] = True
    np.testing.assert_array_equal(score > 0.5, expected)
    assert (score[70:75, 70:75] == 0.5).all()


def test_the_adaptive_rule_ignores_invalid_pixels_and_offsets() -> None:
    image = blotchy()
    valid = np.ones(image.shape, bool)
    valid[60:90, 100:180] = False
    expected = adaptive_score(image, valid)
    found = adaptive_score(np.where(valid, image + 5, np.nan).astype(np.float32), valid)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert (found[~valid] == 0).all()


def test_a_flat_image_has_no_adaptive_change() -> None:
    assert (adaptive_score(np.full((40, 50), 3, np.float32), np.ones((40, 50), bool)) == 0).all()
