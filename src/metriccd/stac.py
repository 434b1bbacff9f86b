"""The STAC item that describes a result to catalogs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pystac
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.projection import ProjectionExtension
from shapely.geometry import Polygon, mapping
from shapely.geometry.polygon import orient

from metriccd import style
from metriccd.raster import Grid

# 20180211T102141, as Sentinel-2 writes it, or 20010525 alone.
DATE = re.compile(r"(?<!\d)(19|20)(\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?:T(\d{6}))?(?!\d)")
COG = pystac.MediaType.COG
# pystac knows version 1 of the raster extension; STAC 1.1 items use version 2.
RASTER_EXTENSION = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"


def stac_item(
    name: str, grid: Grid, *, created: datetime, sources: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """A STAC 1.1 item with projection, raster and classification metadata.

    Args:
        name: Item id.
        grid: The result's grid.
        created: When the result was made; the item's time where the images tell none.
        sources: File names of t1 and of t2, in which acquisition dates are looked for.
    """
    outline = _outline(grid)
    start, end = (acquired(names) for names in sources)
    dated = start is not None and end is not None
    item = pystac.Item(
        id=name,
        geometry=None if outline is None else mapping(outline),
        bbox=None if outline is None else list(outline.bounds),
        datetime=None if dated else created,
        start_datetime=min(start, end) if start and end else None,
        end_datetime=max(start, end) if start and end else None,
        properties={"created": pystac.utils.datetime_to_str(created)},
    )
    for key, asset in _assets().items():
        item.add_asset(key, asset)
    _add_projection(item, grid)
    _add_raster(item)
    _add_classes(item)
    return dict(item.to_dict(include_self_link=False))


def acquired(names: Sequence[str]) -> datetime | None:
    """Acquisition time from file names, or None where they tell none.

    Product names carry several times; the first of the first name is the sensing time in
    Sentinel-2's and Landsat's conventions.
    """
    for name in names:
        for century, year, month, day, clock in DATE.findall(name):
            text = f"{century}{year}{month}{day}T{clock or '000000'}"
            with suppress(ValueError):  # the 31st of February, or 25 o'clock
                return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return None


def _outline(grid: Grid) -> Polygon | None:
    corners = grid.footprint()
    if corners is None:
        return None
    # Points along straight edges tell nothing; a footprint of hundreds of them helps nobody.
    return orient(Polygon(zip(*corners, strict=True)).simplify(1e-5))


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
        "report": pystac.Asset(
            "./report.html", "Report", media_type=pystac.MediaType.HTML, roles=["metadata"]
        ),
        "preview": pystac.Asset(
            "./preview.png", "Preview", media_type=pystac.MediaType.PNG, roles=["thumbnail"]
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
        wkt2=None if grid.crs is None or code else grid.crs.to_wkt(),
        transform=list(grid.transform)[:6],
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
        "nodata": style.NODATA,
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
            color_hint="{:02X}{:02X}{:02X}".format(*style.COLORS[value][:3]),
        )
        for value, label in style.LABELS.items()
    ]
