"""The algorithm that decides again from the score of a result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFolder,
    QgsProcessingParameterFile,
    QgsProcessingParameterString,
)

from .algorithm import RULES, Algorithm
from .choices import KINDS


class Threshold(Algorithm):
    """A folder of a result → the same, decided otherwise."""

    title = "Choose another threshold"
    about = """
        Decides again from the score of a result, in seconds. Map, polygons and report in the
        folder are replaced, the score stays. What is left empty stays as it was.

        Layers of it that the project holds are refreshed.
    """

    def initAlgorithm(self, configuration: Any = None) -> None:  # noqa: ARG002
        """Says what is asked for."""
        self.add(
            QgsProcessingParameterFile(
                "RESULT", "Folder of the result", behavior=QgsProcessingParameterFile.Folder
            ),
            "What Detect change wrote.",
        )
        self.add(QgsProcessingParameterString("VALUE", "Threshold", defaultValue="auto"), RULES)
        self.add_objects(("all", *KINDS))
        self.add_rest()
        self.addOutput(QgsProcessingOutputFolder("OUTPUT", "Folder of the result"))

    def out(self, parameters: Mapping[str, Any], context: QgsProcessingContext) -> Path:
        """The folder that is changed."""
        return Path(self.text(parameters, "RESULT", context)).absolute()

    def processAlgorithm(
        self,
        parameters: Mapping[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Decides."""
        places = [str(self._out), self.text(parameters, "VALUE", context) or "auto"]
        return self.call(places, self.objects(parameters, context), parameters, context, feedback)
