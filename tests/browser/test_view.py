"""The viewer in a real browser: what is seen, by pointer and by keyboard, large and small."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metriccd.gis import SCORE_STOPS
from metriccd.kinds import KINDS
from viewed import copied, viewer

pytest.importorskip("playwright")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return copied(tmp_path)


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """Of a viewer that nobody answers anything."""
    with viewer(copied(tmp_path_factory.mktemp("looked"))) as (server, _):
        yield server.address


@pytest.fixture
def served(out: Path) -> Iterator[str]:
    """Of a viewer of one test."""
    with viewer(out) as (server, _):
        yield server.address


@pytest.fixture
def view(address: str, page):
    """The page, ready, with the images that were found."""
    return shown(page, address)


class Killed:
    """The command, in a process of its own that can be killed."""

    def __init__(self, place: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "metriccd", "view", str(place), "--no-open"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def shown(page, address: str, *, review: bool = False):
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    until(page, "#notice", lambda text: text == "")
    settle(page)
    if review:
        page.keyboard.press("e")
        page.wait_for_selector("#facts dd")
        settle(page)
    return page


def until(page, selector: str, fits: Callable[[str], object]) -> str:
    """The text of an element, once it fits; the policy of the page lets nothing be evaluated."""
    for _ in range(1200):
        text = str(page.locator(selector).text_content())
        if fits(text):
            return text
        page.wait_for_timeout(50)
    raise AssertionError(f"{selector} is still {text!r}")


def settle(page) -> None:
    """Waits until the map has drawn what it has to draw."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(400)


def pixels(page, selector: str = "#map") -> np.ndarray:
    """What is seen of a part of the page."""
    content = page.locator(selector).screenshot()
    return np.array(Image.open(BytesIO(content)).convert("RGB")).astype(int)


def answers(out: Path) -> dict[int, str]:
    with sqlite3.connect(out / "review.gpkg") as base:
        return dict(base.execute("SELECT object, answer FROM review"))


def test_the_divider_parts_both_dates(view) -> None:
    view.uncheck("#outlines")
    view.focus("#divider")
    view.keyboard.press("Home")
    settle(view)
    after = pixels(view)
    view.keyboard.press("End")
    settle(view)
    before = pixels(view)
    assert np.abs(after - before).mean() > 5
    box = view.locator("#stage").bounding_box()
    # At the edge it can be taken, too.
    handle = view.locator("#divider").bounding_box()
    view.mouse.move(handle["x"] + 10, handle["y"] + 200)
    view.mouse.down()
    view.mouse.move(box["x"] + 0.3 * box["width"], handle["y"] + 200, steps=5)
    view.mouse.up()
    settle(view)
    both = pixels(view)
    at = round(0.3 * both.shape[1])
    assert view.locator("#divider").get_attribute("aria-valuenow") == "30"
    # Left of it is before, right of it is after; labels and buttons lie at the upper edge.
    left, right = (slice(90, -60), slice(60, at - 20)), (slice(160, -60), slice(at + 20, -60))
    assert np.abs(both[left] - before[left]).mean() < 1
    assert np.abs(both[right] - after[right]).mean() < 1


def test_the_threshold_changes_area_list_and_map(view) -> None:
    view.check("[name=overlay][value=change]", force=True)
    settle(view)
    few = pixels(view)
    count = view.locator("#count").inner_text()
    assert re.fullmatch(r"\d+ objects", count)
    slider = view.locator("#threshold")
    slider.focus()
    for _ in range(3):
        slider.press("PageUp")
    until(view, "#count", lambda text: text != count)
    until(view, "#area", lambda text: "Above it" in text)
    settle(view)
    assert number(view) < int(count.split()[0])
    assert view.locator("#list li").count() == min(200, number(view))
    assert re.match(r"metriccd threshold out 0\.\d+", view.locator("#command").inner_text())
    settle(view)
    assert magenta(pixels(view)) < magenta(few)
    view.fill("#exact", "0.2")
    view.press("#exact", "Enter")
    settle(view)
    assert magenta(pixels(view)) > magenta(few)
    assert "new ones appear" in view.locator("#area").inner_text()
    view.click("#reset")
    until(view, "#count", lambda text: text == count)
    assert not view.locator("#moved").is_visible()


