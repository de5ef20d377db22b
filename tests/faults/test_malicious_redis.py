"""A Redis server that answers anything: requests are let through or refused, in bounded time and memory."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flask
import pytest

from engine.endpoints.guards import rates

Behaviour = Callable[[socket.socket], None]
AppOf = Callable[..., flask.Flask]

# A request may wait once for all that it asks of the storage, and this machine may be busy.
MOST_SECONDS = rates.WHOLE_SECONDS + rates.TIMEOUT_SECONDS + 3.0
MOST_MIB = 16


def says(*answers: bytes) -> Behaviour:
    """Give these answers to whatever is asked."""

    def behave(client: socket.socket) -> None:
        while client.recv(65536):
            client.sendall(b"".join(answers))

    return behave


def never_ends(first: bytes, then: bytes) -> Behaviour:
    def behave(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(first)
        while True:
            client.sendall(then)

    return behave


def dribbles(text: bytes) -> Behaviour:
    def behave(client: socket.socket) -> None:
        client.recv(65536)
        while True:
            for byte in text:
                client.sendall(bytes([byte]))
                time.sleep(0.2)

    return behave


def counts(count: bytes, left: bytes, delay: float = 0.0) -> Behaviour:
    """Be a proper Redis server up to the answers that matter."""

    def behave(client: socket.socket) -> None:
        while asked := client.recv(65536):
            fine = b"+OK\r\n" * (asked.count(b"\r\n*") + (b"HELLO" not in asked))
            time.sleep(delay)
            client.sendall(
                count if b"EVALSHA" in asked
                else left if b"TTL" in asked
                else b"%1\r\n+proto\r\n:3\r\n" + fine if b"HELLO" in asked
                else fine
            )  # fmt: skip

    return behave


FAILS = {
    "garbage": says(b"\x00\xff\x13garbage\r\n" * 10),
    "no line": says(b"\x00" * 100),
    "closes": lambda _: None,
    "is silent": lambda client: client.recv(65536) and time.sleep(2 * MOST_SECONDS),
    "an endless line": never_ends(b"+", b"x" * 65536),
    "an endless string": never_ends(b"$2000000000\r\n", b"x" * 65536),
    "an endless list": never_ends(b"*2000000000\r\n", b":1\r\n" * 10_000),
    "endless nesting": never_ends(b"", b"*1\r\n" * 10_000),
    "endless errors": never_ends(b"", b"-ERR no\r\n" * 5000),
    "endless news": never_ends(b"", b">1\r\n+x\r\n" * 5000),
    "a length beyond all": says(b"$999999999999999999\r\n"),
    "a negative length": says(b"$-5\r\n"),
    "dribbles a line": dribbles(b"+OKOKOKOK"),
    "dribbles answers": dribbles(b"+OK\r\n"),
    "is loading": says(b"-LOADING x\r\n"),
    "has moved": says(b"-MOVED 1 127.0.0.1:1\r\n"),
    "an error": counts(b"-ERR x\r\n", b":1\r\n"),
    "a text": counts(b"$3\r\nabc\r\n", b":1\r\n"),
    "a list": counts(b"*1\r\n:1\r\n", b":1\r\n"),
    "a map": counts(b"%1\r\n+a\r\n:1\r\n", b":1\r\n"),
    "null": counts(b"_\r\n", b":1\r\n"),
    "a negative count": counts(b":-100\r\n", b":1\r\n"),
    "an infinite count": counts(b",inf\r\n", b":1\r\n"),
    "a number of 100,000 digits": counts(b":" + b"9" * 100_000 + b"\r\n", b":1\r\n"),
    "a time as text": counts(b":1\r\n", b"$1\r\n5\r\n"),
    "a time that is not a number": counts(b":1\r\n", b",nan\r\n"),
    "a time without end": counts(b":1\r\n", b",inf\r\n"),
}
COUNTS = {
    "right": (counts(b":1\r\n", b":5\r\n"), 200, 5),
    "a count as text": (counts(b"$1\r\n7\r\n", b":5\r\n"), 200, 5),
    "no time left": (counts(b":1\r\n", b":-2\r\n"), 200, 1),
    "a number beyond all": (counts(b":" + b"9" * 30 + b"\r\n", b":" + b"9" * 30 + b"\r\n"), 429, 3600),
}


@contextlib.contextmanager
def redis_that(behave: Behaviour) -> Iterator[str]:
    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            behave(client)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"


def spec(storage: str, failure: str) -> str:
    rate = f"{{limit: 20/hour, storage: '{storage}', on_storage_failure: {failure}}}"
    return f"service: {{title: T, rate_limit: {rate}}}\nroutes: [{{path: /, response: hi}}]"


def peak() -> float:
    """The most memory that this process has had since it was last asked, in MiB."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.parametrize("behave", FAILS.values(), ids=FAILS.keys())
def test_an_answer_that_is_none_is_a_failure(behave: Behaviour, app_of: AppOf) -> None:
    with redis_that(behave) as url:
        allows, refuses = (app_of(spec(url, failure)).test_client() for failure in ("allow", "refuse"))
        peak()
        before = peak()
        for client, status in ((allows, 200), (refuses, 503)):
            began = time.monotonic()
            assert status == client.get("/").status_code
            assert time.monotonic() - began < MOST_SECONDS
    assert peak() - before < MOST_MIB


@pytest.mark.parametrize(("behave", "status", "wait"), COUNTS.values(), ids=COUNTS.keys())
def test_a_count_is_taken(behave: Behaviour, status: int, wait: int, app_of: AppOf) -> None:
    with redis_that(behave) as url:
        answer = app_of(spec(url, "refuse")).test_client().get("/")
    assert (status, wait) == (answer.status_code, int(answer.headers["RateLimit"].rpartition("=")[2]))


def test_as_many_requests_as_a_worker_has_may_wait_for_a_slow_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIMEOUT_SECONDS", "WHOLE_SECONDS"):
        monkeypatch.setattr(rates, name, 60.0)  # this machine may be slow too
    with redis_that(counts(b":1\r\n", b":5\r\n", delay=0.1)) as url, ThreadPoolExecutor(150) as threads:
        storage = rates.Redis(url)
        assert {(1, 5.0)} == {*threads.map(lambda _: storage.count("a", 60), range(150))}


def test_the_clock_of_this_machine_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10**9, 10**12, 10**6))
    with redis_that(counts(b":1\r\n", b":5\r\n")) as url:
        storage = rates.Redis(url)
        monkeypatch.setattr(time, "time", lambda: next(now))
        assert (1, 5.0) == storage.count("a", 60)
