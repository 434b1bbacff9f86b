"""How wide to look: wider where more and larger things changed or pixels are finer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.measure import label, regionprops

from metriccd.decision.thresholds import rosin
from metriccd.recipe.scale import (
    AREA,
    GROUND,
    LARGEST,
    MOST,
    SHARE,
    SMALLEST,
    TRUST,
    scale_from,
    scale_of,
)
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


def test_without_ground_it_is_that_of_share_and_mean_area_drawn_towards_one() -> None:
    image = changed(16, 25)
    histogram = Histogram()
    histogram.update(image)
    objects = label(image > rosin(histogram), connectivity=2)
    areas = np.array([region.area for region in regionprops(objects)])
    share, area = areas.sum() / image.size, (areas**2).sum() / areas.sum()
    expected = np.sqrt(share / SHARE * np.sqrt(area / AREA)) ** TRUST
    assert SMALLEST < expected < LARGEST
    assert scale_of([image], [ALL]) == pytest.approx(expected)


def test_it_grows_with_the_number_and_the_size_of_what_changed() -> None:
    few, many, large = (scale_of([changed(*each)], [ALL]) for each in ((16, 25), (16, 49), (32, 9)))
    assert SMALLEST < few < many
    assert few < large


def test_it_stays_within_its_bounds() -> None:
    assert scale_of([changed(2, 4)], [ALL]) == SMALLEST
    assert scale_from(0.5, 1e5, 0.3) == LARGEST
    assert scale_from(1e-5, 1.0, 100.0) == SMALLEST


def test_where_nothing_changed_it_is_one_or_that_of_the_ground() -> None:
    nothing = [np.zeros((50, 60))], [ALL[:50, :60]]
    assert scale_of(*nothing) == 1.0
    assert 0.7 < scale_of(*nothing, ground=10.0) < 1 < scale_of(*nothing, ground=1.5)


def test_finer_pixels_look_wider_whatever_a_first_look_says() -> None:
    for look in ((0.01, 200.0), (0.03, 1000.0), (0.1, 5000.0)):
        scales = [scale_from(*look, ground) for ground in (30.0, 10.0, 2.0, 0.5)]
        assert scales == sorted(scales)
        assert scales[0] < scales[-1]


def test_a_first_look_that_is_usual_leaves_the_ground_its_say() -> None:
    assert scale_from(SHARE, AREA, GROUND) == pytest.approx(1.0)
    assert scale_from(SHARE, AREA, 10.0) == pytest.approx((GROUND / 10) ** 0.25)


def test_no_first_look_is_believed_beyond_its_bounds() -> None:
    assert scale_from(0.9, 1e6, 10.0) == pytest.approx(scale_from(0.99, 1e9, 10.0))
    assert scale_from(0.9, 1e6, 40.0) == pytest.approx(math.sqrt(SMALLEST * MOST))


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
