"""TODO."""

from metriccd.methods.method import Options, WindowedMethod, choose_device
from metriccd.methods.methods import METHODS
from metriccd.methods.preset import PRESETS, Preset, choose_preset, options_of, settings_of

__all__ = [
    "METHODS",
    "PRESETS",
    "Options",
    "Preset",
    "WindowedMethod",
    "choose_device",
    "choose_preset",
    "options_of",
    "settings_of",
]
