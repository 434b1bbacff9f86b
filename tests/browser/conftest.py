"""A real browser, of which no page may complain and no request may leave this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

# Without a graphics card WebGL is drawn by the processor.
ARGUMENTS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
HERE = {"127.0.0.1", "localhost", ""}


def executable() -> str:
    """The browser: `METRICCD_CHROMIUM`, or chromium on the path."""
    names = (os.environ.get("METRICCD_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium: install it, or set METRICCD_CHROMIUM to one"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A Chromium without a window."""
    path = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # In containers the tests run as root, where there is no sandbox.
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def context_options() -> dict[str, object]:
    """What the window is like; tests override it."""
    return {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def page(browser, context_options) -> Iterator[object]:
    """A page that fails the test for any complaint of its own, and any request to elsewhere."""
    context = browser.new_context(**context_options)
    found = context.new_page()
    wrong: list[str] = []
    found.on("console", lambda each: each.type in {"error", "warning"} and wrong.append(each.text))
    found.on("pageerror", lambda error: wrong.append(str(error)))
    context.on(
        "request",
        lambda each: (
            urlsplit(each.url).hostname not in HERE
            and urlsplit(each.url).scheme not in {"blob", "data"}
            and wrong.append(each.url)
        ),
    )
    found.wrong = wrong
    yield found
    context.close()
    assert not wrong
