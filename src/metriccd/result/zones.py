"""Zones: how much of each polygon of a file changed."""

from __future__ import annotations

from itertools import product

import geopandas as gpd
import numpy as np
import shapely
from jaxtyping import Float64, Int32, Int64

from metriccd.decision import BLOCK, Read
from metriccd.errors import DataError
from metriccd.raster import Grid, burn, layers_in, readable, require_places

# Columns that are added to those of the file.
MISSED = "zones should lie on the images"
OURS = ("valid_pixels", "changed_pixels", "valid_m2", "changed_m2", "changed_share")


def read_zones(path: str, grid: Grid) -> gpd.GeoDataFrame:
    """The polygons of a file, of its first layer of shapes, in the grid's CRS with their columns.

    Raises:
        DataError: The file cannot be read, holds no polygons, or has no CRS where the grid has one.
    """
    with readable(f"--zones {path}", path):
        # Others may hold styles, as those of our own files do.
        first = next(iter(layers_in(path)), None)
        zones = gpd.read_file(path, engine="pyogrio", layer=first)
    kinds = set(zones.geom_type.dropna()) if isinstance(zones, gpd.GeoDataFrame) else set()
    if not kinds or not kinds <= {"Polygon", "MultiPolygon"}:
        raise DataError(
            f"--zones must hold polygons: {path} holds {', '.join(sorted(kinds)) or 'none'}; "
            "give another file"
        )
    require_places(zones.geometry.to_numpy(), f"--zones {path}")
    zones = zones.rename(columns=_renamed(zones))
    if grid.crs is None:
        return zones.set_crs(None, allow_override=True)
    if zones.crs is None:
        raise DataError(f"--zones needs a CRS to lie on the images: {path} has none; set it")
    with readable(f"--zones {path}"):
        placed = zones.to_crs(grid.crs.to_wkt())
    require_places(placed.geometry.to_numpy(), f"--zones {path}, where the images' CRS is defined,")
    return placed


def missed(path: str, zones: gpd.GeoDataFrame, grid: Grid) -> list[str]:
    """What to say where zones do not lie on the images, in a line; none where they all do."""
    corners = [grid.drawn.transform * at for at in product((0, grid.width), (0, grid.height))]
    around = shapely.MultiPoint(corners).convex_hull
    beyond = int((~zones.intersects(around)).sum())
    if not beyond:
        return []
    told = "none" if beyond == len(zones) else f"{len(zones) - beyond}"
    return [f"{MISSED}: {told} of {len(zones)} of {path} does; check their CRS and place"]


def _renamed(zones: gpd.GeoDataFrame) -> dict[str, str]:
    """New names of columns that a table of ours could not hold beside its own, in any case."""
    taken, new = {*OURS, "fid", "geom", "geometry", "ogc_fid"}, {}
    for name in zones.columns:
        if name == zones.geometry.name:
            continue
        free, number = str(name), 1
        while free.lower() in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free.lower())
        if free != name:
            new[name] = free
    return new


def changed_in(zones: gpd.GeoDataFrame, read: Read, grid: Grid) -> gpd.GeoDataFrame:
    """The zones with what changed in each.

    A pixel belongs to a zone in which its center lies, to each of them where zones overlap.

    Args:
        zones: Polygons in the grid's CRS; without georeference x is the column and y minus the row.
        read: Change map and score of a window; the score is NaN where not valid.
        grid: Where the pixels lie.

    Returns:
        Added columns: `valid_pixels`, `changed_pixels`, `valid_m2`, `changed_m2` (NaN where
        areas are unknown) and `changed_share` (of the valid pixels' area, or else of their number;
        NaN where there are none).
    """
    layers = _without_overlap(zones)
    pixels = np.zeros((2, len(zones)), np.int64)
    sums = np.zeros((2, len(zones)))
    for window in grid.windows(BLOCK):
        change, score = read(window)
        areas = grid.pixel_areas(window)
        weights = np.ones(change.shape) if areas is None else areas
        for members in layers:
            placed = [(zones.geometry.iloc[zone], zone + 1) for zone in members]
            shapes = [(shape, number) for shape, number in placed if shape and not shape.is_empty]
            labels = burn(shapes, grid.drawn.crop(window))
            for number, mask in enumerate((~np.isnan(score), change)):
                counts, total = _by_zone(np.where(mask, labels, 0), weights, len(zones))
                pixels[number] += counts
                sums[number] += total
    unknown = np.full(len(zones), np.nan)
    with np.errstate(invalid="ignore"):
        share = sums[1] / np.where(sums[0] > 0, sums[0], np.nan)
    return zones.assign(
        valid_pixels=pixels[0],
        changed_pixels=pixels[1],
        valid_m2=sums[0] if grid.has_areas else unknown,
        changed_m2=sums[1] if grid.has_areas else unknown,
        changed_share=share,
    )


def _by_zone(
    labels: Int32[np.ndarray, "row col"], weights: Float64[np.ndarray, "row col"], zones: int
) -> tuple[Int64[np.ndarray, " zone"], Float64[np.ndarray, " zone"]]:
    """Pixels of each zone, and the sum of their weights."""
    flat = labels.ravel()
    counts = np.bincount(flat, minlength=zones + 1)[1:]
    return counts, np.bincount(flat, weights=weights.ravel(), minlength=zones + 1)[1:]


def _without_overlap(zones: gpd.GeoDataFrame) -> list[list[int]]:
    """Numbers of the zones, parted so that those of one part do not overlap."""
    first, second = zones.sindex.query(zones.geometry, predicate="intersects")
    near: dict[int, set[int]] = {}
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        near.setdefault(one, set()).add(other)
    parts: list[list[int]] = []
    for zone in range(len(zones)):
        touching = near.get(zone, set())
        for part in parts:
            if not touching.intersection(part):
                part.append(zone)
                break
        else:
            parts.append([zone])
    return parts
