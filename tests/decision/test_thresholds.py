from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter
from scipy.stats import chi2 as chi2_distribution
from scipy.stats import entropy
from skimage import filters
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from metriccd.decision.clusters import kmeans_score, vector_kmeans
from metriccd.decision.rules import THRESHOLDS, threshold_of
from metriccd.decision.thresholds import (
    chi2,
    chi2_inflation,
    fixed,
    kapur,
    kmeans,
    otsu,
    rosin,
    triangle,
)
from metriccd.difference import DifferenceImage, irmad, mad
from metriccd.errors import DataError
from metriccd.scene.histogram import Histogram

# The pictures of the data sets carry no georeference.
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

RNG = np.random.default_rng(3)
SIZE = 40_000
CHANGED = RNG.random(SIZE) < 0.1
SCORES = {
    "uniform": RNG.random(SIZE),
    "two_humps": RNG.normal(0, 1, SIZE) + 6 * CHANGED,
    "peak_high": 10 - RNG.exponential(1, SIZE),
    "gamma": RNG.gamma(2, 1, SIZE) + RNG.gamma(6, 2, SIZE) * CHANGED,
    "heavy_tailed": np.exp(RNG.normal(0, 2, SIZE)),
    "tied": RNG.integers(0, 12, SIZE) / 11,
    "two_values": CHANGED * 1.0,
}
SCORES = {name: values.astype(np.float32) for name, values in SCORES.items()}


def is_change(difference: np.ndarray, centers: np.ndarray) -> np.ndarray:
    return kmeans_score(difference, centers) > 0.5


