"""The report in a real browser: what a reader does, and what the page answers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import rasterio
from PIL import Image

import metriccd as mcd
from metriccd.demo.synthetic import land_scene
from metriccd.kinds import KINDS
from metriccd.raster import Grid, crs_of
from metriccd.report.page import render
from metriccd.report.pictures import CHANGE_RGB
from report_scenes import UTM, report, with_kinds

if TYPE_CHECKING:
    from playwright.sync_api import Page

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1400, "height": 900}}
DARK = DESK | {"color_scheme": "dark"}
ROWS, COLS = 320, 420


@pytest.fixture
def context_options() -> dict[str, Any]:
    return DESK


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of a made-up Sentinel-2 pair."""
    folder = tmp_path_factory.mktemp("pair")
    scene = land_scene(ROWS, COLS, seed=3)
    paths = []
    for name, image in (("S2_20190704T103021.tif", scene.t1), ("S2_20200601.tif", scene.t2)):
        with rasterio.open(
            folder / name,
            "w",
            driver="GTiff",
            count=len(image),
            height=ROWS,
            width=COLS,
            dtype=image.dtype,
            crs="EPSG:32632",
            transform=UTM,
        ) as target:
            target.write(image)
            target.descriptions = scene.bands
        paths.append(folder / name)
    mcd.detect_into(folder / "out", *paths, method="cva", threshold="otsu")
    return folder / "out"


def show(page: Page, path: Path, state: str = "") -> Page:
    """Opens a report and waits until it can be used."""
    page.goto(f"file://{path}{state}")
    page.wait_for_selector("html.live", state="attached")
    return settled(page)


def settled(page: Page) -> Page:
    """Waits until what was set is shown, and kept in the address: longer than the page itself."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>"
        " setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 180))))"
    )
    return page


def state_of(page: Page) -> dict[str, str]:
    """What the address keeps."""
    hash_ = page.url.partition("#")[2]
    return dict(part.split("=", 1) for part in hash_.split("&")) if hash_ else {}


def seen(page: Page, selector: str = "#viewport") -> np.ndarray:
    """What the screen shows of an element, as row × column × color."""
    element = page.locator(selector)
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    # Whole pixels, whichever the text above it moves it by.
    left, top, width, height = (int(box[name]) for name in ("x", "y", "width", "height"))
    clip = {"x": left + 1, "y": top + 1, "width": width - 2, "height": height - 2}
    return np.asarray(Image.open(BytesIO(page.screenshot(clip=clip))).convert("RGB"))


def bare(page: Page) -> None:
    """Takes away from the map what is not a picture of it."""
    page.evaluate(
        "for (const each of document.querySelectorAll('.tag, .divider, .scale, .north'))"
        " each.style.visibility = 'hidden'"
    )


def shares(out: Path, threshold: float) -> tuple[float, np.ndarray]:
    """Share of the change map's scores above a threshold, and the kinds of these pixels."""
    change = mcd.open(out)
    above = change.score > threshold
    # What was dropped as too small is dropped on the page, too, from its threshold on.
    if threshold >= change.threshold:
        above &= change.map
    return float(above.mean()), change.potential[above]


def number(text: str) -> float:
    return float(re.sub(r"[^\d.]", "", text))


def test_the_swipe_shows_before_on_its_left_and_after_on_its_right(page: Page, out: Path) -> None:
    show(page, out / "report.html", "#show=none")
    bare(page)
    swipe = page.locator("#swipe")
    views = {}
    for value in ("0", "50", "100"):
        swipe.fill(value)
        views[value] = seen(settled(page))
    half = views["50"].shape[1] // 2
    # A graphics card may round otherwise where less is drawn.
    near = {"atol": 2, "rtol": 0}
    one, both, other = (views[value].astype(int) for value in ("100", "50", "0"))
    np.testing.assert_allclose(both[:, : half - 4], one[:, : half - 4], **near)
    np.testing.assert_allclose(both[:, half + 4 :], other[:, half + 4 :], **near)
    assert np.abs(views["0"].astype(int) - views["100"]).mean() > 5


def test_the_line_is_dragged_with_a_mouse_and_the_map_when_it_is_near(
    page: Page, out: Path
) -> None:
    show(page, out / "report.html")
    box = page.locator("#viewport").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, middle[1], steps=4)
    page.mouse.up()
    assert float(state_of(settled(page))["swipe"]) == pytest.approx(25, abs=1)
    page.locator("#closer").click()
    before = [float(each) for each in state_of(settled(page))["at"].split(",")]
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - 80, middle[1] - 40, steps=4)
    page.mouse.up()
    after = [float(each) for each in state_of(settled(page))["at"].split(",")]
    assert after[1] > before[1]
    assert after[0] > before[0]
    assert after[2] == before[2]
    assert float(state_of(page)["swipe"]) == pytest.approx(25, abs=1)


