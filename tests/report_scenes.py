"""Reports of made-up scenes, and their pages as a reader without a browser sees them."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
from affine import Affine
from shapely.geometry import box

from metriccd.kinds import KINDS
from metriccd.raster import Grid, crs_of
from metriccd.report import Objects, ReportData, quantize

VOID = {"meta", "img", "input", "br", "link", "hr"}
UTM = Affine(10, 0, 600_000, 0, -10, 5_300_000)


class Page(HTMLParser):
    """Elements with their attributes, texts by id, and faults of nesting."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, str] = {}
        self.words = ""
        self.faults: list[str] = []
        self._open: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag, _ in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.elements.append((tag, values))
        if tag not in VOID:
            self._open.append((tag, values.get("id")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop()[0] != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name:
                self.text[name] = self.text.get(name, "") + data
        if self._open and self._open[-1][0] not in {"script", "style"}:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [values for name, values in self.elements if name == tag]

    @property
    def payload(self) -> dict[str, Any]:
        return json.loads(self.text["payload"])

    def codes(self) -> np.ndarray:
        """Codes of the score as the page decodes them, written independently of the encoder."""
        payload = self.payload
        planes = np.frombuffer(zlib.decompress(b64decode(payload["score"])), np.uint8)
        high, low = planes.reshape(2, payload["rows"], payload["cols"]).astype(int)
        codes = np.zeros((payload["rows"] + 1, payload["cols"] + 1), int)
        for (row, col), folded in np.ndenumerate(256 * high + low):
            left, above, corner = codes[row + 1, col], codes[row, col + 1], codes[row, col]
            expected = sorted([left, above, left + above - corner])[1]
            step = -(folded + 1) // 2 if folded % 2 else folded // 2
            codes[row + 1, col + 1] = expected + step
        return codes[1:, 1:]

    def counts(self) -> np.ndarray:
        """Pixels above each position, by kind."""
        numbers = np.frombuffer(zlib.decompress(b64decode(self.payload["counts"])), "<f8")
        return numbers.reshape(len(self.payload["kinds"]), -1)


def levels_of(score: np.ndarray, threshold: float, kinds: np.ndarray | None = None) -> np.ndarray:
    """Pixels at each level, by kind."""
    levels = np.zeros((10, 65536), np.int64)
    valid = ~np.isnan(score)
    named = np.zeros(score.shape, int) if kinds is None else kinds
    np.add.at(levels, (named[valid], quantize(score, threshold)[valid]), 1)
    return levels


def report(rows: int = 40, cols: int = 30, **changes: Any) -> ReportData:
    """What a report shows of a scene at random; `full` is the score that an overview is of."""
    rng = np.random.default_rng(7)
    score = changes.get("score", rng.random((rows, cols)).astype(np.float32) ** 3)
    full = changes.pop("full", score)
    threshold, kinds = changes.get("threshold", 0.31), changes.pop("full_kinds", None)
    rows, cols = score.shape
    settings: dict[str, Any] = {
        "t1": rng.random((3, rows, cols)).astype(np.float32),
        "t2": rng.random((3, rows, cols)).astype(np.float32),
        "score": score,
        "threshold": threshold,
        "rule": "otsu",
        "pixel_area": 100.0,
        "grid": Grid(
            height=full.shape[0], width=full.shape[1], transform=UTM, crs=crs_of("EPSG:32632")
        ),
        "levels": levels_of(full, threshold, kinds),
        "record": record(),
        "stages": [("read", 0.5, 120.0), ("score", 2.0, 900.0)],
    }
    return ReportData(**(settings | changes))


def record(**changes: Any) -> dict[str, Any]:
    """A record of a pair, as `run.json` has it."""
    inputs = {
        date: {"path": f"/data/{name}", "files": [{"path": f"/data/{name}", "sha256": "0" * 64}]}
        for date, name in (("t1", "before.tif"), ("t2", "after.tif"))
    }
    known = {
        "inputs": inputs,
        "dates": {
            "t1": {"time": "2017-07-04T10:30:21+00:00", "source": "its name"},
            "t2": {"time": "2019-06-01T00:00:00+00:00", "source": "--dates"},
        },
        "settings": {"preset": "default", "method": "fusion", "bands": ["red", "green", "blue"]},
        "cleaning": {"connectivity": 4, "least_pixels": 4},
        "display": {"stretch": "one"},
        "warnings": [],
    }
    return known | changes


def with_kinds(**changes: Any) -> ReportData:
    """A scene of two kinds: lost vegetation on the left, built ground on the right."""
    kinds = np.full((40, 30), KINDS["vegetation-lost"].value, np.uint8)
    kinds[:, 15:] = KINDS["built"].value
    score = np.full((40, 30), 0.1, np.float32)
    score[5:15, 4:10] = 0.9
    score[20:24, 18:26] = 0.4
    score[30:32, 20:22] = 0.7
    known = {
        "score": score,
        "full_kinds": kinds,
        "kind_map": kinds,
        "kinds": {"vegetation-lost": 60, "built": 36},
        "objects": Objects.of(
            table([(5, 4, 15, 10), (20, 18, 24, 26), (30, 20, 32, 22)], strength=[2.0, 0.1, 1.0]),
            Grid(height=40, width=30, transform=UTM, crs=crs_of("EPSG:32632")),
        ),
    }
    return report(**(known | changes))


def table(
    boxes: list[tuple[int, int, int, int]], *, strength: list[float], transform: Affine = UTM
) -> pd.DataFrame:
    """Change objects that are boxes (first row, first column, those behind the last)."""
    pixels = [(bottom - top) * (right - left) for top, left, bottom, right in boxes]
    corners = [
        (*(transform @ (left, bottom)), *(transform @ (right, top)))
        for top, left, bottom, right in boxes
    ]
    return pd.DataFrame(
        {
            "id": np.arange(1, len(boxes) + 1),
            "area_m2": 100.0 * np.array(pixels),
            "pixels": pixels,
            "score_mean": 0.6,
            "score_max": 0.9,
            "strength": strength,
            "kind": ["vegetation-lost" if left < 15 else "built" for _, left, _, _ in boxes],
            "geometry": [box(*each) for each in corners],
        }
    )
