"""The front of a worker, without a socket: what Granian calls, and what an app is given."""

from __future__ import annotations

import io
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from engine.server import is_loopback, worker
from engine.server.snapshot import Source, check
from engine.server.worker import Follower, Front

Headers = list[tuple[str, str]]


class Protocol:
    """What Granian takes an answer by."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Headers, bytes]] = []

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        self.answers.append((status, headers, body))


def ask(front: Front, **scope: Any) -> tuple[int, Headers, bytes]:
    protocol = Protocol()
    front(protocol, {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": io.BytesIO(b"body"), **scope})
    (answer,) = protocol.answers
    return answer


def hello(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("201 Created", [("X", "y")])
    return [b"hel", b"lo"]


def test_an_answer_is_handed_over_whole() -> None:
    front = Front()
    front.app = hello
    assert (201, [("X", "y")], b"hello") == ask(front)


def test_an_answer_that_must_be_closed_is() -> None:
    closed: list[bool] = []

    class Answer(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Answer([b"x"])

    front = Front()
    front.app = app
    assert (b"x", [True]) == (ask(front)[2], closed)


def test_an_environ_has_nothing_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the process's environment is no header of a request."""
    monkeypatch.setenv("HTTP_X_FORWARDED_FOR", "9.9.9.9")
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.update(environ)
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(2), environ["wsgi.input"].readline()]

    front = Front()
    front.app = app
    assert b"body" == ask(front, CONTENT_LENGTH="4")[2]
    assert "HTTP_X_FORWARDED_FOR" not in seen


def test_answers_close_their_connections_once_it_drains() -> None:
    front = Front()
    front.app = hello
    front.draining = True
    assert [("X", "y"), ("Connection", "close")] == ask(front)[1]


def test_who_waits_for_a_body_does_not_compute() -> None:
    """A stop waits for what is computed, not for a body that does not come."""
    states: list[bool] = []
    front = Front()

    class Body:
        def read(self, _: int) -> bytes:
            states.append(front.is_computing())
            return b""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        states.append(front.is_computing())
        environ["wsgi.input"].read(10)
        states.append(front.is_computing())
        start_response("200 OK", [])
        return []

    front.app = app
    ask(front, **{"wsgi.input": Body(), "CONTENT_LENGTH": "10"})
    assert [True, False, True] == states
    assert not front.is_computing()


def test_a_failure_leaves_nothing_in_hand() -> None:
    def app(*_: Any) -> Iterable[bytes]:
        raise ZeroDivisionError

    front = Front()
    front.app = app
    with pytest.raises(ZeroDivisionError):
        ask(front)
    assert not front.is_computing()


def test_a_full_worker_says_so_once_a_minute(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(worker, "CONNECTIONS", 2)
    inside, leave = threading.Semaphore(0), threading.Event()

    def app(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        inside.release()
        assert leave.wait(30)
        start_response("200 OK", [])
        return []

    front = Front()
    front.app = app
    threads = [threading.Thread(target=ask, args=[front]) for _ in range(3)]
    with caplog.at_level(logging.WARNING):
        for thread in threads:
            thread.start()
            assert inside.acquire(timeout=30)
        leave.set()
        for thread in threads:
            thread.join()
    expected = "this worker is full: it answers 2 requests at once, and others wait to be accepted"
    assert [expected] == [record.message for record in caplog.records]


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("no such host", False),
    ],
)
def test_which_addresses_are_this_machines_alone(host: str, alone: bool) -> None:
    assert alone == is_loopback(host)


@pytest.fixture
def follower(spec_folder: Path) -> Iterator[tuple[Connection, Follower, Front]]:
    """A worker's follower, and its supervisor's end of their channel."""
    (spec_folder / "routes.yaml").write_text(ROUTES % "one")
    (spec_folder / "models.yaml").write_text((ROOT / "models.yaml").read_text())
    ours, theirs = multiprocessing.Pipe()
    front = Front()
    follows = Follower(theirs, front, lambda: None)
    follows._leave = lambda: None  # it would end this process
    yield ours, follows, front
    ours.close()


ROUTES = "routes: [{path: /, response: {text: %s}}, {path: /predict, model: iris}]"


def snapshot() -> bytes:
    payload = check(Source("routes.yaml", None)).snapshot
    assert payload is not None
    return payload


def hear(channel: Connection) -> tuple[str, Any]:
    """What a worker says, but that it is alive."""
    while (message := channel.recv()) == ("alive", None):
        pass
    return message


def test_a_generation_takes_the_place_of_the_one_before(
    follower: tuple[Connection, Follower, Front], spec_folder: Path
) -> None:
    """A model that has not changed is not loaded again; an older generation is not taken."""
    ours, follows, front = follower
    first = snapshot()
    ours.send(("status", {"generation": 1}))
    ours.send(("generation", (1, first)))
    assert 64 * 1024 == follows.begin()
    assert [("loads", None), ("serves", 1)] == [hear(ours), hear(ours)]
    get = {"QUERY_STRING": "", "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    assert b"one" == ask(front, **get)[2]
    predictors = [*follows._predictors.values()]
    (spec_folder / "routes.yaml").write_text(ROUTES % "two")
    ours.send(("generation", (2, snapshot())))
    assert [("loads", None), ("serves", 2)] == [hear(ours), hear(ours)]
    assert b"two" == ask(front, **get)[2]
    assert [True] == [now is before for now, before in zip(follows._predictors.values(), predictors, strict=True)]
    ours.send(("generation", (1, first)))
    ours.send(("generation", (3, b"no snapshot")))
    assert ("loads", None) == hear(ours)
    word, (number, why) = hear(ours)
    assert ("failed", 3, True) == (word, number, why.startswith("UnpicklingError: "))
    assert b"two" == ask(front, **get)[2]
    assert {"generation": 1} == follows.status().document


def test_a_worker_says_that_it_is_alive_from_a_thread_of_its_own(follower: tuple[Connection, Follower, Front]) -> None:
    ours, follows, _ = follower
    ours.send(("generation", (1, snapshot())))
    follows.begin()
    heard: list[str] = []
    while heard.count("alive") < 3:
        assert ours.poll(30)
        heard.append(ours.recv()[0])


def test_a_worker_drains_when_its_supervisor_says_so_or_is_gone(
    follower: tuple[Connection, Follower, Front], spec_folder: Path
) -> None:
    ours, follows, front = follower
    assert spec_folder.exists()
    ours.send(("generation", (1, snapshot())))
    follows.begin()
    assert follows.status().ready
    ours.send(("drain", None))
    deadline = time.monotonic() + 30
    while follows.status().ready and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not follows.status().ready
    stopped = threading.Event()
    follows._stop = stopped.set
    ours.close()
    assert stopped.wait(30)
    assert front.draining