def number(page) -> int:
    """How many objects the list has."""
    return int(page.locator("#count").inner_text().split()[0].replace(",", ""))


def magenta(image: np.ndarray) -> int:
    red, green, blue = np.moveaxis(image, -1, 0)
    return int(((red - green > 90) & (blue - green > 30)).sum())


def test_kinds_are_switched_in_list_and_map(view) -> None:
    view.check("[name=overlay][value=kind]", force=True)
    settle(view)
    every, whole = view.locator("#count").inner_text(), pixels(view)
    boxes = view.locator("#kinds input")
    assert boxes.count() > 1
    number = int(view.locator("#kinds small").first.inner_text())
    boxes.first.uncheck()
    rest = int(every.split()[0]) - number
    until(view, "#count", lambda text: text.split(" ")[0] == str(rest))
    settle(view)
    assert np.abs(pixels(view) - whole).sum() > 1000
    boxes.first.check()
    until(view, "#count", lambda text: text == every)


def test_both_dates_are_seen_and_parted_before_the_map_is_there(address: str, page) -> None:
    page.route("**/map.mjs", lambda route: route.abort())
    page.goto(address)
    until(page, "#notice", lambda text: "map.mjs" in text)
    page.wrong.clear()
    page.focus("#divider")
    page.keyboard.press("Home")
    settle(page)
    after = pixels(page, "#stage")
    page.keyboard.press("End")
    settle(page)
    before = pixels(page, "#stage")
    page.unroute("**/map.mjs")
    shown(page, address)
    page.uncheck("#outlines")
    for key, first in (("End", before), ("Home", after)):
        page.focus("#divider")
        page.keyboard.press(key)
        settle(page)
        # Where the map draws them, but for half a pixel; labels lie at the edges.
        inner = (slice(140, -90), slice(60, -60))
        assert np.abs(pixels(page, "#stage")[inner] - first[inner]).mean() < 6


def test_the_score_has_the_colors_of_the_report(view, out: Path) -> None:
    view.uncheck("#outlines")
    view.check("[name=overlay][value=score]", force=True)
    view.fill("#opacity", "100")
    settle(view)
    covered = pixels(view)
    # Where the score is highest nearly nothing is seen but its last color.
    red, green, blue, _ = SCORE_STOPS[1.0]
    assert (np.abs(covered - (red, green, blue)).max(axis=-1) < 25).sum() > 200
    assert f"{json.loads((out / 'run.json').read_text())['display']['score']:.3g}" in str(
        view.locator("#limit").text_content()
    )


def test_on_paper_the_map_stands_with_title_and_legend(view) -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="needs pypdfium2: pip install '.[dev]'")
    view.check("[name=overlay][value=kind]", force=True)
    view.fill("#opacity", "100")
    settle(view)
    kind = view.locator("#kinds label").first
    name = kind.locator("span").last.inner_text()
    (color,) = (each.color for word, each in KINDS.items() if word == name)

    def of_kind(drawn: np.ndarray) -> int:
        return int((np.abs(drawn - color).max(axis=-1) < 30).sum())

    # What is printed is what is seen: the page draws classes a while after they came.
    for _ in range(100):
        if of_kind(pixels(view)) > 2000:
            break
        view.wait_for_timeout(100)
    for landscape in (False, True):
        document = pdfium.PdfDocument(view.pdf(format="A4", landscape=landscape))
        assert len(document) == 1
        first = document[0]
        text = first.get_textpage().get_text_bounded()
        for words in (
            "300 × 560 pixels",
            "2020-04-01",
            "2020-09-01",
            "outlined:",
            "above 0.5",
            name,
        ):
            assert words in text, words
        for control in ("Look", "Order", "Copy", "Zoom", "Keys"):
            assert control not in text, control
        # The map takes most of the page, and holds what it shows on the screen.
        drawn = np.asarray(first.render(scale=2).to_pil().convert("RGB")).astype(int)
        assert of_kind(drawn) > 2000
        rows, cols = np.nonzero(np.abs(drawn - 255).max(axis=-1) > 20)
        assert np.ptp(rows) * np.ptp(cols) > 0.4 * drawn.shape[0] * drawn.shape[1]
        assert magenta(drawn) > 2000
        document.close()


