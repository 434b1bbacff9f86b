"""Objects found, missed and false: a case by hand, and every pair of objects one by one."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from metriccd.accuracy.objects import score_objects


def test_a_case_by_hand() -> None:
    change, reference = np.zeros((2, 20, 20), bool)
    reference[0:4, 0:4] = change[0:4, 0:4] = True  # the same: found at every level
    reference[0:4, 10:14] = change[0:4, 12:18] = True  # IoU 8 / 32: found above .1 only
    reference[10:14, 0:4] = True  # missed
    change[10:12, 10:12] = True  # false
    loose, strict = score_objects(change, reference, np.ones((20, 20), bool))
    assert (loose.objects, loose.reference) == (3, 3)
    assert (loose.found, loose.missed, loose.false) == (2, 1, 1)
    assert (strict.found, strict.missed, strict.false) == (1, 2, 2)
    assert loose.precision == loose.recall == loose.f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_counts_are_those_of_all_pairs_of_objects(connectivity: int) -> None:
    rng = np.random.default_rng(0)
    reference = rng.random((40, 50)) < 0.35
    change = reference ^ (rng.random((40, 50)) < 0.15)
    judged = rng.random((40, 50)) < 0.95
    neighbors = 1 if connectivity == 4 else 2
    found, true = (label(each & judged, connectivity=neighbors) for each in (change, reference))
    overlap = np.zeros((found.max(), true.max()))
    for one in range(found.max()):
        for other in range(true.max()):
            inside, outside = found == one + 1, true == other + 1
            overlap[one, other] = (inside & outside).sum() / (inside | outside).sum()
    for scores in score_objects(change, reference, judged, connectivity=connectivity):
        assert scores.found == (overlap > scores.iou).any(axis=0).sum()
        assert scores.false == (~(overlap > scores.iou).any(axis=1)).sum()
        assert scores.found + scores.missed == scores.reference == true.max()


def test_without_objects_figures_are_undefined_not_wrong() -> None:
    nothing = np.zeros((9, 9), bool)
    (scores, _) = score_objects(nothing, nothing, ~nothing)
    assert scores.as_dict() == {
        "iou": 0.1,
        "objects": 0,
        "reference": 0,
        "found": 0,
        "missed": 0,
        "false": 0,
        "precision": None,
        "recall": None,
        "f1": None,
    }
