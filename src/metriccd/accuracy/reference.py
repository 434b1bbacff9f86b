"""References: what their labels mean, and what they leave unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from metriccd.errors import DataError
from metriccd.pair import on_lattice
from metriccd.raster import Grid, Image, Raster, Window, as_raster
from metriccd.scene import Histogram
from metriccd.trust import require_size


@dataclass(frozen=True, kw_only=True)
class Legend:
    """What the labels of a reference mean.

    Attributes:
        changed_above: Labels above this are change, the others no change.
        unknown: The label of pixels the reference does not know, if it has one.
    """

    changed_above: float
    unknown: float | None = None

    @classmethod
    def of(cls, labels: Histogram) -> Legend:
        """Tell from all labels of a reference how it is coded.

        Known codings: 0/1 and 0/255 (change is the larger; one label alone is 0 = no change, or
        else change), 1/2 (OSCD: 2 is change), 0/1/255 (255 is unknown), and black and white with
        the gray levels that lossy compression or resampling leave between them (change above 127).

        Raises:
            DataError: The labels can be read in more than one way, or there are none.
        """
        values = tuple(labels.values.tolist())
        if values in _LEGENDS:
            changed_above, unknown = _LEGENDS[values]
            return cls(changed_above=changed_above, unknown=unknown)
        if _black_and_white(labels):
            return cls(changed_above=127.0)
        listed = ", ".join(f"{value:g}" for value in values[:8]) + ", …" * (len(values) > 8)
        raise DataError(
            "a reference holds 0/1, 0/255, 1/2 (2 = change), 0/1/255 (255 = unknown) or gray near "
            f"0 and 255, got {listed or 'nothing'}: recode it to 0 = no change, 1 = change, "
            "255 = unknown"
        )

    def decode(
        self, labels: Shaped[np.ndarray, "row col"]
    ) -> tuple[Bool[np.ndarray, "row col"], Bool[np.ndarray, "row col"]]:
        """Where a window of the reference says change, and where it says anything."""
        known = np.isfinite(labels)
        if self.unknown is not None:
            known &= labels != self.unknown
        return known & (labels > self.changed_above), known


# Labels in ascending order -> changed above, unknown.
_LEGENDS: dict[tuple[float, ...], tuple[float, float | None]] = {
    (0.0,): (0.0, None),
    (1.0,): (0.0, None),
    (2.0,): (1.0, None),
    (255.0,): (127.0, None),
    (0.0, 1.0): (0.0, None),
    (0.0, 255.0): (127.0, None),
    (1.0, 2.0): (1.0, None),
    (0.0, 1.0, 255.0): (0.0, 255.0),
}


def decode_reference(
    labels: Shaped[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"] | None = None
) -> tuple[Bool[np.ndarray, "row col"], Bool[np.ndarray, "row col"]]:
    """Where a reference says change, and where it says anything.

    For a reference read in windows count the labels of all of them in a `Histogram` first, then
    use `Legend.of` it on each.

    Args:
        labels: The reference, of any type. Booleans are change; NaN is unknown; see `Legend.of`
            for the codings of numbers.
        valid: Where it is not nodata; nodata pixels are unknown whatever their value.

    Returns:
        changed and known; changed is False where known is.

    Raises:
        DataError: The labels can be read in more than one way, or there are none.
    """
    mask = np.ones(labels.shape, bool) if valid is None else valid
    if labels.dtype == np.bool_:
        return labels & mask, mask
    counts = Histogram()
    counts.update(labels[mask])
    changed, known = Legend.of(counts).decode(labels)
    return changed & mask, known & mask


def combine_masks(
    changed: Bool[np.ndarray, "row col"], unchanged: Bool[np.ndarray, "row col"]
) -> tuple[Bool[np.ndarray, "row col"], Bool[np.ndarray, "row col"]]:
    """The same for a sparse reference in two masks; what neither of them marks is unknown.

    Raises:
        DataError: Pixels are marked in both.
    """
    overlap = int((changed & unchanged).sum())
    if overlap:
        raise DataError(
            "a pixel is either changed or unchanged, "
            f"got {overlap} marked as both: correct one of the two masks"
        )
    return changed, changed | unchanged


def _black_and_white(labels: Histogram) -> bool:
    """Whether labels are gray levels heaped at both ends of 0–255.

    Classes 0, 1, 2 with nodata 255, or 10, 20, … 200, are not: a heap has several levels.
    """
    if not 0 <= labels.minimum < 64 or labels.maximum > 255:
        return False
    values = labels.values
    between = labels.counts[(values >= 64) & (values < 192)].sum()
    return bool((values >= 192).sum() >= 3 and between <= 0.05 * labels.count)


Known = tuple[Bool[np.ndarray, "row col"], Bool[np.ndarray, "row col"]]


def read_reference(
    reference: Image | tuple[Image, Image],
    grid: Grid,
    *,
    inverted: bool = False,
    unchanged_label: float | None = None,
) -> Known:
    """Where a reference says change, and where it says anything, on a result's grid.

    Args:
        reference: Ground truth, or masks of change and of no change.
        grid: The result's.
        inverted: Of a single reference: its low labels are change, as in QuickBird's.
        unchanged_label: What its data set calls no change: a reference that holds nothing else,
            which could be read in two ways, is then known to hold no change.

    Raises:
        DataError: The labels can be read in more than one way; the file is named.
    """
    if not isinstance(reference, tuple):
        raster = as_raster(reference, "reference")
        labels, valid = _labels(raster, grid)
        if unchanged_label is not None and (labels[valid] == unchanged_label).all():
            return np.zeros_like(valid), valid
        try:
            changed, known = decode_reference(labels, valid)
        except DataError as error:
            raise DataError(f"{raster.label}: {error}{_undeclared(raster)}") from None
        return (known & ~changed if inverted else changed), known
    masks = [_labels(mask, grid) for mask in reference]
    changed, unchanged = (_marked(labels, valid) for labels, valid in masks)
    return combine_masks(changed, unchanged)


def _undeclared(reference: Raster) -> str:
    """A remedy where labels may be missing because they are declared nodata."""
    nodata = reference.bands[0].nodata
    if nodata is None:
        return ""
    return (
        f"; it declares nodata {nodata:g}, so that these pixels are unknown: where they are "
        "labels, unset it with gdal_edit.py -unsetnodata"
    )


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
    require_size(*raster.grid.shape, raster.label)
    with raster.reader(grid, categorical=True) as read:
        labels, valid = read(Window.whole(grid.shape))
    return labels[0], valid
