"""How wide to look: wider where more and larger things changed, and never absurdly so."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label, regionprops

from metriccd.decision.thresholds import rosin
from metriccd.recipe.scale import AREA, LARGEST, SHARE, SMALLEST, scale_of
from metriccd.scene.histogram import Histogram

RNG = np.random.default_rng(0)
NOISE = RNG.gamma(2.0, 0.1, (300, 400))
ALL = np.ones(NOISE.shape, bool)


def changed(side: int, count: int) -> np.ndarray:
    """Squares that stand out of noise."""
    image = NOISE.copy()
    apart = 300 // int(np.ceil(np.sqrt(count)))
    for number in range(count):
        row, col = (apart * int(place) + 2 for place in divmod(number, 300 // apart))
        image[row : row + side, col : col + side] += 5
    return image


def test_the_scale_is_that_of_the_share_and_of_the_mean_area() -> None:
    image = changed(16, 25)
    histogram = Histogram()
    histogram.update(image)
    objects = label(image > rosin(histogram), connectivity=2)
    areas = np.array([region.area for region in regionprops(objects)])
    share, area = areas.sum() / image.size, (areas**2).sum() / areas.sum()
    expected = np.sqrt(share / SHARE * np.sqrt(area / AREA))
    assert SMALLEST < expected < LARGEST
    assert scale_of([image], [ALL]) == pytest.approx(expected)


def test_it_grows_with_the_number_and_the_size_of_what_changed() -> None:
    few, many, large = (scale_of([changed(*each)], [ALL]) for each in ((16, 25), (16, 49), (32, 9)))
    assert SMALLEST < few < many
    assert few < large


def test_it_stays_within_its_bounds() -> None:
    assert scale_of([changed(2, 4)], [ALL]) == SMALLEST
    assert scale_of([changed(50, 9)], [ALL]) == LARGEST


def test_where_nothing_changed_it_is_one() -> None:
    assert scale_of([np.zeros((50, 60))], [ALL[:50, :60]]) == 1.0


def test_parts_count_as_the_scene_that_they_make_up() -> None:
    image = changed(20, 25)
    parts = [image[:, :200], image[:, 200:]]
    cut = [slice(0, 200), slice(200, 400)]
    found = scale_of(parts, [ALL[:, each] for each in cut])
    assert found == pytest.approx(scale_of([image], [ALL]), rel=0.1)


def test_what_is_not_valid_has_no_say() -> None:
    valid = ALL.copy()
    valid[:, 300:] = False
    image = changed(20, 25)
    poisoned = np.where(valid, image, 1e6)
    assert scale_of([poisoned], [valid]) == scale_of([np.where(valid, image, 0)], [valid])


def test_distances_of_another_unit_have_the_same_scale() -> None:
    image = changed(20, 25)
    assert scale_of([1000 * image], [ALL]) == pytest.approx(scale_of([image], [ALL]), rel=0.02)
