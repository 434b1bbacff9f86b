"""Change detection between two images of one place, without labels and without training.

Example:
    import metriccd as mcd

    change = mcd.detect("before.tif", "after.tif")
    change.save("out")
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metriccd.accuracy import evaluate
    from metriccd.detection import detect, detect_into
    from metriccd.errors import DataError, GridError, MetricCDError, OutputError, WeightsError
    from metriccd.methods import METHODS, PRESETS
    from metriccd.result import Change
    from metriccd.result import open_change as open  # noqa: A004  # mcd.open, as others have it

# torch and matplotlib take seconds to import: a room is opened when something in it is asked for.
_ROOMS = {
    "METHODS": "methods",
    "PRESETS": "methods",
    "Change": "result",
    "DataError": "errors",
    "GridError": "errors",
    "MetricCDError": "errors",
    "OutputError": "errors",
    "WeightsError": "errors",
    "detect": "detection",
    "detect_into": "detection",
    "evaluate": "accuracy",
    "open": "result",
}

__all__ = [
    "METHODS",
    "PRESETS",
    "Change",
    "DataError",
    "GridError",
    "MetricCDError",
    "OutputError",
    "WeightsError",
    "detect",
    "detect_into",
    "evaluate",
    "open",
]


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module 'metriccd' has no attribute {name!r}")
    within = "open_change" if name == "open" else name
    return getattr(import_module(f"metriccd.{_ROOMS[name]}"), within)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
