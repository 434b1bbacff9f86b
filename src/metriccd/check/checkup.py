"""The checkup of a pair: facts from its headers and from some windows, and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj

from metriccd.check.quality import Quality, quality
from metriccd.pair import SHARP, SURE, Block, ImagePair, Shift, read_windows, shift_of
from metriccd.raster import SENTINEL2, Band, Grid, Raster
from metriccd.stages import Stages

# Windows along a side of the scene that are looked at.
LOOKS = 3
# From here on a shift costs more than it may be wrong by, in pixels.
FAR = 0.5
MUCH_SATURATED, MUCH_HAZE, MUCH_FILL, LITTLE_VALID = 0.01, 0.1, 0.001, 0.5
# Dates of one unit do not vary by such a factor in all bands, whatever the season.
OTHER_UNIT = 8.0
# Wider pixels of one date by this factor are said.
OTHER_SIZE = 3.0
# Bands that are named on the page, at most, and letters of a name.
NAMED, LONG = 13, 20
COLORS = ("red", "green", "blue")
# Values of products with the offset of Sentinel-2's baseline 04.00 do not go below this.
OFFSET_FLOOR = 1000.0


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What is known of a pair before anything is detected.

    Attributes:
        grids: Each date's and the pair's: rows, columns, pixel size, CRS.
        overlap: Share of t1 that t2 covers.
        bands: (t1's band, t2's band) that are compared.
        units: Of each date: type, and scale and offset where there are any.
        matched: How they were matched.
        offsets: What is added to each date, and what tells it.
        dates: When each was taken, and what tells it.
        valid: Share of the pixels looked at that are valid in both.
        shift: How far t2 lies off t1, before anything was done to it.
        qualities: Of each date; None where nothing is valid.
        warnings: Sentences that say what to do.
    """

    grids: dict[str, str]
    overlap: float
    bands: list[tuple[str, str]]
    units: list[str]
    matched: str
    offsets: list[str]
    dates: list[str]
    valid: float
    shift: Shift
    qualities: tuple[Quality | None, Quality | None]
    warnings: list[str]

    @property
    def shift_found(self) -> bool:
        """Whether the windows agree on a shift."""
        return self.shift.sharpness >= SHARP and self.shift.error <= SURE

    def as_dict(self) -> dict[str, Any]:
        """For JSON and the record."""
        found = self.shift_found
        return {
            "grids": self.grids,
            "overlap": round(self.overlap, 4),
            "bands": [list(pair) for pair in self.bands],
            "bands_matched": self.matched,
            "units": self.units,
            "offsets": self.offsets,
            "dates": self.dates,
            "valid_share": round(self.valid, 4),
            "shift": {
                "rows": round(self.shift.row, 3) if found else None,
                "columns": round(self.shift.col, 3) if found else None,
                "error": round(self.shift.error, 3) if found else None,
                "sharpness": round(self.shift.sharpness, 1),
            },
            "saturated_share": [each and round(each.saturated, 5) for each in self.qualities],
            "hazy_share": [
                None if each is None or each.hazy is None else round(each.hazy, 5)
                for each in self.qualities
            ],
            "warnings": self.warnings,
        }

    def left(self, pair: ImagePair) -> list[str]:
        """The warnings that hold for the pair still, once t2 may be moved."""
        moved = pair.registration is not None and pair.registration.mode != "none"
        return [text for text in self.warnings if not (moved and "--coregister" in text)]

    def _told(self, name: str) -> str:
        """A grid, or which of those before it is the same."""
        text = self.grids[name]
        first = next(other for other, same in self.grids.items() if same == text)
        return text if first == name else f"that of {first}"

    def lines(self) -> list[tuple[str, str]]:
        """The page: what, and how it is."""
        shift, found = self.shift, self.shift_found
        rows = [
            *((f"grid of {name}", self._told(name)) for name in self.grids),
            ("overlap", f"{self.overlap:.1%} of t1"),
            ("bands", _listed(self.bands)),
            ("matched", self.matched),
            ("units", _both(self.units)),
            ("valid", f"{self.valid:.1%} of the pixels looked at, in both"),
            ("offsets", _both(self.offsets)),
            ("dates", _both(self.dates)),
            (
                "shift",
                f"t2 lies {shift.length:.2f} pixels off t1 ({shift.row:+.2f} rows, "
                f"{shift.col:+.2f} columns), ± {shift.error:.2f}; "
                f"the peak is {shift.sharpness:.0f} times the noise"
                if found
                else "not found: the windows looked at do not agree on one",
            ),
        ]
        for number, each in enumerate(self.qualities, 1):
            if each is not None:
                hazy = "" if each.hazy is None else f", {each.hazy:.1%} like haze, cloud or snow"
                rows.append((f"pixels of t{number}", f"{each.saturated:.1%} saturated{hazy}"))
        return rows


