"""What the page says before anybody moves anything: headline, histogram, curves, clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from metriccd.report.data import ReportData
from metriccd.report.levels import TOP_LEVEL, Positions
from metriccd.report.payload import base64
from metriccd.report.pictures import encode

_BINS = 128
# Height of the bars of a spectrum, in pixels.
_BAR = 44


def headline(data: ReportData, positions: Positions) -> dict[str, Any]:
    """Share, areas and pixel counts at the rule's threshold, as text."""
    counts = positions.counts(data.levels).sum(axis=0)
    valid, changed = int(data.levels.sum()), int(counts[positions.own])
    unit = _unit(data, valid)
    share = percent(changed / valid) if valid else "no valid pixel"
    text: dict[str, Any] = {
        "share": share,
        "changed": f"{changed:,}",
        "valid": f"{valid:,}",
        "valid_share": percent(valid / (data.grid.height * data.grid.width)),
        "sentence": f"{share} changed" if valid else share,
        "valid_area": None,
        "unit": unit,
    }
    if unit is not None:
        text["changed"] = f"{changed * unit['perPixel']:,.2f} {unit['name']}"
        text["valid_area"] = f"{valid * unit['perPixel']:,.2f} {unit['name']}"
        text["sentence"] += f" ({text['changed']} of {text['valid_area']})"
    return text


def percent(share: float) -> str:
    """Percentage; the page's script writes it the same way."""
    value = 100 * share
    return f"{value:.4f} %" if 0 < value < 0.1 else f"{value:.2f} %"


def _unit(data: ReportData, valid: int) -> dict[str, Any] | None:
    """Unit of area that suits the valid area, and how many a pixel has."""
    if data.pixel_area is None:
        return None
    sizes = (("km²", 1e6, 1e9), ("ha", 1e4, 1e4), ("m²", 1.0, 0.0))
    name, size = next(
        (name, size) for name, size, least in sizes if valid * data.pixel_area >= least
    )
    return {"name": name, "perPixel": data.pixel_area / size}


def histogram(levels: Int[np.ndarray, "kind level"], positions: Positions) -> dict[str, Any]:
    """Outline of a histogram with logarithmic heights in a box of `_BINS`×100, and its ticks."""
    end = positions.end
    counts, _ = np.histogram(
        np.arange(TOP_LEVEL + 1),
        np.linspace(0, end * TOP_LEVEL, _BINS + 1),
        weights=levels.sum(axis=0),
    )
    # One more than the count, so that an empty bin has a height (zero) on the log axis.
    full = np.log10(1 + max(int(counts.max()), 1)) * 1.06
    heights = 100 * np.log10(1 + counts) / full
    steps = (f"V{100 - height:.2f}H{right + 1}" for right, height in enumerate(heights))
    last = int(np.log10(max(counts.max(), 1)))
    # As many as there is room for, the highest first.
    decades = 10 ** np.arange(last, min(1, last) - 1, -1 - last // 4)
    return {
        "end": end,
        "bins": _BINS,
        "path": f"M0,100{''.join(steps)}V100Z",
        "line": float(np.clip(positions.values[positions.own] / end, 0, 1)),
        "ticks": [(f"{n:,}", 100 - 100 * float(np.log10(1 + n)) / full) for n in decades.tolist()],
    }


def curve(name: str, values: Sequence[float]) -> dict[str, Any]:
    """Points of a curve in a box of 100×100, steps from left to right, and its extremes."""
    steps_taken = np.asarray(values, np.float64)
    steps = np.flatnonzero(np.isfinite(steps_taken))
    finite = steps_taken[steps]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    x = 100 * steps / max(steps_taken.size - 1, 1)
    y = 95 - 90 * (finite - low) / (high - low) if high > low else np.full(finite.size, 50.0)
    return {
        "name": name,
        "points": " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True)),
        "steps": steps_taken.size,
        "low": f"{low:.4g}",
        "high": f"{high:.4g}",
        "last": f"{finite[-1]:.4g}" if finite.size else "no finite value",
    }


def clusters(data: ReportData) -> list[dict[str, Any]]:
    """Clusters as the page shows them: share, bars of both dates' spectra, chips."""
    total = max(sum(each["changed_pixels"] for each in data.clusters), 1)
    most = max((max(*each["before"], *each["after"], 1e-9) for each in data.clusters), default=1.0)
    return [
        dict(each)
        | {
            "share": percent(each["changed_pixels"] / total),
            "spectrum": [
                (band, before, after, _bar(before / most), _bar(after / most))
                for band, before, after in zip(
                    each["bands"], each["before"], each["after"], strict=True
                )
            ],
            "chips": [base64(encode(chip, "jpeg")) for chip in each["chips"]],
        }
        for each in data.clusters
    ]


def _bar(share: float) -> float:
    """Height of a bar in pixels; none below zero."""
    return round(_BAR * max(share, 0), 1)
