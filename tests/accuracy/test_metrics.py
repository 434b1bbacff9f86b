from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from sklearn import metrics as sk

from metriccd.accuracy.metrics import Confusion, Ranking, Scores, mean_scores
from metriccd.accuracy.reference import decode_reference

# The pictures of the data sets carry no georeference.
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

RNG = np.random.default_rng(11)
SHAPE = (200, 400)
REFERENCE = RNG.random(SHAPE) < 0.08
VALID = RNG.random(SHAPE) < 0.9
NOISE = RNG.standard_normal(SHAPE) + 1.2 * REFERENCE
CASES = {
    "uniform": RNG.random(SHAPE) ** np.where(REFERENCE, 0.4, 1),
    "ties": np.round(NOISE * 2) / 2,
    "two_values": (NOISE > 1) * 1.0,
    "crowded_near_zero": np.where(RNG.random(SHAPE) < 0.99, 1e-6, 1) * np.exp(NOISE - 6),
    "saturated_near_one": 1 - 1e-6 * np.exp(-NOISE),
    "heavy_tailed": np.exp(5 * NOISE),
    "negative": NOISE - 20,
    "worse_than_chance": -NOISE,
}
CASES = {name: score.astype(np.float32) for name, score in CASES.items()}


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as image:
        bands: np.ndarray = image.read()
        return bands