def test_the_score_lies_over_the_images_without_darkening_them(view) -> None:
    view.uncheck("#outlines")
    settle(view)
    plain = pixels(view)
    view.check("[name=overlay][value=score]", force=True)
    settle(view)
    covered = pixels(view)
    assert np.abs(covered - plain).mean() > 1
    # Dark ground gets lighter; on light ground the lighter half of viridis takes little away.
    light = (0.21, 0.72, 0.07) @ np.stack(
        [np.moveaxis(each, -1, 0).reshape(3, -1) for each in (plain, covered)]
    )
    dark = light[0] < 100
    assert (light[1] - light[0])[dark].min() > -24
    assert np.percentile(light[1] - light[0], 5) > -48


def test_answers_survive_a_kill_of_the_server(page, out: Path) -> None:
    first = Killed(out)
    shown(page, first.address, review=True)
    for number, key in enumerate("arra2", start=1):
        page.keyboard.press(key)
        until(page, "#progress-text", lambda text, n=number: text.startswith(f"{n} of"))
    before = answers(out)
    assert sorted(before.values()) == ["accepted", "accepted", "rejected", "rejected", "relabeled"]
    title = page.locator("#card-title").inner_text()
    first.kill()
    assert answers(out) == before
    page.keyboard.press("a")
    until(page, "#notice", lambda text: "ended" in text)
    # What the browser says of a server that is gone.
    page.wrong.clear()
    with viewer(out) as (server, _):
        shown(page, server.address, review=True)
        assert page.locator("#progress-text").inner_text().startswith("5 of")
        assert page.locator("#card-title").inner_text() == title
        page.keyboard.press("u")
        until(page, "#progress-text", lambda text: text.startswith("4 of"))
        assert len(answers(out)) == 4
        page.goto("about:blank")


def test_all_can_be_done_with_the_keyboard_alone(served: str, page, out: Path) -> None:
    shown(page, served)
    # Every control is reached by Tab, and shows that it is.
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        outline = page.evaluate(
            "(() => { const e = document.activeElement; const s = getComputedStyle("
            "e.id === 'divider' ? e.firstElementChild : e.name === 'overlay' ? "
            "e.nextElementSibling : e); return s.outlineStyle; })()"
        )
        if page.evaluate("document.activeElement !== document.body"):
            assert outline != "none", page.evaluate("document.activeElement.outerHTML")
    assert {"divider", "closer", "farther", "fit", "tab-look", "threshold", "exact"} <= reached
    assert {"outlines", "order", "state", "CANVAS"} <= reached
    page.keyboard.press("e")
    page.wait_for_selector("#facts dd")
    first = page.locator("#card-title").inner_text()
    page.keyboard.press("n")
    until(page, "#card-title", lambda text: text != first)
    page.keyboard.press("a")
    until(page, "#progress-text", lambda text: text.startswith("1 of"))
    page.keyboard.press("u")
    until(page, "#progress-text", lambda text: text.startswith("0 of"))
    assert not answers(out)
    for key in (" ", " ", "[", "]", "\\", "o", "o", "v", "v", "z", "f", "l"):
        page.keyboard.press(key)
    assert page.locator("#look").is_visible()
    assert page.locator("[name=overlay]:checked").get_attribute("value") == "score"
    page.keyboard.press("?")
    assert page.locator("#keys dl").is_visible()
    assert page.evaluate("document.activeElement.matches('#keys summary')")
    page.keyboard.press("?")
    assert not page.locator("#keys dl").is_visible()
    # Letters typed into a field are no commands.
    page.focus("#exact")
    page.keyboard.type("0.6e")
    assert page.locator("#look").is_visible()


def test_the_handle_does_not_lie_on_the_object_that_is_asked(view) -> None:
    view.click("#tab-review")
    view.wait_for_selector("#facts dd")
    stage = view.locator("#stage").bounding_box()
    handle = view.locator("#divider span").bounding_box()
    assert handle["y"] > stage["y"] + 0.65 * stage["height"]


def test_an_object_is_reviewed_from_the_list_and_from_the_map(served: str, page) -> None:
    shown(page, served)
    first = page.locator("#list button").first
    number, _, kind = first.locator("span").nth(1).inner_text().partition(" · ")
    assert first.get_attribute("data-id") == number
    assert f", {kind}" in first.get_attribute("aria-label")
    first.click()
    page.click("#tab-review")
    page.wait_for_selector("#facts dd")
    number = page.locator("#card-title").inner_text()
    assert "Chosen by you" in page.locator("#why").inner_text()
    page.click("#reject")
    until(page, "#card-title", lambda text: text != number)
    page.click("#tab-look")
    page.wait_for_selector("#list .rejected")


