"""What the page promises: one file, a strict policy, right numbers, names that stay text."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from jaxtyping import TypeCheckError
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.io import imread as read_image

from metriccd.raster import Grid
from metriccd.report import pictures
from metriccd.report.data import ReportData
from metriccd.report.page import _SCRIPTS, draw_preview, render, with_reference
from report_scenes import Page, record, report, with_kinds

SCORES = {"F1": (0.412, "label-free"), "F1, best threshold": (0.5, "oracle")}
MOST = 4_000_000


def evaluated(
    data: ReportData | None = None, scores: Mapping[str, tuple[float, str]] = SCORES
) -> str:
    reference = np.zeros((40, 30), bool)
    reference[:9] = True
    shown = report(convergence={"loss": [3.0, 2.0, 1.0]}) if data is None else data
    errors = pictures.error_map(
        shown.score > shown.threshold, reference, ~np.isnan(shown.score), "colorblind"
    )
    return with_reference(render(shown), scores, threshold=shown.threshold, errors=errors)


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
    return with_kinds(clusters=rows)


def full() -> ReportData:
    """A report with all that a report may hold."""
    known = record(
        warnings=["t2 is offset", "haze"], versions={"torch": "2.13"}, check={"shift": {}}
    )
    return replace(
        clustered(),
        record=known,
        convergence={"loss": [2.0, 1.0]},
        files=["change.gpkg", "score.tif", "run.json", "score.qml"],
        folder="mine & yours",
    )


PAGES = {
    "bare": lambda: render(report(record={}, stages=[])),
    "full": lambda: evaluated(full()),
    "bare, no georeference": lambda: render(
        report(grid=Grid(height=40, width=30, transform=Affine.identity(), crs=None))
    ),
}


@pytest.fixture(params=PAGES)
def html(request) -> str:
    return PAGES[request.param]()


def test_the_page_is_one_file_that_asks_the_network_for_nothing(html: str) -> None:
    page = Page(html)
    sources = [v for _, e in page.elements for k, v in e.items() if k in {"src", "srcset"}]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    # Links lead to files beside the page, or to a part of it, and nowhere else.
    links = [e["href"] for _, e in page.elements if "href" in e]
    assert all(re.fullmatch(r"#?[\w.-]+", link) for link in links), links
    text = re.sub(r"base64,[^\"]+", "", html)
    assert not re.search(r"https?:|//cdn|@import|url\((?!#)|fetch\(|\bimport\b.*from", text)


def test_the_policy_allows_the_one_script_and_the_one_style_and_pictures_only(html: str) -> None:
    page = Page(html)
    (policy,) = [e["content"] for e in page.all("meta") if "http-equiv" in e]
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"
    assert allowed["base-uri"] == allowed["form-action"] == "'none'"
    for name, tag in (("script-src", '<script type="module">'), ("style-src", "<style>")):
        found = re.findall(rf"{re.escape(tag)}(.*?)</", html, re.DOTALL)
        assert len(found) == 1
        digest = b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert allowed[name] == f"'sha256-{digest}'"
    # What the policy would not let the browser do anyway.
    assert not [e for _, e in page.elements if "style" in e]
    assert not [k for _, e in page.elements for k in e if k.startswith("on")]


def test_the_page_is_well_formed_and_every_control_has_a_name(html: str) -> None:
    page = Page(html)
    assert page.faults == []
    ids = [e["id"] for _, e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    assert all(image["alt"] for image in page.all("img"))
    labeled = {e.get("for") for e in page.all("label")}
    for control in page.all("input"):
        named = "aria-label" in control or control.get("id") in labeled
        # These sit inside their labels.
        assert named or control["type"] in {"radio", "checkbox"}, control
    for button in page.all("button"):
        assert button["type"] == "button"
    for _, element in page.elements:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert element.get(name, ids[0]) in ids
    assert [tag for tag, _ in page.elements].count("h1") == 1


def test_all_that_the_script_looks_for_is_there() -> None:
    html = evaluated(full())
    ids = [e["id"] for _, e in Page(html).elements if "id" in e]
    script = re.search(r'<script type="module">(.*)</script>', html, re.DOTALL)
    assert script
    assert set(re.findall(r'\$\("(\w+)"\)', script[1])) <= set(ids)


def test_every_part_of_the_script_is_in_the_page() -> None:
    names = {path.name for path in files("metriccd.report").joinpath("template").iterdir()}
    assert {f"{name}.js" for name in _SCRIPTS} == {name for name in names if name.endswith(".js")}


def test_without_a_script_both_dates_and_the_outlines_show_and_no_control_does() -> None:
    page = Page(render(with_kinds()))
    pictures_shown = [e["alt"] for e in page.all("img")]
    assert pictures_shown == [
        "After, 2019-06-01",
        "Before, 2017-07-04, 10:30 UTC",
        "Outlines around what changed",
    ]
    jpeg = b64decode(page.all("img")[0]["src"].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(BytesIO(jpeg)).size == (30, 40)
    sheet = re.search(r"<style>(.*?)</style>", page.html, re.DOTALL)
    assert sheet
    assert "html:not(.live) .live-only { display: none; }" in sheet[1]


def test_dates_place_and_files_are_told() -> None:
    words = " ".join(Page(evaluated(full())).words.split())
    for text in (
        "Before2017-07-04, 10:30 UTC",
        "After2019-06-01",
        "WGS 84 / UTM zone 32N (EPSG:32632)",
        "Pixel10 m",
        "40 rows × 30 columns",
        "mine & yours",
        "2 warnings",
        "change.gpkg change objects as polygons",
    ):
        assert text in words, text
    links = [e["href"] for e in Page(render(full())).all("a")]
    assert links == ["change.gpkg", "score.tif", "run.json"]


def test_counts_stand_in_the_headline() -> None:
    page = Page(render(with_kinds()))
    assert page.text["share"] == "8.00 %"
    assert page.text["changed"] == "0.96 ha"
    assert page.text["objects"] == "3"
    assert page.text["current"] == "0.31"
    assert page.text["badge"] == "label-free"


def test_kinds_that_do_not_count_are_switched_off() -> None:
    told = record(settings={"kinds": ["!built"]})
    page = Page(render(with_kinds(record=told)))
    switches = {e["value"]: "checked" in e for e in page.all("input") if e.get("name") == "kind"}
    assert list(switches.values()) == [True, False]
    assert page.payload["off"] == ["built"]


def test_clusters_are_shown_with_share_area_spectra_and_pictures_of_both_dates() -> None:
    page = Page(render(clustered()))
    for text in ("1: B04 down", "75.00 %", "3.00 ha", "100 → 50", "20 → -5", "<b>"):
        assert text in page.words, text
    chips = [image["title"] for image in page.all("img") if "title" in image]
    assert chips == ["before", "after"]


def test_names_from_outside_are_text_never_markup_or_formulas() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)> $\\frac{ & \"'"
    named = {}
    for name in ("name", evil):
        told = record(
            settings={name: name, "method": name},
            warnings=[name],
            versions={name: name},
            dates={"t1": {"time": "2017-07-04T10:30:21+00:00", "source": name}},
        )
        told["inputs"]["t1"]["path"] = told["inputs"]["t1"]["files"][0]["path"] = name
        data = report(
            rule=name,
            record=told,
            convergence={name: [1.0, 2.0]},
            stages=[(name, 1.0, 2.0)],
            folder=name,
        )
        named[name] = evaluated(data, {name: (0.5, name)})
        assert draw_preview(data).shape[2] == 1600
    page, clean = Page(named[evil]), Page(named["name"])
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in clean.elements]
    assert not [e for _, e in page.elements if "onerror" in e]
    assert page.words.count(evil) >= 9
    assert page.payload["folder"] == evil


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
    data = report(**changes)
    page = Page(render(data))
    share = f"{100 * np.mean(data.score > data.threshold):.2f} %" if share is None else share
    assert page.text["share"] == share
    assert page.faults == []


def test_a_scene_without_georeference_counts_pixels_and_names_no_area() -> None:
    score = np.zeros((40, 30))
    score[:, :3] = 1
    nowhere = Grid(height=40, width=30, transform=Affine.identity(), crs=None)
    page = Page(render(report(score=score, pixel_area=None, grid=nowhere)))
    assert page.text["changed"] == "120"
    assert not re.search(r"\d (m²|ha|km²)", page.words)
    assert "not georeferenced" in page.words
    assert page.payload["unit"] is None


def test_a_threshold_that_was_set_by_hand_is_called_that() -> None:
    free, by_hand = Page(render(report())), Page(render(report(rule="fixed")))
    assert "chosen without labels by “otsu”" in free.words
    assert "chosen without labels" not in by_hand.words
    assert by_hand.text["badge"] == "set by hand"


def test_sections_appear_only_when_there_is_something_to_show() -> None:
    bare, whole = Page(render(report(record={}, stages=[]))), Page(evaluated(full()))
    for heading in (
        "Against the reference",
        "Convergence",
        "Time and memory",
        "Kinds of change",
        "Clusters of change",
        "Files beside",
        "warnings",
    ):
        assert heading not in bare.words, heading
        assert heading in whole.words, heading


def test_internals_are_folded_and_settings_for_people_are_not() -> None:
    html = render(full())
    folded = " ".join(re.findall(r"<details>.*?</details>", html, re.DOTALL))
    assert "SHA-256" in folded
    assert "torch" in folded
    assert "Smallest object" not in folded
    assert "Smallest object" in html


def test_dates_that_share_no_stretch_offer_none() -> None:
    page = Page(render(report(record=record(display={"stretch": "each"}))))
    assert not [e for e in page.all("input") if e.get("name") == "stretch"]
    assert not page.all("filter")
    assert "stretched for itself" in page.words
    assert len(Page(render(report())).all("filter")) == 2


def test_arrays_that_do_not_fit_and_scores_out_of_range_are_refused() -> None:
    with pytest.raises((ValueError, TypeCheckError)):  # the latter comes first, under tests only
        report(t2=np.zeros((3, 40, 31)))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\], got 0 to 3"):
        report(score=np.linspace(0, 3, 1200).reshape(40, 30))
    with pytest.raises(ValueError, match="finite"):
        report(threshold=float("inf"))


def test_a_report_of_noise_of_the_largest_overview_is_below_four_megabytes() -> None:
    rng = np.random.default_rng(0)
    shape = (1400, 1400)
    kinds = rng.integers(1, 10, shape).astype(np.uint8)
    data = report(
        score=rng.random(shape).astype(np.float32),
        full_kinds=kinds,
        kind_map=kinds,
        t1=rng.random((3, *shape)).astype(np.float32),
        t2=rng.random((3, *shape)).astype(np.float32),
    )
    errors = rng.integers(0, 255, (3, *shape)).astype(np.uint8)
    html = with_reference(render(data), SCORES, threshold=0.5, errors=errors)
    assert len(html.encode()) < MOST


def test_a_report_of_a_real_scene_keeps_its_pictures_sharp(data: Path) -> None:
    pair = data / "oscd" / "beirut" / "pair"
    t1, t2 = (
        np.moveaxis(read_image(pair / name)[..., :3], -1, 0) / np.float32(255)
        for name in ("img1.png", "img2.png")
    )
    score = np.sqrt((gaussian_filter(t1 - t2, (0, 2, 2)) ** 2).sum(axis=0))
    score /= score.max()
    html = render(report(t1=t1, t2=t2, score=score))
    assert len(html.encode()) < 0.65 * MOST
    jpeg = re.search(r'class="t2"[^>]*base64,([^"]*)', html)
    assert jpeg
    shown = np.asarray(Image.open(BytesIO(b64decode(jpeg[1])))) / 255
    assert np.sqrt(np.mean((shown - np.moveaxis(t2, 0, -1)) ** 2)) < 0.02


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


def test_the_error_map_has_the_page_behind_it_where_nothing_changed() -> None:
    page = Page(evaluated())
    (errors,) = [e for e in page.all("img") if e["alt"].startswith("Error map")]
    png = b64decode(errors["src"].removeprefix("data:image/png;base64,"))
    alpha = np.asarray(Image.open(BytesIO(png)).convert("RGBA"))[..., 3]
    score = report().score
    quiet = (score <= 0.31) & (np.arange(40)[:, None] >= 9)
    np.testing.assert_array_equal(alpha == 0, quiet)
