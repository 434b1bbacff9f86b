"""What the report promises: one file, faithful scores, right numbers, names that stay text."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from collections.abc import Mapping
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from matplotlib.image import imread
from scipy.ndimage import gaussian_filter
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.io import imread as read_image
from skimage.transform import downscale_local_mean

from metriccd.result import pictures
from metriccd.result.report import ReportData, draw_preview, quantize, render, with_reference

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Elements with their attributes, texts by id, and faults of nesting."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
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


def scene(rows: int = 40, cols: int = 30, **changes: Any) -> ReportData:
    rng = np.random.default_rng(7)
    score = rng.random((rows, cols)).astype(np.float32) ** 3
    settings: dict[str, Any] = {
        "title": "before.tif → after.tif",
        "t1": rng.random((3, rows, cols)).astype(np.float32),
        "t2": rng.random((3, rows, cols)).astype(np.float32),
        "score": score,
        "threshold": 0.31,
        "threshold_rule": "otsu",
        "pixel_area": 100.0,
        "full_shape": score.shape,
        "convergence": {},
        "settings": {"preset": "default"},
        "stages": [("read", 0.5, 120.0), ("score", 2.0, 900.0)],
    }
    return ReportData(**(settings | changes))


SCORES = {"F1": (0.412, "label-free"), "F1, best threshold": (0.5, "oracle")}


def evaluated(
    data: ReportData | None = None, scores: Mapping[str, tuple[float, str]] = SCORES
) -> str:
    reference = np.zeros((40, 30), bool)
    reference[:9] = True
    shown = scene(convergence={"loss": [3.0, 2.0, 1.0]}) if data is None else data
    errors = pictures.error_map(shown.score > shown.threshold, reference, ~np.isnan(shown.score))
    png = pictures.encode(errors, "png")
    return with_reference(render(shown), scores, threshold=shown.threshold, errors=png)


def shown_score(page: Page) -> tuple[np.ndarray, np.ndarray]:
    """Score and validity as the page decodes them, written independently of the encoder."""
    payload = page.payload
    planes = np.frombuffer(zlib.decompress(b64decode(payload["score"])), np.uint8)
    high, low, valid = planes.reshape(3, payload["rows"], payload["cols"]).astype(np.int64)
    return (256 * high + low).cumsum(0).cumsum(1) % 65536 / 65535, valid == 1


def shown_levels(page: Page) -> np.ndarray:
    return np.frombuffer(zlib.decompress(b64decode(page.payload["levels"])), "<f8")


def picture(png: bytes) -> np.ndarray:
    return np.rint(255 * imread(BytesIO(png), format="png")[..., :3]).astype(int)


def clustered() -> ReportData:
    chips = [np.zeros((3, 8, 8), np.uint8), np.full((3, 8, 8), 200, np.uint8)]
    rows = [
        {
            "value": value,
            "meaning": meaning,
            "bands": ["B04", "<b>"],
            "before": [100.0, 20.0],
            "after": [50.0, -5.0],
            "changed_pixels": pixels,
            "area_m2": 100.0 * pixels,
            "chips": chips if value == 1 else [],
        }
        for value, meaning, pixels in ((1, "B04 down", 300), (2, "B04 up", 100))
    ]
    return scene(clusters=rows)


def test_clusters_are_shown_with_share_area_spectra_and_pictures_of_both_dates() -> None:
    page = Page(render(clustered()))
    assert not page.faults
    for text in ("1: B04 down", "75.00 %", "3.00 ha", "100 → 50", "20 → -5", "<b>"):
        assert text in page.words, text
    chips = [image["title"] for image in page.all("img") if "title" in image]
    assert chips == ["before", "after"]


def test_page_is_one_file_that_asks_the_network_for_nothing() -> None:
    html = evaluated()
    page = Page(html)
    targets = [v for _, e in page.elements for k, v in e.items() if k in {"src", "href", "srcset"}]
    assert targets
    assert all(target.startswith("data:image/") for target in targets)
    assert not re.search(r"https?:|//cdn|@import|url\((?!#)|fetch\(|\bimport\b.*from", html)
    policy = [e["content"] for e in page.all("meta") if "http-equiv" in e]
    assert policy == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    ]


@pytest.mark.parametrize("html", [render(scene()), evaluated()], ids=["detected", "evaluated"])
def test_page_is_well_formed_and_every_input_has_a_label(html: str) -> None:
    page = Page(html)
    assert page.faults == []
    ids = [e["id"] for _, e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    assert all(image["alt"] for image in page.all("img"))
    labeled = {e.get("for") for e in page.all("label")}
    inside = {"exact"}  # these, and the radio buttons, sit inside their labels
    for control in page.all("input"):
        named = "aria-label" in control or control.get("id") in labeled | inside
        assert named or control["type"] == "radio"
    script = re.search(r'<script type="module">(.*)</script>', html, re.DOTALL)
    assert script
    assert set(re.findall(r'\$\("(\w+)"\)', script[1])) <= set(ids)


def test_page_without_javascript_shows_the_preview_and_hides_the_controls() -> None:
    page = Page(render(scene()))
    hidden = {e["id"] for _, e in page.elements if "hidden" in e}
    assert hidden == {"viewer", "thresholdControls", "thresholdEntry", "layers"}
    visible = page.all("img")[0]
    assert visible["alt"].startswith("Four pictures")
    jpeg = b64decode(visible["src"].removeprefix("data:image/jpeg;base64,"))
    assert imread(BytesIO(jpeg), format="jpeg").shape[1] == 1600


def test_embedded_score_decodes_within_one_level_and_marks_nodata() -> None:
    score = scene().score.copy()
    score[3:9, 5:20] = np.nan
    data = scene(score=score)
    decoded, valid = shown_score(Page(render(data)))
    np.testing.assert_array_equal(valid, ~np.isnan(score))
    assert np.abs(decoded - score)[valid].max() <= 1 / 65535
    np.testing.assert_array_equal((decoded > data.threshold) & valid, score > data.threshold)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_keep_every_score_on_its_side_of_the_threshold(dtype: type) -> None:
    rng = np.random.default_rng(0)
    for threshold in [0.0, 1.0, *rng.random(200).tolist()]:
        near = threshold + np.arange(-3, 4)[:, None] * np.array([1e-7, 2e-6, 7e-6, 1 / 65535])
        score = np.clip(np.append(near, [0, threshold, 1]), 0, 1).astype(dtype)
        level = quantize(score, threshold)
        edge = int(np.floor(threshold * 65535))
        np.testing.assert_array_equal(level > edge, score > threshold)
        assert np.abs(level / 65535 - score).max() <= 1 / 65535 + 1e-12


def test_headline_counts_every_pixel_although_the_page_shows_an_overview() -> None:
    data = scene(rows=2900, cols=7, score=np.eye(2900, 7))
    page = Page(render(data))
    assert (page.payload["rows"], page.payload["cols"]) == (967, 3)
    assert page.text["share"] == f"{100 * 7 / 20300:.4f} %"
    assert page.text["changed"] == "0.07 ha"
    assert shown_levels(page)[65535] == 7
    assert "counted on every pixel" in page.words


def test_headline_of_an_overview_comes_from_the_levels_of_the_full_result() -> None:
    full = np.random.default_rng(3).random((64, 48))
    full[:8] = np.nan
    known = full[~np.isnan(full)]
    overview = {
        "score": pictures.reduce(full, long_side=16, statistic="max"),
        "t1": np.zeros((3, 16, 12)),
        "t2": np.zeros((3, 16, 12)),
        "full_shape": (64, 48),
        "pixel_area": 1e6,
    }
    exact = Page(
        render(scene(**overview, levels=np.bincount(quantize(known, 0.31), minlength=65536)))
    )
    assert exact.text["share"] == f"{100 * np.mean(known > 0.31):.2f} %"
    assert exact.text["changed"] == f"{np.sum(known > 0.31):,.2f} km²"
    assert "estimated" not in exact.words
    guess = Page(render(scene(**overview)))
    assert "of 2,688.00 km² valid" in guess.words
    assert "estimated from an overview" in guess.words


@pytest.mark.parametrize(
    ("pixel_area", "changed", "valid"),
    [(1.0, "300.00 m²", "1,200.00 m²"), (100.0, "3.00 ha", "12.00 ha"), (1e6, "300.00 km²", "1,2")],
)
def test_areas_share_one_unit_that_suits_the_scene(
    pixel_area: float, changed: str, valid: str
) -> None:
    score = np.zeros((40, 30))
    score[:10] = 0.9
    page = Page(render(scene(score=score, pixel_area=pixel_area)))
    assert page.text["changed"] == changed
    assert f"of {valid}" in page.words


def test_names_from_outside_are_text_never_markup_or_formulas() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)> $\\frac{ & \"'"
    plain, hostile = (
        scene(
            title=name,
            threshold_rule=name,
            settings={name: name},
            warnings=[name],
            convergence={name: [1.0, 2.0]},
            stages=[(name, 1.0, 2.0)],
        )
        for name in ("name", evil)
    )
    page, clean = (
        Page(evaluated(data, {name: (0.5, name)}))
        for data, name in ((hostile, evil), (plain, "name"))
    )
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in clean.elements]
    assert not [e for _, e in page.elements if "onerror" in e]
    assert page.words.count(evil) >= 9
    assert draw_preview(hostile).shape[2] == 1600


FLAT = np.full((40, 30), 0.25)
NOTHING = np.full((40, 30), np.nan)


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({"pixel_area": None}, None),
        ({"score": FLAT, "threshold": 0.25}, "0.00 %"),
        ({"score": FLAT, "threshold": 0.2}, "100.00 %"),
        ({"score": 0 * FLAT, "threshold": 0.0}, "0.00 %"),
        ({"score": FLAT, "threshold": 1.5}, "0.00 %"),
        ({"score": FLAT, "threshold": -0.1}, "100.00 %"),
        ({"score": NOTHING}, "no valid pixel"),
        ({"rows": 1, "cols": 1}, None),
        ({"rows": 2, "cols": 900}, None),
        ({"rows": 900, "cols": 2}, None),
    ],
)
def test_degenerate_scenes_still_give_a_report(changes: dict[str, Any], share: str | None) -> None:
    data = scene(**changes)
    page = Page(render(data))
    share = f"{100 * np.mean(data.score > data.threshold):.2f} %" if share is None else share
    assert page.text["share"] == share
    assert page.faults == []


def test_scene_without_georeference_counts_pixels_and_names_no_area() -> None:
    score = np.zeros((40, 30))
    score[:, :3] = 1
    page = Page(render(scene(score=score, pixel_area=None)))
    assert page.text["changed"] == "120"
    assert not re.search(r"\d (m²|ha|km²)", page.words)
    assert page.payload["unit"] is None


def test_help_of_a_reference_is_said_in_badge_text_and_preview() -> None:
    free, oracle = Page(render(scene())), Page(render(scene(label_free=False)))
    assert "chosen without labels by “otsu”" in free.words
    assert "oracle" not in free.words
    assert "chosen without labels" not in oracle.words
    assert "with the help of a reference (oracle)" in oracle.words
    assert [e["class"] for e in oracle.all("span") if "badge" in e.get("class", "")] == [
        "badge oracle"
    ]
    assert (draw_preview(scene()) != draw_preview(scene(label_free=False))).any()


def test_sections_appear_only_when_there_is_something_to_show() -> None:
    bare = Page(render(scene(settings={}, stages=[])))
    full = Page(evaluated(scene(warnings=["t2 is offset"], convergence={"loss": [2.0, 1.0]})))
    for heading in ("Against the reference", "Convergence", "Settings", "Stages", "1 warning"):
        assert heading not in bare.words
        assert heading in full.words


def test_convergence_curve_spans_its_box_and_skips_what_is_not_finite() -> None:
    page = Page(render(scene(convergence={"loss": [4.0, float("nan"), 1.0, 2.0, float("inf")]})))
    (line,) = page.all("polyline")
    points = [tuple(map(float, point.split(","))) for point in line["points"].split()]
    assert [x for x, _ in points] == [0, 50, 75]
    assert [y for _, y in points] == [5, 95, 65]
    assert "1 to 4" in page.words


def test_histogram_has_log_heights_at_the_right_bins() -> None:
    score = np.zeros((40, 30))
    score[0, :9] = 0.8
    page = Page(render(scene(score=score, threshold=0.75)))
    heights = [100 - float(v) for v in re.findall(r"V([\d.]+)H", page.all("path")[0]["d"])]
    assert np.flatnonzero(heights).tolist() == [0, int(0.8 * 128)]
    assert heights[102] / heights[0] == pytest.approx(np.log10(10) / np.log10(1192), abs=1e-3)
    assert float(page.all("line")[0]["x1"]) == pytest.approx(96)


def test_preview_is_a_png_whose_changed_area_stands_out() -> None:
    score = np.zeros((60, 60), np.float32)
    score[:, :30] = 0.9
    gray = np.full((3, 60, 60), 0.5, np.float32)
    gray[:, :20, 40:] = np.nan
    drawn = draw_preview(scene(rows=60, cols=60, score=score, t1=gray, t2=gray))
    image = picture(pictures.encode(drawn, "png"))
    rows, cols = image.shape[:2]
    assert cols == 1600
    assert 1500 < rows < 1800
    changed, unchanged = image[int(0.75 * rows), [int(0.6 * cols), int(0.9 * cols)]]
    np.testing.assert_allclose(unchanged, 128, atol=1)
    np.testing.assert_allclose(changed, 0.55 * 128 + 0.45 * np.array(pictures.CHANGE_RGB), atol=1)
    low, high = image[int(0.75 * rows), [int(0.4 * cols), int(0.1 * cols)]]
    assert high.sum() > low.sum() + 300
    np.testing.assert_array_equal(image[int(0.15 * rows), int(0.45 * cols)], pictures.NODATA_RGB)


def test_page_shows_the_preview_that_it_is_given() -> None:
    assert render(scene()) == render(scene(), draw_preview(scene()))
    assert render(scene()) != render(scene(), np.zeros((3, 40, 40), np.uint8))


def test_overview_is_the_mean_or_maximum_of_the_valid_pixels_of_each_block() -> None:
    image = np.random.default_rng(1).random((3, 12, 9))
    means = downscale_local_mean(image, (1, 3, 3))
    np.testing.assert_allclose(pictures.reduce(image, long_side=4), means, atol=1e-12)
    holes = np.array([[1.0, np.nan, np.nan, np.nan, 0.5], [np.nan, 3.0, np.nan, np.nan, 0.7]])
    np.testing.assert_allclose(pictures.reduce(holes, long_side=3), [[2, np.nan, 0.6]])
    np.testing.assert_allclose(
        pictures.reduce(holes, long_side=3, statistic="max"), [[3, np.nan, 0.7]]
    )
    assert pictures.reduce(holes, long_side=5) is holes
    with pytest.raises(ValueError, match="long_side"):
        pictures.reduce(holes, long_side=0)


def test_overview_of_the_score_is_change_exactly_where_any_pixel_is() -> None:
    score = np.random.default_rng(2).random((90, 70)) ** 9
    blocks = (score > 0.5).reshape(15, 6, 70)[:, :, :66].reshape(15, 6, 11, 6).any(axis=(1, 3))
    overview = pictures.reduce(score, long_side=15, statistic="max")
    np.testing.assert_array_equal(overview[:, :11] > 0.5, blocks)


def test_error_map_paints_each_outcome_and_greys_out_nodata() -> None:
    change = np.array([[True, False, True, False, True]])
    reference = np.array([[True, False, False, True, True]])
    valid = np.array([[True, True, True, True, False]])
    for palette in ("paper", "colorblind"):
        colors = pictures.ERROR_RGB[palette]
        picture = pictures.error_map(change, reference, valid, palette)
        expected = [colors[key] for key in ("TP", "TN", "FP", "FN")] + [pictures.NODATA_RGB]
        np.testing.assert_array_equal(picture[:, 0].T, expected)
    green, white, red, blue = pictures.error_map(change, reference, valid)[:, 0, :4].T.astype(int)
    assert (green.argmax(), red.argmax(), blue.argmax(), white.min()) == (1, 0, 2, 255)


# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colorblind_palette_stays_apart_for_color_blind_readers(kind: str) -> None:
    def least_difference(palette: str) -> float:
        colors = np.array([*pictures.ERROR_RGB[palette].values(), pictures.NODATA_RGB]) / 255
        seen = np.clip(colors**2.2 @ np.array(BLINDNESS[kind]).T, 0, 1) ** (1 / 2.2)
        lab = rgb2lab(seen)
        apart = deltaE_ciede2000(lab[:, None], lab[None])
        return float(apart[~np.eye(len(lab), dtype=bool)].min())

    assert least_difference("colorblind") > 10


def test_arrays_that_do_not_fit_and_scores_out_of_range_are_refused() -> None:
    with pytest.raises((ValueError, TypeCheckError)):  # the latter comes first, under tests only
        scene(t2=np.zeros((3, 40, 31)))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\], got 0 to 3"):
        scene(score=np.linspace(0, 3, 1200).reshape(40, 30))
    with pytest.raises(ValueError, match="finite"):
        scene(threshold=float("inf"))


def test_report_of_a_real_scene_stays_under_three_bytes_a_pixel(data: Path) -> None:
    pair = data / "oscd" / "beirut" / "pair"
    t1, t2 = (
        np.moveaxis(read_image(pair / name)[..., :3], -1, 0) / np.float32(255)
        for name in ("img1.png", "img2.png")
    )
    score = np.sqrt((gaussian_filter(t1 - t2, (0, 2, 2)) ** 2).sum(axis=0))
    score /= score.max()
    rows, cols = score.shape
    html = render(scene(rows, cols, t1=t1, t2=t2, score=score))
    assert len(html) / score.size < 3
    decoded, valid = shown_score(Page(html))
    assert valid.all()
    assert np.abs(decoded - score).max() <= 1 / 65535


def test_a_report_is_evaluated_again_without_losing_anything_else() -> None:
    before = "<p>kept</p><!-- reference --><i>old</i><!-- /reference --><p>kept too</p>"
    figures = {"F1": (0.5, "label-free"), "<AP>": (0.25, "threshold-free")}
    after = with_reference(before, figures, threshold=0.5, intervals={"F1": (0.4, 0.6)})
    assert after.startswith("<p>kept</p>")
    assert after.endswith("<p>kept too</p>")
    assert "<i>old</i>" not in after
    assert "0.500" in after
    assert "0.400 to 0.600" in after
    assert "&lt;AP&gt;" in after
    assert with_reference(after, figures, threshold=0.5, intervals={"F1": (0.4, 0.6)}) == after


def test_a_page_without_the_section_stays() -> None:
    assert with_reference("<p>old</p>", {"F1": (0.5, "label-free")}, threshold=0.5) == "<p>old</p>"
