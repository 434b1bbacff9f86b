"""Evaluation: a result against a reference, which detection never sees."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from metriccd.accuracy.curves import draw_curves
from metriccd.accuracy.intervals import block_intervals
from metriccd.accuracy.metrics import Confusion, Ranking, Scores
from metriccd.accuracy.objects import ObjectScores, score_objects
from metriccd.accuracy.points import described, read_points, sampled
from metriccd.accuracy.reference import judged_pixels, read_reference
from metriccd.gis import CHANGE
from metriccd.output import additions
from metriccd.raster import Grid, Image, Window, open_raster, redacted
from metriccd.report import error_map, error_panel, shrunk, with_reference
from metriccd.result import Change, read_record

REPORT = "report.html"
# What an evaluation writes beside a result.
ADDED = ("evaluation.json", "errors.png", "curves.png", REPORT)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a reference says of a result on disk.

    Attributes:
        scores: Of its pixels.
        intervals: Figure → both ends of its 95 % interval.
        objects: Of its objects, at each level of overlap.
        by_hand: Whether the threshold was set by hand: nobody knows what it was chosen with.
        supervised: Whether references of other places have taught the method.
    """

    scores: Scores
    intervals: Mapping[str, tuple[float, float]]
    objects: tuple[ObjectScores, ...]
    by_hand: bool = False
    supervised: bool = False

    @property
    def basis(self) -> dict[str, str]:
        """What the reference was used for, figure by figure."""
        free = "set by hand" if self.by_hand else "label-free"
        free = "supervised" if self.supervised else free
        return {
            name: free if basis == "label-free" else basis for name, basis in Scores.BASIS.items()
        }

    def figures(self) -> dict[str, tuple[float, str]]:
        """For people: label → value and what it was chosen with; undefined ones left out."""
        found = self.scores.as_dict()
        return {
            label: (value, self.basis[name])
            for name, label in Scores.LABELS.items()
            if (value := found[name]) is not None
        } | {
            f"object F1, IoU above {each.iou:g}": (each.f1, self.basis["f1"])
            for each in self.objects
            if not math.isnan(each.f1)
        }

    @property
    def warnings(self) -> list[str]:
        """What the reference cannot tell."""
        if not self.scores.n_unchanged:
            return ["the reference knows change only: what takes unchanged pixels is left out"]
        if not self.scores.n_changed:
            return [
                "the reference knows no change: precision, recall and F1 are 0 whatever is found"
            ]
        return []

    def ends(self) -> dict[str, tuple[float, float]]:
        """For people: label → both ends of the interval."""
        return {Scores.LABELS[figure]: ends for figure, ends in self.intervals.items()}

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return {
            "scores": self.scores.as_dict(),
            "basis": self.basis,
            "intervals": self.intervals,
            "warnings": self.warnings,
            "objects": [each.as_dict() for each in self.objects],
        }


def evaluate(change: Change, reference: Image | tuple[Image, Image]) -> Scores:
    """Compares a result with a reference.

    Args:
        change: The result.
        reference: Ground truth as a path, an array (row, col) or a DataArray, or a pair of
            masks (changed, unchanged) where all else is unknown. 0/1, 0/255, 1/2 (OSCD: 2 is
            change) and 0/1/255 (255 is unknown) are understood.

    Raises:
        DataError: The reference's labels are ambiguous, or it knows no pixel of the result.
        GridError: It does not lie on the result's grid.
    """
    changed, known = read_reference(reference, change.grid)
    return score(change.score, change.map, changed, judged_pixels(change.valid, known))[0]


def evaluate_folder(
    out: Path,
    references: Sequence[str],
    *,
    name: str | None = None,
    palette: Literal["paper", "colorblind"] = "colorblind",
) -> Evaluation:
    """Compares what `detect` wrote with a reference, and writes the comparison into it.

    Writes `evaluation.json`, `errors.png`, `curves.png` (ROC and precision–recall, with the
    threshold of the rule) and the section "Against the reference" of `report.html`.

    Args:
        out: Folder of a result.
        references: One reference, or a mask of change and one of no change.
        name: What the result is called; the folder's name by default.
        palette: Colors of the error map.

    Raises:
        DataError: `out` is no result, or the reference cannot be read or knows no pixel of it.
        GridError: The reference does not lie on the result's grid.
        OutputError: `out` holds somebody else's file of such a name, or cannot be written.
    """
    read_record(out)
    with additions(out, ADDED, edited=(REPORT,)) as add:
        found, files = evaluated(out, references, name=name, palette=palette)
        add(files)
        return found


