"""Answers that are sent piece by piece, through a real server: nothing makes one today, but endpoints may."""

from __future__ import annotations

import http.client
import itertools
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.endpoints import Endpoint, Guards, Meter, Mounted, Request, Response
from engine.flask_app import App
from engine.handling import Handler
from engine.server.http import Front, Size, Watch, start_granian, stop_signal
from engine.spec import load_spec

TEXT = (("Content-Type", "text/plain"),)


class Pieces(Endpoint):
    """Answers with what `make` makes."""

    def __init__(self, make: Callable[[], Iterable[bytes]]) -> None:
        self._make = make

    def __call__(self, _: Request) -> Response:
        return Response(200, TEXT, self._make())


class Running:
    """A server of one endpoint, in threads of this process."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.front = Front(logs=True)
        self.front.serve(handler)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._signal = stop_signal()
        self._clients: list[http.client.HTTPConnection] = []
        self._answers: list[http.client.HTTPResponse] = []
        Watch(self.front, self._listener, 32, handler.meter).start()
        self._given = self._listener.dup()
        start_granian(1, self._given, self.front, self._signal, Size(32, 65536))

    def ask(self, method: str = "GET") -> http.client.HTTPResponse:
        client = http.client.HTTPConnection(*self._listener.getsockname(), timeout=30)
        self._clients.append(client)
        client.request(method, "/")
        self._answers.append(client.getresponse())
        return self._answers[-1]

    def leave(self) -> None:
        for one in (*self._answers, *self._clients):
            one.close()

    def stop(self) -> None:
        self.leave()
        self._signal.set()
        self._given.detach()  # Granian closes it
        self._listener.close()


def handler_of(make: Callable[[], Iterable[bytes]], folder: Path) -> Handler:
    (folder / "routes.yaml").write_text("routes: [{path: /, response: replaced}]")
    spec, meter = load_spec(folder / "routes.yaml"), Meter()
    guards = Guards(spec.service, spec.routes, meter)
    return Handler(spec, [Mounted(spec.routes[0], Pieces(make), guards.routes[0])], guards, meter)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[Callable[[], Iterable[bytes]]], Running]]:
    started: list[Running] = []

    def start(make: Callable[[], Iterable[bytes]]) -> Running:
        started.append(Running(handler_of(make, tmp_path)))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def wait_until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def counted(handler: Handler) -> int:
    return sum(sum(tally.counts) for tally in handler.meter.numbers().requests.values())


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record)["fields"] for record in caplog.records if record.name == "engine.requests"]


def test_each_piece_arrives_before_the_next_one_is_made(
    served: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    read = threading.Event()

    def make() -> Iterator[bytes]:
        yield b"first"
        yield b""
        assert read.wait(30)
        yield b"second"

    with caplog.at_level(logging.INFO, "engine.requests"):
        server = served(make)
        answer = server.ask()
        assert (200, "chunked", None) == (
            answer.status,
            answer.headers["Transfer-Encoding"],
            answer.headers["Content-Length"],
        )
        assert b"first" == answer.read(5)
        assert (1, 0) == (server.front.in_flight(), counted(server.handler))
        read.set()
        assert b"second" == answer.read()
        wait_until(lambda: logged(caplog))
    assert (0, 1) == (server.front.in_flight(), counted(server.handler))
    assert [11] == [fields["bytes"] for fields in logged(caplog)]


def test_a_client_that_leaves_ends_what_is_made_for_it(served: Callable[..., Running]) -> None:
    closed = threading.Event()

    def make() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 10_000
        finally:
            closed.set()

    server = served(make)
    server.ask().read(5)
    server.leave()
    assert closed.wait(30)
    wait_until(lambda: not server.front.in_flight())
    assert 1 == counted(server.handler)


def test_no_more_is_made_than_the_client_reads(served: Callable[..., Running]) -> None:
    """What fits into the buffers of a connection is a few megabytes at most."""
    numbers = itertools.count()
    made: list[int] = []

    def make() -> Iterator[bytes]:
        while True:
            made.append(next(numbers))
            yield b"x" * 64 * 1024

    server = served(make)
    answer = server.ask()
    before = -1
    while before < len(made):
        before = len(made)
        time.sleep(0.3)
    assert len(made) < 200
    answer.read(64 * 1024 * (len(made) + 1))
    wait_until(lambda: len(made) > before)


def test_an_answer_that_fails_in_the_middle_does_not_look_whole(
    served: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    read = threading.Event()

    def make() -> Iterator[bytes]:
        yield b"first"
        assert read.wait(30)
        raise ZeroDivisionError

    server = served(make)
    answer = server.ask()
    assert b"first" == answer.read(5)
    read.set()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    wait_until(lambda: not server.front.in_flight())
    assert "an answer failed after its beginning was sent" in caplog.messages


def test_head_makes_nothing(served: Callable[..., Running]) -> None:
    closed = threading.Event()

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            raise AssertionError

        def close(self) -> None:
            closed.set()

    answer = served(Body).ask("HEAD")
    assert (200, b"", "text/plain") == (answer.status, answer.read(), answer.headers["Content-Type"])
    assert closed.is_set()


def test_the_flask_app_sends_pieces_too(tmp_path: Path) -> None:
    made: list[bytes] = []

    def make() -> Iterator[bytes]:
        for piece in (b"first", b"second"):
            made.append(piece)
            yield piece

    app = App(handler_of(make, tmp_path))
    answer = app.test_client().get("/", buffered=False)
    pieces = answer.iter_encoded()
    assert (b"first", [b"first"], 0) == (next(pieces), made, counted(app.handler))
    assert [b"second"] == [*pieces]
    answer.close()
    assert 1 == counted(app.handler)
