"""Methods by name, and presets: what can measure change, and what it is told.

In: the name of a method or a preset, and options.
Out: `METHODS`, each called as `method(t1, t2, valid)` or fitted on a source; `PRESETS`.
"""

from metriccd.methods.about import about_methods, about_presets, about_rules
from metriccd.methods.method import DIRECTIONS, Direction, Options, WindowedMethod, choose_device
from metriccd.methods.methods import DEEP, DIRECTED, METHODS, SUPERVISED
from metriccd.methods.preset import (
    PRESETS,
    Preset,
    choose_preset,
    options_of,
    settings_of,
    with_checkpoint,
)

__all__ = [
    "DEEP",
    "DIRECTED",
    "DIRECTIONS",
    "METHODS",
    "PRESETS",
    "SUPERVISED",
    "Direction",
    "Options",
    "Preset",
    "WindowedMethod",
    "about_methods",
    "about_presets",
    "about_rules",
    "choose_device",
    "choose_preset",
    "options_of",
    "settings_of",
    "with_checkpoint",
]
