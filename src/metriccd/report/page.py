"""The page: a report as one HTML document that asks nobody for anything."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined

from metriccd.kinds import KINDS, wanted_kinds
from metriccd.report import facts
from metriccd.report.charts import clusters, curve, headline, histogram, percent
from metriccd.report.data import ReportData
from metriccd.report.levels import Positions
from metriccd.report.panels import KindsDrawn, panels
from metriccd.report.payload import (
    PAGE,
    base64,
    cluster_color,
    packed_outlines,
    packed_pictures,
    payload,
    stretches,
)
from metriccd.report.pictures import (
    CHANGE_RGB,
    ERROR_MEANING,
    ERROR_RGB,
    NODATA_RGB,
    color_table,
    thumbnail,
)
from metriccd.report.place import Place

# Around what `evaluate` writes anew.
_SECTION = ("<!-- reference -->", "<!-- /reference -->")
_TEMPLATES = "template"
# The page's script, in the order in which its parts need each other.
_SCRIPTS = (
    *("state", "scores", "sample", "view", "layers", "place"),
    *("threshold", "kinds", "components", "objects", "keys", "start"),
)


def render(data: ReportData) -> str:
    """The report as one HTML document that needs no network, no server and no other file.

    Its policy lets the browser run this script and use this style only, and load nothing. Shares
    and areas are those of every pixel of the result, whatever the size of the overviews.

    Args:
        data: What to show.

    Returns:
        HTML text, below 4 MB for any scene.
    """
    place = Place.of(data.grid)
    shown, positions = payload(data)
    words = headline(data, positions)
    one_stretch = data.record.get("display", {}).get("stretch", "one") == "one"
    each = stretches(data.t1, data.t2) if one_stretch else None
    counted = wanted_kinds(data.record.get("settings", {}).get("kinds") or ())
    off = [] if counted is None else sorted(KINDS.keys() - counted.names)
    shown |= place.payload() | {"unit": words["unit"], "off": off, "stretch": one_stretch}
    style, script = _style(data, place), _script()
    context: dict[str, Any] = {
        "data": data,
        "policy": _policy(style, script),
        "style": style,
        "script": script,
        "payload": shown,
        "headline": words,
        "histogram": histogram(data.levels, positions),
        "curves": [curve(name, values) for name, values in data.convergence.items()],
        "title": facts.title(data.record, data.folder),
        "dates": facts.when(data.record),
        "place": place,
        "bar": place.bar,
        "files": facts.files(data.files),
        "settings": facts.settings(data),
        "internals": facts.internals(data.record),
        "warnings": data.record.get("warnings", ()),
        "kinds": _kinds(data, off),
        "clusters": clusters(data),
        "stretches": each,
        "outlines": packed_outlines(data.score, data.threshold),
        "t1": "",
        "t2": "",
    }
    template = _environment().get_template("page.html.jinja")
    bare = len(template.render(context).encode())
    t1, t2 = packed_pictures(data.t1, data.t2, PAGE - bare)
    return template.render(context | {"t1": t1, "t2": t2})


def with_reference(
    report: str,
    scores: Mapping[str, tuple[float, str]],
    *,
    threshold: float,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    errors: UInt8[np.ndarray, "3 row col"] | None = None,
) -> str:
    """A report whose section "Against the reference" is written anew; the rest stays.

    Args:
        report: What `render` made.
        scores: Metric → value and what it was chosen with.
        threshold: Of the change map.
        intervals: Metric → both ends of its 95 % interval.
        errors: The error map, in the palette "colorblind".

    Returns:
        HTML text; the report itself where it has no such section.
    """
    start, end = report.find(_SECTION[0]), report.rfind(_SECTION[1])
    if start < 0 or end < start:
        return report
    colors = ERROR_RGB["colorblind"]
    keep = (colors["TN"], *(colors[key] for key in ("TP", "FP", "FN")), NODATA_RGB)
    section = (
        _environment()
        .get_template("reference.html.jinja")
        .render(
            scores=scores,
            intervals=intervals or {},
            threshold=threshold,
            errors=None if errors is None else base64(thumbnail(errors, keep=keep, clear=True)),
            meaning=ERROR_MEANING,
        )
    )
    return f"{report[: start + len(_SECTION[0])]}{section}{report[end:]}"


def draw_preview(data: ReportData) -> UInt8[np.ndarray, "3 _row _col"]:
    """The result in one picture: before, after, score with its scale, change on the after image.

    Args:
        data: What to show.

    Returns:
        Picture 1600 pixels wide, for `pictures.encode`.
    """
    chosen = f"threshold {data.threshold:.4g} ({data.rule}, {data.basis})"
    words = headline(data, Positions.of(data.levels, data.threshold, 1))
    return panels(
        data.t1,
        data.t2,
        data.score,
        data.threshold,
        kinds=_kinds_drawn(data),
        title=facts.title(data.record, data.folder),
        caption=f"{words['sentence']} · {chosen}",
    )


def _kinds_drawn(data: ReportData) -> KindsDrawn | None:
    """The kinds that the preview shows: those that are seen in it."""
    if data.kind_map is None or not data.kinds:
        return None
    labels = np.where(data.score > data.threshold, data.kind_map, 0).astype(np.uint8)
    colors = {name: (KINDS[name].value, KINDS[name].color) for name in data.kinds}
    return KindsDrawn(labels=labels, colors=colors)


def _kinds(data: ReportData, off: Sequence[str]) -> list[dict[str, Any]]:
    """Kinds that occur, changed or not, the most frequent of the changed first."""
    total = max(sum(data.kinds.values()), 1)
    present = {name for name, kind in KINDS.items() if data.levels[kind.value].any()}
    order = [*data.kinds, *(name for name in KINDS if name in present - data.kinds.keys())]
    return [
        {
            "name": name,
            "value": KINDS[name].value,
            "meaning": KINDS[name].meaning,
            "share": percent(data.kinds.get(name, 0) / total),
            "on": name not in off,
        }
        for name in order
    ]


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("metriccd.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _script() -> str:
    """The page's script."""
    folder = files("metriccd.report").joinpath(_TEMPLATES)
    parts = (folder.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
    return "\n".join(["", *parts])


def _style(data: ReportData, place: Place) -> str:
    """The page's style, with the colors that this report needs: attributes may hold none."""
    sheet = files("metriccd.report").joinpath(_TEMPLATES, "page.css").read_text(encoding="utf-8")
    rows, cols = data.score.shape
    named = {
        "change": CHANGE_RGB,
        "nodata": NODATA_RGB,
        **{f"kind-{kind.value}": kind.color for kind in KINDS.values()},
        **{f"cluster-{each['value']}": cluster_color(each["value"]) for each in data.clusters},
        **{f"error-{key}": color for key, color in ERROR_RGB["colorblind"].items()},
    }
    swatches = [f".of-{name} {{ --of: rgb{tuple(color)}; }}" for name, color in named.items()]
    stops = [
        f"rgb({red} {green} {blue} / {alpha / 255:.2f})"
        for red, green, blue, alpha in color_table()[::15].tolist()
    ]
    return "\n".join(
        [
            "",
            sheet,
            f":root {{ --change: rgb{CHANGE_RGB}; --aspect: {cols / (rows * place.tall):.4f}; }}",
            f".ramp::before {{ background: linear-gradient(to right, {', '.join(stops)}); }}",
            *swatches,
            "",
        ]
    )


def _policy(style: str, script: str) -> str:
    """What the browser may do with the page: this script, this style, pictures in it; no more."""
    allowed = {
        name: "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
        for name, text in (("script", script), ("style", style))
    }
    return (
        f"default-src 'none'; img-src data:; style-src '{allowed['style']}'; "
        f"script-src '{allowed['script']}'; base-uri 'none'; form-action 'none'"
    )
