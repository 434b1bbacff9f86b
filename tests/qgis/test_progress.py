"""Progress in QGIS: from the lines of the command to a bar that never goes back."""

from __future__ import annotations

import re

import pytest
from metriccd_qgis.progress import SHARES, Run, Step, read

from metriccd.cli.progress import SENTENCES, _Lines

# Stages of other commands than those that the plugin calls.
OTHERS = {"scene", "inputs", "runs"}


def test_every_stage_of_the_command_has_its_share() -> None:
    assert SHARES.keys() == {text for name, text in SENTENCES.items() if name not in OTHERS}
    assert all(0 <= begin < end <= 100 for begin, end in SHARES.values())


def test_what_the_command_says_of_a_stage_is_read(monkeypatch) -> None:
    monkeypatch.setattr(_Lines, "LONG", -1.0)
    lines: list[str] = []
    show = _Lines(lines.append, verbose=True)
    for done in range(5):
        show("measure", done, 4)
    steps = [read(line) for line in lines]
    assert steps == [
        Step("measuring change", percent, begins=percent == 23)
        for percent in (23, 34.75, 46.5, 58.25, 70)
    ]


@pytest.mark.parametrize(
    "line", ["", "resuming: the fit and 3 of 9 tiles of the interrupted run are kept", "warning: x"]
)
def test_any_other_line_is_not_taken_for_progress(line: str) -> None:
    assert read(line) is None


def test_stages_in_their_order_never_lead_back() -> None:
    order = ["windows", "checksums", "check", "sample", "directions", "scale", "measure"]
    order += ["threshold", "rules", "clusters", "kinds", "polygons", "write", "report"]
    percents = [SHARES[SENTENCES[name]][0] for name in order]
    assert percents == sorted(percents)
    assert not any(re.search(r"\d", stage) for stage in SHARES)


def test_pairs_of_a_series_share_the_bar_and_what_follows_ends_it() -> None:
    lines = ["pair 1 of 2: a_b", "measuring change", "writing the report: done in 0.1 s"]
    lines += ["pair 2 of 2: b_c", "measuring change", "writing the report: done in 0.1 s"]
    lines += ["following each pixel through time", "writing the report: done in 0.1 s"]
    run = Run()
    percents = [step.percent for line in lines if (step := run.read(line)) is not None]
    assert len(percents) == len(lines)
    assert percents == sorted(percents)
    assert percents[3] == 47.5
    assert percents[6:] == [95, 100]


def test_without_pairs_a_line_is_as_far_as_its_stage() -> None:
    run = Run()
    assert run.read("measuring change") == read("measuring change")
    assert run.read("warning: x") is None