def evaluated(
    out: Path,
    references: Sequence[str],
    *,
    name: str | None = None,
    palette: Literal["paper", "colorblind"] = "colorblind",
) -> tuple[Evaluation, dict[str, bytes]]:
    """The same, and the files that say it, not written yet.

    Args:
        out: Folder of a result.
        references: One reference, or a mask of change and one of no change.
        name: What the result is called; the folder's name by default.
        palette: Colors of the error map.

    Raises:
        DataError: `out` is no result, or the reference cannot be read or knows no pixel of it.
        GridError: The reference does not lie on the result's grid.
    """
    change, values, valid, grid = _read_result(out)
    reference = references[0] if len(references) == 1 else (references[0], references[1])
    changed, known = read_reference(reference, grid)
    judged = judged_pixels(valid, known)
    scores, ranking = score(values, change, changed, judged)
    confusion = Confusion.from_maps(change, changed, judged)
    found = Evaluation(
        scores=scores,
        intervals=block_intervals(values, change, changed, judged),
        objects=score_objects(change, changed, judged),
        by_hand=_threshold(out)["rule"] == "fixed",
        supervised=bool(read_record(out).get("settings", {}).get("supervised")),
    )
    called = name or out.resolve().name
    content = {
        "reference": [redacted(each) for each in references],
        "judged_pixels": int(judged.sum()),
        **found.as_dict(),
    }
    counts = (
        f"TP {confusion.tp:,} · FP {confusion.fp:,} · FN {confusion.fn:,} · TN {confusion.tn:,}"
    )
    panel = error_panel(
        {},
        changed,
        judged,
        {f"errors of {called}": change},
        caption=f"{counts} pixels · F1 {scores.f1:.3f}",
        palette=palette,
        title=f"{called} against its reference",
    )
    files = {
        "evaluation.json": json.dumps(content, indent=2).encode(),
        "errors.png": panel,
        "curves.png": draw_curves({called: ranking}, title=called, chosen={called: confusion}),
    }
    if (out / REPORT).is_file():
        small = shrunk(error_map(change, changed, judged, "colorblind"))
        report = with_reference(
            (out / REPORT).read_text(encoding="utf-8"),
            found.figures(),
            threshold=float(_threshold(out)["value"]),
            intervals=found.ends(),
            errors=small,
        )
        files[REPORT] = report.encode()
    return found, files


def evaluate_points(out: Path, points: Path) -> dict[str, tuple[float, str]]:
    """Accuracy and changed area of what `detect` wrote, estimated from a sample of points.

    The classes of the map are taken for the strata of the sample (Olofsson et al., 2014). Writes
    `evaluation.json` and the section "Against the reference" of `report.html`.

    Args:
        out: Folder of a result.
        points: CSV file with the columns x, y or lon, lat, and label.

    Returns:
        Figures for people: label → value and "sample".

    Raises:
        DataError: `out` is no result, the points cannot be read, or a class has too few.
        OutputError: `out` holds somebody else's file of such a name, or cannot be written.
    """
    read_record(out)
    with additions(out, ADDED, edited=(REPORT,)) as add:
        figures, files = _estimated(out, points)
        add(files)
        return figures


def _estimated(out: Path, points: Path) -> tuple[dict[str, tuple[float, str]], dict[str, bytes]]:
    """Figures of a sample, and the files that say them."""
    change, _, valid, grid = _read_result(out)
    areas = grid.pixel_areas(Window.whole(grid.shape))
    size = np.ones(grid.shape) if areas is None else np.asarray(areas) / 1e4
    mapped = np.array([(size * (valid & ~change)).sum(), (size * (valid & change)).sum()])
    found, counts = sampled(read_points(points, grid), change, valid, mapped)
    figures = described(found, float(mapped.sum()), "pixels" if areas is None else "ha")
    content = {
        "reference": [str(points)],
        "sample": {label: value for label, (value, _) in figures.items()},
        "points": counts.tolist(),
        "strata": mapped.tolist(),
    }
    files = {"evaluation.json": json.dumps(content, indent=2).encode()}
    if (out / REPORT).is_file():
        report = (out / REPORT).read_text(encoding="utf-8")
        files[REPORT] = with_reference(
            report, figures, threshold=float(_threshold(out)["value"])
        ).encode()
    return figures, files


def _threshold(out: Path) -> dict[str, Any]:
    """The threshold of a result on disk, as its record has it."""
    found: dict[str, Any] = read_record(out)["threshold"]
    return found


def score(
    values: Float[np.ndarray, "row col"],
    change: Bool[np.ndarray, "row col"],
    changed: Bool[np.ndarray, "row col"],
    judged: Bool[np.ndarray, "row col"],
) -> tuple[Scores, Ranking]:
    """Figures and ranking of a score and a change map on the pixels that are judged."""
    ranking = Ranking()
    ranking.update(values, changed, judged)
    return Scores.of(Confusion.from_maps(change, changed, judged), ranking), ranking


def _read_result(
    out: Path,
) -> tuple[
    Bool[np.ndarray, "row col"], Float[np.ndarray, "row col"], Bool[np.ndarray, "row col"], Grid
]:
    """Change map, score, valid mask and grid of a result on disk."""
    layers = []
    for name in ("change.tif", "score.tif"):
        raster = open_raster(out / name)
        with raster.reader(raster.grid, categorical=True) as read:
            layers.append((raster, *read(Window.whole(raster.grid.shape))))
    (_, classes, _), (raster, values, valid) = layers
    return classes[0] == CHANGE, values[0], valid, raster.grid