def test_coordinates_are_read_out_under_the_pointer(view) -> None:
    box = view.locator("#stage").bounding_box()
    view.mouse.move(box["x"] + box["width"] / 2 - 60, box["y"] + box["height"] / 2)
    text = until(view, "#readout", lambda text: "score" in text)
    row, col = (int(re.search(rf"{name} (\d+)", text)[1]) for name in ("row", "col"))
    assert abs(row - 150) < 4
    assert 180 < col < 280
    placed = re.search(r"E ([\d,]+) N ([\d,]+)", text)
    if view.locator("#scale").is_visible():
        east, north = (float(part.replace(",", "")) for part in placed.groups())
        assert abs(east - (600_000 + 10 * col + 5)) < 10
        assert abs(north - (4_800_000 - 10 * row - 5)) < 10
    else:
        assert placed is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_small_and_large_screens_light_and_dark(
    address: str, browser, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, has_touch=width < 500
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda each: wrong.append(each.text))
    shown(page, address, review=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for selector in ("#map", "#accept", "#reject"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width + 0.5
    for selector in ("#accept", "#reject", "#closer"):
        assert page.locator(selector).bounding_box()["height"] >= (40 if width < 500 else 30)
    # The panel scrolls by itself, whatever the map does.
    assert page.evaluate(
        "(() => { const a = document.querySelector('aside'); a.scrollTop = 99;"
        " return a.scrollTop; })()"
    )
    light = contrast(page, "body"), contrast(page, "#why"), contrast(page, "#accept")
    assert min(light) >= 4.5
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert (red < 64) == (scheme == "dark")
    assert not wrong
    context.close()


def contrast(page, selector: str) -> float:
    """How much the text of an element stands out (WCAG 2)."""
    colors = page.evaluate(
        """(selector) => {
          const read = (color) => {
            const drawn = document.createElement("canvas").getContext("2d");
            drawn.fillStyle = color;
            drawn.fillRect(0, 0, 1, 1);
            return [...drawn.getImageData(0, 0, 1, 1).data];
          };
          let e = document.querySelector(selector);
          const text = read(getComputedStyle(e).color);
          const behind = () => read(getComputedStyle(e).backgroundColor);
          while (behind()[3] === 0) e = e.parentElement;
          return [text, behind()]; }""",
        selector,
    )

    def light(color: list[int]) -> float:
        parts = [value / 255 for value in color[:3]]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dim, bright = sorted(light(color) for color in colors)
    return (bright + 0.05) / (dim + 0.05)


def test_several_results_are_chosen_from_a_list(page, out: Path, tmp_path: Path) -> None:
    for name in ("paris", "rome"):
        shutil.copytree(out, tmp_path / "batch" / "pairs" / name)
    with viewer(tmp_path / "batch") as (server, _):
        page.goto(server.address)
        page.fill("#search", "rom")
        until(page, "#count", lambda text: text.startswith("1 "))
        page.click("#rows a")
        page.wait_for_selector("body[data-ready]", timeout=120_000)
        assert page.locator("#name").inner_text() == "rome"
        page.click("#back")
        until(page, "#count", lambda text: text.startswith("2 "))
        assert page.locator("#rows tr").count() == 2
        page.goto("about:blank")


def test_a_result_that_is_replaced_is_said(served: str, page, out: Path) -> None:
    shown(page, served, review=True)
    from metriccd.cli import main

    assert main(["threshold", str(out), "0.65", "-q"]) == 0
    page.keyboard.press("a")
    page.wait_for_selector("#notice.alarm")
    assert "load the page again" in page.locator("#notice").inner_text()
    # The browser tells in its console what the server refused.
    page.wrong.clear()
    assert not (out / "review.gpkg").exists()


def test_a_key_that_is_held_answers_once(served: str, page, out: Path) -> None:
    shown(page, served, review=True)
    first = page.locator("#card-title").inner_text()
    for _ in range(8):
        page.keyboard.down("a")
        page.wait_for_timeout(150)
    page.keyboard.up("a")
    assert len(answers(out)) == 1
    assert page.locator("#card-title").inner_text() != first
