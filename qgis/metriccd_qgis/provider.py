"""The provider: the algorithms, and the setting that tells where the command is."""

from __future__ import annotations

from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import COMMAND
from .command import NAME
from .detect import Detect
from .series import Series
from .threshold import Threshold

ICON = Path(__file__).with_name("icon.svg")


class Provider(QgsProcessingProvider):
    """metriccd in the toolbox of Processing."""

    def id(self) -> str:
        """Before the colon in the names of the algorithms."""
        return NAME

    def name(self) -> str:
        """In the toolbox."""
        return NAME

    def longName(self) -> str:
        """In full."""
        return "metriccd: change between two images"

    def icon(self) -> QIcon:
        """Beside the name."""
        return QIcon(str(ICON))

    def load(self) -> bool:
        """Adds the setting and the algorithms."""
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        setting = Setting(
            self.name(),
            COMMAND,
            "Command metriccd, or its environment's folder or Python (empty: found on PATH)",
            "",
            valuetype=Setting.FILE,
        )
        ProcessingConfig.addSetting(setting)
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Takes the setting away."""
        ProcessingConfig.removeSetting(COMMAND)

    def loadAlgorithms(self) -> None:
        """Makes the algorithms."""
        for each in (Detect(), Series(), Threshold()):
            self.addAlgorithm(each)
