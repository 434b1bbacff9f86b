"""The plugin: a provider of algorithms, and nothing in menus and bars."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import Provider


class Plugin:
    """What QGIS loads and unloads."""

    def __init__(self) -> None:
        self._provider: Provider | None = None

    def initProcessing(self) -> None:
        """Adds the algorithms; all that qgis_process asks for."""
        self._provider = Provider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """The same, where there is a window."""
        self.initProcessing()

    def unload(self) -> None:
        """Takes the algorithms away."""
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
