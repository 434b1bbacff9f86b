"""The report of one result: a self-contained HTML page and a preview picture.

It takes arrays and plain data, and knows nothing about files, rasters or how change was detected.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined

from metriccd.gis import CLUSTER_COLORS
from metriccd.kinds import KINDS
from metriccd.result import pictures
from metriccd.result.panels import KindsDrawn, panels
from metriccd.result.tally import TOP_LEVEL, quantize

Picture: TypeAlias = UInt8[np.ndarray, "3 row col"]

_BINS = 128
# Around what `evaluate` writes anew.
_SECTION = ("<!-- reference -->", "<!-- /reference -->")
_AXIS_ENDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What the report shows. Arrays may be an overview of the result made by `pictures.reduce`.

    Attributes:
        title: Names of the pair, for example "before.tif → after.tif".
        folder: Name of the result's folder, for the command that the page shows.
        t1: Before; red, green, blue for display in [0, 1], NaN where invalid.
        t2: After, likewise.
        score: Change score in [0, 1], NaN where invalid.
        threshold: A score above it is change.
        threshold_rule: What chose the threshold, for example "otsu" or "fixed 0.5".
        label_free: False if a reference chose anything ("oracle").
        pixel_area: Square meters of a pixel of the full result; None without georeference.
        full_shape: Rows and columns of the full result.
        levels: Number of valid pixels of the full result at each level of `quantize`. Give it
            whenever the arrays are an overview, or shares and areas are estimates from it; None:
            counted from `score`.
        convergence: Curve name → value per step; empty when nothing was fitted.
        settings: Name → value, shown as text.
        stages: Stage, seconds, peak memory in MiB.
        warnings: Sentences.
        kinds: Kind of change → changed pixels of it, the most frequent first.
        kind_map: Kind of every pixel of the arrays, 0 where nothing changed; None where unknown.
        clusters: As in `run.json`, each with its "chips": pictures before and after, or none.

    Raises:
        ValueError: Arrays differ in rows or columns, a score lies outside [0, 1], or the threshold
            is not finite.
    """

    title: str
    t1: Float[np.ndarray, "3 row col"]
    t2: Float[np.ndarray, "3 row col"]
    score: Float[np.ndarray, "row col"]
    threshold: float
    threshold_rule: str
    label_free: bool = True
    pixel_area: float | None
    full_shape: tuple[int, int]
    levels: Int[np.ndarray, "level=65536"] | None = None
    convergence: Mapping[str, Sequence[float]]
    settings: Mapping[str, object]
    stages: Sequence[tuple[str, float, float]]
    warnings: Sequence[str] = ()
    folder: str = "OUT"
    kinds: Mapping[str, int] = field(default_factory=dict)
    kind_map: UInt8[np.ndarray, "row col"] | None = None
    clusters: Sequence[Mapping[str, Any]] = ()

    @property
    def basis(self) -> str:
        """What is known of how the threshold was chosen."""
        if not self.label_free:
            return "oracle"
        return "set by hand" if self.threshold_rule == "fixed" else "label-free"

    def __post_init__(self) -> None:
        shapes = [self.t1.shape[1:], self.t2.shape[1:], self.score.shape]
        if len(set(shapes)) > 1:
            raise ValueError(f"report arrays must share rows and columns, got {shapes}: align them")
        score = self.score[~np.isnan(self.score)]
        if score.size and not (score.min() >= 0 and score.max() <= 1):
            raise ValueError(
                f"scores must lie in [0, 1], got {score.min():.3g} to {score.max():.3g}: scale them"
            )
        if not np.isfinite(self.threshold):
            raise ValueError(f"threshold must be finite, got {self.threshold}: pass a number")


def render(data: ReportData, preview: Picture | None = None) -> str:
    """The report as one HTML document that needs no network, no server and no other file.

    Arrays larger than 1400 pixels are shown as overviews (`pictures.reduce`: mean of the images,
    maximum of the score); shares and areas are counted on `data.levels` or on the arrays as given.
    Without JavaScript the page shows the preview.

    Args:
        data: What to show.
        preview: What `draw_preview` made of it, if that is at hand.

    Returns:
        HTML text.
    """
    view, levels = _overview(data), _levels(data)
    headline = _headline(data, levels)
    limit = pictures.color_limit(view.score, data.threshold)
    total = max(sum(data.kinds.values()), 1)
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            data=data,
            headline=headline,
            histogram=_histogram(levels, data.threshold),
            curves=[_curve(name, values) for name, values in data.convergence.items()],
            shape=view.score.shape,
            limit=limit,
            ramp=pictures.color_table()[::15].tolist(),
            preview=_base64(
                pictures.encode(draw_preview(data) if preview is None else preview, "jpeg")
            ),
            t1=_base64(pictures.encode(pictures.to_uint8(view.t1), "jpeg")),
            t2=_base64(pictures.encode(pictures.to_uint8(view.t2), "jpeg")),
            change_rgb=pictures.CHANGE_RGB,
            nodata_rgb=pictures.NODATA_RGB,
            kinds=[
                (name, KINDS[name].color, KINDS[name].meaning, _percent(count / total))
                for name, count in data.kinds.items()
            ],
            clusters=_clusters(data),
            payload=_payload(view, levels)
            | {"limit": limit, "unit": headline["unit"], "scale": _scale(data)},
        )
    )


