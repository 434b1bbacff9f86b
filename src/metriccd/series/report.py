"""The report of a series: one page that needs no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from metriccd.series.history import SAME, WORDS
from metriccd.series.rasters import COLORS

MEANING = {
    "persistent": "the last image differs from the first, and a later one than the first to show "
    "the change confirms it",
    "new": "only the last image shows it: no later one tells whether it lasts",
    "undone": "it lasted for more than one image, and the last one is as the first again",
    "gradual": "no two neighbors differ, the last image and the first do: no date tells when",
    "transient": "one image alone differed from those before and after it: a cloud, a harvest",
}


def render(summary: Mapping[str, Any], record: Mapping[str, Any], timeline: bytes) -> str:
    """The page.

    Args:
        summary: The series in numbers.
        record: Its `run.json`.
        timeline: PNG of `draw_timeline`.

    Returns:
        HTML text, with links to the reports of the pairs beside it.
    """
    environment = Environment(
        loader=PackageLoader("metriccd.series", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(
        summary=summary,
        record=record,
        timeline=b64encode(timeline).decode("ascii"),
        colors={word: COLORS[kind] for kind, word in WORDS.items() if kind != SAME},
        meaning=MEANING,
    )
