"""The algorithm that detects change between two raster layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsRasterLayer,
)

from .algorithm import RULES, Algorithm
from .choices import DIRECTIONS, METHODS, MOVES, PRESETS
from .command import Value
from .layers import KNOWN, WRITTEN, mask_file, raster_file


class Detect(Algorithm):
    """Two raster layers → a folder with rasters, polygons and a report.

    Attributes:
        inputs: Parameters that are images.
    """

    inputs: ClassVar[Sequence[str]] = ("BEFORE", "AFTER")
    title = "Detect change between two images"
    about = """
        Finds what changed between two images of one place, without labels: a change map, a score,
        the changes as polygons, and a report.

        The second image is put on the grid of the first one. The command <i>metriccd</i> does the
        work in an environment of its own; where that is, is set in <i>Settings, Options,
        Processing, Providers, metriccd</i>.

        Crops, tides, shadows, and clouds that no mask leaves out are changes, too. A score is a
        ranking and no probability.

        What was canceled goes on where it was when it is run once more with the same folder.
    """

    def initAlgorithm(self, configuration: Any = None) -> None:  # noqa: ARG002
        """Says what is asked for."""
        self.add_images()
        self._add_bands()
        self._add_method()
        self._add_parts()
        self.add_objects()
        self.add(
            QgsProcessingParameterFolderDestination("OUTPUT", "Folder of the result"),
            "It appears whole or not at all, and must be new or empty. A temporary one is gone "
            "with QGIS.",
        )
        self.add(
            QgsProcessingParameterBoolean(
                "OVERWRITE", "Replace an earlier result in this folder", defaultValue=False
            ),
            "Only what metriccd wrote there is replaced; a folder with other files is refused.",
        )
        self.add_rest()

    def add_images(self) -> None:
        """Asks for the images."""
        self.add(
            QgsProcessingParameterRasterLayer("BEFORE", "First image, before"),
            "A raster layer from a file. Its grid is that of the result.",
        )
        self.add(
            QgsProcessingParameterRasterLayer("AFTER", "Second image, after"),
            "It may have another CRS, grid or pixel size.",
        )

    def _add_bands(self) -> None:
        self.add(
            QgsProcessingParameterString("BANDS", "Bands to compare", optional=True),
            "Numbers, names or colors: 4,3,2 or B04,B03 or red,nir, or all. Empty: what suits the "
            "sensor.",
        )
        self.add(
            QgsProcessingParameterString("NODATA", "Value of missing pixels", optional=True),
            "Of both images, instead of what they declare; none: every pixel counts.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString("DATES", "Dates of the images", optional=True),
            "2019-06-01,2020-06-01, where names and metadata do not tell.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterEnum(
                "COREGISTER",
                "Move the second image onto the first",
                options=list(MOVES),
                defaultValue="no",
                usesStaticStrings=True,
            ),
            "shift: by one shift, if one is found between them. local: by one that varies "
            "smoothly. A shift of a pixel looks like change along every edge.",
        )

    def _add_method(self) -> None:
        self.add(
            QgsProcessingParameterEnum(
                "PRESET",
                "Preset",
                options=list(PRESETS),
                defaultValue="default",
                usesStaticStrings=True,
            ),
            "default, or fast: a little less exact on large scenes. paper and released follow a "
            "publication; they take long and need weights (metriccd weights fetch vgg16).",
        )
        self.add(
            QgsProcessingParameterEnum(
                "METHOD",
                "Another method",
                options=list(METHODS),
                optional=True,
                usesStaticStrings=True,
            ),
            "Instead of the preset's.",
            advanced=True,
        )
        self.add(QgsProcessingParameterString("THRESHOLD", "Threshold", defaultValue="auto"), RULES)
        self.add(
            QgsProcessingParameterEnum(
                "DIRECTION",
                "Direction of change",
                options=list(DIRECTIONS),
                defaultValue="both",
                usesStaticStrings=True,
            ),
            "appeared: only what is new in the second image. disappeared: only what is gone from "
            "the first.",
        )

    def _add_parts(self) -> None:
        self.add(
            QgsProcessingParameterFeatureSource(
                "AOI",
                "Only within these polygons",
                [QgsProcessing.TypeVectorPolygon],
                optional=True,
            ),
            "Nothing outside is read or compared.",
        )
        self.add(
            QgsProcessingParameterExtent("EXTENT", "Only within this extent", optional=True),
            "The first image needs a CRS.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterMultipleLayers(
                "MASKS", "Masks", layerType=QgsProcessing.TypeMapLayer, optional=True
            ),
            "Left out: what lies in polygons, or where a raster is not 0 (see Classes of masks).",
        )
        self.add(
            QgsProcessingParameterString("MASK_CLASSES", "Classes of masks", optional=True),
            "What values of raster masks are left out: SCL, SCL=3,8,9, QA_PIXEL, UDM2, VALUES=1,2.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "MASK_DILATE",
                "Let masks grow, in pixels",
                type=QgsProcessingParameterNumber.Integer,
                defaultValue=0,
                minValue=0,
            ),
            "Edges of clouds are often missed: 5 helps.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean(
                "CLOUDS", "Find clouds and leave them out", defaultValue=False
            ),
            "In both images, with their shadows. Needs the extra: pip install 'metriccd[clouds]'.",
        )

    def out(self, parameters: Mapping[str, Any], context: QgsProcessingContext) -> Path:
        """The folder that is written."""
        return Path(self.parameterAsFileOutput(parameters, "OUTPUT", context)).absolute()

    def checkParameterValues(
        self, parameters: Mapping[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Whether there are two images: a dialog begins with the same one twice."""
        before, after = self.images(parameters, context)
        if before is not None and after is not None and before.source() == after.source():
            return False, f"choose two images: both are {before.name()}"
        return super().checkParameterValues(parameters, context)

    def images(
        self, parameters: Mapping[str, Any], context: QgsProcessingContext
    ) -> list[QgsRasterLayer | None]:
        """The layers to compare."""
        return [self.parameterAsRasterLayer(parameters, name, context) for name in self.inputs]

    def processAlgorithm(
        self,
        parameters: Mapping[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Detects."""
        layers = self.images(parameters, context)
        for name, layer in zip(self.inputs, layers):
            if layer is None:
                raise QgsProcessingException(self.invalidRasterError(parameters, name))
        move = MOVES[self.parameterAsEnumString(parameters, "COREGISTER", context)]
        options: dict[str, Value] = {
            "out": str(self._out),
            "overwrite": self.parameterAsBool(parameters, "OVERWRITE", context),
            "bands": self.text(parameters, "BANDS", context),
            "nodata": self.text(parameters, "NODATA", context),
            "dates": self.text(parameters, "DATES", context),
            **({move: True} if move else {}),
            "preset": self.parameterAsEnumString(parameters, "PRESET", context),
            "method": self.parameterAsEnumString(parameters, "METHOD", context),
            "threshold": self.text(parameters, "THRESHOLD", context) or "auto",
            "direction": self.parameterAsEnumString(parameters, "DIRECTION", context),
            **self._parts(layers[0], parameters, context, feedback),
            **self.objects(parameters, context),
        }
        images = [raster_file(layer) for layer in layers]
        return self.call(images, options, parameters, context, feedback)

    def _parts(
        self,
        first: QgsRasterLayer,
        parameters: Mapping[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Value]:
        """Options that say which pixels are compared."""
        classes = self.text(parameters, "MASK_CLASSES", context)
        return {
            "aoi": self._area(parameters, context, feedback),
            "bbox": self._box(first, parameters, context),
            "mask": [
                mask_file(layer, classes, context, feedback)
                for layer in self.parameterAsLayerList(parameters, "MASKS", context)
            ],
            "mask_dilate": self.number(parameters, "MASK_DILATE", context),
            "clouds": "auto" if self.parameterAsBool(parameters, "CLOUDS", context) else None,
        }

    def _area(
        self,
        parameters: Mapping[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> str:
        """The file of the area of interest; empty where there is none."""
        if self.parameterAsSource(parameters, "AOI", context) is None:
            return ""
        return str(
            self.parameterAsCompatibleSourceLayerPath(
                parameters, "AOI", context, list(KNOWN), WRITTEN, feedback
            )
        )

    def _box(
        self, first: QgsRasterLayer, parameters: Mapping[str, Any], context: QgsProcessingContext
    ) -> str:
        """The extent in the CRS of the first image; empty where there is none."""
        box = self.parameterAsExtent(parameters, "EXTENT", context, first.crs())
        if box.isNull():
            return ""
        if not first.crs().isValid():
            raise QgsProcessingException(
                f"an extent needs a CRS: layer {first.name()} has none; give it one, or leave the "
                "extent empty"
            )
        sides = (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum())
        return ",".join(map(repr, sides))