def histogram_of(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.update(values)
    return histogram


@pytest.fixture(scope="module", params=["beirut", "cupertino", "rennes"])
def difference(request: pytest.FixtureRequest, data: Path) -> np.ndarray:
    """Difference image of a real pair, (band, row, col): smoothed RGB, absolute values."""
    pair = data / "oscd" / request.param / "pair"
    dates = []
    for name in ("img1.png", "img2.png"):
        with rasterio.open(pair / name) as image:
            dates.append(gaussian_filter(image.read().astype(np.float32), (0, 2, 2)))
    return np.abs(dates[0] - dates[1])[:, :300, :300]


SCIKIT_IMAGE = {
    "otsu": filters.threshold_otsu,
    "yen": filters.threshold_yen,
    "triangle": filters.threshold_triangle,
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("rule", SCIKIT_IMAGE)
def test_rule_equals_scikit_image_on_synthetic_scores(rule: str, name: str) -> None:
    values = SCORES[name]
    level = float(np.ptp(values)) / 256
    expected = SCIKIT_IMAGE[rule](values.reshape(100, -1))
    assert THRESHOLDS[rule](histogram_of(values)) == pytest.approx(expected, abs=1.01 * level)


@pytest.mark.parametrize("rule", SCIKIT_IMAGE)
def test_rule_equals_scikit_image_on_a_real_difference(rule: str, difference: np.ndarray) -> None:
    magnitude = np.sqrt((difference**2).sum(axis=0))
    expected = SCIKIT_IMAGE[rule](magnitude)
    assert THRESHOLDS[rule](histogram_of(magnitude)) == pytest.approx(expected, rel=1e-5)


def test_kapur_maximizes_the_sum_of_both_entropies() -> None:
    for values in (SCORES["gamma"], SCORES["two_humps"], SCORES["tied"]):
        histogram = histogram_of(values)
        counts, centers = histogram.uniform(256)
        sums = [entropy(counts[: s + 1]) + entropy(counts[s + 1 :]) for s in range(255)]
        found = int(np.flatnonzero(centers == kapur(histogram))[0])
        assert sums[found] == pytest.approx(max(sums), rel=1e-12)


def test_rosin_is_farthest_from_the_line_from_peak_to_first_empty_level() -> None:
    for values in (SCORES["gamma"], SCORES["heavy_tailed"], SCORES["two_humps"]):
        histogram = histogram_of(values)
        counts, centers = histogram.uniform(256)
        peak = int(counts.argmax())
        start, end = np.array([peak, counts[peak]]), np.array([256, 0])
        along = (end - start) / np.linalg.norm(end - start)
        distance = np.zeros(256)
        for level in range(peak, 256):
            offset = np.array([level, counts[level]]) - start
            distance[level] = along[1] * offset[0] - along[0] * offset[1]
        assert rosin(histogram) == centers[distance.argmax()]


def test_rosin_seeks_above_the_peak_where_triangle_seeks_below() -> None:
    histogram = histogram_of(SCORES["peak_high"])
    assert rosin(histogram) > 9.9
    assert triangle(histogram) < 9


def test_kmeans_is_the_best_of_all_splits() -> None:
    values = np.sort(RNG.gamma(1, 1, 300)).astype(np.float32)
    within = [values[:k].var() * k + values[k:].var() * (300 - k) for k in range(1, 300)]
    best = int(np.argmin(within)) + 1
    threshold = kmeans(histogram_of(values))
    assert (values > threshold).sum() == 300 - best
    assert threshold == pytest.approx((values[:best].mean() + values[best:].mean()) / 2, rel=1e-6)


@pytest.mark.parametrize("name", ["uniform", "two_humps", "gamma", "heavy_tailed"])
def test_kmeans_equals_scikit_learn(name: str) -> None:
    values = SCORES[name]
    fitted = KMeans(2, n_init=3, tol=1e-8, random_state=0).fit(values.reshape(-1, 1))
    expected = fitted.cluster_centers_.mean()
    assert kmeans(histogram_of(values)) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("apart", "spread", "share"), [(5, 1, 0.3), (4, 2, 0.1), (6, 0.5, 0.05)])
def test_gmm_threshold_is_where_scikit_learn_posteriors_cross(
    apart: float, spread: float, share: float
) -> None:
    changed = RNG.random(40_000) < share
    values = RNG.normal(0, 1, changed.size) * np.where(changed, spread, 1) + apart * changed
    single = values.astype(np.float32)
    fitted = GaussianMixture(2, tol=1e-8, max_iter=1000, random_state=0).fit(single.reshape(-1, 1))
    upper = int(fitted.means_.argmax())
    grid = np.linspace(0, apart, 20_001)
    expected = grid[np.argmax(fitted.predict_proba(grid.reshape(-1, 1))[:, upper] > 0.5)]
    assert THRESHOLDS["gmm"](histogram_of(single)) == pytest.approx(expected, abs=0.01)


def test_gmm_separates_two_values() -> None:
    assert 0 < THRESHOLDS["gmm"](histogram_of(SCORES["two_values"])) < 1


# The consensus takes powers of distances, whose zero means something.
@pytest.mark.parametrize("rule", sorted(THRESHOLDS.keys() - {"consensus", "cautious", "thorough"}))
def test_rule_moves_with_the_scale_and_origin_of_the_values(rule: str) -> None:
    values = SCORES["two_humps"]
    level = float(np.ptp(values)) / 256
    plain, moved = (THRESHOLDS[rule](histogram_of(v)) for v in (values, 16 * values + 64))
    assert moved == pytest.approx(16 * plain + 64, abs=16 * 1.01 * level)


@pytest.mark.parametrize("rule", ["otsu", "kmeans", "gmm"])
def test_rule_finds_well_separated_change(rule: str) -> None:
    values = np.where(CHANGED, RNG.normal(10, 1, SIZE), RNG.normal(0, 1, SIZE)).astype(np.float32)
    assert ((values > THRESHOLDS[rule](histogram_of(values))) == CHANGED).mean() > 0.999


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rule", THRESHOLDS)
@pytest.mark.parametrize(
    "values",
    [[], [np.nan, np.nan], [0.0], [0.0] * 9, [0.25, np.nan, 0.25], [-3.0, -3.0], [1e30]],
    ids=str,
)
def test_nothing_changed_where_all_values_are_equal_or_missing(
    rule: str, values: list[float]
) -> None:
    score = np.array(values, np.float32)
    threshold = threshold_of(rule, score)
    assert threshold == (np.nanmax(score) if np.isfinite(score).any() else np.inf)
    assert not (score > threshold).any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rule", THRESHOLDS)
@pytest.mark.parametrize(
    "values",
    [[0.0, 1.0], [1.0, np.nextafter(np.float32(1), np.float32(2))], [0.0, 1e-45], [-3e38, 0, 3e38]],
    ids=["two", "neighbors", "denormal", "extreme"],
)
def test_rule_stays_between_minimum_and_maximum_of_hard_values(
    rule: str, values: list[float]
) -> None:
    score = np.array(values, np.float32)
    assert score.min() <= threshold_of(rule, score) <= score.max()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rule", THRESHOLDS)
@pytest.mark.parametrize("many", [0.0, 1.0])
def test_rule_bears_a_single_pixel_against_a_hundred_megapixels(rule: str, many: float) -> None:
    histogram = histogram_of(np.full(2**20, many, np.float32))
    for _ in range(7):
        histogram += histogram
    histogram.update(np.array([1 - many], np.float32))
    assert histogram.count == 2**27 + 1
    assert 0 <= THRESHOLDS[rule](histogram) <= 1


@pytest.mark.parametrize("rule", THRESHOLDS)
def test_missing_values_do_not_move_a_threshold(rule: str) -> None:
    values = SCORES["gamma"]
    holes = np.insert(values, slice(0, None, 7), np.nan)
    assert threshold_of(rule, holes) == threshold_of(rule, values)


@pytest.mark.parametrize("bands", [1, 3, 12])
@pytest.mark.parametrize("inflation", [1.0, 5.3])
def test_chi2_marks_the_share_alpha_of_no_change(bands: int, inflation: float) -> None:
    statistic = (inflation * RNG.chisquare(bands, SIZE)).astype(np.float32)
    threshold = chi2(bands)(histogram_of(statistic))
    assert chi2_inflation(histogram_of(statistic), bands) == pytest.approx(inflation, rel=0.03)
    assert chi2_distribution.sf(threshold / inflation, bands) == pytest.approx(0.01, rel=0.2)
    assert (statistic > threshold).mean() == pytest.approx(0.01, rel=0.2)
    assert threshold_of("chi2", statistic, chi2_dof=bands) == threshold


def test_chi2_of_three_bands_is_the_printed_table_value() -> None:
    assert chi2(3, alpha=0.05)(Histogram()) == pytest.approx(7.815, abs=5e-4)


def test_chi2_is_hardly_moved_by_the_pixels_that_changed() -> None:
    unchanged = RNG.chisquare(4, SIZE).astype(np.float32)
    statistic = np.where(CHANGED, 300 + unchanged, unchanged)
    marked = statistic > chi2(4)(histogram_of(statistic))
    assert marked[CHANGED].all()
    assert 0.003 < marked[~CHANGED].mean() < 0.01


def test_chi2_leaves_values_alone_whose_median_is_zero() -> None:
    statistic = np.where(CHANGED, 50, 0).astype(np.float32)
    assert chi2_inflation(histogram_of(statistic), 3) == 1
    assert ((statistic > chi2(3)(histogram_of(statistic))) == CHANGED).all()


@pytest.mark.parametrize("bands", [3, 6])
@pytest.mark.parametrize("method", [mad, irmad], ids=["mad", "irmad"])
def test_chi2_flags_few_of_the_pixels_of_an_unchanged_pair(
    method: Callable[..., DifferenceImage], bands: int
) -> None:
    rng = np.random.default_rng(bands)
    t1 = rng.normal(0, 50, (bands, 150, 150))
    t2 = t1 + rng.normal(0, 10, t1.shape)
    image = method([(t1, t2, np.ones(t1.shape[1:], bool))])
    statistic = image.merge(image.apply(t1, t2))
    assert 0.003 < (statistic > chi2(bands)(histogram_of(statistic))).mean() < 0.03
    if method is irmad:  # what the calibration is for
        assert (statistic > chi2_distribution.isf(0.01, bands)).mean() > 0.1


def test_fixed_gives_its_value_whatever_the_histogram() -> None:
    assert fixed(0.97)(Histogram()) == fixed(0.97)(histogram_of(SCORES["tied"])) == 0.97


def test_wrong_arguments_are_refused_with_the_value_and_a_remedy() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        chi2(0)
    with pytest.raises(ValueError, match=r"got 1\.5"):
        chi2(3, alpha=1.5)
    with pytest.raises(ValueError, match="got nan"):
        fixed(float("nan"))
    with pytest.raises(ValueError, match=r"no threshold rule 'otsy'.* otsu, .*mean otsu"):
        threshold_of("otsy", SCORES["tied"])
    with pytest.raises(ValueError, match="MAD or IR-MAD"):
        threshold_of("chi2", SCORES["tied"])


def windows(image: np.ndarray, size: int) -> list[np.ndarray]:
    rows = [*range(0, image.shape[1], size), image.shape[1]]
    return [image[:, top:bottom] for top, bottom in pairwise(rows)]


def test_vector_kmeans_equals_scikit_learn_on_a_real_difference(difference: np.ndarray) -> None:
    vectors = difference.reshape(3, -1).T
    fitted = KMeans(2, n_init=3, tol=1e-8, random_state=0).fit(vectors)
    order = fitted.cluster_centers_.mean(axis=1).argsort()
    centers = vector_kmeans(windows(difference, 128))
    np.testing.assert_allclose(centers, fitted.cluster_centers_[order], rtol=5e-3)
    expected = (fitted.labels_ == order[1]).reshape(difference.shape[1:])
    assert (is_change(difference, centers) == expected).mean() > 0.999


def test_vector_kmeans_of_a_sample_marks_nearly_the_same_pixels(difference: np.ndarray) -> None:
    whole = is_change(difference, vector_kmeans([difference]))
    sampled = is_change(difference, vector_kmeans(windows(difference, 90), sample=20_000))
    assert (whole == sampled).mean() > 0.99


def test_vector_kmeans_of_one_band_is_kmeans(difference: np.ndarray) -> None:
    band = difference[:1]
    change = is_change(band, vector_kmeans([band]))
    assert (change == (band[0] > kmeans(histogram_of(band)))).mean() > 0.9995


def test_vector_kmeans_sees_change_that_band_means_hide() -> None:
    changed = RNG.random((60, 80)) < 0.3
    difference = RNG.normal(0, 0.3, (2, 60, 80)) + np.where(changed, [[[6.0]], [[-4.0]]], 0)
    assert (is_change(difference, vector_kmeans([difference])) == changed).all()


def test_vector_kmeans_repeats_itself_with_the_same_seed() -> None:
    difference = RNG.gamma(1, 1, (3, 80, 90))
    runs = [vector_kmeans(windows(difference, 30), sample=500, seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_vector_kmeans_does_not_depend_on_windows_when_the_sample_is_the_whole_image() -> None:
    difference = RNG.gamma(1, 1, (3, 80, 90))
    np.testing.assert_allclose(
        vector_kmeans(windows(difference, 17)), vector_kmeans([difference]), rtol=1e-9
    )


def test_kmeans_score_is_linear_between_the_centers_and_never_saturates() -> None:
    centers = np.array([[1.0, 1.0], [3.0, 5.0]])
    steps = np.array([-50, 0, 0.5, 1, 50, 1e4])
    line = centers[0][:, None] + steps * (centers[1] - centers[0])[:, None]
    score = kmeans_score(line[:, None], centers)[0]
    np.testing.assert_allclose(score[1:4], [0.25, 0.5, 0.75])
    assert (np.diff(score) > 0).all()
    assert 0 < score.min() < score.max() < 1


def test_kmeans_score_orders_pixels_by_the_two_distances() -> None:
    difference = RNG.gamma(1, 1, (3, 40, 50))
    centers = vector_kmeans([difference])
    near, far = (np.square(difference - c[:, None, None]).sum(axis=0) for c in centers)
    score = kmeans_score(difference, centers)
    order = (near - far).ravel().argsort()
    assert (np.diff(score.ravel()[order]) >= 0).all()
    np.testing.assert_array_equal(score > 0.5, near - far > 0)
    np.testing.assert_array_equal(score > 0.5, is_change(difference, centers))


def test_vector_kmeans_leaves_out_missing_pixels() -> None:
    difference = RNG.gamma(1, 1, (2, 40, 50))
    holes = difference.copy()
    holes[0, :7], holes[1, 30:] = np.nan, np.nan
    centers = vector_kmeans([holes])
    np.testing.assert_allclose(centers, vector_kmeans([difference[:, 7:30]]))
    change = is_change(holes, centers)
    assert change[7:30].any()
    assert not change[:7].any()
    assert not change[30:].any()


def test_vector_kmeans_finds_nothing_in_a_constant_difference() -> None:
    difference = np.full((3, 20, 20), 0.1)
    assert not is_change(difference, vector_kmeans([difference])).any()


@pytest.mark.parametrize("blocks", [[], [np.full((2, 3, 3), np.nan)]], ids=["none", "all_missing"])
def test_vector_kmeans_without_usable_pixels_says_what_to_check(blocks: list[np.ndarray]) -> None:
    with pytest.raises(DataError, match="got none: check the nodata value"):
        vector_kmeans(blocks)


def test_otsu_separates_bands_of_an_image_read_as_integers() -> None:
    values = np.repeat(np.array([3, 4, 200, 201], np.uint8), 50)
    assert 4 <= otsu(histogram_of(values)) < 200
