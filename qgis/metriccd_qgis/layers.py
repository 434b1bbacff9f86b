"""Layers of QGIS as the command takes them: names of files that another program can open."""

from __future__ import annotations

from qgis.core import (
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsRasterLayer,
)

# Files of polygons that are given as they are; others are written anew first, as FlatGeobuf, whose
# bytes do not tell when: an interrupted run knows them again.
KNOWN, WRITTEN = ("gpkg", "geojson", "json", "shp", "fgb"), "fgb"


def raster_file(layer: QgsRasterLayer) -> str:
    """The name by which GDAL opens a raster layer.

    Raises:
        QgsProcessingException: It is no file: a server's, a database's, or in the memory of QGIS.
    """
    if layer.providerType() != "gdal" or layer.source().startswith("/vsimem/"):
        raise QgsProcessingException(
            f"images must be files: layer {layer.name()} is of provider {layer.providerType()}; "
            "save it as GeoTIFF first (Export, Save As, raw data)"
        )
    return str(layer.source())


def mask_file(
    layer: QgsMapLayer,
    classes: str,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """A mask as the command takes it.

    Args:
        layer: A raster or polygons.
        classes: What a raster's values mean, such as SCL; empty: left out where not 0.
        context: Of the run.
        feedback: Of the run.
    """
    if isinstance(layer, QgsRasterLayer):
        return raster_file(layer) + (f":{classes}" if classes else "")
    return str(
        QgsProcessingUtils.convertToCompatibleFormat(
            layer, False, "mask", KNOWN, WRITTEN, context, feedback
        )
    )
