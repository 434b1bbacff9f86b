"""Pictures: overviews lose no change, dates compare, and colors can be told apart."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.transform import downscale_local_mean

from metriccd.report import pictures

# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def test_overview_is_the_mean_or_maximum_of_the_valid_pixels_of_each_block() -> None:
    image = np.random.default_rng(1).random((3, 12, 9))
    means = downscale_local_mean(image, (1, 3, 3))
    np.testing.assert_allclose(pictures.reduce(image, long_side=4), means, atol=1e-12)
    holes = np.array([[1.0, np.nan, np.nan, np.nan, 0.5], [np.nan, 3.0, np.nan, np.nan, 0.7]])
    np.testing.assert_allclose(pictures.reduce(holes, long_side=3), [[2, np.nan, 0.6]])
    np.testing.assert_allclose(
        pictures.reduce(holes, long_side=3, statistic="max"), [[3, np.nan, 0.7]]
    )
    assert pictures.reduce(holes, long_side=5) is holes
    with pytest.raises(ValueError, match="long_side"):
        pictures.reduce(holes, long_side=0)


def test_overview_of_the_score_is_change_exactly_where_any_pixel_is() -> None:
    score = np.random.default_rng(2).random((90, 70)) ** 9
    blocks = (score > 0.5).reshape(15, 6, 70)[:, :, :66].reshape(15, 6, 11, 6).any(axis=(1, 3))
    overview = pictures.reduce(score, long_side=15, statistic="max")
    np.testing.assert_array_equal(overview[:, :11] > 0.5, blocks)


def test_error_map_paints_each_outcome_and_greys_out_nodata() -> None:
    change = np.array([[True, False, True, False, True]])
    reference = np.array([[True, False, False, True, True]])
    valid = np.array([[True, True, True, True, False]])
    for palette in ("paper", "colorblind"):
        colors = pictures.ERROR_RGB[palette]
        picture = pictures.error_map(change, reference, valid, palette)
        expected = [colors[key] for key in ("TP", "TN", "FP", "FN")] + [pictures.NODATA_RGB]
        np.testing.assert_array_equal(picture[:, 0].T, expected)
    green, white, red, blue = pictures.error_map(change, reference, valid)[:, 0, :4].T.astype(int)
    assert (green.argmax(), red.argmax(), blue.argmax(), white.min()) == (1, 0, 2, 255)


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colorblind_palette_stays_apart_for_color_blind_readers(kind: str) -> None:
    def least_difference(palette: str) -> float:
        colors = np.array([*pictures.ERROR_RGB[palette].values(), pictures.NODATA_RGB]) / 255
        seen = np.clip(colors**2.2 @ np.array(BLINDNESS[kind]).T, 0, 1) ** (1 / 2.2)
        lab = rgb2lab(seen)
        apart = deltaE_ciede2000(lab[:, None], lab[None])
        return float(apart[~np.eye(len(lab), dtype=bool)].min())

    assert least_difference("colorblind") > 10


def lightness(colors: np.ndarray) -> np.ndarray:
    return rgb2lab(np.clip(colors, 0, 1))[..., 0]


@pytest.mark.parametrize("ground", [0.1, 0.3, 0.5])
def test_the_score_begins_transparent_and_never_darkens_what_it_covers(ground: float) -> None:
    table = pictures.color_table().astype(float) / 255
    assert table[0, 3] == 0
    assert (np.diff(table[:, 3]) >= 0).all()
    alpha = table[:, 3:]
    seen = alpha * table[:, :3] + (1 - alpha) * ground
    assert (lightness(seen) >= lightness(np.full(3, ground)) - 1).all()


def test_outlines_have_a_color_that_the_score_has_not() -> None:
    table = rgb2lab(pictures.color_table()[:, :3] / 255)
    outline = rgb2lab(np.array([pictures.CHANGE_RGB]) / 255)
    assert deltaE_ciede2000(table, outline).min() > 40


def test_a_ring_goes_around_change_and_hides_none_of_it() -> None:
    change = np.zeros((20, 20), bool)
    change[5, 5] = change[10:14, 10:14] = True
    around = pictures.ring(change)
    assert around.sum() == 8 + 20
    assert not (around & change).any()


def test_a_thumbnail_may_leave_a_color_out() -> None:
    white = np.full((3, 50, 50), 255, np.uint8)
    white[:, 10:20, 10:20] = np.array((0, 158, 115))[:, None, None]
    png = pictures.thumbnail(white, keep=((255, 255, 255), (0, 158, 115)), clear=True)
    drawn = np.asarray(Image.open(BytesIO(png)).convert("RGBA"))
    assert drawn[0, 0, 3] == 0
    assert tuple(drawn[15, 15]) == (0, 158, 115, 255)
