"""`response_headers` are in every answer, whoever makes it, each once; an answer's own headers win."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from granian_door import Scope, ask
from handler_door import Door
from test_every_answer import REQUESTS
from werkzeug.test import Client

from engine.server.http import Front, exchange

ROUTES = """
service:
  cors: {origins: [https://a.example]}
  response_headers: {X-Always: "yes"}
routes:
  - {path: /, response: hi}
  - {path: /made/<name>, response: "hi ${path.name}"}
  - {path: /file, response: {file: page.html}}
  - {path: /empty, response: {status: 204}}
  - {path: /slash/, response: hi}
  - {path: /checked, input: {type: object}, response: hi}
"""
GROUP = """
service: {response_headers: {X-Level: service}}
routes:
  - {path: /plain, response: hi}
  - response_headers: {X-Level: group, Cache-Control: no-store}
    routes:
      - {path: /, response: hi}
      - {path: /own, response: {text: hi, headers: {X-LEVEL: own}}}
      - {path: /made/<int:id>, response: {text: "${path.id}", headers: {X-Level: "${path.id}"}}}
      - {path: /file, response: {file: page.html}}
      - {path: /checked, input: {type: object}, response: hi}
"""

AppOf = Callable[..., flask.Flask]


@pytest.fixture(autouse=True)
def _page(spec_folder: Path) -> None:
    (spec_folder / "page.html").write_text("hi" * 1000)


def doors(app: Any) -> list[Client]:
    return [app.test_client(), Client(Door(app))]


def test_every_answer_has_the_services_headers_once_at_both_doors(app_of: AppOf) -> None:
    for client in doors(app_of(ROUTES)):
        for status, method, path, sent in REQUESTS:
            answer = client.open(path, method=method, **sent)
            found = (answer.status_code, answer.headers.getlist("X-Always"))
            assert (status, ["yes"]) == found, (method, path[:20], sent)


@pytest.mark.parametrize(
    ("method", "path", "sent", "level"),
    [
        ("GET", "/plain", {}, "service"),
        ("GET", "/nowhere", {}, "service"),
        ("DELETE", "/", {}, "service"),
        ("GET", "/livez", {}, "service"),
        ("GET", "/", {}, "group"),
        ("HEAD", "/", {}, "group"),
        ("OPTIONS", "/", {}, "group"),
        ("GET", "/own", {}, "own"),
        ("GET", "/made/7", {}, "7"),
        ("GET", "/file", {}, "group"),
        ("GET", "/file", {"headers": {"If-None-Match": "*"}}, "group"),
        ("POST", "/checked", {"json": {}}, "group"),
        ("POST", "/checked", {"json": []}, "group"),
        ("GET", "/?" + "a" * 9000, {}, "group"),
    ],
)
def test_the_innermost_header_holds(app_of: AppOf, method: str, path: str, sent: dict[str, Any], level: str) -> None:
    for client in doors(app_of(GROUP)):
        answer = client.open(path, method=method, **sent)
        assert [level] == answer.headers.getlist("X-Level")


def test_a_worker_prepares_them_for_what_is_the_same_for_all_clients(app_of: AppOf) -> None:
    front = Front()
    front.serve(app_of(GROUP).handler)  # type: ignore[attr-defined]
    assert {"/", "/plain", "/own"} <= front.at_once.keys()
    for path, level in (("/", "group"), ("/plain", "service"), ("/own", "own")):
        status, headers, _ = ask(front, Scope("GET", path))
        assert (200, [level]) == (status, [value for name, value in headers if name.lower() == "x-level"])


def test_what_a_worker_answers_without_the_handlers_steps_has_the_services_headers(
    app_of: AppOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused for lack of room, and what fails outside of the handler."""
    front = Front()
    front.serve(app_of(ROUTES).handler)  # type: ignore[attr-defined]
    monkeypatch.setattr(front, "has_room", lambda _: False)
    monkeypatch.setattr(exchange, "LARGE", 1000)
    told = [ask(front, Scope(path="/file", query="a=b"))]
    monkeypatch.setattr(front.handler, "quick", lambda *_: 1 / 0)
    monkeypatch.setattr(front.handler, "respond", lambda *_: 1 / 0)
    told.append(ask(front, Scope(path="/made/Ada")))
    monkeypatch.setattr(exchange, "Exchange", None)
    told.append(ask(front, Scope(path="/made/Ada")))
    assert [503, 500, 500] == [answer[0] for answer in told]
    assert [["yes"]] * 3 == [[value for name, value in answer[1] if name == "X-Always"] for answer in told]


def test_a_service_without_them_prepares_none(app_of: AppOf) -> None:
    app: Any = app_of("routes: [{path: /, response: hi}]")
    assert not app.handler.added.stand
