"""A header in `answers.ALWAYS` is in every answer, whoever makes it: the handler, the front of a worker, Flask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from granian_door import Scope, ask
from handler_door import Door
from werkzeug.test import Client

from engine.handling import answers
from engine.server.http import Front, exchange

ROUTES = """
routes:
  - {path: /, response: hi}
  - {path: /made/<name>, response: "hi ${path.name}"}
  - {path: /file, response: {file: page.html}}
  - {path: /empty, response: {status: 204}}
  - {path: /slash/, response: hi}
  - {path: /checked, input: {type: object}, response: hi}
"""
GUARDED = "service: {cors: {origins: [https://a.example]}}" + ROUTES
PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
REQUESTS: list[tuple[int, str, str, dict[str, Any]]] = [
    (200, "GET", "/", {}),
    (200, "HEAD", "/", {}),
    (204, "OPTIONS", "/", {"headers": PREFLIGHT}),
    (200, "GET", "/made/Ada", {}),
    (304, "GET", "/file", {"headers": {"If-None-Match": "*"}}),
    (204, "GET", "/empty", {}),
    (308, "GET", "/slash", {}),
    (400, "POST", "/checked", {"data": "{"}),
    (422, "POST", "/checked", {"json": []}),
    (404, "GET", "/nowhere", {"headers": {"Accept": "text/html"}}),
    (405, "DELETE", "/", {}),
    (414, "GET", "/" + "a" * 9000, {}),
    (200, "GET", "/docs", {}),
    (200, "GET", "/metrics", {}),
]

AppOf = Callable[..., flask.Flask]


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch, spec_folder: Path) -> None:
    (spec_folder / "page.html").write_text("hi" * 1000)
    monkeypatch.setattr(answers, "ALWAYS", (("X-Always", "yes"),))


def test_every_answer_has_it_at_both_doors(app_of: AppOf) -> None:
    app = app_of(GUARDED)
    for client in (app.test_client(), Client(Door(app))):
        for status, method, path, sent in REQUESTS:
            answer = client.open(path, method=method, **sent)
            found = (answer.status_code, answer.headers.getlist("X-Always"))
            assert (status, ["yes"]) == found, (method, path[:20], sent)


def test_what_a_worker_answers_without_the_handlers_steps_has_it(
    app_of: AppOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is the same for all clients, what is refused for lack of room, and what fails outside of the handler."""
    front = Front()
    front.serve(app_of(ROUTES).handler)  # type: ignore[attr-defined]
    assert front.at_once
    told = [ask(front), ask(front, Scope(path="/nowhere"))]
    monkeypatch.setattr(front, "has_room", lambda _: False)
    monkeypatch.setattr(exchange, "LARGE", 1000)
    told.append(ask(front, Scope(path="/file", query="a=b")))
    monkeypatch.setattr(front.handler, "quick", lambda *_: 1 / 0)
    monkeypatch.setattr(front.handler, "respond", lambda *_: 1 / 0)
    told.append(ask(front, Scope(path="/made/Ada")))
    monkeypatch.setattr(exchange, "Exchange", None)
    told.append(ask(front, Scope(path="/made/Ada")))
    assert [200, 404, 503, 500, 500] == [answer[0] for answer in told]
    assert [["yes"]] * 5 == [[value for name, value in answer[1] if name == "X-Always"] for answer in told]
