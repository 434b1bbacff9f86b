"""The rasters of a result, in files and as a Dataset, and pictures of both dates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from jaxtyping import Bool, Float, Float32, Int64, Shaped, UInt8

from metriccd.gis import (
    APPEARED,
    CHANGE,
    CLUSTER_COLORS,
    COLORS,
    DIRECTION_COLORS,
    DIRECTION_LABELS,
    DISAPPEARED,
    LABELS,
    NO_CHANGE,
    NODATA,
)
from metriccd.kinds import KINDS, MOST, NONE, shown
from metriccd.raster import CogLayer, Grid, Window, cog_writer
from metriccd.report import CHANGE_RGB, to_uint8
from metriccd.scene import factor_of

ReadKinds = Callable[[Window], UInt8[np.ndarray, "row col"]]
# Longer than any value of a kind or a cluster.
VALUES = max(MOST, *(kind.value for kind in KINDS.values())) + 1
NAMES = {NONE: "no change"} | {kind.value: name for name, kind in KINDS.items()}
KIND_COLORS = {
    NONE: (255, 255, 255, 0),
    NODATA: (0, 0, 0, 0),
    **{kind.value: (*kind.color, 255) for kind in KINDS.values()},
}
# Colors of pictures that mean something.
MEANING = (CHANGE_RGB, *(kind.color for kind in KINDS.values()))
# What every pixel would be, had it changed: another threshold needs it.
POTENTIAL = "potential.tif"
VIEWS = ("before-view.tif", "after-view.tif")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A window of a result: what its rasters are made of.

    Attributes:
        change: True = change.
        score: NaN where not valid.
        kinds: Kind of every pixel, as if it had changed; None where unknown.
        clusters: Cluster, likewise.
        lean: Which way, likewise: > 0 what appeared.
    """

    change: Bool[np.ndarray, "row col"]
    score: Float32[np.ndarray, "row col"]
    kinds: UInt8[np.ndarray, "row col"] | None = None
    clusters: UInt8[np.ndarray, "row col"] | None = None
    lean: Float32[np.ndarray, "row col"] | None = None

    @property
    def valid(self) -> Bool[np.ndarray, "row col"]:
        """True where both images could be compared."""
        valid: Bool[np.ndarray, "row col"] = ~np.isnan(self.score)
        return valid

    def directions(self, change: Bool[np.ndarray, "row col"]) -> UInt8[np.ndarray, "row col"]:
        """Which way pixels changed, of a change map."""
        assert self.lean is not None
        return direction_of(change, self.valid, self.lean)


@dataclass(frozen=True, kw_only=True)
class RasterFile:
    """A raster of a result.

    Attributes:
        layer: What it holds.
        pixels: Its bands in a window.
        categories: Names of its classes, from 0 on.
    """

    layer: CogLayer
    pixels: Callable[[Part], Shaped[np.ndarray, "band row col"]]
    categories: Sequence[str] = ()


def raster_files(
    score: CogLayer, change: CogLayer, known: Collection[str], clusters: Sequence[str]
) -> Mapping[str, RasterFile]:
    """The rasters of a result, by name; all are written in one pass.

    Args:
        score: See `raster_layers`.
        change: Likewise.
        known: What is known beside them: "kind", "cluster", "direction".
        clusters: What each cluster is, in words.
    """
    files = {
        "score.tif": RasterFile(layer=score, pixels=lambda part: part.score[np.newaxis]),
        "change.tif": RasterFile(
            layer=change,
            pixels=lambda part: classes(part.change, part.valid)[np.newaxis],
            categories=list(LABELS.values()),
        ),
    }
    classed = {
        "kind": (_kinds, KIND_COLORS, list(NAMES.values())),
        "cluster": (
            _clusters,
            CLUSTER_COLORS,
            ["no change", *(f"{n}: {words}" for n, words in enumerate(clusters, start=1))],
        ),
        "direction": (_directions, DIRECTION_COLORS, list(DIRECTION_LABELS.values())),
    }
    for name, (pixels, colors, categories) in classed.items():
        if name in known:
            layer = CogLayer(
                dtype="uint8",
                nodata=NODATA,
                bands=(name,),
                overviews="mode",
                colors=colors,
                tags={f"{name}_{value}": words for value, words in enumerate(categories)},
            )
            files[f"{name}.tif"] = RasterFile(layer=layer, pixels=pixels, categories=categories)
    told = tuple(name for name in classed if name in known)
    if told:
        every = CogLayer(dtype="uint8", nodata=NODATA, bands=told, overviews="mode")
        files[POTENTIAL] = RasterFile(layer=every, pixels=_potential)
    return files


def _kinds(part: Part) -> UInt8[np.ndarray, "1 row col"]:
    assert part.kinds is not None
    return shown(part.kinds, part.change)[np.newaxis]


def _clusters(part: Part) -> UInt8[np.ndarray, "1 row col"]:
    assert part.clusters is not None
    return shown(part.clusters, part.change)[np.newaxis]


def _directions(part: Part) -> UInt8[np.ndarray, "1 row col"]:
    return part.directions(part.change)[np.newaxis]


def _potential(part: Part) -> UInt8[np.ndarray, "band row col"]:
    """What a window would be, had all of it changed."""
    bands = [part.kinds, part.clusters]
    bands.append(None if part.lean is None else part.directions(part.valid))
    return np.stack([band for band in bands if band is not None])


