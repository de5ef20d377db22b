"""What numbers, guards and logs cost a request: the engine's own Python between the HTTP server and the answer, timed.

python benchmarks/costs.py: no server and no network; each kind in turn, many rounds, the quickest of each.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import Any

from engine import create_app
from engine.endpoints import Meter
from engine.server.logs import JsonFormatter, RequestLog, TextFormatter
from engine.server.worker import ENVIRON, Front
from engine.web import Lane

ROUTES = "service: {%s}\nroutes: [{path: /hello, response: {json: {hello: world}}}]\n"
REQUEST = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/hello",
    "QUERY_STRING": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "127.0.0.1:5000",
    "HTTP_ACCEPT": "*/*",
    "HTTP_USER_AGENT": "wrk",
}
ROUNDS, REQUESTS = 40, 2_000


class Answered:
    """Takes the answers, as Granian would."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Take one."""
        if status != HTTPStatus.OK:
            raise SystemExit(f"the answer was {status}: {body.decode()} {headers}")


def costs() -> list[tuple[str, float]]:
    """Measure what each kind costs, in microseconds a request; the first is a request with its numbers and no more."""
    key = secrets.token_hex(24)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "keys.sha256").write_text(hashlib.sha256(key.encode()).hexdigest() + "\n")

        def front(service: str = "", log: RequestLog | None = None) -> Front:
            (folder / "routes.yaml").write_text(ROUTES % service)
            made = Front(log)
            made.app = Lane(create_app(folder / "routes.yaml"), ENVIRON)
            return made

        kinds: dict[str, tuple[Front, dict[str, str]]] = {
            "a request to a static route, counted": (front(), {}),
            "an API key, looked up": (
                front("auth: {api_keys: [{name: ci, file: keys.sha256}]}"),
                {"HTTP_X_API_KEY": key},
            ),
            "CORS, with an origin": (
                front("cors: {origins: [https://app.example.com]}"),
                {"HTTP_ORIGIN": "https://app.example.com"},
            ),
            "a rate, counted in memory": (front("rate_limit: 900000000/day"), {}),
            "a request id that a client sends": (front(), {"HTTP_X_REQUEST_ID": "3f2a9c1e-check"}),
            "a line of the log, as text": (front(log=RequestLog()), {}),
            "a line of the log, as JSON": (front(log=RequestLog()), {}),
        }
        best = dict.fromkeys(kinds, float("inf"))
        for _ in range(ROUNDS):
            for kind, (served, headers) in kinds.items():
                with logging_to_nowhere(JsonFormatter() if "JSON" in kind else TextFormatter(coloured=False)):
                    best[kind] = min(best[kind], timed(served, {**REQUEST, **headers}))
    first, *others = best
    counting = ("of that: its numbers", counted())
    return [(first, best[first]), counting, *((kind, best[kind] - best[first]) for kind in others)]


def timed(front: Front, environ: dict[str, Any]) -> float:
    """Give the microseconds that a request takes."""
    protocol = Answered()
    scopes = [environ.copy() for _ in range(REQUESTS)]
    begin = perf_counter()
    for scope in scopes:
        front(protocol, scope)
    return (perf_counter() - begin) / REQUESTS * 1e6


def counted() -> float:
    """Give the microseconds that the numbers of a request take: two looks at the clock, and its part of a histogram."""
    count: Callable[[float], None] = Meter().requests("/hello", "GET", 200).add
    best = float("inf")
    for _ in range(ROUNDS):
        empty, full = perf_counter(), 0.0
        for _ in range(REQUESTS):
            pass
        full = perf_counter()
        for _ in range(REQUESTS):
            begin = perf_counter()
            count(perf_counter() - begin)
        best = min(best, perf_counter() - full - (full - empty))
    return best / REQUESTS * 1e6


@contextmanager
def logging_to_nowhere(formatter: logging.Formatter) -> Iterator[None]:
    """Have the log written, so that all of its work is done but the disk's or the terminal's."""
    root = logging.getLogger()
    with Path(os.devnull).open("w") as nowhere:
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(formatter)
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.removeHandler(handler)


if __name__ == "__main__":
    for kind, microseconds in costs():
        print(f"{kind:40} {microseconds:6.2f} µs")
