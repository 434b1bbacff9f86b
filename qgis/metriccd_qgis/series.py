"""The algorithm that follows a place through more than two dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterMultipleLayers,
    QgsRasterLayer,
)

from .detect import Detect


class Series(Detect):
    """Raster layers of many dates → a folder: when each pixel changed, and whether it lasted."""

    inputs: ClassVar[Sequence[str]] = ("IMAGES",)
    title = "Follow change through many images"
    about = """
        Tells when each pixel changed, how often, and whether it lasted. Neighbors in time, every
        other image, and the first with the last one are compared as <i>Detect change between two
        images</i> does, so a series of five takes as long as eight pairs.

        What one image shows alone, as clouds and harvests, is told from what lasts.

        Dates come from the names of the files, or are typed in the order of the layers. The first
        image in time gives the grid.

        What was canceled goes on where it was when it is run once more with the same folder.
    """
    files: ClassVar[Mapping[str, str]] = {
        "POLYGONS": "series.gpkg",
        "PERSISTENCE": "persistence.tif",
        "FIRST_CHANGE": "first_change.tif",
        "CHANGES": "changes.tif",
        "REPORT": "report.html",
    }

    def add_images(self) -> None:
        """Asks for the images."""
        several = QgsProcessingParameterMultipleLayers(
            "IMAGES", "Images", layerType=QgsProcessing.TypeRaster
        )
        several.setMinimumNumberInputs(2)
        self.add(several, "Raster layers from files, in any order; three or more tell what lasts.")

    def add_outputs(self) -> None:
        """Says what comes out, beside the folder."""
        for output in (
            QgsProcessingOutputVectorLayer("POLYGONS", "Objects, by when they changed"),
            QgsProcessingOutputRasterLayer("PERSISTENCE", "What lasted"),
            QgsProcessingOutputRasterLayer("FIRST_CHANGE", "When it changed first"),
            QgsProcessingOutputRasterLayer("CHANGES", "How often it changed"),
            QgsProcessingOutputHtml("REPORT", "Report"),
            QgsProcessingOutputNumber("OBJECTS", "Objects, their number"),
        ):
            self.addOutput(output)

    def checkParameterValues(
        self, parameters: Mapping[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Whether each image is there once."""
        sources = [layer.source() for layer in self.images(parameters, context) if layer]
        for layer in self.images(parameters, context):
            if layer is not None and sources.count(layer.source()) > 1:
                return False, f"choose each image once: {layer.name()} is there twice"
        return super(Detect, self).checkParameterValues(parameters, context)

    def images(
        self, parameters: Mapping[str, Any], context: QgsProcessingContext
    ) -> list[QgsRasterLayer | None]:
        """The layers to compare."""
        return list(self.parameterAsLayerList(parameters, "IMAGES", context))

    def numbers(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs that are numbers."""
        return {"OBJECTS": told.get("objects")}
