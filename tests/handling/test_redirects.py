"""Redirects of the router: relative, as clients resolve them, with and without a proxy's prefix."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote, urljoin

import flask
import pytest

ROUTES = """
routes:
  - {path: /about/, response: about}
  - {path: "/a/<name>/", response: {text: "${path.name}"}}
"""


@pytest.mark.parametrize("prefix", ["", "/prefix", "/deep/prefix"])
@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("/about", "/about/"),
        ("/about?q=a%20b&q=", "/about/?q=a%20b&q="),
        ("/a/b", "/a/b/"),
        ("/a/%C3%A9", "/a/%C3%A9/"),
        ("/a/x:y", "/a/x:y/"),
        ("/a/..%20", "/a/..%20/"),
    ],
)
def test_a_redirect_leads_to_the_route_behind_any_prefix(
    app_of: Callable[..., flask.Flask], prefix: str, asked: str, wanted: str
) -> None:
    """Python's `urljoin` is the client that knows nothing of this engine."""
    path, _, query = asked.partition("?")
    environ = {"PATH_INFO": unquote(path, "latin-1"), "QUERY_STRING": query, "HTTP_HOST": "evil.example"}
    answer = app_of(ROUTES).test_client().get("/", environ_overrides=environ)
    location = answer.headers["Location"]
    assert (308, False) == (answer.status_code, location.startswith("/"))
    assert "evil.example" not in location + answer.text
    assert f"https://service.example{prefix}{wanted}" == urljoin(f"https://service.example{prefix}{asked}", location)


@pytest.mark.parametrize(("asked", "wanted"), [("/a//b/", "/a/b/"), ("/a//b", "/a/b/"), ("/about//", "/about/")])
def test_slashes_in_the_middle_are_merged_by_a_whole_path(
    app_of: Callable[..., flask.Flask], asked: str, wanted: str
) -> None:
    """Clients differ in what ".." means behind an empty segment."""
    assert wanted == app_of(ROUTES).test_client().get(asked).headers["Location"]


def test_an_app_below_a_path_leads_to_it(app_of: Callable[..., flask.Flask]) -> None:
    """As PEP 3333 has it, SCRIPT_NAME stands before every path of the app."""
    client = app_of(ROUTES).test_client()
    answer = client.get("/a//b/", environ_overrides={"SCRIPT_NAME": "/below"})
    assert "/below/a/b/" == answer.headers["Location"]
    answer = client.get("/about", environ_overrides={"SCRIPT_NAME": "/below"})
    assert "./about/" == answer.headers["Location"]


def test_a_redirect_of_a_post_keeps_its_method(app_of: Callable[..., flask.Flask]) -> None:
    app = app_of("routes: [{path: /in/, input: {type: object}, response: {text: read}}]")
    answer = app.test_client().post("/in", json={})
    assert (308, "./in/") == (answer.status_code, answer.headers["Location"])


def test_options_has_no_type_of_a_body_that_is_not_there(app_of: Callable[..., flask.Flask]) -> None:
    answer = app_of(ROUTES).test_client().options("/about/")
    assert (200, b"", None) == (answer.status_code, answer.data, answer.headers.get("Content-Type"))
    assert "GET, HEAD, OPTIONS" == answer.headers["Allow"]