def check_up(pair: ImagePair, stages: Stages | None = None) -> Checkup:
    """Looks at nine windows of a pair at most, as it is before anything is moved.

    Args:
        pair: Both dates, not co-registered.
        stages: Records time and reports progress.

    Raises:
        DataError: A window cannot be read.
    """
    blocks = read_windows(pair, looks=LOOKS, stages=stages)
    shift = shift_of(blocks)
    few, add = pair.of_few_bands(), pair.offsets
    colors = _colors(few)
    qualities = (
        quality([(b.t1, b.valid) for b in blocks], few.t1.bands, colors, added=add[0].value),
        quality([(b.t2, b.valid) for b in blocks], few.t2.bands, colors, added=add[1].value),
    )
    valid = float(sum(block.valid.sum() for block in blocks) / sum(b.valid.size for b in blocks))
    overlap = pair.grid.height * pair.grid.width
    names = [
        (_short(one), _short(other))
        for one, other in zip(pair.t1.bands, pair.t2.bands, strict=True)
    ]
    found = Checkup(
        grids={
            "t1": _grid(pair.t1.grid),
            "t2": _grid(pair.t2.grid),
            "the result": _grid(pair.grid),
        },
        overlap=min(overlap / (pair.t1.grid.height * pair.t1.grid.width), 1.0),
        bands=names,
        units=[_unit(pair.t1, qualities[0]), _unit(pair.t2, qualities[1])],
        matched=_matched(pair),
        offsets=[f"{each.value:g} ({each.source})" for each in pair.offsets],
        dates=[
            "unknown" if each is None else f"{each.time:%Y-%m-%d} ({each.source})"
            for each in pair.dates
        ],
        valid=valid,
        shift=shift,
        qualities=qualities,
        warnings=[],
    )
    found.warnings.extend(_warnings(found, pair, blocks))
    return found


def _warnings(found: Checkup, pair: ImagePair, blocks: Sequence[Block]) -> list[str]:
    said = []
    if found.shift_found and found.shift.length >= FAR:
        said.append(
            f"t2 lies {found.shift.length:.1f} pixels off t1 ({found.shift.row:+.2f} rows, "
            f"{found.shift.col:+.2f} columns): --coregister removes it"
        )
    if blocks and found.valid < LITTLE_VALID:
        said.append(
            f"only {found.valid:.0%} of the pixels are valid in both images: check --nodata, "
            "masks and dates"
        )
    for name, each in zip(("t1", "t2"), found.qualities, strict=True):
        if each is not None and each.saturated > MUCH_SATURATED:
            said.append(
                f"{each.saturated:.1%} of {name} is saturated: nothing is known of change there; "
                "give an image of more bits, or mask it"
            )
        if each is not None and each.hazy is not None and each.hazy > MUCH_HAZE:
            said.append(
                f"{each.hazy:.0%} of {name} looks like haze, cloud or snow: leave clouds out "
                "with --mask, or --clouds auto (docs/masks.md)"
            )
        if each is not None and each.fill is not None and each.fill[1] > MUCH_FILL:
            value, share = each.fill
            said.append(
                f"{share:.1%} of {name} is {value:g} in all bands, which looks like missing pixels "
                f"that the file does not declare: --nodata {value:g} leaves them out"
            )
    said += _size_warnings(pair)
    said += _unit_warnings(found)
    said += _offset_warnings(found, pair)
    return said


def _size_warnings(pair: ImagePair) -> list[str]:
    """Where the pixels of one date are much larger than those of the other."""
    one, other = pair.t1.grid, pair.t2.grid
    if one.crs == other.crs:
        ratio = abs(other.transform.determinant / one.transform.determinant) ** 0.5
    else:
        areas = one.pixel_area, other.pixel_area
        if areas[0] is None or areas[1] is None:
            return []
        ratio = (areas[1] / areas[0]) ** 0.5
    if 1 / OTHER_SIZE <= ratio <= OTHER_SIZE:
        return []
    coarse, fine = ("t2", "t1") if ratio > 1 else ("t1", "t2")
    how = "t2 is interpolated" if ratio > 1 else "t2 is averaged to them"
    return [
        f"pixels of {coarse} are {max(ratio, 1 / ratio):.2g} times as wide as those of {fine}: "
        f"{how}, and change smaller than they are cannot be seen; give images of like resolution"
    ]


