"""Delays and failures through a real server: what clients see, what waits, and what ends a wait."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.handling import build_handler
from engine.models import compile_models
from engine.server.http import Front, Size, Threads, Watch, start_granian, stop_signal
from engine.server.http.waits import Wait, Waits
from engine.spec import load_spec

PLACES = 300
SPEC = """
routes:
  - {path: /quick, response: quick}
  - {path: /long, response: {text: before}, delay: 60s}
  - {path: /one, response: {text: one}, delay: 60s, limits: {concurrent: 1}}
  - {path: /soon, response: {text: soon}, delay: 200ms}
  - {path: /reset, response: never, fail: reset}
  - {path: /timeout, response: never, fail: timeout, for: 200ms}
  - {path: /held, response: never, fail: timeout, for: 60s}
  - {path: /both, response: never, delay: 100ms, fail: timeout, for: 100ms}
  - {path: /checked, input: {type: object}, response: {json: {}}, delay: 60s}
  - {path: /large, response: {file: large.txt}, delay: 100ms}
"""
LARGE = b"x" * 3_000_000


class Running:
    """A server in threads of this process, of which few answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.front = Front(Threads(2), logs=True)
        self.serve(SPEC)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=PLACES)
        self._signal = stop_signal()
        self._clients: list[socket.socket] = []
        Watch(self.front, self._listener, PLACES, self.front.handler.meter).start()
        self._given = self._listener.dup()
        start_granian(1, self._given, self.front, self._signal, Size(PLACES, 65536))

    def serve(self, text: str) -> None:
        (self._folder / "routes.yaml").write_text(text)
        (self._folder / "large.txt").write_bytes(LARGE)
        spec = load_spec(self._folder / "routes.yaml")
        self.front.serve(build_handler(spec, compile_models(spec)))

    def send(self, path: str, method: str = "GET", more: str = "", times: int = 1) -> socket.socket:
        client = socket.create_connection(self._listener.getsockname(), timeout=30)
        self._clients.append(client)
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode() * times)
        return client

    def ask(self, path: str, method: str = "GET", more: str = "") -> tuple[int, dict[str, str], bytes]:
        return answer_to(self.send(path, method, more), method)

    def wait_for(self, count: int) -> None:
        """Wait until so many requests are in flight."""
        wait_until(lambda: self.front.in_flight() == count)

    def counted(self, path: str) -> dict[int, int]:
        """How many requests to a path were counted, by status."""
        numbers = self.front.handler.meter.numbers()
        return {status: sum(tally.counts) for (rule, _, status), tally in numbers.requests.items() if rule == path}

    def injected(self) -> dict[str, int]:
        events = self.front.handler.meter.numbers().events
        return {kind: count for (event, kind), count in events.items() if event == "faults"}

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.front.waits.end()
        self._signal.set()
        self._given.detach()  # Granian closes it
        self._listener.close()


