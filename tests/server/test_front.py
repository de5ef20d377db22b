"""The front of a worker, without a socket: what Granian calls, what the app gets, and what is answered."""

from __future__ import annotations

import gc
import json
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from granian_door import Headers, Protocol, Scope, Watcher, ask

from engine.endpoints import Problem, Response
from engine.handling import Handler, Incoming, WireAnswer, build_handler
from engine.models import compile_models
from engine.server.http import Front, exchange
from engine.server.http import traffic as traffic_module
from engine.server.http.bodies import End, Reading, ShortReading
from engine.server.http.large_bodies import LARGE
from engine.spec import load_spec

SPEC = """
service:
  limits: {body: 100 KiB}
  auth: {required: false, api_keys: [{name: a, env: A_KEY}]}
routes:
  - {path: /, response: hello}
  - {path: /echo, input: {type: object}, response: {json: {ok: true}}}
  - {path: /logo, response: {file: logo.svg}}
  - {path: /large, response: {file: large.txt}}
  - {path: /locked, input: {type: object}, response: secret, auth: true}
"""
BODY: list[bytes | None] = [b'{"a"', b": 1}"]


@pytest.fixture
def front(spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Front:
    monkeypatch.setenv("A_KEY", "a" * 32)
    (spec_folder / "routes.yaml").write_text(SPEC)
    (spec_folder / "logo.svg").write_text("<svg/>")
    (spec_folder / "large.txt").write_bytes(b"x" * (LARGE + 1))
    made = Front()
    made.serve(handler_of("routes.yaml"))
    return made


OTHER = 299


class Other:
    """An exchange that says that it was made."""

    def __init__(self, _: Front, protocol: Protocol, __: Scope) -> None:
        self._protocol = protocol

    def begin(self) -> None:
        self._protocol.response_empty(OTHER, [])


def handler_of(routes: str) -> Handler:
    spec = load_spec(routes)
    return build_handler(spec, compile_models(spec))


class Slow:
    """A handler that answers nothing quickly, and keeps what it is given."""

    added = SimpleNamespace(of_service=())

    def __init__(self, answer: Callable[[Incoming], bytes | Iterable[bytes]]) -> None:
        self.incoming: Incoming
        self._answer = answer

    def refuse(self, problem: Problem, _: Incoming) -> Response:
        return problem.response()

    def quick(self, incoming: Incoming) -> None:
        """Leave every request to another thread."""

    def respond(self, incoming: Incoming) -> WireAnswer:
        self.incoming = incoming
        return 201, [("X", "y")], self._answer(incoming)


def post(*headers: tuple[str, str], path: str = "/echo") -> Scope:
    return Scope("POST", path, headers=[("Host", "x"), *headers])


CHUNKED = ("Transfer-Encoding", "chunked")


def problem(answer: tuple[int, Headers, bytes]) -> tuple[int, str]:
    found = json.loads(answer[2])
    assert answer[0] == found["status"]
    return found["status"], found["detail"]


def test_what_is_quick_is_answered_by_granians_own_thread(front: Front) -> None:
    protocol = Protocol([])
    front(Watcher(Scope(), protocol))
    assert [b"hello"] == [body for _, _, body in protocol.answers]


HOST = ("Host", "x")
PLAIN = [
    Scope(),
    Scope(headers=[HOST, ("Accept", "text/html"), ("X-Other", "a"), ("X_Request_ID", "a"), ("Range", "bytes=0-1")]),
    Scope(path="/logo"),
]
TELLING = [
    Scope("HEAD"),
    Scope("DELETE"),
    Scope(query="a=b"),
    Scope(query="a" * 20_000),
    Scope(path="/large"),
    Scope(path="/locked"),
    Scope(path="/nowhere"),
    Scope(http_version="1.0"),
    Scope(headers=[]),
    Scope(headers=[("Host", "")]),
    Scope(headers=[("Host", "a..b")]),
    Scope(headers=[HOST, HOST]),
    Scope(headers=[HOST, ("Accept", "a"), ("Accept", "b")]),
    Scope(headers=[HOST, ("X-Request-ID", "mine")]),
    Scope(headers=[HOST, ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]),
    Scope(headers=[HOST, ("X-Long", "a" * 70_000)]),
    Scope(headers=[HOST, ("Transfer-Encoding", "gzip")]),
    Scope(headers=[HOST, ("Content-Length", "4")]),
    Scope(headers=[HOST, ("Expect", "100-continue"), ("Content-Length", "4")]),
    Scope(path="/logo", headers=[HOST, ("If-None-Match", "*")]),
]


@pytest.mark.parametrize("scope", [*PLAIN, *TELLING], ids=range(len(PLAIN) + len(TELLING)))
def test_what_is_answered_at_once_is_answered_alike_without(front: Front, scope: Scope) -> None:
    paths, front.at_once = front.at_once, {}
    expected = ask(front, scope, [b"body"])
    ask(front, Scope())
    front.at_once = paths
    assert "x" in front.hosts
    assert expected == ask(front, scope, [b"body"])


@pytest.mark.parametrize(("scopes", "at_once"), [(PLAIN, True), (TELLING, False)])
def test_only_what_is_plain_is_answered_at_once(
    front: Front, scopes: list[Scope], at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(front, Scope())
    monkeypatch.setattr(exchange, "Exchange", Other)
    for scope in scopes:
        protocol = Protocol([])
        front(Watcher(scope, protocol))
        assert [] == [status for status, _, _ in protocol.answers if (status == OTHER) == at_once]


def test_what_is_answered_at_once_is_counted(front: Front) -> None:
    count = front.handler.meter.requests("/", "GET", 200)
    for number in range(1, 4):
        ask(front, Scope())
        assert number == sum(count.tally().counts)


def test_what_is_logged_or_drained_takes_the_whole_way(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    ask(front, Scope())
    front.draining = True
    assert ("Connection", "close") in ask(front, Scope())[1]
    front.draining = False
    front.logs = True
    with caplog.at_level(logging.INFO):
        ask(front, Scope())
    assert 1 == len(caplog.records)


def test_an_environ_has_nothing_of_the_process(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the process's environment is no header of a request."""
    monkeypatch.setenv("HTTP_X_FORWARDED_FOR", "9.9.9.9")
    front.handler = slow = Slow(lambda incoming: incoming.body)
    assert b"body" == ask(front, post(("Content-Length", "4")), [b"body"])[2]
    assert "HTTP_X_FORWARDED_FOR" not in slow.incoming.environ


def test_a_chunked_body_is_one_with_its_length(front: Front) -> None:
    front.handler = slow = Slow(lambda incoming: incoming.body)
    assert b'{"a": 1}' == ask(front, post(CHUNKED), BODY)[2]
    assert "8" == slow.incoming.environ["CONTENT_LENGTH"]
    assert "HTTP_TRANSFER_ENCODING" not in slow.incoming.environ


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (CHUNKED, "the chunked body is malformed, cut short, or has trailers, which are not supported"),
        (("Content-Length", "40"), "the body ended before its declared length"),
    ],
)
def test_a_body_that_breaks_is_no_shorter_body(front: Front, header: tuple[str, str], detail: str) -> None:
    answer = ask(front, post(header), [b'{"a": 1}', None])
    assert (400, detail) == problem(answer)
    assert ("Connection", "close") in answer[1]


@pytest.mark.parametrize("header", [CHUNKED, ("Content-Length", str(101 * 1024))])
def test_the_rest_of_a_body_that_is_too_large_is_read_and_dropped(front: Front, header: tuple[str, str]) -> None:
    pieces: list[bytes | None] = [b"x" * 1024] * 101
    protocol = Protocol(pieces)
    front(Watcher(post(header), protocol))
    assert protocol.answered.wait(30)
    assert (413, "the body is larger than 102,400 bytes") == problem(protocol.answers[0])
    with pytest.raises(StopAsyncIteration):
        protocol.__anext__()


@pytest.mark.parametrize(
    ("why", "status", "detail"),
    [
        (End.LATE, 408, "the body did not arrive within 30 s (limits.body_time)"),
        (End.SLOW, 408, "the body arrived too slowly; it must have at least 1,024 bytes a second (limits.body_rate)"),
        (End.CROWDED, 503, "the service is receiving too many other bodies"),
    ],
)
def test_a_body_that_does_not_come_is_given_up(front: Front, why: End, status: int, detail: str) -> None:
    protocol = Protocol()
    front(Watcher(post(("Content-Length", "10")), protocol))
    (reading,) = front.reading.values()
    assert (1, False) == (front.in_flight(), front.is_computing())
    reading.stop(why)
    assert protocol.answered.wait(30)
    assert (status, detail) == problem(protocol.answers[0])
    assert protocol.futures[0].is_cancelled
    assert 0 == front.in_flight()


@pytest.mark.parametrize(
    ("declared", "kind"), [("1000", ShortReading), ("1001", Reading), (None, Reading)], ids=["short", "long", "chunked"]
)
def test_a_body_is_read_as_a_whole_only_where_its_speed_would_not_count(
    front: Front, declared: str | None, kind: type
) -> None:
    """Granian does not say how much of such a body has come; here, 1,000 bytes have ten seconds."""
    service = front.handler.spec.service
    slow = replace(service, limits=replace(service.limits, body_rate=100))
    front.handler.spec = replace(front.handler.spec, service=slow)
    front.serve(front.handler)
    front(Watcher(post(CHUNKED if declared is None else ("Content-Length", declared)), Protocol()))
    (reading,) = front.reading.values()
    assert isinstance(reading, kind)


def test_a_client_that_waits_to_be_asked_is_asked_only_where_its_body_is_wanted(front: Front) -> None:
    expect = ("Expect", "100-continue")
    protocol = Protocol()
    front(Watcher(post(expect, ("Content-Length", "200000")), protocol))
    assert protocol.answered.wait(30)
    assert (413, []) == (protocol.answers[0][0], protocol.futures)
    assert 200 == ask(front, post(expect, ("Content-Length", "8")), BODY)[0]


def test_a_client_that_waits_to_be_asked_is_not_asked_where_its_request_is_wrong(front: Front) -> None:
    protocol = Protocol()
    scope = Scope("POST", "/echo", headers=[("Expect", "100-continue"), ("Content-Length", "8")])
    front(Watcher(scope, protocol))
    assert protocol.answered.wait(30)
    assert (400, []) == (protocol.answers[0][0], protocol.futures)


def test_a_client_that_waits_to_be_asked_is_counted_once(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text(
        "service: {rate_limit: 100/day}\nroutes: [{path: /echo, input: {type: object}, response: hi}]"
    )
    made = Front()
    made.serve(handler_of("routes.yaml"))
    left = [
        dict(ask(made, post(("Expect", "100-continue"), ("Content-Length", "8")), BODY)[1])["RateLimit"]
        for _ in range(2)
    ]
    assert ['"default";r=99;t=86400', '"default";r=98'] == [left[0], left[1].rpartition(";")[0]]


def test_answers_close_their_connections_once_it_drains(front: Front) -> None:
    front.draining = True
    assert ("Connection", "close") in ask(front)[1]


def test_a_failure_is_answered_and_leaves_nothing_in_hand(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Incoming) -> bytes:
        raise ZeroDivisionError

    front.handler = Slow(fail)
    assert (500, [("Connection", "close")], b"") == ask(front)
    assert not front.is_computing()
    assert ["a request failed outside its endpoint"] == [record.message for record in caplog.records]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, BaseException])
def test_whatever_ends_an_answer_leaves_nothing_in_hand(front: Front, error: type[BaseException]) -> None:
    """A panic in a library that is written in Rust is no `Exception`, for example."""

    def fail(_: Incoming) -> bytes:
        raise error

    front.handler = Slow(fail)
    assert (500, [("Connection", "close")], b"") == ask(front)
    assert not front.is_computing()


def test_whatever_ends_a_quick_answer_has_an_answer(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(front.handler, "quick", fail)
    assert (500, [("Connection", "close")], b"") == ask(front, post(("Content-Length", "8")), BODY)


def test_a_refusal_has_its_name_and_its_line_in_the_log(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    front.logs = True
    protocol = Protocol()
    with caplog.at_level(logging.INFO):
        front(Watcher(post(("Content-Length", "10"), ("X-Request-ID", "mine")), protocol))
        (reading,) = front.reading.values()
        reading.stop(End.CROWDED)
    ((status, headers, body),) = protocol.answers
    assert (503, "mine") == (status, dict(headers)["X-Request-ID"])
    (fields,) = [vars(record)["fields"] for record in caplog.records]
    assert ("mine", 503, len(body)) == (fields["request_id"], fields["status"], fields["bytes"])


def test_a_large_answer_that_is_refused_has_its_name_and_its_line_in_the_log(
    front: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    front.logs = True
    monkeypatch.setattr(front, "has_room", lambda _: False)
    with caplog.at_level(logging.INFO):
        status, headers, body = ask(front, Scope(path="/large", headers=[("Host", "x"), ("X-Request-ID", "mine")]))
    assert (503, "mine") == (status, dict(headers)["X-Request-ID"])
    (fields,) = [vars(record)["fields"] for record in caplog.records]
    assert ("mine", 503, len(body)) == (fields["request_id"], fields["status"], fields["bytes"])


def test_a_request_that_cannot_be_read_is_answered(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    scope = Scope()
    scope.client = None
    with caplog.at_level(logging.ERROR):
        assert 500 == ask(front, scope)[0]
    assert ["a request failed before it reached its handler"] == [record.message for record in caplog.records]


@pytest.mark.parametrize(
    ("path", "pieces", "status"),
    [
        ("/echo", [b'{"a"', b": 1}"], 200),
        ("/echo", [b"[1, ", b"2]"], 422),
        ("/echo", [b'{"a"', None], 400),
        ("/nowhere", [b"x"], 404),
        ("/locked", [b"x"], 401),
        ("/" + "x" * 9000, [b"x"], 414),
        ("/nowhere", [b"x" * 102_401], 413),
        ("/nowhere", [b"x", None], 400),
    ],
)
def test_nothing_of_a_request_is_kept(front: Front, path: str, pieces: list[bytes | None], status: int) -> None:
    """Granian's futures keep their callbacks, and exceptions their frames: both could keep a body, and a connection."""
    protocol = Protocol(pieces)
    gone = weakref.ref(protocol)
    gc.collect()
    gc.disable()
    try:
        front(Watcher(post(CHUNKED, path=path), protocol))
        assert protocol.answered.wait(30)
        assert [status] == [found for found, _, _ in protocol.answers]
        del protocol
        deadline = time.monotonic() + 10  # the thread that answered has its frames for a moment
        while gone() is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert gone() is None
    finally:
        gc.enable()


def test_a_fixed_body_is_sent_from_one_place_in_memory(front: Front) -> None:
    paths: list[str] = []

    class Recording(Protocol):
        def response_file(self, status: int, headers: Headers, path: str) -> None:
            paths.append(path)
            super().response_file(status, headers, path)

    for _ in range(2):
        protocol = Recording([])
        front(Watcher(Scope(path="/large"), protocol))
        assert protocol.answered.wait(30)
        status, headers, body = protocol.answers[0]
        assert (200, str(LARGE + 1), b"x" * (LARGE + 1)) == (status, dict(headers)["Content-Length"], body)
    assert 1 == len(set(paths))


def test_large_answers_that_nobody_reads_are_not_piled_up(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_module, "MOST_BYTES", 3 * LARGE)
    front.handler = Slow(lambda _: b"y" * (LARGE + 1))
    asked: list[bool] = []
    front.make_room = lambda: asked.append(True)

    def answer(client: str) -> int:
        scope = Scope()
        scope.client = client
        return ask(front, scope)[0]

    assert [201, 201, 503] == [answer(f"127.0.0.1:{port}") for port in range(3)]
    assert [True] == asked
    front.make_room = front.writing.clear
    assert 201 == answer("127.0.0.1:9")


@pytest.fixture
def held() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_what_takes_time_does_not_keep_others_waiting(front: Front, held: threading.Event) -> None:
    """As many slow requests as there are threads leave the quick ones alone, health checks among them."""
    handler = front.handler
    front.handler = Slow(lambda _: b"" if held.wait(30) else b"late")
    for _ in range(600):
        front(Watcher(Scope(), Protocol([])))
    front.handler = handler
    for path in ("/", "/livez", "/readyz"):
        protocol = Protocol([])
        front(Watcher(Scope(path=path), protocol))
        assert 200 == protocol.answers[0][0]
