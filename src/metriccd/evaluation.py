"""Evaluation: a result against a reference, which detection never sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from metriccd import figures, style
from metriccd.change import Change
from metriccd.errors import DataError
from metriccd.folder import RECORD, write_together
from metriccd.image import Image, as_raster, on_lattice
from metriccd.metrics import Confusion, Ranking, Scores
from metriccd.raster import Grid, Window, open_raster
from metriccd.reference import combine_masks, decode_reference

Known = tuple[Bool[np.ndarray, "row col"], Bool[np.ndarray, "row col"]]


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
        "reference": list(references),
        "scores": scores.as_dict(),
        "basis": Scores.BASIS,
        "judged_pixels": int(judged.sum()),
    }
    errors = figures.error_map(change, changed, judged)
    write_together(
        out,
        {
            "evaluation.json": json.dumps(content, indent=2).encode(),
            "errors.png": figures.encode(errors, "png"),
            "curves.png": figures.curves({name or out.name: ranking}),
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


def shown(scores: Scores) -> dict[str, tuple[float, str]]:
    """Figures for people: label → value and what it was chosen with; undefined ones left out."""
    return {
        label: (value, scores.BASIS[name])
        for name, label in scores.LABELS.items()
        if (value := scores.as_dict()[name]) is not None
    }


def read_reference(
    reference: Image | tuple[Image, Image], grid: Grid, *, inverted: bool = False
) -> Known:
    """Where a reference says change, and where it says anything, on a result's grid.

    Args:
        reference: Ground truth, or masks of change and of no change.
        grid: The result's.
        inverted: Of a single reference: its low labels are change, as in QuickBird's.
    """
    if not isinstance(reference, tuple):
        changed, known = decode_reference(*_labels(reference, grid))
        return (known & ~changed if inverted else changed), known
    masks = [_labels(mask, grid) for mask in reference]
    changed, unchanged = (_marked(labels, valid) for labels, valid in masks)
    return combine_masks(changed, unchanged)


def _marked(
    labels: Float[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"]
) -> Bool[np.ndarray, "row col"]:
    """Where a mask marks pixels: above its lowest label, which stands for the rest.

    A mask of one label marks everything or nothing: everything, where the label is positive.
    """
    values = labels[valid]
    several = values.size > 0 and values.min() < values.max()
    marked: Bool[np.ndarray, "row col"] = valid & (labels > (values.min() if several else 0))
    return marked


def judged_pixels(
    valid: Bool[np.ndarray, "row col"], known: Bool[np.ndarray, "row col"]
) -> Bool[np.ndarray, "row col"]:
    """Pixels that both the result and the reference know.

    Raises:
        DataError: There is none.
    """
    judged: Bool[np.ndarray, "row col"] = valid & known
    if not judged.any():
        raise DataError(
            "a reference must know pixels of the result: none is judged; check nodata and overlap"
        )
    return judged


def _labels(
    reference: Image, grid: Grid
) -> tuple[Float[np.ndarray, "row col"], Bool[np.ndarray, "row col"]]:
    raster = on_lattice(as_raster(reference, "reference"), grid, "a reference")
    with raster.reader(grid, categorical=True) as read:
        labels, valid = read(_whole(grid))
    return labels[0], valid


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
            layers.append((raster, *read(_whole(raster.grid))))
    (_, classes, _), (raster, values, valid) = layers
    return classes[0] == style.CHANGE, values[0], valid, raster.grid


def _whole(grid: Grid) -> Window:
    return Window(row=0, col=0, height=grid.height, width=grid.width)
