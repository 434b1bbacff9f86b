"""A real browser, whose pages must stay silent and at home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOME = {None, "", "127.0.0.1", "localhost"}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium (`METRICCD_CHROMIUM`, or on the path)."""
    path = os.environ.get("METRICCD_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        lack = "pages need a browser: apt-get install chromium, or set METRICCD_CHROMIUM to one"
        if os.environ.get("CI") == "true":
            pytest.fail(lack)
        pytest.skip(lack)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that fails the test where it complains or asks for anything beyond this machine.

    Its parameter, if any, is what `Browser.new_context` takes.
    """
    settings = {"viewport": {"width": 1400, "height": 900}} | getattr(request, "param", {})
    context = browser.new_context(**settings)
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda line: faults.append(line.text) if line.type != "log" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda asked: None if urlsplit(asked.url).hostname in HOME else faults.append(asked.url),
    )
    yield page
    context.close()
    assert not faults
