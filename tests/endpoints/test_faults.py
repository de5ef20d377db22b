"""What is drawn for a request, and what the Flask app does with it."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from werkzeug.serving import BaseWSGIServer, make_server

from engine.endpoints import Problem, Request
from engine.endpoints.faults import Faults
from engine.handling import build_handler
from engine.spec import Fault, Route, load_spec

App = Callable[..., flask.Flask]


def routes_of(text: str, folder: Path) -> tuple[Route, ...]:
    (folder / "routes.yaml").write_text(text)
    return load_spec(folder / "routes.yaml").routes


def fault_of(route: Route) -> dict[str, Any]:
    """The fault that holds for a route, without places."""
    found = route.fault or Fault()
    parts = {"delay": found.delay, "failure": found.failure}
    fields = ("low", "high", "kind", "hold", "chance")
    return {
        name: tuple(getattr(part, field) for field in fields if hasattr(part, field))
        for name, part in parts.items()
        if part is not None
    }


def test_the_inner_place_replaces_the_outer_one(tmp_path: Path) -> None:
    routes = routes_of(
        """
service: {delay: 1s, fail: timeout, for: 20s, chance: 10%}
routes:
  - {path: /outer, response: a}
  - {path: /delay, response: a, delay: 100ms..1.5s}
  - {path: /fail, response: a, fail: reset, chance: 0.5%}
  - {path: /no-delay, response: a, delay: false}
  - {path: /no-failure, response: a, fail: false}
  - {path: /none, response: a, delay: 0ms, fail: false}
  - {path: /never, response: a, fail: reset, delay: 1m, chance: 0%}
""",
        tmp_path,
    )
    delay, failure = (1, 1, 0.1), ("timeout", 20, 0.1)
    assert {
        "/outer": {"delay": delay, "failure": failure},
        "/delay": {"delay": (0.1, 1.5, 1), "failure": failure},
        "/fail": {"delay": delay, "failure": ("reset", 10, 0.005)},
        "/no-delay": {"failure": failure},
        "/no-failure": {"delay": delay},
        "/none": {},
        "/never": {},
    } == {route.path: fault_of(route) for route in routes}


def test_a_route_without_faults_is_answered_as_it_was(tmp_path: Path) -> None:
    """Its answer is constant, and the built-in routes never have a fault."""
    routes_of(
        "{service: {delay: 1s}, routes: [{path: /a, response: a}, {path: /b, response: b, delay: false}]}", tmp_path
    )
    handler = build_handler(load_spec(tmp_path / "routes.yaml"), {})
    assert ["/b", "/livez"] == [path for path, _, _ in handler.constant_answers()]
    assert [("/a", True)] == [(one.route.path, True) for one in handler.mounted if one.is_faulty]
    assert b"a" in [*handler.constant_bodies()]


def draw(faults: Faults, fault: Fault | None) -> tuple[float, str, float]:
    """What is drawn for one request, and afterwards gone: the delay, the failure, and all seconds."""
    request = Request("GET")
    faults.inject(fault, request)
    if request.sending is None:
        return 0.0, "", 0.0
    request.sending.release()
    return request.sending.delay, request.sending.fails, request.sending.seconds


def test_draws_are_fixed_by_the_seed(tmp_path: Path) -> None:
    (route,) = routes_of("routes: [{path: /a, response: a, delay: 1s..3s, chance: 30%}]", tmp_path)
    expected, known = [], random.Random("7 GET /a")
    for _ in range(1000):
        is_delayed = known.random() < 0.3
        expected.append(known.uniform(1, 3) if is_delayed else 0.0)
    faults = Faults(route, seed=7)
    drawn = [draw(faults, route.fault)[0] for _ in range(1000)]
    assert expected == drawn
    assert 250 < sum(map(bool, drawn)) < 350
    assert drawn != [draw(Faults(route, seed=8), route.fault)[0] for _ in range(1000)]


def test_one_chance_decides_on_the_delay_and_the_failure_of_one_place(tmp_path: Path) -> None:
    one, apart = routes_of(
        """
service: {delay: 1s, chance: 50%}
routes:
  - {path: /one, response: a, delay: 2s, fail: timeout, for: 3s, chance: 50%}
  - {path: /apart, response: a, fail: reset, chance: 50%}
""",
        tmp_path,
    )
    faults = Faults(one, seed=1)
    assert {(0.0, "", 0.0), (2.0, "timeout", 5.0)} == {draw(faults, one.fault) for _ in range(200)}
    faults = Faults(apart, seed=1)
    counted = Counter(draw(faults, apart.fault) for _ in range(4000))
    assert {(0.0, "", 0.0), (1.0, "", 1.0), (0.0, "reset", 0.0), (1.0, "reset", 1.0)} == counted.keys()
    assert all(850 < count < 1150 for count in counted.values())


def test_what_an_inner_endpoint_draws_replaces_what_was_drawn_outside(tmp_path: Path) -> None:
    """So do cases; their place among those that wait is the same one."""
    one, other = routes_of(
        "routes: [{path: /a, response: a, delay: 1s, limits: {concurrent: 1}}, {path: /b, response: b, fail: reset}]",
        tmp_path,
    )
    faults, request = Faults(one, seed=None), Request("GET")
    faults.inject(one.fault, request)
    faults.inject(other.fault, request)
    assert request.sending is not None
    assert ("reset", 0.0) == (request.sending.fails, request.sending.seconds)
    with pytest.raises(Problem, match="at its limit"):
        faults.inject(one.fault, Request("GET"))
    faults.inject(None, request)
    assert request.sending is None
    assert (1.0, "", 1.0) == draw(faults, one.fault)


CASES = """
service: {seed: 3}
routes:
  - path: /
    query: {properties: {q: {type: string}}}
    delay: 1s
    cases:
      - {when: {query.q: fast}, delay: false, response: {text: fast}}
      - {when: {query.q: slow}, delay: 2s, response: {text: slow}}
      - {when: {query.q: broken}, fail: reset, response: {text: broken}}
      - {when: {query.q: some}, chance: 30%, fail: timeout, for: 4s, response: {text: some}}
      - {response: {text: all}}
