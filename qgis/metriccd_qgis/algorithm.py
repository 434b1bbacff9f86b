"""What all algorithms do: call the command, tell how far it is, and load what it wrote."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import (
    NULL,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QThread
from qgis.PyQt.QtGui import QIcon

from .choices import KINDS
from .command import CommandError, Value, find, run, words_of
from .progress import Run
from .results import held, load, refresh

# The setting that tells where the command is.
COMMAND = "METRICCD_COMMAND"
ICON = Path(__file__).with_name("icon.svg")
RULES = (
    "auto: what suits the method. A rule: otsu, kmeans, chi2, consensus … A number from 0 to 1: "
    "what has a higher score is change."
)
INTEGER = QgsProcessingParameterNumber.Integer


class Algorithm(QgsProcessingAlgorithm):
    """An algorithm that calls one of the commands.

    Attributes:
        title: In the toolbox.
        about: Beside the parameters: paragraphs, and HTML within them.
        files: Outputs that are files of OUT.
    """

    title = about = ""
    files: ClassVar[Mapping[str, str]] = {
        "POLYGONS": "change.gpkg",
        "CHANGE": "change.tif",
        "SCORE": "score.tif",
        "REPORT": "report.html",
    }

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[str, str] = {}
        self._out = Path()

    def name(self) -> str:
        """After the colon; also that of the command."""
        return type(self).__name__.lower()

    def displayName(self) -> str:
        """In the toolbox."""
        return self.title

    def shortHelpString(self) -> str:
        """Beside the parameters."""
        # A line break is one to QGIS, too.
        return "".join(f"<p>{' '.join(each.split())}</p>" for each in self.about.split("\n\n"))

    def tags(self) -> list[str]:
        """Words by which it is searched."""
        return ["change", "detection", "difference", "before", "after", "satellite", "metriccd"]

    def icon(self) -> QIcon:
        """Beside the name."""
        return QIcon(str(ICON))

    def createInstance(self) -> Algorithm:
        """One for each run."""
        return type(self)()

    def canExecute(self) -> tuple[bool, str]:
        """Whether the command is there, and what to do where it is not."""
        try:
            find(_setting())
        except CommandError as error:
            return False, str(error)
        return True, ""

    def add(
        self, parameter: QgsProcessingParameterDefinition, told: str, *, advanced: bool = False
    ) -> None:
        """Adds a parameter with its help."""
        parameter.setHelp(told)
        if advanced:
            flag = QgsProcessingParameterDefinition.FlagAdvanced
            parameter.setFlags(parameter.flags() | flag)
        self.addParameter(parameter)

    def add_objects(self, kinds: Sequence[str] = KINDS) -> None:
        """Adds the parameters that say which objects count."""
        self.add(
            QgsProcessingParameterNumber(
                "MIN_AREA",
                "Least area of an object, in square meters",
                type=QgsProcessingParameterNumber.Double,
                optional=True,
                minValue=0,
            ),
            "Smaller objects are dropped. Needs a CRS.",
        )
        self.add(
            QgsProcessingParameterNumber(
                "MIN_PIXELS", "Least pixels of an object", type=INTEGER, optional=True, minValue=0
            ),
            "Empty: as many as chance alone would not connect, 3 to 16. 1 keeps all.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterNumber(
                "FILL_HOLES", "Fill holes up to pixels", type=INTEGER, optional=True, minValue=0
            ),
            "Holes of at most that many pixels become change.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterEnum(
                "KINDS",
                "Kinds of change that count",
                options=list(kinds),
                allowMultiple=True,
                optional=True,
                usesStaticStrings=True,
            ),
            "Empty: all. Kinds are coarse rules on colors: look at what they leave out.",
        )

    def add_rest(self) -> None:
        """Adds the parameters that come last, and the outputs."""
        self.add(
            QgsProcessingParameterString("EXTRA", "Other options", optional=True),
            "As in a terminal: --seed 1 --vector geojson. They are in the reference of commands.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean("LOAD", "Load the result", defaultValue=True),
            "Into the project, with styles, as a group. Layers of it that are there are refreshed.",
        )
        self.add_outputs()

    def add_outputs(self) -> None:
        """Says what comes out, beside the folder."""
        for output in (
            QgsProcessingOutputVectorLayer("POLYGONS", "Change objects"),
            QgsProcessingOutputRasterLayer("CHANGE", "Change map"),
            QgsProcessingOutputRasterLayer("SCORE", "Change score"),
            QgsProcessingOutputHtml("REPORT", "Report"),
            QgsProcessingOutputNumber("OBJECTS", "Change objects, their number"),
            QgsProcessingOutputNumber("CHANGED_PERCENT", "Changed, percent of valid pixels"),
            QgsProcessingOutputNumber("THRESHOLD_FOUND", "Threshold on the score"),
        ):
            self.addOutput(output)

    def objects(
        self, parameters: Mapping[str, Any], context: QgsProcessingContext
    ) -> dict[str, Value]:
        """Options that say which objects count."""
        return {
            "min_area": self.number(parameters, "MIN_AREA", context),
            "min_pixels": self.number(parameters, "MIN_PIXELS", context),
            "fill_holes": self.number(parameters, "FILL_HOLES", context),
            "kinds": ",".join(self.parameterAsEnumStrings(parameters, "KINDS", context)),
        }

    def number(
        self, parameters: Mapping[str, Any], name: str, context: QgsProcessingContext
    ) -> float | None:
        """A number, or None where it is left empty."""
        if parameters.get(name) in (None, NULL, ""):
            return None
        if self.parameterDefinition(name).dataType() == INTEGER:
            return int(self.parameterAsInt(parameters, name, context))
        return float(self.parameterAsDouble(parameters, name, context))

    def text(self, parameters: Mapping[str, Any], name: str, context: QgsProcessingContext) -> str:
        """What was typed."""
        return str(self.parameterAsString(parameters, name, context)).strip()

    def prepareAlgorithm(
        self,
        parameters: Mapping[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,  # noqa: ARG002
    ) -> bool:
        """Looks, while the project may be looked at, which layers of OUT it holds."""
        # Asked once: a temporary folder is another one each time.
        self._out = self.out(parameters, context)
        if _in_reach(context):
            self._held = held(context.project(), self._out)
        return True

    def out(self, parameters: Mapping[str, Any], context: QgsProcessingContext) -> Path:
        """The folder of the result."""
        raise NotImplementedError

    def call(
        self,
        places: Sequence[str],
        options: Mapping[str, Value],
        parameters: Mapping[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Runs the command and returns the outputs of the algorithm.

        Args:
            places: What it takes without a name.
            options: What it is asked for.
            parameters: Of the run.
            context: Of the run.
            feedback: Of the run.

        Raises:
            QgsProcessingException: It says that something is wrong.
        """
        try:
            extra = shlex.split(self.text(parameters, "EXTRA", context))
        except ValueError as error:
            raise QgsProcessingException(f"other options must be words: {error}") from None
        told = _Told(feedback)
        try:
            words = [*find(_setting()), *words_of(self.name(), places, options, extra)]
            feedback.pushCommandInfo(" ".join(map(shlex.quote, words)))
            summary = run(words, told, feedback.isCanceled)
        except CommandError as error:
            if "--" in str(error):
                feedback.pushInfo(
                    "Options that the message names are parameters of this algorithm, or are "
                    "typed into Other options."
                )
            raise QgsProcessingException(str(error)) from None
        if summary is None:
            feedback.pushInfo(f"canceled: {self._out} is as it was; run it once more to go on")
            return {}
        for line in summary.lines():
            feedback.pushInfo(line)
        for line in summary.warnings:
            feedback.pushWarning(line)
        return self._results(summary.told, parameters, context)

    def _results(
        self, told: Mapping[str, Any], parameters: Mapping[str, Any], context: QgsProcessingContext
    ) -> dict[str, Any]:
        """The outputs; also says what is to be loaded."""
        out = self._out
        if context.project() is not None and self.parameterAsBool(parameters, "LOAD", context):
            load(out, set(self._held.values()), context)
        return {
            "OUTPUT": str(out),
            **{key: str(out / name) for key, name in self.files.items()},
            **self.numbers(told),
        }

    def numbers(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs that are numbers.

        Args:
            told: What the command says that it found.
        """
        return {
            "OBJECTS": told.get("objects"),
            "CHANGED_PERCENT": round(100 * told.get("changed_share", 0), 4),
            "THRESHOLD_FOUND": told.get("threshold"),
        }

    def postProcessAlgorithm(
        self,
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Refreshes layers whose files were replaced."""
        if self._held and _in_reach(context):
            refresh(context.project(), self._held)
        return {}


class _Told:
    """Tells QGIS what the command says."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self._feedback, self._run, self._percent = feedback, Run(), 0.0

    def __call__(self, line: str) -> None:
        """Takes a line."""
        step = self._run.read(line)
        if step is None:
            self._feedback.pushInfo(line)
            return
        if step.begins:
            self._feedback.setProgressText(step.stage)
        self._percent = max(self._percent, step.percent)
        self._feedback.setProgress(self._percent)


def _setting() -> str:
    return str(ProcessingConfig.getSetting(COMMAND) or "")


def _in_reach(context: QgsProcessingContext) -> bool:
    """Whether the project may be touched: not in a thread, as steps of a model are in."""
    project = context.project()
    return project is not None and project.thread() == QThread.currentThread()
