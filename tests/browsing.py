"""The docs page in headless Chromium: a module that names this one in `pytest_plugins` has a fixture `server`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright
from serving import Server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Open a page of the service; afterwards nothing was asked of another host, and nothing was complained of."""
    contexts: list[BrowserContext] = []
    hosts: set[str] = set()
    complaints: list[str] = []

    def open_page(path: str = "/docs", **options: object) -> Page:
        contexts.append(context := chromium.new_context(base_url=f"http://127.0.0.1:{server.port}", **options))
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("request", lambda request: hosts.add(re.sub(r"^(\w+://[^/]*/).*", r"\1", request.url)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert hosts <= {f"http://127.0.0.1:{server.port}/", "data:,"}
    # Chromium itself says of each answer of 4xx or 5xx, and of a connection that broke, that there was one.
    assert [] == [text for text in complaints if not text.startswith("Failed to load resource")]


def card(page: Page, path: str) -> Locator:
    found = page.locator(f'[data-card][data-path="{path}"]')
    folded = page.locator("details.folded:not([open])", has=found).locator("> summary")
    if folded.count():
        folded.click()
    closed = found.locator("details.try:not([open]) > summary")
    if closed.count():
        closed.click()
    return found


def send(found: Locator) -> None:
    found.get_by_role("button", name="Send").click()


def obstacles(page: Page) -> list[tuple[str, str]]:
    """What axe finds wrong with a page: the rule that is broken, and where."""
    found = Axe().run(page).response["violations"]
    return [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]