def answer_to(client: socket.socket, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    answer = http.client.HTTPResponse(client, method=method)
    answer.begin()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def wait_until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


def test_a_reset_is_what_the_client_sees(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        client = server.send("/reset")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        wait_until(lambda: server.counted("/reset"))
    assert ({444: 1}, {"reset": 1}) == (server.counted("/reset"), server.injected())
    (line,) = [vars(record)["fields"] for record in caplog.records if record.name == "engine.requests"]
    assert (444, 0, "reset") == (line["status"], line["bytes"], line["fault"])
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(("path", "kinds"), [("/timeout", {"timeout": 1}), ("/both", {"delay": 1, "timeout": 1})])
def test_a_timeout_closes_the_connection_without_a_byte(server: Running, path: str, kinds: dict[str, int]) -> None:
    began = time.monotonic()
    assert b"" == server.send(path).recv(1)
    assert time.monotonic() - began >= 0.2  # a bound that no slow machine can break
    wait_until(lambda: server.counted(path))
    assert ({444: 1}, kinds) == (server.counted(path), server.injected())


def test_a_delayed_answer_is_the_answer(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "engine.requests"):
        began = time.monotonic()
        status, headers, body = server.ask("/soon", more="X-Request-ID: a\r\n")
        assert time.monotonic() - began >= 0.2
        assert (200, "a", b"soon") == (status, headers["x-request-id"], body)
        wait_until(lambda: caplog.records)
    assert ({200: 1}, {"delay": 1}) == (server.counted("/soon"), server.injected())
    (line,) = [vars(record)["fields"] for record in caplog.records]
    assert (200, "delay", True) == (line["status"], line["fault"], line["seconds"] >= 0.2)


def test_a_large_answer_is_delayed_as_a_whole(server: Running) -> None:
    assert (200, LARGE) == server.ask("/large")[::2]


def test_requests_that_wait_hold_no_thread(server: Running) -> None:
    """There are 200 of them, and two threads that answer."""
    others = count_threads()  # of servers that other tests have stopped
    clients = [server.send("/long") for _ in range(200)]
    server.wait_for(200)
    assert 1 == count_threads() - others
    assert b"quick" == server.ask("/quick")[2]
    assert {} == server.counted("/long")
    server.front.waits.end()
    assert {(200, b"before")} == {answer_to(client)[::2] for client in clients}
    wait_until(lambda: server.counted("/long") == {200: 200})


def count_threads() -> int:
    return sum(thread.name == "waits" for thread in threading.enumerate())


def test_a_stop_ends_every_wait_and_those_of_later_requests(server: Running) -> None:
    delayed, held = server.send("/long"), server.send("/held")
    server.wait_for(2)
    server.front.waits.end()
    assert (200, b"before") == answer_to(delayed)[::2]
    assert b"" == held.recv(1)
    assert (200, b"before") == server.ask("/long")[::2]
    assert b"" == server.send("/held").recv(1)
    server.wait_for(0)


def test_a_reload_changes_no_answer_that_waits(server: Running) -> None:
    client = server.send("/long")
    server.wait_for(1)
    server.serve("routes: [{path: /long, response: {text: after}}]")
    assert b"after" == server.ask("/long")[2]
    server.front.waits.end()
    assert b"before" == answer_to(client)[2]


def test_a_request_beyond_the_limit_is_refused_at_once_and_one_that_leaves_makes_room(server: Running) -> None:
    first = server.send("/one")
    server.wait_for(1)
    status, headers, body = server.ask("/one")
    assert (503, "1") == (status, headers["retry-after"])
    assert "the service is at its limit of concurrent requests" == json.loads(body)["detail"]
    first.close()
    wait_until(lambda: server.counted("/one") == {503: 1, 499: 1})
    second = server.send("/one")
    server.wait_for(1)
    server.front.waits.end()
    assert b"one" == answer_to(second)[2]


def test_a_client_that_leaves_unread_requests_behind_makes_room_too(server: Running) -> None:
    """The server does not read on behind a request that waits, and so does not see the end."""
    client = server.send("/one", times=3)
    server.wait_for(1)
    client.close()
    wait_until(lambda: server.counted("/one") == {499: 1})
    server.wait_for(0)


def test_requests_behind_one_that_waits_are_answered_in_their_order(server: Running) -> None:
    client = server.send("/soon", times=3)
    answers = [answer_to(client)[2] for _ in range(3)]
    assert [b"soon"] * 3 == answers
    wait_until(lambda: server.counted("/soon") == {200: 3})


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("OPTIONS", "/long", "", 200),
        ("POST", "/long", "Content-Length: 0\r\n", 405),
        ("GET", "/none", "", 404),
        ("POST", "/checked", "Content-Length: 99999999\r\n", 413),
        ("GET", "/metrics", "", 200),
    ],
)
def test_what_no_endpoint_of_the_spec_answers_is_not_delayed(
    server: Running, method: str, path: str, more: str, status: int
) -> None:
    assert status == server.ask(path, method, more)[0]
    assert {} == server.injected()


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("HEAD", "/long", "", 200),
        ("POST", "/checked", "Content-Length: 0\r\n", 400),
        ("POST", "/checked", "Content-Length: 0\r\nExpect: 100-continue\r\n", 400),
        ("POST", "/checked", "Content-Length: 2\r\n\r\n[]", 422),
    ],
)
def test_errors_of_an_endpoint_are_delayed_as_its_answers_are(
    server: Running, method: str, path: str, more: str, status: int
) -> None:
    client = server.send(path, method, more)
    wait_until(lambda: server.injected() == {"delay": 1})
    assert {} == server.counted(path)
    server.front.waits.end()
    assert status == answer_to(client, method)[0]


def test_bodies_of_requests_that_wait_are_freed(server: Running) -> None:
    body = b'{"a": "' + b"x" * 100_000 + b'"}'
    clients = [server.send("/checked", "POST", f"Content-Length: {len(body)}\r\n") for _ in range(10)]
    for client in clients:
        client.sendall(body)
    wait_until(lambda: server.injected() == {"delay": 10})
    wait_until(lambda: server.front.held._bytes == 0)
    server.front.waits.end()
    assert {200} == {answer_to(client)[0] for client in clients}


class Waiting:
    """A wait that notes how it ended."""

    def __init__(self, seconds: float, client: str = "") -> None:
        self.ended: list[bool] = []
        self.wait = Wait(client, seconds, self._end)

    def _end(self, *, is_gone: bool) -> None:
        self.ended.append(is_gone)


def test_waits_end_in_the_order_in_which_they_are_due() -> None:
    waits, order, done = Waits(), list[int](), threading.Event()

    def note(number: int) -> Callable[..., None]:
        def go_on(*, is_gone: bool) -> None:  # noqa: ARG001
            order.append(number)
            if number == 40:
                done.set()

        return go_on

    with contextlib.ExitStack() as stack:
        stack.callback(waits.end)
        for number in (6000, 20, 40, 1):  # the thread waits for the first of them already
            waits.add(Wait("", number / 100, note(number)))
        assert done.wait(30)
        assert [1, 20, 40] == order
    assert [1, 20, 40, 6000] == order


def test_a_wait_ends_once() -> None:
    one = Waiting(60)
    one.wait.leave(None, context=None)
    one.wait.end()
    assert [True] == one.ended


def test_waits_that_are_over_are_not_kept_for_long() -> None:
    waits = Waits()
    for _ in range(5000):
        one = Waiting(60)
        waits.add(one.wait)
        one.wait.leave()
    assert len(waits._heap) <= 64
    waits.end()


def test_a_failure_after_a_wait_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def fail(**_: Any) -> None:
        raise ZeroDivisionError

    waits, one = Waits(), Waiting(0.1)
    waits.add(Wait("", 0.05, fail))
    waits.add(one.wait)
    wait_until(lambda: one.ended)
    assert ["a delayed request failed"] == [record.message for record in caplog.records]


def test_without_room_for_a_thread_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    waits, one = Waits(), Waiting(60)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        waits.add(one.wait)
    assert [False] == one.ended
