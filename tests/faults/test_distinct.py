"""Everything that clients choose is different in each request: a worker remembers a bounded number of any of it."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import flask
import pytest
from granian_door import Headers, Protocol, Scope
from serving import status_of

from engine.endpoints.guards import client, guard, rates
from engine.server.http import Front

AppOf = Callable[..., flask.Flask]
KEY = "k" * 40
SPEC = """service:
  proxies: 1
  rate_limit: 1000000/hour
  cors: {origins: ['https://a.example']}
  auth: {required: false, api_keys: [{name: a, env: KEY}]}
routes:
  - {path: /, response: hi}
  - {path: '/p/<name>/<path:rest>', response: {text: 'x ${path.name}'}}
  - {path: /q, methods: [POST], input: {type: object}, response: hi}
"""
# Header names are remembered up to 1,000, hosts to 100, and addresses here to 100.
WARM_UP = {"header name": 1100, "address": 500}
COUNT, REST = 200, 120
SHORT = ("path", "parameter", "header name", "bearer", "address", "method", "host", "content type")
# An entry of a dictionary that is never dropped has 100 bytes and more.
MOST_BYTES_EACH = 50
JSON = ("Content-Type", "application/json")
KINDS: dict[str, Callable[[int], tuple[Scope, bytes | None]]] = {
    "path": lambda i: get(f"/x{i}/y"),
    "parameter": lambda i: get(f"/p/n{i}/r{i}"),
    "query": lambda i: get("/", query=f"q{i}={i}"),
    "header name": lambda i: get("/", (f"X-N{i}", "1")),
    "header values": lambda i: get("/", *((name, f"{name} {i}") for name in ("Cookie", "User-Agent", "Accept"))),
    "origin": lambda i: get("/", ("Origin", f"https://h{i}.example")),
    "etag": lambda i: get("/", ("If-None-Match", f'"{i}"')),
    "key": lambda i: get("/", ("X-API-Key", f"{i:040}")),
    "bearer": lambda i: get("/", ("Authorization", f"Bearer {i:040}")),
    "address": lambda i: get("/", ("X-Forwarded-For", f"2001:db8:{i >> 16:x}:{i & 65535:x}::1")),
    "method": lambda i: (Scope(f"M{i}", "/"), None),
    "host": lambda i: (Scope("GET", "/", headers=[("Host", f"h{i}.example")]), None),
    "request id": lambda i: get("/no", ("X-Request-ID", f"r{i}"), ("traceparent", f"00-{i + 1:032x}-{1:016x}-01")),
    "content type": lambda i: post(0, ("Content-Type", f"application/x{i}; charset=c{i}")),
    "content coding": lambda i: post(0, JSON, ("Content-Encoding", f"x{i}")),
    "transfer coding": lambda i: (get("/", ("Transfer-Encoding", f"x{i}"))[0], b""),
    "JSON": lambda i: post(i, JSON),
}


def get(path: str, *headers: tuple[str, str], query: str = "") -> tuple[Scope, None]:
    return Scope("GET", path, query, [("Host", "x"), *headers]), None


def post(number: int, *headers: tuple[str, str]) -> tuple[Scope, bytes]:
    body = b'{"a%d": %d, "b": "s%d"}' % (number, number, number)
    sent: Headers = [("Host", "x"), ("Content-Length", str(len(body))), *headers]
    return Scope("POST", "/q", "", sent), body


class AtOnce:
    """Threads that do a job where it is given."""

    def run(self, job: Callable[..., object], *arguments: object) -> None:
        job(*arguments)


class Silent:
    """A log that nobody reads."""

    def info(self, *_: object, **__: object) -> None:
        pass


@pytest.fixture
def front(app_of: AppOf, monkeypatch: pytest.MonkeyPatch) -> Front:
    """What a worker answers with; it logs its requests."""
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setattr("engine.server.logs.request_logger", Silent())
    found = Front(AtOnce(), logs=True)
    found.serve(app_of(SPEC).handler)
    return found


def ask(front: Front, kind: str, numbers: range) -> None:
    for number in numbers:
        scope, body = KINDS[kind](number)
        protocol = Protocol(None if body is None else [body])
        front(Watcher(protocol, scope))
        assert 1 == len(protocol.answers)


class Watcher:
    def __init__(self, proto: Protocol, scope: Scope) -> None:
        self.proto = proto
        self.scope = scope


@pytest.mark.parametrize("kind", SHORT)
def test_nothing_that_clients_choose_piles_up(kind: str, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_WINDOWS", 100)
    for module, name in ((client, "_plain"), (guard, "holder")):
        monkeypatch.setattr(module, name, lru_cache(maxsize=100)(getattr(module, name).__wrapped__))
    warm_up = WARM_UP.get(kind, REST)
    tracemalloc.start()
    try:
        ask(front, kind, range(warm_up))
        sizes = [traced(front)]
        for begin in range(warm_up, warm_up + 3 * COUNT, COUNT):
            ask(front, kind, range(begin, begin + COUNT))
            sizes.append(traced(front))
    finally:
        tracemalloc.stop()
    # What piles up does so every time; a dictionary that grows does so once.
    assert min(after - before for before, after in pairwise(sizes)) / COUNT < MOST_BYTES_EACH


def traced(front: Front) -> int:
    """The memory that is in use once all that is counted is counted, and no garbage is left."""
    front.handler.meter.numbers()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_200_000_of_each(kind: str, front: Front) -> None:
    """Rates in memory may keep as many windows, each of an address with less than 512 bytes."""
    ask(front, kind, range(5000))
    gc.collect()
    before = status_of(os.getpid(), "VmRSS")
    ask(front, kind, range(5000, 205_000))
    gc.collect()
    grown = (status_of(os.getpid(), "VmRSS") - before) / 1024
    assert grown < (100 if kind == "address" else 8)
