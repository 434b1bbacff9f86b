"""Objects against a reference: which were found, which missed, which are false."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Int32, Int64
from scipy import ndimage

from metriccd.decision import Connectivity

# Intersection over union above which two objects are the same: touched, and well outlined.
LEVELS = (0.1, 0.5)


@dataclass(frozen=True, kw_only=True)
class ObjectScores:
    """Change objects of a result and of a reference, at one level of overlap.

    Attributes:
        iou: Intersection over union above which an object of one is found in the other.
        objects: Of the result.
        reference: Of the reference.
        found: Objects of the reference that the result holds.
        missed: The others.
        false: Objects of the result that the reference does not hold.
    """

    iou: float
    objects: int
    reference: int
    found: int
    missed: int
    false: int

    @property
    def precision(self) -> float:
        """Share of the result's objects that are right; NaN without any."""
        return (self.objects - self.false) / self.objects if self.objects else float("nan")

    @property
    def recall(self) -> float:
        """Share of the reference's objects that are found; NaN without any."""
        return self.found / self.reference if self.reference else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both; NaN where one is unknown."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def as_dict(self) -> dict[str, float | int | None]:
        """Counts and figures; None where undefined."""
        figures = {name: getattr(self, name) for name in ("precision", "recall", "f1")}
        return asdict(self) | {
            name: None if np.isnan(value) else value for name, value in figures.items()
        }


def score_objects(
    change: Bool[np.ndarray, "row col"],
    reference: Bool[np.ndarray, "row col"],
    judged: Bool[np.ndarray, "row col"],
    *,
    levels: tuple[float, ...] = LEVELS,
    connectivity: Connectivity = 4,
) -> tuple[ObjectScores, ...]:
    """Compares the objects of a change map with those of a reference.

    An object is found where one of the other map overlaps it by more than a level of intersection
    over union. At 0.5 and above no two objects can claim the same one; below, several may.

    Args:
        change: Change map.
        reference: Ground truth, True = change.
        judged: Pixels that both know; nothing else counts.
        levels: Of intersection over union.
        connectivity: Of objects, see `Cleaning`.
    """
    neighbors = ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)
    found, objects = ndimage.label(change & judged, neighbors, output=np.int32)
    true, references = ndimage.label(reference & judged, neighbors, output=np.int32)
    pairs, shared = _overlaps(found, true, references)
    size = np.bincount(found.ravel(), minlength=objects + 1)[pairs[0]]
    size += np.bincount(true.ravel(), minlength=references + 1)[pairs[1]]
    iou = shared / (size - shared)
    return tuple(_at(level, iou, pairs, objects, references) for level in levels)


def _overlaps(
    found: Int32[np.ndarray, "row col"], true: Int32[np.ndarray, "row col"], references: int
) -> tuple[Int64[np.ndarray, "2 pair"], Int64[np.ndarray, " pair"]]:
    """Pairs of objects that share pixels, and how many."""
    both = (found > 0) & (true > 0)
    width = references + 1
    keys, shared = np.unique(found[both].astype(np.int64) * width + true[both], return_counts=True)
    return np.stack(np.divmod(keys, width)), shared.astype(np.int64)


def _at(
    level: float,
    iou: np.ndarray,
    pairs: Int64[np.ndarray, "2 pair"],
    objects: int,
    references: int,
) -> ObjectScores:
    right, held = (len(np.unique(each[iou > level])) for each in pairs)
    return ObjectScores(
        iou=level,
        objects=objects,
        reference=references,
        found=held,
        missed=references - held,
        false=objects - right,
    )