"""


def test_a_case_replaces_the_faults_of_its_route(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(CASES)
    handler = build_handler(load_spec(tmp_path / "routes.yaml"), {})
    (mounted,) = (one for one in handler.mounted if one.is_faulty)

    def ask(query: str) -> tuple[bytes, tuple[float, str, float]]:
        request = Request("GET", query=query)
        body = mounted.endpoint(request).body
        assert isinstance(body, bytes)
        sending = request.sending
        if sending is None:
            return body, (0.0, "", 0.0)
        sending.release()
        return body, (sending.delay, sending.fails, sending.seconds)

    assert (b"fast", (0.0, "", 0.0)) == ask("q=fast")
    assert (b"slow", (2.0, "", 2.0)) == ask("q=slow")
    assert (b"broken", (1.0, "reset", 1.0)) == ask("q=broken")
    assert (b"all", (1.0, "", 1.0)) == ask("q=other")
    known = random.Random("3 GET /")
    failed, answered = (b"some", (1.0, "timeout", 5.0)), (b"all", (1.0, "", 1.0))
    assert [failed if known.random() < 0.3 else answered for _ in range(50)] == [ask("q=some") for _ in range(50)]


def test_a_condition_that_is_false_draws_nothing(tmp_path: Path) -> None:
    """So other requests do not change what is drawn; a case without a condition may have a chance too."""
    (tmp_path / "routes.yaml").write_text(
        """
service: {seed: 3}
routes:
  - path: /
    query: {properties: {q: {type: string}}}
    cases:
      - {when: {query.q: a}, chance: 50%, response: {text: a}}
      - {chance: 25%, response: {text: b}}
      - {response: {text: c}}
"""
    )
    handler = build_handler(load_spec(tmp_path / "routes.yaml"), {})
    (endpoint,) = (one.endpoint for one in handler.mounted if one.route.path == "/")
    assert endpoint.is_quick
    known = random.Random("3 GET /")
    for _ in range(50):
        assert (b"b" if known.random() < 0.25 else b"c") == endpoint(Request("GET", query="q=x")).body
    wanted = [b"a" if known.random() < 0.5 else b"b" if known.random() < 0.25 else b"c" for _ in range(50)]
    assert wanted == [endpoint(Request("GET", query="q=a")).body for _ in range(50)]


# The Flask app


def test_the_flask_app_waits_in_its_own_thread(app_of: App) -> None:
    app = app_of("routes: [{path: /a, input: {type: object}, response: {json: {}}, delay: 200ms}]")
    for body, status in ((b"{}", 200), (b"[]", 422)):
        began = time.monotonic()
        assert status == app.test_client().post("/a", data=body).status_code
        assert time.monotonic() - began >= 0.2
    assert 405 == app.test_client().get("/a").status_code
    numbers = app.handler.meter.numbers()
    assert {("faults", "delay"): 2} == numbers.events


def test_a_delay_of_the_flask_app_ends_as_the_server_stops(app_of: App) -> None:
    app = app_of("routes: [{path: /a, response: {text: a}, delay: 60s}]")
    threading.Timer(0.1, app.stopping.set).start()
    assert "a" == app.test_client().get("/a").text


def test_the_flask_app_counts_those_that_wait(app_of: App) -> None:
    app = app_of("routes: [{path: /a, response: {text: a}, delay: 60s, limits: {concurrent: 1}}]")
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(app.test_client().get("/a").text))
    waiting.start()
    while ("faults", "delay") not in app.handler.meter.numbers().events:
        time.sleep(0.01)
    answer = app.test_client().get("/a")
    assert (503, "1") == (answer.status_code, answer.headers["Retry-After"])
    app.stopping.set()
    waiting.join(30)
    assert ["a"] == answers
    assert "a" == app.test_client().get("/a").text


@pytest.mark.parametrize(("keys", "status"), [("fail: reset", 502), ("fail: timeout, for: 100ms", 504)])
def test_a_server_that_keeps_its_connections_answers_as_a_proxy_would(app_of: App, keys: str, status: int) -> None:
    app = app_of(f"routes: [{{path: /a, response: a, {keys}}}]")
    answer = app.test_client().get("/a")
    kind = keys.split()[1].strip(",")
    detail = f"the spec injects fail: {kind}, and this server does not let the app close the connection"
    assert (status, detail) == (answer.status_code, json.loads(answer.data)["detail"])


@pytest.fixture
def listening(app_of: App) -> Iterator[BaseWSGIServer]:
    """Werkzeug's server, which lets an app have the socket, as gunicorn does."""
    app = app_of("routes: [{path: /r, response: a, fail: reset}, {path: /t, response: a, fail: timeout, for: 100ms}]")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join(30)
    server.server_close()


def test_a_server_that_gives_its_sockets_has_its_connections_end(listening: BaseWSGIServer) -> None:
    with socket.create_connection(listening.server_address, timeout=30) as client:
        client.sendall(b"GET /r HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with socket.create_connection(listening.server_address, timeout=30) as client:
        client.sendall(b"GET /t HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"" == client.recv(1)
