"""What is said of methods, presets and rules: something of each, in a line."""

from __future__ import annotations

from metriccd.decision import THRESHOLDS
from metriccd.methods.about import about_methods, about_presets, about_rules
from metriccd.methods.methods import METHODS
from metriccd.methods.preset import PRESETS


def test_every_method_preset_and_rule_is_told_of() -> None:
    assert [row["method"] for row in about_methods()] == list(METHODS)
    assert [row["preset"] for row in about_presets()] == list(PRESETS)
    assert [row["rule"] for row in about_rules()] == [*THRESHOLDS, "chi2", "adaptive"]
    for rows in (about_methods(), about_presets(), about_rules()):
        assert all(0 < len(row["what it is"]) < 80 for row in rows)
