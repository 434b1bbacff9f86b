"""Threshold rules by name."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from metriccd.decision.consensus import cautious, consensus, thorough
from metriccd.decision.thresholds import Rule, chi2, gmm, kapur, kmeans, otsu, rosin, triangle, yen
from metriccd.errors import choices
from metriccd.scene import Histogram

# The rules that need nothing but the values.
THRESHOLDS: dict[str, Rule] = {
    "otsu": otsu,
    "kmeans": kmeans,
    "kapur": kapur,
    "rosin": rosin,
    "triangle": triangle,
    "yen": yen,
    "gmm": gmm,
    "consensus": consensus,
    "cautious": cautious,
    "thorough": thorough,
}


def threshold_of(
    name: str, values: Float[np.ndarray, "*shape"], *, chi2_dof: int | None = None
) -> float:
    """The threshold on values at hand by a rule, see `rule_of`; NaN is ignored."""
    histogram = Histogram()
    histogram.update(values)
    return rule_of(name, chi2_dof=chi2_dof)(histogram)


def rule_of(name: str, *, chi2_dof: int | None = None) -> Rule:
    """A rule of `THRESHOLDS`, or "chi2".

    Args:
        name: The rule.
        chi2_dof: Degrees of freedom of values that are chi-square statistics, for "chi2".

    Raises:
        ValueError: There is no such rule, or "chi2" has no degrees of freedom.
    """
    if name == "chi2":
        if chi2_dof is None:
            raise ValueError("rule chi2 needs a χ² statistic, got none: use it with MAD or IR-MAD")
        return chi2(chi2_dof)
    if name not in THRESHOLDS:
        names = choices(name, (*THRESHOLDS, "chi2"))
        raise ValueError(f"no threshold rule {name!r}: choose a score or one of {names}")
    return THRESHOLDS[name]