def with_reference(
    report: str,
    scores: Mapping[str, tuple[float, str]],
    *,
    threshold: float,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    errors: bytes | None = None,
) -> str:
    """A report whose section "Against the reference" is written anew; the rest stays.

    Args:
        report: What `render` made.
        scores: Metric → value and what it was chosen with.
        threshold: Of the change map.
        intervals: Metric → both ends of its 95 % interval.
        errors: PNG of the error map.

    Returns:
        HTML text; the report itself where it has no such section.
    """
    start, end = report.find(_SECTION[0]), report.rfind(_SECTION[1])
    if start < 0 or end < start:
        return report
    section = (
        _environment()
        .get_template("reference.html.jinja")
        .render(
            scores=scores,
            intervals=intervals or {},
            threshold=threshold,
            errors=None if errors is None else _base64(errors),
            error_rgb=pictures.ERROR_RGB["colorblind"],
            nodata_rgb=pictures.NODATA_RGB,
        )
    )
    return f"{report[: start + len(_SECTION[0])]}{section}{report[end:]}"


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("metriccd.result", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def draw_preview(data: ReportData) -> Picture:
    """The result in one picture: before, after, score with its scale, change on the after image.

    Args:
        data: What to show.

    Returns:
        Picture 1600 pixels wide, for `pictures.encode`.
    """
    view = _overview(data)
    chosen = f"threshold {view.threshold:.4g} ({view.threshold_rule}, {view.basis})"
    sentence = _headline(data, _levels(data))["sentence"]
    return panels(
        view.t1,
        view.t2,
        view.score,
        view.threshold,
        kinds=_kinds_drawn(view),
        title=view.title,
        caption=f"{sentence} · {chosen}",
    )


def _kinds_drawn(view: ReportData) -> KindsDrawn | None:
    """The kinds that the preview shows: those that are seen in it."""
    if view.kind_map is None or view.kind_map.shape != view.score.shape or not view.kinds:
        return None
    colors = {name: (KINDS[name].value, KINDS[name].color) for name in view.kinds}
    return KindsDrawn(labels=view.kind_map, colors=colors)


def _overview(data: ReportData) -> ReportData:
    """The same report with its arrays at the size at which they are shown."""
    return replace(
        data,
        t1=pictures.reduce(data.t1),
        t2=pictures.reduce(data.t2),
        score=pictures.reduce(data.score, statistic="max"),
    )


def _levels(data: ReportData) -> Int[np.ndarray, "level=65536"]:
    if data.levels is not None:
        return data.levels
    scores = data.score[~np.isnan(data.score)]
    return np.bincount(quantize(scores, data.threshold), minlength=TOP_LEVEL + 1)


def _scale(data: ReportData) -> float:
    """Pixels of the full result that one counted pixel stands for."""
    if data.levels is not None:
        return 1.0
    return data.full_shape[0] * data.full_shape[1] / data.score.size


def _headline(data: ReportData, levels: Int[np.ndarray, "level=65536"]) -> dict[str, Any]:
    """Share, areas and pixel counts at the rule's threshold, as text."""
    edge = int(np.clip(np.floor(data.threshold * TOP_LEVEL), -1, TOP_LEVEL))
    valid, changed = int(levels.sum()), int(levels[edge + 1 :].sum())
    scale, unit = _scale(data), _unit(data, valid)
    share = _percent(changed / valid) if valid else "no valid pixel"
    text: dict[str, Any] = {
        "share": share,
        "changed": f"{round(changed * scale):,}",
        "valid": f"{round(valid * scale):,}",
        "valid_share": _percent(valid * scale / (data.full_shape[0] * data.full_shape[1])),
        "sentence": f"{share} changed" if valid else share,
        "valid_area": None,
        "estimated": scale != 1,
        "unit": unit,
    }
    if unit is not None:
        text["changed"] = f"{changed * unit['perPixel']:,.2f} {unit['name']}"
        text["valid_area"] = f"{valid * unit['perPixel']:,.2f} {unit['name']}"
        text["sentence"] += f" ({text['changed']} of {text['valid_area']})"
    return text


def _percent(share: float) -> str:
    """Percentage; the page's script writes it the same way."""
    percent = 100 * share
    return f"{percent:.4f} %" if 0 < percent < 0.1 else f"{percent:.2f} %"


def _unit(data: ReportData, valid: int) -> dict[str, Any] | None:
    """Unit of area that suits the valid area, and how many a counted pixel has."""
    if data.pixel_area is None:
        return None
    pixel = data.pixel_area * _scale(data)
    sizes = (("km²", 1e6, 1e9), ("ha", 1e4, 1e4), ("m²", 1.0, 0.0))
    name, size = next((name, size) for name, size, least in sizes if valid * pixel >= least)
    return {"name": name, "perPixel": pixel / size}


def _histogram(levels: Int[np.ndarray, "level=65536"], threshold: float) -> dict[str, Any]:
    """Outline of a histogram with logarithmic heights in a box of `_BINS`×100, and its ticks."""
    largest = int(levels.nonzero()[0].max(initial=0)) / TOP_LEVEL
    end = next((e for e in _AXIS_ENDS if e >= max(largest, threshold)), 1.0)
    counts, _ = np.histogram(
        np.arange(TOP_LEVEL + 1), np.linspace(0, end * TOP_LEVEL, _BINS + 1), weights=levels
    )
    # One more than the count, so that an empty bin has a height (zero) on the log axis.
    full = np.log10(1 + max(int(counts.max()), 1)) * 1.06
    heights = 100 * np.log10(1 + counts) / full
    steps = (f"V{100 - height:.2f}H{right + 1}" for right, height in enumerate(heights))
    last = int(np.log10(max(counts.max(), 1)))
    decades = 10 ** np.arange(min(1, last), last + 1)
    return {
        "end": end,
        "bins": _BINS,
        "path": f"M0,100{''.join(steps)}V100Z",
        "line": float(np.clip(threshold / end, 0, 1)),
        "ticks": [(f"{n:,}", 100 * float(np.log10(1 + n)) / full) for n in decades.tolist()],
    }


def _curve(name: str, values: Sequence[float]) -> dict[str, Any]:
    """Points of a curve in a box of 100×100, steps from left to right, and its extremes."""
    curve = np.asarray(values, np.float64)
    steps = np.flatnonzero(np.isfinite(curve))
    finite = curve[steps]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    x = 100 * steps / max(curve.size - 1, 1)
    y = 95 - 90 * (finite - low) / (high - low) if high > low else np.full(finite.size, 50.0)
    return {
        "name": name,
        "points": " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True)),
        "steps": curve.size,
        "low": f"{low:.4g}",
        "high": f"{high:.4g}",
        "last": f"{finite[-1]:.4g}" if finite.size else "no finite value",
    }


def _clusters(data: ReportData) -> list[dict[str, Any]]:
    """Clusters as the page shows them: share, color, heights of the spectra, chips."""
    total = max(sum(each["changed_pixels"] for each in data.clusters), 1)
    most = max((max(*each["before"], *each["after"], 1e-9) for each in data.clusters), default=1.0)
    return [
        dict(each)
        | {
            "color": CLUSTER_COLORS[each["value"]][:3],
            "share": _percent(each["changed_pixels"] / total),
            "top": most,
            "chips": [_base64(pictures.encode(chip, "jpeg")) for chip in each["chips"]],
        }
        for each in data.clusters
    ]


def _payload(data: ReportData, levels: Int[np.ndarray, "level=65536"]) -> dict[str, Any]:
    """What the page's script reads."""
    return {
        "rows": data.score.shape[0],
        "cols": data.score.shape[1],
        "fullRows": data.full_shape[0],
        "fullCols": data.full_shape[1],
        "threshold": data.threshold,
        "folder": data.folder,
        "changeColor": pictures.CHANGE_RGB,
        "nodataColor": pictures.NODATA_RGB,
        "colors": _base64(pictures.color_table().tobytes()),
        "score": _pack_score(data.score, data.threshold),
        # Floats hold every count up to 2⁵³, and JavaScript reads them as they are.
        "levels": _base64(zlib.compress(levels.astype("<f8").tobytes())),
    }


def _pack_score(score: Float[np.ndarray, "row col"], threshold: float) -> str:
    """Levels and validity for the page: base64 of deflated bytes in three planes.

    The planes are the high bytes, the low bytes and the validity. The first two hold differences
    of levels along columns and then rows, modulo 65536: smooth scores compress better so. Bytes,
    not an image, because browsers that resist fingerprinting falsify pixels read from a canvas.
    """
    levels = quantize(score, threshold)
    col_steps = np.diff(levels, axis=1, prepend=np.uint16(0))
    steps = np.diff(col_steps, axis=0, prepend=np.uint16(0))
    planes = np.stack([steps >> 8, steps & 255, ~np.isnan(score)]).astype(np.uint8)
    return _base64(zlib.compress(planes.tobytes()))


def _base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")
