"""The two calls: a change in memory, or a result in files."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn

from metriccd.decision import Connectivity
from metriccd.detection.request import Request
from metriccd.detection.run import Detection
from metriccd.methods import Direction
from metriccd.output import unfinished_folder
from metriccd.pair import BandNames, Dates
from metriccd.raster import Image, Nodata, bounded_cache
from metriccd.result import Change, Products
from metriccd.scene import Files, Memory
from metriccd.stages import Progress
from metriccd.trust import MAX_PIXELS


def detect(
    t1: Image,
    t2: Image,
    *,
    preset: str = "default",
    method: str | None = None,
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    mask_dilate: int = 0,
    nodata: Nodata = None,
    band_names: BandNames | None = None,
    dates: Dates | None = None,
    axes: str | None = None,
    direction: Direction = "both",
    bbox: str | Sequence[float] | None = None,
    bbox_crs: str | None = None,
    aoi: Image | None = None,
    coregister: str | None = None,
    offset: str | float = "auto",
    assets: BandNames | None = None,
    clouds: str | None = None,
    grid: Image | None = None,
    threshold: str | float = "auto",
    min_area: float = 0.0,
    min_pixels: int | None = None,
    fill_holes: int = 0,
    connectivity: Connectivity = 4,
    kinds: str | Sequence[str] = (),
    extractor: str | nn.Module | None = None,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    allow_remote: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
) -> Change:
    """Finds what changed between two images of one place, without labels.

    Args:
        t1: First image: a path, an array (band, row, col) or an xarray DataArray. The result
            is on its grid.
        t2: Second image, likewise; resampled to t1's grid where it lies on another.
        preset: "default", "fast", "paper", "released" or "imagenet".
        method: A key of `METHODS` instead of the preset's.
        bands: Bands to compare, by number, name or description.
        rgb: Which of them are red, green and blue.
        masks: What is left out: rasters where they are not zero, vector files, or classes as
            text: "scl.tif:SCL", "QA_PIXEL=cloud,shadow" (docs/masks.md).
        mask_dilate: Pixels by which masks grow.
        nodata: Value of missing pixels, instead of what the files declare; "none" if none are.
        band_names: Names of all bands of an image that does not name them.
        dates: When the images were taken, two ISO 8601 dates, instead of what their names tell.
        axes: Order of the axes of NumPy arrays, such as "row,col,band".
        direction: Of change: "both", "appeared" (in t2) or "disappeared" (from t1); of methods that
            do not tell them apart, "both" only.
        bbox: West, south, east, north of the part to compare, in t1's CRS.
        bbox_crs: Another CRS that the box is in, such as "EPSG:4326".
        aoi: Vector file of polygons; nothing outside is compared.
        coregister: "global" removes a shift between the dates, "local" a smooth field of shifts
            too, where that makes them more alike (docs/coregistration.md).
        offset: Added to the values of Sentinel-2: "auto" (from baseline 04.00 on −1000, as the
            product's metadata or name tell), or a number.
        assets: t1 and t2 are STAC items: keys or common names of the assets to compare.
        clouds: "auto" leaves out clouds and shadows (extra `clouds`).
        grid: A raster on whose grid both are compared, instead of t1's.
        threshold: "auto" (the preset's rule), a rule by name, or a score between 0 and 1.
        min_area: Change objects of fewer square meters are dropped.
        min_pixels: Change objects of fewer pixels are dropped; None: of fewer than chance alone
            would connect somewhere in the scene, 3 to 16 as a rule.
        fill_holes: Holes of at most that many pixels, within objects, become change.
        connectivity: 4: pixels that share an edge are one object; 8: an edge or a corner.
        kinds: Kinds of change that count, such as "water-gained,built", or "!seasonal" for all
            but one; see docs/kinds.md.
        extractor: "embedded", "vgg16", a weights file, or a module.
        checkpoint: What `metriccd train` wrote, for the supervised methods, which need one.
        device: "auto", "cpu", "cuda" or "mps".
        seed: Same seed, same machine: same result.
        allow_remote: What VRTs and STAC items name may lie out of their folders, and on other
            machines; what is given here always may (docs/security.md).
        max_pixels: Larger pairs are refused.
        progress: Called with (stage, done, total) as work goes on.

    Raises:
        DataError: An image cannot be read or compared.
        GridError: The images share no grid.
        WeightsError: The extractor's weights are not at hand.
        ValueError: No such preset, method or rule.
    """
    # All that was said, and nothing else, is local here.
    request = Request(**locals())
    detection = Detection.of(request)
    change = Change.of(detection.run(Memory()))
    detection.inputs.require_unchanged()
    return change


def detect_into(
    out: str | Path,
    t1: Image,
    t2: Image,
    *,
    preset: str = "default",
    method: str | None = None,
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    mask_dilate: int = 0,
    nodata: Nodata = None,
    band_names: BandNames | None = None,
    dates: Dates | None = None,
    axes: str | None = None,
    direction: Direction = "both",
    bbox: str | Sequence[float] | None = None,
    bbox_crs: str | None = None,
    aoi: Image | None = None,
    coregister: str | None = None,
    offset: str | float = "auto",
    assets: BandNames | None = None,
    clouds: str | None = None,
    grid: Image | None = None,
    threshold: str | float = "auto",
    min_area: float = 0.0,
    min_pixels: int | None = None,
    fill_holes: int = 0,
    connectivity: Connectivity = 4,
    kinds: str | Sequence[str] = (),
    extractor: str | nn.Module | None = None,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    allow_remote: bool = False,
    max_pixels: int = MAX_PIXELS,
    vector: Sequence[str] = ("gpkg",),
    simplify: str | float = 0.0,
    zones: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The same for images of any size: the result goes to files, and memory does not grow with it.

    What `Change.save` writes is written. Methods that need the whole pair at once ("metric",
    "closed_form", "deep_cva", and the rules "adaptive" and "kmeans" on several bands) take memory
    for it nevertheless.

    After an interrupt the tiles that are finished are kept beside `out`, and the same call goes on
    with the rest; the result is that of a run that was not interrupted.

    Args:
        out: Folder, which appears whole or not at all.
        t1: As of `detect`, and so are all but the last ones.
        t2: Second image.
        preset: Name of a preset.
        method: Another method.
        bands: Bands to compare.
        rgb: Which of them are red, green and blue.
        masks: What is left out.
        mask_dilate: Pixels by which masks grow.
        nodata: Value of missing pixels.
        band_names: Names of all bands.
        dates: When the images were taken.
        axes: Order of the axes of NumPy arrays.
        direction: Of change.
        bbox: Part to compare.
        bbox_crs: CRS of the box.
        aoi: Polygons to compare within.
        coregister: Shift to remove.
        offset: Added to the values of Sentinel-2.
        assets: Of STAC items.
        clouds: "auto" leaves out clouds.
        grid: A raster on whose grid both are compared.
        threshold: "auto", a rule, or a score.
        min_area: Change objects of fewer square meters are dropped.
        min_pixels: Change objects of fewer pixels are dropped.
        fill_holes: Holes of at most that many pixels become change.
        connectivity: Of objects: 4 or 8.
        kinds: Kinds of change that count.
        extractor: Feature extractor.
        checkpoint: Of a supervised method.
        device: Where to compute.
        seed: Of everything random.
        allow_remote: Names in files may lead elsewhere.
        max_pixels: Larger pairs are refused.
        vector: Formats of the polygons: "gpkg" and any of "geojson", "parquet", "fgb".
        simplify: How far outlines may move: in pixels, or text such as "10m".
        zones: Polygons in a file, for a table of what changed in each.
        overwrite: Replace an earlier result there.
        progress: Called with (stage, done, total) as work goes on.

    Returns:
        The result in numbers: share, area, objects, threshold, warnings.

    Raises:
        OutputError: `out` exists, or cannot be written.
    """
    # All that was said, and nothing else, is local here.
    request, products = requested(**locals())
    inputs = [*request.files, *([] if products.zones is None else [products.zones])]
    target = Path(out)
    with (
        request.trust.applied(),
        bounded_cache(),
        unfinished_folder(target, overwrite=overwrite, inputs=inputs) as partial,
    ):
        detection = Detection.of(request)
        partial.require_apart(detection.pair.files)
        products.check(detection.pair.grid)
        key = detection.key()
        work = partial.work(key)
        result = detection.run(Files(work, guard=detection.inputs.require_unchanged, key=key))
        name = target.resolve().name
        summary = result.write(partial.folder, name=name, products=products, work=work)
        detection.inputs.require_unchanged()
        return summary


def requested(out: str | Path, t1: Image, t2: Image, **asked: Any) -> tuple[Request, Products]:
    """What `detect_into` is asked for, with the same arguments and defaults.

    Raises:
        TypeError: There is no such argument.
        ValueError: Something cannot be had.
    """
    call = signature(detect_into).bind(out, t1, t2, **asked)
    call.apply_defaults()
    told = call.arguments
    del told["out"], told["overwrite"]
    products = Products.of(**{name: told.pop(name) for name in ("vector", "simplify", "zones")})
    return Request(**told), products