def test_the_slider_changes_share_area_and_list_and_all_are_those_of_the_score(
    page: Page, out: Path
) -> None:
    show(page, out / "report.html")
    change = mcd.open(out)
    first = page.locator("#list li").first.inner_text()
    assert number(page.locator("#share").inner_text()) == round(100 * change.map.mean(), 2)
    assert number(page.locator("#objects").inner_text()) == len(change.polygons())
    for value in (0.7, 0.3):
        page.locator("#threshold").fill(str(value))
        settled(page)
        share, _ = shares(out, value)
        assert number(page.locator("#share").inner_text()) == round(100 * share, 2)
        hectares = share * ROWS * COLS * change.grid.pixel_area / 1e4
        assert number(page.locator("#changed").inner_text()) == pytest.approx(hectares, rel=2e-3)
        assert page.locator("#badge").inner_text() == "set by hand"
        assert state_of(page)["t"] == str(value)
        assert page.locator("#list li").first.inner_text() != first
    page.locator("#reset").click()
    settled(page)
    assert page.locator("#list li").first.inner_text() == first
    assert page.locator("#badge").inner_text() == "label-free"
    assert "t" not in state_of(page)


def test_the_list_at_another_threshold_has_the_objects_that_a_decision_finds(
    page: Page, out: Path
) -> None:
    show(page, out / "report.html", "#t=0.7")
    change = mcd.open(out)
    least = json.loads((out / "run.json").read_text())["cleaning"]["least_pixels"]
    decided = change.decided(0.7, min_pixels=least).objects()
    assert number(page.locator("#objects").inner_text()) == len(decided)
    listed = page.locator("#list li").first.inner_text()
    assert f"{decided.area_m2.max() / 1e4:.2f} ha" in listed


def test_kinds_are_switched_in_numbers_list_and_command(page: Page, out: Path) -> None:
    show(page, out / "report.html", "#show=kind")
    _, kinds = shares(out, mcd.open(out).threshold)
    values = [each.get_attribute("value") for each in page.locator("[name=kind]").all()]
    most = max(values, key=lambda value: (kinds == int(value)).sum())
    name = page.locator(f"li:has([name=kind][value='{most}']) span:not(.swatch)").first
    word = name.inner_text().split()[0]
    before = seen(page)
    assert word in page.locator("#list").inner_text()
    page.locator(f"[name=kind][value='{most}']").uncheck()
    settled(page)
    left = (kinds != int(most)).sum() / (ROWS * COLS)
    assert number(page.locator("#share").inner_text()) == round(100 * left, 2)
    assert word not in page.locator("#list").inner_text()
    command = page.locator("#command").inner_text()
    assert "--kinds" in command
    assert word not in command
    assert (seen(page) != before).any()
    assert state_of(page)["off"] == word
    page.locator(f"[name=kind][value='{most}']").check()
    settled(page)
    assert "--kinds" not in page.locator("#command").inner_text()