def _unit_warnings(found: Checkup) -> list[str]:
    """Where the values of one date vary so much less in all bands that their units must differ."""
    one, other = found.qualities
    if one is None or other is None:
        return []
    ratios = [b / a for a, b in zip(one.spread, other.spread, strict=True) if a > 0 and b > 0]
    if not ratios or (max(ratios) >= 1 / OTHER_UNIT and min(ratios) <= OTHER_UNIT):
        return []
    factor, wide, narrow = float(np.median(ratios)), "t2", "t1"
    if factor < 1:
        factor, wide, narrow = 1 / factor, narrow, wide
    return [
        f"values of {wide} vary {factor:.2g} times as much as those of {narrow} in all bands: "
        "bring both to one unit; the scale that a file declares (gdal_edit.py -scale) is applied"
    ]


def _offset_warnings(found: Checkup, pair: ImagePair) -> list[str]:
    """Where one date seems to hold Sentinel-2's offset and the other does not."""
    if not _sentinel2(pair.t1) or None in found.qualities:
        return []
    lowest = [each.lowest for each in found.qualities if each is not None and each.reflectance]
    high = [value >= OFFSET_FLOOR for value in lowest]
    if len(high) == 2 and high[0] != high[1]:
        name = "t1" if high[0] else "t2"
        return [
            f"no value of {name} is below {OFFSET_FLOOR:g}, as in Sentinel-2 products from "
            "baseline 04.00 on, and some of the other date are: subtract 1000 from it, or give "
            "the folder of the product, whose metadata tell it"
        ]
    return []


def _sentinel2(raster: Raster) -> bool:
    sensors = {band.sensor for band in raster.bands}
    return sensors <= {"", SENTINEL2.name} and {"B02", "B03", "B04"} <= {
        band.name for band in raster.bands
    }


def _matched(pair: ImagePair) -> str:
    """What the bands of both dates have in common."""
    both = list(zip(pair.t1.bands, pair.t2.bands, strict=True))
    counted = pair.t1.nameless and pair.t2.nameless
    if not counted and all(one.name.lower() == other.name.lower() for one, other in both):
        return "by name"
    if all(one.common and one.common == other.common for one, other in both):
        return "by common name"
    lengths = all(one.wavelength and other.wavelength for one, other in both)
    return "by wavelength" if lengths else "by position"


def _colors(pair: ImagePair) -> tuple[int, int, int] | None:
    """Positions of red, green and blue, where names or roles tell them, or there are no others."""
    if len(pair.t1.bands) == len(COLORS):
        return pair.rgb
    for position, color in zip(pair.rgb, COLORS, strict=True):
        band = pair.t1.bands[position]
        if color not in {band.common, band.color.lower(), band.description.lower()}:
            return None
    return pair.rgb


def _unit(raster: Raster, found: Quality | None) -> str:
    """How values are stored, and what they seem to be."""
    bands = raster.bands
    kinds = "/".join(dict.fromkeys(band.dtype for band in bands))
    told = any(band.scale != 1 or band.offset != 0 for band in bands)
    known = ", with the scale and offset that it declares" if told else ""
    likely = ", like reflectance × 10,000" if found is not None and found.reflectance else ""
    return f"{kinds}{known}{likely}"


def _short(band: Band) -> str:
    """The name of a band; its common name where a description takes the place of one."""
    return band.common if band.common and len(band.name) > LONG else band.name


def _both(texts: Sequence[str]) -> str:
    """What holds for t1 and for t2, once where it is the same."""
    one, other = texts
    return f"{one}, both" if one == other else f"t1 {one}, t2 {other}"


def _listed(bands: Sequence[tuple[str, str]]) -> str:
    """Bands of both dates in a line; long names are cut, and of hundreds the first are named."""
    cut = [
        tuple(f"{name[:LONG]}…" if len(name) > LONG else name for name in both) for both in bands
    ]
    named = [one if one == other else f"{one} = {other}" for one, other in cut[:NAMED]]
    more = f", … ({len(bands)} in all)" if len(bands) > NAMED else ""
    return ", ".join(named) + more


def _grid(grid: Grid) -> str:
    """A grid in a line."""
    size = f"{grid.height} × {grid.width} (rows × columns)"
    if not grid.georeferenced:
        return f"{size}, no georeference"
    col, row = grid.pixel_size
    pixel = f"{col:.6g}" if abs(col - row) < 1e-9 * col else f"{col:.6g} × {row:.6g}"
    if grid.crs is None:
        return f"{size}, pixels of {pixel}, no CRS"
    known = pyproj.CRS.from_user_input(grid.crs)
    code = ":".join(known.to_authority() or ()) or "no code"
    unit = "°" if grid.crs.is_geographic else " m"
    return f"{size}, pixels of {pixel}{unit}, {known.name} ({code})"
