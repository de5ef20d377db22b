"""The docs page in a real browser where errors have bodies of the service's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from browsing import card, send
from playwright.sync_api import Page, expect
from serving import Server, serving

pytest_plugins = ["browsers"]
# Each drives a browser.
pytestmark = pytest.mark.exhaustive

ROUTES = """
service:
  error_bodies:
    default: {json: {error: {code: "${problem.status}", list: "${problem.errors}"}}}
    404: {json: {lost: true}}
routes:
  - path: /a
    query: {properties: {page: {type: integer}}}
    input: {type: object, required: [email], properties: {email: {type: string, format: email}, age: {type: integer}}}
    response: hi
  - {path: '/files/<name>', response: {file: 'files/${path.name}'}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("errors")
    (folder / "files").mkdir()
    (folder / "files" / "b.txt").write_text("b")
    (folder / "routes.yaml").write_text(ROUTES)
    with serving(folder) as one:
        yield one


def test_violations_in_a_body_of_ones_own_stand_beside_their_fields(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/a")
    found.get_by_label("email").fill("nobody")
    found.get_by_label("page").fill("1.5")
    send(found)
    expect(found.locator(".headline")).to_have_text("2 things to correct")
    expect(found.locator("[data-outcome]")).to_contain_text("422 Unprocessable Content")
    marked = found.locator("[aria-invalid=true]")
    assert ["page", "email"] == marked.evaluate_all("all => all.map(({dataset}) => dataset.field)")
    error = json.loads(found.locator("[data-rest] details[open] pre").inner_text())["error"]
    assert (422, 2) == (error["code"], len(error["list"]))


def test_an_error_without_violations_shows_its_body(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/files/{name}")
    found.get_by_label("name").fill("c.txt")
    send(found)
    expect(found.locator(".headline")).to_have_text("404 Not Found")
    expect(found.locator("[data-rest] details[open] pre")).to_have_text('{\n  "lost": true\n}')


def test_the_first_request_of_a_form_is_valid(visit: Callable[..., Page]) -> None:
    found = card(visit(), "/a")
    send(found)
    expect(found.locator(".headline")).to_have_text("200 OK")
