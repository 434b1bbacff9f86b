"""The plugin of QGIS: algorithms of Processing that call the command `metriccd`.

In: layers and parameters, as Processing has them.
Out: the command, run in an environment of its own; its results, loaded with their styles.
"""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:  # noqa: ARG001  # QGIS calls it so
    """The plugin, as QGIS asks for it."""
    from .plugin import Plugin  # noqa: PLC0415  # tests read the rest without QGIS

    return Plugin()
