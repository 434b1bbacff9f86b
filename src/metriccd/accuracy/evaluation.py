"""Evaluation: a result against a reference, which detection never sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from metriccd.accuracy.curves import draw_curves
from metriccd.accuracy.metrics import Confusion, Ranking, Scores
from metriccd.accuracy.objects import score_objects
from metriccd.accuracy.reference import judged_pixels, read_reference
from metriccd.errors import DataError
from metriccd.gis import CHANGE
from metriccd.raster import Grid, Image, Window, open_raster, redacted
from metriccd.result import RECORD, Change, encode, error_map, write_together


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


def evaluate_folder(out: Path, references: Sequence[str], *, name: str | None = None) -> Scores:
    """Compares what `detect` wrote with a reference, and writes the comparison beside it.

    Writes `evaluation.json`, `errors.png` (error map in the paper's colors) and `curves.png`
    (ROC and precision–recall).

    Args:
        out: Folder of a result.
        references: One reference, or a mask of change and one of no change.
        name: What the curves are called; the folder's name by default.

    Raises:
        DataError: `out` is no result, or the reference cannot be read or knows no pixel of it.
        GridError: The reference does not lie on the result's grid.
    """
    change, values, valid, grid = _read_result(out)
    reference = references[0] if len(references) == 1 else (references[0], references[1])
    changed, known = read_reference(reference, grid)
    judged = judged_pixels(valid, known)
    scores, ranking = score(values, change, changed, judged)
    content = {
        "reference": [redacted(each) for each in references],
        "scores": scores.as_dict(),
        "basis": Scores.BASIS,
        "judged_pixels": int(judged.sum()),
        "objects": [each.as_dict() for each in score_objects(change, changed, judged)],
    }
    errors = error_map(change, changed, judged)
    write_together(
        out,
        {
            "evaluation.json": json.dumps(content, indent=2).encode(),
            "errors.png": encode(errors, "png"),
            "curves.png": draw_curves({name or out.name: ranking}),
        },
    )
    return scores


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


def labeled(scores: Scores) -> dict[str, tuple[float, str]]:
    """Figures for people: label → value and what it was chosen with; undefined ones left out."""
    return {
        label: (value, scores.BASIS[name])
        for name, label in scores.LABELS.items()
        if (value := scores.as_dict()[name]) is not None
    }


def _read_result(
    out: Path,
) -> tuple[
    Bool[np.ndarray, "row col"], Float[np.ndarray, "row col"], Bool[np.ndarray, "row col"], Grid
]:
    """Change map, score, valid mask and grid of a result on disk."""
    if not (out / RECORD).is_file():
        raise DataError(f"a result of metriccd must hold {RECORD}: {out} does not; check the path")
    layers = []
    for name in ("change.tif", "score.tif"):
        raster = open_raster(out / name)
        with raster.reader(raster.grid, categorical=True) as read:
            layers.append((raster, *read(Window.whole(raster.grid.shape))))
    (_, classes, _), (raster, values, valid) = layers
    return classes[0] == CHANGE, values[0], valid, raster.grid
