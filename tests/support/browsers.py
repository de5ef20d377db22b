"""Fixtures of headless Chromium; a module that names this one in `pytest_plugins` has a fixture `server` of its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
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