def raster_layers(
    record: Mapping[str, Any],
    dates: tuple[np.datetime64, np.datetime64],
    method: str,
    threshold: float,
    rule: str,
) -> tuple[CogLayer, CogLayer]:
    """What score.tif and change.tif hold and say of themselves.

    The score does not depend on the threshold, so its file does not name it.

    Args:
        record: As in `run.json`.
        dates: When the images were taken, UTC; NaT where unknown.
        method: Name of the method.
        threshold: A score above it is change.
        rule: What chose the threshold.
    """
    scale = record.get("score", {})
    common = {"TIFFTAG_SOFTWARE": f"metriccd {version('metriccd')}", "METHOD": method}
    for name, date in zip(("DATE_BEFORE", "DATE_AFTER"), dates, strict=True):
        if not np.isnat(date):
            common[name] = f"{np.datetime_as_string(date, 's')}Z"
    score = {"TIFFTAG_IMAGEDESCRIPTION": "change score in [0, 1], larger = more change"}
    if "words" in scale:
        score["SCORE"] = scale["words"]
    if scale.get("level") is not None:
        score["LEVEL"] = repr(scale["level"])
    change = {
        "TIFFTAG_IMAGEDESCRIPTION": "change map: 0 no change, 1 change, 255 no data",
        "THRESHOLD": repr(threshold),
        "RULE": rule,
    }
    level = record.get("threshold", {}).get("level")
    if level is not None:
        change["LEVEL"] = repr(level)
    return (
        CogLayer(
            dtype="float32",
            nodata=float("nan"),
            bands=("score",),
            overviews="average",
            tags=common | score,
        ),
        CogLayer(
            dtype="uint8",
            nodata=NODATA,
            bands=("change",),
            overviews="mode",
            colors=COLORS,
            tags=common | change,
        ),
    )


def classes(
    change: Bool[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"]
) -> UInt8[np.ndarray, "row col"]:
    """The change map as written: 0 no change, 1 change, 255 nodata."""
    values = np.where(change, CHANGE, NO_CHANGE)
    return np.where(valid, values, NODATA).astype(np.uint8)


def legend(counts: Int64[np.ndarray, " kind"]) -> Mapping[str, int]:
    """Changed pixels of each kind that occurs, the most frequent first."""
    order = np.argsort(-counts[:VALUES], kind="stable")
    return {
        NAMES[int(value)]: int(counts[value]) for value in order if counts[value] and value != NONE
    }


def direction_of(
    change: Bool[np.ndarray, "row col"],
    valid: Bool[np.ndarray, "row col"],
    lean: Float32[np.ndarray, "row col"],
) -> UInt8[np.ndarray, "row col"]:
    """0 no change, 1 appeared, 2 disappeared, 255 nodata."""
    ways = np.where(lean >= 0, APPEARED, DISAPPEARED)
    return np.where(valid, np.where(change, ways, NO_CHANGE), NODATA).astype(np.uint8)


def write_views(
    folder: Path,
    grid: Grid,
    t1: Float[np.ndarray, "3 row col"],
    t2: Float[np.ndarray, "3 row col"],
) -> None:
    """Writes the overviews of both dates as pictures that lie on the result.

    Args:
        folder: Where to.
        grid: The result's.
        t1: First image for display, in [0, 1], NaN where not valid.
        t2: Second one.
    """
    small = view_grid(grid)
    layer = CogLayer(
        dtype="uint8",
        nodata=None,
        bands=("red", "green", "blue", "alpha"),
        overviews="average",
        alpha=True,
    )
    for name, image in zip(VIEWS, (t1, t2), strict=True):
        opaque = 255 * (~np.isnan(image).any(axis=0)).astype(np.uint8)
        pixels = np.concatenate([to_uint8(image), opaque[np.newaxis]])
        with cog_writer(folder / name, small, layer) as write:
            write(Window.whole(small.shape), pixels)


def view_of(
    pixels: Float32[np.ndarray, "3 row col"], valid: Bool[np.ndarray, "row col"]
) -> Float32[np.ndarray, "3 row col"]:
    """A picture of `write_views` as an image for display: in [0, 1], NaN where not valid."""
    return np.where(valid, pixels / np.float32(255), np.float32(np.nan))


def view_grid(grid: Grid) -> Grid:
    """The grid of an overview of a scene."""
    factor = factor_of(grid.shape)
    if factor == 1:
        return grid
    return Grid(
        height=-(-grid.height // factor),
        width=-(-grid.width // factor),
        transform=grid.drawn.transform @ Affine.scale(factor),
        crs=grid.crs,
    )


def to_dataset(
    score: Float32[np.ndarray, "row col"], change: Bool[np.ndarray, "row col"], grid: Grid
) -> Any:
    """Score and change map as a Dataset, whose coordinates are the centers of pixels.

    Args:
        score: NaN where not valid.
        change: True = change.
        grid: Where the pixels lie.

    Raises:
        ImportError: xarray is not installed.
    """
    import xarray  # noqa: PLC0415  # optional: whoever asks for it has it

    transform, coordinates = grid.transform, dict[str, Any]()
    if grid.georeferenced and transform.is_rectilinear:
        coordinates["x"] = transform.c + transform.a * (np.arange(grid.width) + 0.5)
        coordinates["y"] = transform.f + transform.e * (np.arange(grid.height) + 0.5)
    if grid.georeferenced:
        told = {"GeoTransform": " ".join(repr(float(value)) for value in transform.to_gdal())}
        if grid.crs is not None:
            wkt = grid.crs.to_wkt()
            told |= {"crs_wkt": wkt, "spatial_ref": wkt}
        coordinates["spatial_ref"] = ((), 0, told)
    layers = {"score": (("y", "x"), score), "change": (("y", "x"), change)}
    found = xarray.Dataset(layers, coords=coordinates)
    for name in layers:
        if grid.georeferenced:
            found[name].encoding["grid_mapping"] = "spatial_ref"
    return found
