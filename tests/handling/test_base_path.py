"""A service behind a proxy that publishes it under a prefix: `base_path` is taken with every path, and without."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import flask
import pytest
from handler_door import Door
from werkzeug.test import Client

ROUTES = """
service:
  base_path: /a/é
  errors: problem
  auth: {api_keys: [{name: one, file: keys.sha256}], required: false}
routes:
  - {path: /, response: root}
  - {path: /about/, response: about}
  - {path: /closed, response: closed, auth: true}
  - {path: /logo, response: {file: logo.svg}}
  - {path: "/hello/<name>", response: {text: "${path.name}"}}
  - {path: /stars, input: {type: integer}, response: thanks}
"""
PATHS = ["/", "/about/", "/about", "/closed", "/logo", "/hello/é", "/stars", "/nothing", "/docs", "/livez", "/x//y"]


@pytest.fixture
def app(app_of: Callable[..., flask.Flask], spec_folder: Path) -> flask.Flask:
    (spec_folder / "keys.sha256").write_text("0" * 64 + "\n")
    (spec_folder / "logo.svg").write_text("<svg/>")
    return app_of(ROUTES)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_each_path_is_answered_with_the_prefix_as_without_by_app_and_lane(
    app: flask.Flask, path: str, method: str
) -> None:
    answers = []
    for server in (app, Door(app)):
        for asked in (path, f"/a/é{path}"):
            answer = Client(server).open(asked, method=method, data=b"5" if method == "POST" else None)
            body = answer.get_data(as_text=True).replace("/a/é/", "/").replace("/a/%C3%A9/", "/")
            headers = [pair for pair in answer.headers if pair[0] not in ("Content-Length", "Location")]
            answers.append((answer.status_code, headers, body))
    assert [answers[0]] * 4 == answers


def test_what_only_begins_like_the_prefix_is_another_path(app: flask.Flask) -> None:
    client = app.test_client()
    assert [404, 404] == [client.get(path).status_code for path in ("/a/éa/about/", "/a")]
    assert "no route matches /a/é/nothing" == client.get("/a/é/nothing").get_json()["detail"]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("/a/é", "/a/%C3%A9/"),
        ("/a/é/about?q=1", "/a/%C3%A9/about/?q=1"),
        ("/a/é/about//", "/a/%C3%A9/about/"),
        ("/about//", "/a/%C3%A9/about/"),
    ],
)
def test_redirects_lead_to_paths_with_the_prefix(app: flask.Flask, asked: str, wanted: str) -> None:
    """One that came without it may have lost it in the proxy."""
    answer = app.test_client().get(asked)
    location = urljoin(f"http://service.example{asked}".replace("é", "%C3%A9"), answer.headers["Location"])
    assert (308, f"http://service.example{wanted}") == (answer.status_code, location)


def test_the_document_names_the_prefix(app: flask.Flask) -> None:
    client = app.test_client()
    for path in ("/openapi.json", "/a/é/openapi.json", "/docs/document.json"):
        assert ["/a/%C3%A9"] == [server["url"] for server in client.get(path).get_json()["servers"]]


def test_a_failure_is_logged_and_environ_restored(app: flask.Flask, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever logs requests finds in the environ what the client asked for."""
    environ = {"PATH_INFO": "/a/é/boom".encode().decode("latin-1"), "SCRIPT_NAME": "/mounted"}
    app.add_url_rule("/boom", "boom", lambda: 1 / 0)
    with caplog.at_level(logging.CRITICAL):
        seen = Client(app).open(environ_overrides=dict(environ))
    assert 500 == seen.status_code
    assert environ == {name: seen.request.environ[name] for name in environ}
