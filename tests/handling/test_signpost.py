"""A browser that is lost gets a page that looks like the docs, and a link to them if it may read them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

import flask
import pytest
from conftest import ROOT

AppOf = Callable[..., flask.Flask]
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
KEY = "key-0123456789abcdef"
GUARDED = (
    "service: {auth: {api_keys: [{name: ci, env: ENGINE_TEST_SIGN_KEY}], required: false}, "
    "built_in: {docs: {auth: [ci]}}}\nroutes: [{path: /a, response: hi}]"
)


@pytest.mark.parametrize(
    ("docs", "path", "link"),
    [
        ("/docs", "/nowhere", "./docs"),
        ("/docs", "/a/b/c", "./../../docs"),
        ("/help/é x", "/a/b", "./../help/%C3%A9%20x"),
        ("/docs/", "/x/", "./../docs/"),
    ],
)
def test_the_link_leads_to_the_docs_wherever_they_are(docs: str, path: str, link: str, app_of: AppOf) -> None:
    app = app_of(f"service: {{built_in: {{docs: '{docs}'}}}}\nroutes: [{{path: /a, response: hi}}]")
    page = app.test_client().get(path, headers=BROWSER)
    assert (404, True) == (page.status_code, f'<a href="{link}">' in page.text)


def test_a_service_without_docs_leads_nowhere(app_of: AppOf) -> None:
    client = app_of("service: {built_in: {docs: false}}\nroutes: [{path: /a, response: hi}]").test_client()
    for path in ("/", "/nowhere"):
        page = client.get(path, headers=BROWSER)
        assert (404, False) == (page.status_code, "listed" in page.text)
    assert "no route matches /" == client.get("/").json["detail"]


def test_only_those_who_may_read_the_docs_are_led_there(app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_SIGN_KEY", KEY)
    client = app_of(GUARDED).test_client()
    for path in ("/", "/nowhere"):
        assert "listed" not in client.get(path, headers=BROWSER).text
        assert "listed" in client.get(path, headers={**BROWSER, "X-API-Key": KEY}).text
        assert "listed" not in client.get(path, headers={**BROWSER, "X-API-Key": "wrong"}).text


def test_the_root_names_the_service(app_of: AppOf) -> None:
    client = app_of("service: {title: '<Iris>'}\nroutes: [{path: /a, response: hi}]").test_client()
    page = client.get("/", headers=BROWSER).text
    assert ("<h1>&lt;Iris&gt;</h1>" in page, "There is no page at this address." in page) == (True, True)
    assert "no route matches /; the endpoints are listed at /docs" == client.get("/").json["detail"]
    posted = client.post("/a", headers=BROWSER)
    assert (405, "GET, HEAD, OPTIONS") == (posted.status_code, posted.headers["Allow"])
    assert '<a href="./docs">' in posted.text


@pytest.mark.parametrize("docs", ["/docs", "false"])
def test_the_page_of_an_error_is_styled_loads_nothing_and_is_small(docs: str, app_of: AppOf) -> None:
    client = app_of(f"service: {{built_in: {{docs: {docs}}}}}\nroutes: [{{path: /a, response: hi}}]").test_client()
    for method, path in (("GET", "/"), ("GET", "/no"), ("PUT", "/a")):
        answer = client.open(path, method=method, headers=BROWSER)
        (style,) = re.findall("<style>(.*)</style>", answer.text)
        policy = answer.headers["Content-Security-Policy"]
        assert f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
        assert len(answer.data) < 2000
        assert ["data:,"] == re.findall(r'<link .*href="([^"]*)"', answer.text)
        assert (0, 0) == (answer.text.count("src="), style.count("url("))


def test_the_page_of_an_error_has_the_colours_of_the_docs(app_of: AppOf) -> None:
    style = app_of("routes: [{path: /a, response: hi}]").test_client().get("/no", headers=BROWSER).text
    docs = (ROOT / "engine" / "endpoints" / "docs" / "docs.css").read_text()
    colours = re.findall(r"(--\w+):(#\w+)", style)
    assert 6 == len(colours)
    for name, colour in colours:
        assert f"{name}: {colour};" in docs


def test_an_error_for_a_client_that_is_no_browser_has_no_style(app_of: AppOf) -> None:
    client = app_of("service: {errors: html}\nroutes: [{path: /a, response: hi}]").test_client()
    answer = client.get("/no", headers={"Accept": "*/*"})
    assert (True, False) == ("<h1>Not Found</h1>" in answer.text, "style" in answer.text)
    assert "Content-Security-Policy" not in answer.headers