def test_the_command_does_what_the_page_shows(page: Page, out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a copy"
    mcd.open(out).save(copy)
    show(page, copy / "report.html", "#t=0.7")
    page.locator("[name=kind]").first.uncheck()
    settled(page)
    words = shlex.split(page.locator("#command").inner_text())
    assert words[:3] == ["metriccd", "threshold", str(copy)]
    subprocess.run([sys.executable, "-m", *words, "--quiet"], check=True)
    record = json.loads((copy / "run.json").read_text())
    assert record["threshold"]["value"] == 0.7
    show(page, copy / "report.html")
    switches = page.locator("[name=kind]").evaluate_all("all => all.map(each => each.checked)")
    assert False in switches
    assert page.locator("#current").inner_text() == "0.7"


def test_everything_is_done_with_the_keyboard_alone(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    wanted = {"help", "viewport", "swipe", "flip", "closer", "farther", "fit", "threshold"}
    wanted |= {"exact", "reset", "copy", "show", "stretch", "opacity", "kind", "list", "more"}
    assert wanted <= reached

    def after(*keys: str) -> dict[str, str]:
        for key in keys:
            page.keyboard.press(key)
        return state_of(settled(page))

    page.locator("#viewport").focus()
    assert after("b")["swipe"] == "100"
    assert after(" ")["swipe"] == "0"
    assert after("s", "]", "]")["swipe"] == "60"
    assert after("s", "o") == {"show": "kind"}
    assert after("o", "o", "o", "h") == {"score": "70"}
    assert after("h", "c") == {"stretch": "each"}
    lower = float(after("c", ",", ",")["t"])
    assert lower < mcd.open(out).threshold
    assert after("r") == {}
    chosen = after("n", "n")
    assert page.locator("#list [aria-current=true]").count() == 1
    assert "Object 2 of" in page.locator("#said").inner_text()
    assert float(chosen["at"].split(",")[2]) < COLS
    page.locator("#viewport").focus()
    moved = after("+", "ArrowRight", "ArrowDown")
    assert moved["at"] != chosen["at"]
    assert "row " in page.locator("#readout").inner_text()
    assert after("0") == {}
    after("?")
    assert page.locator("#keys").is_visible()
    after("Escape")
    assert not page.locator("#keys").is_visible()
    # A letter in a field is a letter.
    page.locator("#exact").focus()
    assert after("b", "o") == {}


def test_single_keys_can_be_switched_off(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    page.locator("#help").click()
    page.locator("#single").uncheck()
    page.locator("#closeKeys").click()
    page.keyboard.press("b")
    assert state_of(settled(page)) == {}


@pytest.mark.parametrize("context_options", [PHONE])
def test_a_phone_scrolls_past_the_map_and_swipes_on_it(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#viewport").scroll_into_view_if_needed()
    box = page.locator("#viewport").bounding_box()
    assert box["height"] < 0.7 * 844
    start = page.evaluate("scrollY")
    touch(page, (0.3, 0.9), (0.3, 0.1))
    assert page.evaluate("scrollY") > start + 100
    assert state_of(settled(page)) == {}
    touch(page, (0.5, 0.5), (0.8, 0.5))
    assert float(state_of(settled(page))["swipe"]) == pytest.approx(80, abs=2)
    for small in page.locator("#viewer button:visible").all():
        assert small.bounding_box()["height"] >= 40


def touch(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Moves a finger over the map, from one place to another, in shares of its sides."""
    box, session = page.locator("#viewport").bounding_box(), page.context.new_cdp_session(page)
    for kind, share in (("Start", 0), *(("Move", step / 8) for step in range(1, 9)), ("End", None)):
        points = []
        if share is not None:
            x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}]
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
        page.wait_for_timeout(16)


@pytest.mark.parametrize("context_options", [DARK])
def test_in_the_dark_the_page_is_dark_and_its_words_can_be_read(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    text, ground = page.evaluate(
        "(() => { const style = getComputedStyle(document.body);"
        " return [style.color, style.backgroundColor]; })()"
    )
    assert contrast(text, ground) > 10
    muted = page.locator(".note").first.evaluate("each => getComputedStyle(each).color")
    assert contrast(muted, ground) > 4.5
    # Beside the map nothing is a white block.
    panel = seen(page, ".panel")
    assert (panel.min(axis=-1) > 230).mean() < 0.05


def contrast(one: str, other: str) -> float:
    """Ratio of the luminances of two colors (WCAG 2)."""

    def luminance(color: str) -> float:
        parts = np.array([float(part) / 255 for part in re.findall(r"[\d.]+", color)[:3]])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_words_can_be_read_in_the_light(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    for selector in (".note", "dt", "#badge", "a"):
        color = page.locator(selector).first.evaluate("each => getComputedStyle(each).color")
        assert contrast(color, "rgb(255, 255, 255)") > 4.5, selector


def test_on_paper_figure_and_legend_are_on_page_one(page: Page, out: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="needs pypdfium2: pip install '.[dev]'")
    show(page, out / "report.html", "#show=kind&at=100,100,80")
    document = pdfium.PdfDocument(page.pdf(format="A4"))
    first = document[0]
    text = first.get_textpage().get_text_bounded()
    name = page.locator(".kinds li span:not(.swatch)").first.inner_text().split()[0]
    for words in (
        "S2_20190704T103021.tif → S2_20200601.tif",
        "Before · 2019-07-04",
        "After · 2020-06-01",
        "1 km",
        "outlined: changed",
        name,
        "Kinds of change",
    ):
        assert words in text, words
    for control in ("Flip", "Copy", "Show more", "least certain"):
        assert control not in text, control
    # Both dates, each nearly half a page wide.
    boxes = [each.get_bounds() for each in first.get_objects() if each.type == 3]
    wide = [right - left for left, _, right, _ in boxes if right - left > 0.35 * first.get_width()]
    assert len(wide) >= 2
    # The last thing of the figure lies on it, too, and colors of kinds are printed.
    drawn = np.asarray(first.render(scale=2).to_pil().convert("RGB")).reshape(-1, 3)
    value = int(page.locator("[name=kind]").first.get_attribute("value"))
    (color,) = (kind.color for kind in KINDS.values() if kind.value == value)
    assert (np.abs(drawn.astype(int) - color).max(axis=1) <= 2).sum() > 200


def test_without_a_script_both_dates_stand_side_by_side_with_outlines(
    browser: Any, out: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{out / 'report.html'}")
    before, after, drawn = (page.locator(each).bounding_box() for each in (".t1", ".t2", "#drawn"))
    assert before["x"] + before["width"] < after["x"]
    assert after == drawn
    assert not page.locator("#threshold").is_visible()
    colors = seen(page, ".viewport").reshape(-1, 3).astype(int)
    near = np.abs(colors - CHANGE_RGB).max(axis=1) < 40
    assert near.mean() > 0.001
    context.close()


def test_the_address_keeps_what_was_set_and_shares_it(page: Page, out: Path) -> None:
    state = "#t=0.62&swipe=30&show=fill&score=40&stretch=each&list=uncertain&at=150,200,120"
    show(page, out / "report.html", state)
    views = seen(page)
    assert state_of(page) == dict(part.split("=") for part in state[1:].split("&"))
    page.reload()
    page.wait_for_selector("html.live", state="attached")
    np.testing.assert_array_equal(seen(settled(page)), views)
    assert page.locator("#current").inner_text() == "0.62"
    assert page.locator("[name=list][value=uncertain]").is_checked()


@pytest.mark.parametrize(
    "state", ["#t=NaN&swipe=x&show=<b>&at=1,2&off=nothing&list=", "#%", "#at=1e9,-5,1e-9", "#=&&"]
)
def test_an_address_that_says_nonsense_is_no_fault(page: Page, out: Path, state: str) -> None:
    show(page, out / "report.html", state)
    assert page.locator("#share").inner_text().endswith("%")
    assert (seen(page) != 0).any()


def test_coordinates_under_the_mouse_are_those_of_proj(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    box = page.locator("#viewport").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
    words = page.locator("#readout").inner_text()
    row, col = (int(each) for each in re.findall(r"row (\d+), column (\d+)", words)[0])
    assert abs(row - 0.4 * ROWS) <= 2
    assert abs(col - 0.3 * COLS) <= 2
    x, y = (float(each) for each in re.findall(r"x ([\d.]+), y ([\d.]+)", words)[0])
    west, north = UTM @ (col, row)
    assert west <= x <= west + 10
    assert north - 10 <= y <= north
    lat, lon = (float(each) for each in re.findall(r"([\d.]+)° [NE]", words))
    expected = pyproj.Transformer.from_crs(32632, 4326, always_xy=True).transform(x, y)
    np.testing.assert_allclose((lon, lat), expected, atol=2e-5)
    score = float(re.findall(r"score ([\d.]+)", words)[0])
    assert score == pytest.approx(float(mcd.open(out).score[row, col]), abs=2e-3)


def test_the_scale_bar_is_as_long_as_it_says(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    for state in ("#", "#at=100,150,60"):
        show(page, out / "report.html", state)
        bar = page.locator("#scaleBar").bounding_box()
        inside = page.locator("#viewport").bounding_box()
        page.mouse.move(inside["x"] + 60, inside["y"] + 60)
        first = page.locator("#readout").inner_text()
        page.mouse.move(inside["x"] + 60 + bar["width"], inside["y"] + 60)
        second = page.locator("#readout").inner_text()
        ends = [float(re.findall(r"x ([\d.]+)", words)[0]) for words in (first, second)]
        length, unit = page.locator("#scaleText").inner_text().split()
        meters = float(length) * {"m": 1, "km": 1000}[unit]
        assert ends[1] - ends[0] == pytest.approx(meters, abs=12)


def test_an_object_that_is_clicked_is_in_the_middle_of_the_map(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    objects = json.loads(page.locator("#payload").text_content())["objects"]
    largest = sorted(objects, key=lambda each: -each["pixels"])
    page.locator("#list button").nth(2).click()
    row, col, across = (float(each) for each in state_of(settled(page))["at"].split(","))
    top, left, bottom, right = largest[2]["box"]
    assert abs(row - (top + bottom) / 2) < max(across / 3, 1)
    assert abs(col - (left + right) / 2) < max(across / 3, 1)
    page.locator("[name=list][value=uncertain]").check()
    settled(page)
    weakest = min(objects, key=lambda each: each["strength"])
    assert page.locator("#list li").first.inner_text().startswith(f"{weakest['id']} ·")
    chips = page.locator("#list canvas")
    assert chips.count() == 2 * page.locator("#list li").count()
    assert chips.first.get_attribute("aria-label") == "before"
    assert len(np.unique(seen(page, "#list canvas >> nth=0").reshape(-1, 3), axis=0)) > 20


def test_outlines_hide_nothing_and_the_score_darkens_nothing(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    gray = np.full((3, 40, 30), 0.4, np.float32)
    path.write_text(render(with_kinds(t1=gray, t2=gray)), encoding="utf-8")
    show(page, path, "#show=none")
    bare(page)
    plain = seen(page).astype(int)
    show(page, path, "#show=outline")
    bare(page)
    outlined = seen(page).astype(int)
    changed = (outlined != plain).any(axis=-1)
    assert 0.001 < changed.mean() < 0.1
    assert np.abs(outlined[changed] - CHANGE_RGB).max(axis=-1).min() == 0
    height, width = plain.shape[:2]
    # Within an object: rows 5 to 15, columns 4 to 10.
    inside = np.s_[int(6 * height / 40) : int(14 * height / 40)]
    scale = min(height / 40, width / 30)
    left = (width - 30 * scale) / 2
    across = np.s_[int(left + 4.5 * scale) : int(left + 9.5 * scale)]
    assert not changed[inside, across].any()
    show(page, path, "#show=none&score=100")
    bare(page)
    scored = seen(page).astype(int)
    weights = np.array([0.2126, 0.7152, 0.0722])
    assert (scored @ weights >= plain @ weights - 4).all()
    assert (scored[inside, across] != plain[inside, across]).any()


def test_both_dates_look_alike_on_one_stretch_and_need_not_on_their_own(
    page: Page, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    rng = np.random.default_rng(0)
    land = np.tile(0.2 + 0.2 * rng.random((1, 40, 30)), (3, 1, 1)).astype(np.float32)
    other = land.copy()
    other[:, :20] = 0.95
    path.write_text(render(with_kinds(t1=land, t2=other)), encoding="utf-8")
    halves = {}
    for stretch in ("one", "each"):
        for swipe in ("0", "100"):
            show(page, path, f"#show=none&stretch={stretch}&swipe={swipe}")
            bare(page)
            view = seen(page).astype(int)
            halves[stretch, swipe] = view[int(0.6 * view.shape[0]) : -5].mean()
    assert abs(halves["one", "0"] - halves["one", "100"]) < 3
    assert halves["each", "100"] - halves["each", "0"] > 40
    assert halves["each", "100"] > halves["one", "100"] + 20


def test_a_number_beyond_the_scale_is_refused_with_a_sign(page: Page, out: Path) -> None:
    show(page, out / "report.html")
    share = page.locator("#share").inner_text()
    page.locator("#exact").fill("2")
    assert page.locator("#exact").evaluate("each => each.matches(':invalid')")
    border = page.locator("#exact").evaluate("each => getComputedStyle(each).outlineWidth")
    assert border != "0px"
    assert page.locator("#share").inner_text() == share
    page.locator("#exact").fill("0.6")
    settled(page)
    assert page.locator("#current").inner_text() == "0.6"


def largest() -> str:
    """A report of 10,980 × 10,980 pixels: an overview of texture, and confetti of change."""
    rng = np.random.default_rng(1)
    side = 1373
    coarse = rng.random((3, side // 7 + 1, side // 7 + 1)).repeat(7, 1).repeat(7, 2)
    land = coarse[:, :side, :side] * 0.6 + 0.15 * rng.random((3, side, side))
    score = rng.random((side, side)) ** 6 * 0.6 + 0.4 * (coarse[0, :side, :side] > 0.97)
    grid = Grid(height=10_980, width=10_980, transform=UTM, crs=crs_of("EPSG:32632"))
    kinds = (1 + 9 * coarse[1, :side, :side]).astype(np.uint8)
    data = report(
        score=score.astype(np.float32),
        full_kinds=kinds,
        kind_map=kinds,
        t1=land.astype(np.float32),
        t2=land[:, ::-1].astype(np.float32),
        threshold=0.4,
        grid=grid,
    )
    return render(data)


@pytest.mark.slow
def test_a_report_of_the_largest_scene_opens_and_answers(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(largest(), encoding="utf-8")
    assert path.stat().st_size < 4_000_000
    show(page, path)
    share = page.locator("#share").inner_text()
    page.locator("#threshold").fill("0.3")
    settled(page)
    assert page.locator("#share").inner_text() != share
    page.wait_for_function("document.querySelectorAll('#list li').length > 0")
    assert "estimates" in page.locator("#listNote").inner_text()
