"""What tests do on the docs page in a browser."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page


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
