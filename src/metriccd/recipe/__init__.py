"""TODO."""

from metriccd.recipe.adaptation import Adaptation
from metriccd.recipe.closed_form import deep_distance
from metriccd.recipe.fusion import fit_fusion

__all__ = ["Adaptation", "deep_distance", "fit_fusion"]