@pytest.fixture(scope="module")
def beirut(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Score and reference of a real pair: L2 difference of the smoothed images; changed pixels."""
    folder = data / "oscd" / "beirut"
    dates = [read(folder / "pair" / f"img{date}.png").astype(np.float32) for date in (1, 2)]
    smooth = [gaussian_filter(date, (0, 2, 2)) for date in dates]
    score = np.sqrt(((smooth[0] - smooth[1]) ** 2).sum(axis=0))
    changed, _ = decode_reference(read(folder / "cm" / "beirut-cm.tif")[0])
    return score, changed


def ranked(score: np.ndarray, reference: np.ndarray, valid: np.ndarray) -> Ranking:
    ranking = Ranking()
    ranking.update(score, reference, valid)
    return ranking


def judged(name: str) -> tuple[Ranking, np.ndarray, np.ndarray]:
    """The ranking of a case, and the flat arrays scikit-learn takes."""
    score = CASES[name]
    return ranked(score, REFERENCE, VALID), REFERENCE[VALID], score[VALID]


def distance_to(x: np.ndarray, y: np.ndarray, new_x: np.ndarray, new_y: np.ndarray) -> float:
    """How far the new points lie at most from the nearest of a curve's points."""
    nearest, _ = cKDTree(np.column_stack([x, y])).query(np.column_stack([new_x, new_y]))
    return float(nearest.max())


# Confusion


def test_confusion_figures_equal_scikit_learn() -> None:
    change = NOISE > 1
    confusion = Confusion.from_maps(change, REFERENCE, VALID)
    truth, found = REFERENCE[VALID], change[VALID]
    (tn, fp), (fn, tp) = sk.confusion_matrix(truth, found)
    assert confusion == Confusion(tp=int(tp), fp=int(fp), fn=int(fn), tn=int(tn))
    assert confusion.oa == pytest.approx(sk.accuracy_score(truth, found))
    assert confusion.ua == pytest.approx(sk.precision_score(truth, found))
    assert confusion.recall == pytest.approx(sk.recall_score(truth, found))
    assert confusion.f1 == pytest.approx(sk.f1_score(truth, found))
    assert confusion.iou == pytest.approx(sk.jaccard_score(truth, found))
    assert confusion.kappa == pytest.approx(sk.cohen_kappa_score(truth, found))


def test_confusion_of_a_small_map_is_counted_by_hand() -> None:
    change = np.array([[True, True, False], [False, False, True]])
    reference = np.array([[True, False, True], [False, False, True]])
    valid = np.array([[True, True, True], [True, True, False]])
    confusion = Confusion.from_maps(change, reference, valid)
    assert confusion == Confusion(tp=1, fp=1, fn=1, tn=2)
    assert (confusion.oa, confusion.ua, confusion.recall, confusion.f1) == (0.6, 0.5, 0.5, 0.5)
    assert confusion.iou == pytest.approx(1 / 3)
    assert confusion.kappa == pytest.approx((0.6 - 0.52) / (1 - 0.52))


def test_confusions_of_windows_add_up_to_the_whole() -> None:
    change = NOISE > 1
    whole = Confusion.from_maps(change, REFERENCE, VALID)
    rows = [slice(0, 70), slice(70, 71), slice(71, 200)]
    parts = [Confusion.from_maps(change[r], REFERENCE[r], VALID[r]) for r in rows]
    assert sum(parts, Confusion()) == whole


def test_rates_over_no_pixels_are_zero_and_undefined_figures_nan() -> None:
    nothing = Confusion(tn=10)
    assert (nothing.ua, nothing.recall, nothing.f1, nothing.iou) == (0, 0, 0, 0)
    assert nothing.oa == 1
    assert math.isnan(nothing.kappa)
    assert math.isnan(Confusion().oa)
    assert Confusion(fn=3, tn=7).kappa == 0


def test_kappa_does_not_overflow_on_huge_scenes() -> None:
    huge = Confusion(tp=10**12, fp=10**11, fn=10**11, tn=10**13)
    small = Confusion(tp=10, fp=1, fn=1, tn=100)
    assert huge.kappa == pytest.approx(small.kappa)


# Ranking


@pytest.mark.parametrize("name", CASES)
def test_auc_and_average_precision_equal_scikit_learn(name: str) -> None:
    ranking, truth, score = judged(name)
    assert ranking.roc_auc() == pytest.approx(sk.roc_auc_score(truth, score), abs=1e-5)
    expected = sk.average_precision_score(truth, score)
    assert ranking.average_precision() == pytest.approx(expected, abs=1e-5)


def test_auc_and_average_precision_equal_scikit_learn_on_a_real_pair(
    beirut: tuple[np.ndarray, np.ndarray],
) -> None:
    score, changed = beirut
    ranking = ranked(score, changed, np.ones_like(changed))
    truth, flat = changed.ravel(), score.ravel()
    assert ranking.roc_auc() == pytest.approx(sk.roc_auc_score(truth, flat), abs=1e-5)
    expected = sk.average_precision_score(truth, flat)
    assert ranking.average_precision() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_best_f1_is_the_largest_of_all_thresholds_and_its_threshold_reaches_it(name: str) -> None:
    ranking, truth, score = judged(name)
    best, threshold = ranking.best_f1()
    precision, recall, _ = sk.precision_recall_curve(truth, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert best == pytest.approx(f1.max(), abs=1e-4)
    confusion = Confusion.from_maps(CASES[name] > np.float32(threshold), REFERENCE, VALID)
    assert confusion.f1 == pytest.approx(best, rel=1e-12)


def test_rankings_of_windows_add_up_to_the_whole_in_any_order() -> None:
    score = CASES["heavy_tailed"]
    whole = ranked(score, REFERENCE, VALID)
    parts = [ranked(score[r::7], REFERENCE[r::7], VALID[r::7]) for r in range(7)]
    for merged in (sum(parts, Ranking()), sum(parts[::-1], Ranking())):
        assert merged.roc_auc() == whole.roc_auc()
        assert merged.average_precision() == whole.average_precision()
        assert merged.best_f1() == whole.best_f1()
    assert pickle.loads(pickle.dumps(whole)).best_f1() == whole.best_f1()


def test_hand_ranked_pixels() -> None:
    score = np.array([[0.9, 0.8, 0.8, 0.1]], np.float32)
    reference = np.array([[True, True, False, False]])
    ranking = ranked(score, reference, np.ones((1, 4), bool))
    assert ranking.roc_auc() == pytest.approx(3.5 / 4)
    assert ranking.average_precision() == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    best, threshold = ranking.best_f1()
    assert best == pytest.approx(0.8)
    assert 0.1 <= threshold < np.float32(0.8)


def test_scores_that_are_not_finite_are_not_ranked() -> None:
    score = CASES["uniform"].copy()
    score[::3] = np.nan
    holes = ranked(score, REFERENCE, VALID)
    masked = ranked(CASES["uniform"], REFERENCE, VALID & np.isfinite(score))
    assert holes.best_f1() == masked.best_f1()
    assert holes.roc_auc() == masked.roc_auc()


@pytest.mark.parametrize("name", CASES)
def test_roc_curve_lies_on_scikit_learns_with_the_same_area(name: str) -> None:
    ranking, truth, score = judged(name)
    fpr, tpr = ranking.roc_curve(points=400)
    assert fpr.size == tpr.size <= 400
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    expected_fpr, expected_tpr, _ = sk.roc_curve(truth, score, drop_intermediate=False)
    assert distance_to(expected_fpr, expected_tpr, fpr, tpr) < 1e-3
    assert sk.auc(fpr, tpr) == pytest.approx(ranking.roc_auc(), abs=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_precision_recall_curve_lies_on_scikit_learns(name: str) -> None:
    ranking, truth, score = judged(name)
    precision, recall = ranking.precision_recall_curve(points=200)
    assert precision.size == recall.size <= 200
    assert (np.diff(recall) > 0).all()
    assert recall[-1] == 1
    exact, at, _ = sk.precision_recall_curve(truth, score)
    assert distance_to(exact, at, precision, recall) < 1e-3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reference", [np.zeros((4, 5), bool), np.ones((4, 5), bool)])
def test_figures_without_both_classes_are_nan(reference: np.ndarray) -> None:
    ranking = ranked(RNG.random((4, 5)), reference, np.ones((4, 5), bool))
    figures = [ranking.roc_auc(), ranking.average_precision(), *ranking.best_f1()]
    curves = [*ranking.roc_curve(), *ranking.precision_recall_curve()]
    assert np.isnan(figures).all()
    assert np.isnan(curves).all()


# Scores


def scores_of(seed: int, share: float) -> tuple[Confusion, Ranking, Scores]:
    rng = np.random.default_rng(seed)
    reference = rng.random((60, 70)) < share
    score = rng.random((60, 70)) + 0.5 * reference
    valid = np.ones((60, 70), bool)
    confusion = Confusion.from_maps(score > 0.9, reference, valid)
    ranking = ranked(score, reference, valid)
    return confusion, ranking, Scores.of(confusion, ranking)


def test_scores_gather_confusion_and_ranking() -> None:
    confusion, ranking, scores = scores_of(1, 0.1)
    for name in ("oa", "ua", "recall", "f1", "iou", "kappa"):
        assert getattr(scores, name) == getattr(confusion, name)
    assert (scores.auc, scores.ap) == (ranking.roc_auc(), ranking.average_precision())
    assert (scores.best_f1, scores.best_threshold) == ranking.best_f1()
    assert scores.n_changed + scores.n_unchanged == 60 * 70
    assert scores.n_changed == ranking.changed.count


def test_every_figure_says_what_the_reference_was_used_for() -> None:
    scores = scores_of(1, 0.1)[2]
    assert Scores.BASIS.keys() == scores.as_dict().keys()
    oracles = {name for name, basis in Scores.BASIS.items() if basis == "oracle"}
    assert oracles == {"best_f1", "best_threshold"}
    assert Scores.BASIS["f1"] == "label-free"
    assert Scores.BASIS["auc"] == "threshold-free"


def test_oracle_f1_is_never_below_the_f1_of_a_label_free_threshold() -> None:
    for seed in range(5):
        scores = scores_of(seed, 0.2)[2]
        assert scores.best_f1 >= scores.f1 - 1e-6


def test_scores_without_change_are_strict_json() -> None:
    scores = scores_of(1, 0.0)[2]
    written = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert written["auc"] is None
    assert written["recall"] == 0
    assert written["n_changed"] == 0


def test_mean_over_pairs_is_unweighted_and_leaves_out_undefined_figures() -> None:
    pairs = [scores_of(1, 0.1)[2], scores_of(2, 0.3)[2], scores_of(3, 0.0)[2]]
    mean = mean_scores(pairs)
    assert mean.f1 == pytest.approx((pairs[0].f1 + pairs[1].f1 + 0) / 3)
    assert mean.auc == pytest.approx((pairs[0].auc + pairs[1].auc) / 2)
    assert mean.n_changed == sum(pair.n_changed for pair in pairs)
    assert mean.n_changed + mean.n_unchanged == 3 * 60 * 70
    assert mean.as_dict()["best_threshold"] is None


def test_pooled_scores_are_those_of_all_pixels_together() -> None:
    first, second = scores_of(1, 0.1), scores_of(2, 0.3)
    pooled = Scores.of(first[0] + second[0], first[1] + second[1])
    assert pooled.f1 != pytest.approx(mean_scores([first[2], second[2]]).f1, abs=1e-3)
    assert pooled.n_changed == first[2].n_changed + second[2].n_changed


def test_mean_of_no_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pair, got none"):
        mean_scores([])


# References
