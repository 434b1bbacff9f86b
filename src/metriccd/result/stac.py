"""The STAC item that describes a result to catalogs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pystac
from jaxtyping import Float
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.projection import ProjectionExtension
from shapely import get_parts, make_valid, union_all
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box, mapping
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from metriccd.gis import COLORS, LABELS, NODATA
from metriccd.raster import Grid

# Degrees (about a meter) below which a detail of the footprint does not count.
TOLERANCE = 1e-5
COG = pystac.MediaType.COG
# pystac knows version 1 of the raster extension; STAC 1.1 items use version 2.
RASTER_EXTENSION = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"

PROCESSING_EXTENSION = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"


def stac_item(
    name: str,
    grid: Grid,
    *,
    created: datetime,
    taken: tuple[datetime | None, datetime | None],
    derived: Sequence[str] = (),
) -> dict[str, Any]:
    """A STAC 1.1 item with projection, raster and classification metadata.

    Args:
        name: Item id.
        grid: The result's grid.
        created: When the result was made.
        taken: When the images were; the item spans what is known of
            them, and has no time where nothing is.
        derived: Addresses of the items that the images came from.
    """
    geometry, bbox = _footprint(grid) or (None, None)
    times = sorted(time for time in taken if time is not None)
    dated = bool(times)
    item = pystac.Item(
        id=name,
        geometry=None if geometry is None else mapping(geometry),
        bbox=bbox,
        # An item without any time is refused when it is made, not when it is written.
        datetime=None if dated else created,
        start_datetime=times[0] if dated else None,
        end_datetime=times[-1] if dated else None,
        properties={
            "created": pystac.utils.datetime_to_str(created),
            "processing:software": {"metriccd": version("metriccd")},
            "processing:lineage": "Change between two images, found without labels; see run.json",
        },
        stac_extensions=[PROCESSING_EXTENSION],
    )
    if not dated:
        item.datetime = None
        item.properties["datetime"] = None
    for href in derived:
        item.add_link(pystac.Link("derived_from", href, media_type=pystac.MediaType.GEOJSON))
    for key, asset in _assets().items():
        item.add_asset(key, asset)
    _add_projection(item, grid)
    _add_raster(item)
    _add_classes(item)
    found = dict(item.to_dict(include_self_link=False))
    if not dated:
        found["properties"]["datetime"] = None
    return found


def _footprint(grid: Grid) -> tuple[Polygon | MultiPolygon, list[float]] | None:
    """Geometry and bbox in WGS 84, split at ±180° (RFC 7946, 3.1.9 and 5.2)."""
    corners = grid.footprint()
    if corners is None:
        return None
    lons, lats = (np.asarray(axis) for axis in corners)
    finite = np.isfinite(lons) & np.isfinite(lats)
    if finite.sum() < 4:
        return None
    outline = _outline(np.unwrap(lons[finite], period=360), lats[finite], grid)
    geometry = _split(outline)
    west, south, east, north = outline.bounds
    if east - west >= 360 - TOLERANCE:
        return geometry, [-180.0, south, 180.0, north]
    # The outline may lie in any turn: the bbox names longitudes from −180 to 180.
    if west < -180 - TOLERANCE or east > 180 + TOLERANCE:
        west, east = (west + 180) % 360 - 180, 180 - (180 - east) % 360
    return geometry, [west, south, east, north]


def _outline(
    lons: Float[np.ndarray, " point"], lats: Float[np.ndarray, " point"], grid: Grid
) -> Polygon | MultiPolygon:
    """The outline on a plane of longitudes that do not jump, closed over a pole it goes around."""
    points = list(zip(lons.tolist(), lats.tolist(), strict=True))
    turn = lons[-1] - lons[0]
    if abs(turn) > 180:
        # Rows run down the image: an outline that runs clockwise there runs westward around the
        # North Pole and eastward around the South Pole, unless the transform mirrors it.
        pole = math.copysign(90.0, turn * grid.transform.determinant)
        points += [(lons[-1], pole), (lons[0], pole)]
    # Points along straight edges tell nothing; a footprint of hundreds of them helps nobody.
    polygon = Polygon(points).simplify(TOLERANCE)
    if polygon.is_valid:
        return polygon
    return _polygons(make_valid(polygon))


def _split(outline: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """The outline with longitudes from −180 to 180, cut where it crosses them."""
    west, _, east, _ = outline.bounds
    if west >= -180 - TOLERANCE and east <= 180 + TOLERANCE:
        return _oriented(outline)
    world = box(-180, -90, 180, 90)
    turns = range(math.floor((west + 180) / 360), math.floor((east + 180) / 360) + 1)
    parts = [translate(outline, -360.0 * turn) & world for turn in turns]
    # Slivers, which rounding leaves beyond ±180, are no parts.
    solid = [part for part in parts if part.bounds and part.bounds[2] - part.bounds[0] > TOLERANCE]
    return _oriented(_polygons(union_all(solid)))


def _polygons(geometry: BaseGeometry) -> Polygon | MultiPolygon:
    """The polygons of any geometry, without its lines and points."""
    parts = [part for part in get_parts(geometry) if isinstance(part, Polygon)]
    nested = [
        polygon
        for part in get_parts(geometry)
        if isinstance(part, MultiPolygon)
        for polygon in part.geoms
    ]
    polygons = parts + nested
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


def _oriented(geometry: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """The same with exterior rings counterclockwise (RFC 7946, 3.1.6)."""
    if isinstance(geometry, Polygon):
        return orient(geometry)
    return MultiPolygon([orient(part) for part in geometry.geoms])


def _assets() -> Mapping[str, pystac.Asset]:
    return {
        "score": pystac.Asset("./score.tif", "Change score", media_type=COG, roles=["data"]),
        "change": pystac.Asset("./change.tif", "Change map", media_type=COG, roles=["data"]),
        "polygons": pystac.Asset(
            "./change.gpkg",
            "Change polygons",
            media_type=pystac.MediaType.GEOPACKAGE,
            roles=["data"],
        ),
        "project": pystac.Asset(
            "./project.qgz",
            "QGIS project",
            media_type="application/x-qgis-project",
            roles=["visual"],
        ),
        "report": pystac.Asset(
            "./report.html", "Report", media_type=pystac.MediaType.HTML, roles=["metadata"]
        ),
        "preview": pystac.Asset(
            "./preview.png", "Preview", media_type=pystac.MediaType.PNG, roles=["thumbnail"]
        ),
        "overview": pystac.Asset(
            "./preview-large.png",
            "Large preview",
            media_type=pystac.MediaType.PNG,
            roles=["overview"],
        ),
        "run": pystac.Asset(
            "./run.json", "Settings and log", media_type=pystac.MediaType.JSON, roles=["metadata"]
        ),
    }


def _add_projection(item: pystac.Item, grid: Grid) -> None:
    projection = ProjectionExtension.ext(item, add_if_missing=True)
    code = None if grid.crs is None else grid.crs.to_authority()
    projection.apply(
        code=":".join(code) if code else None,
        wkt2=None if grid.crs is None or code else grid.crs.to_wkt(version="WKT2_2019"),
        transform=list(grid.transform)[:6] if grid.georeferenced else None,
        shape=list(grid.shape),
    )


def _add_raster(item: pystac.Item) -> None:
    item.stac_extensions.append(RASTER_EXTENSION)
    item.assets["score"].extra_fields |= {
        "data_type": "float32",
        "nodata": "nan",
        "bands": [{"name": "score"}],
        "raster:sampling": "area",
    }
    item.assets["change"].extra_fields |= {
        "data_type": "uint8",
        "nodata": NODATA,
        "bands": [{"name": "change"}],
        "raster:sampling": "area",
    }


def _add_classes(item: pystac.Item) -> None:
    classes = ClassificationExtension.ext(item.assets["change"], add_if_missing=True)
    classes.classes = [
        Classification.create(
            value=value,
            name=label.replace(" ", "_"),
            description=label,
            color_hint="{:02X}{:02X}{:02X}".format(*COLORS[value][:3]),
        )
        for value, label in LABELS.items()
    ]
