"""What numbers, guards, logs and traces cost: the engine's own Python between the HTTP server and the answer, timed.

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

from engine import create_app
from engine.endpoints import Meter
from engine.server.http import Front, Threads
from engine.server.logs import JsonFormatter, TextFormatter

ROUTES = "service: {%s}\nroutes: [{path: /hello, response: {json: {hello: world}}}]\n"
HEADERS = [("host", "127.0.0.1:5000"), ("accept", "*/*"), ("user-agent", "wrk")]
NOT_SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
ROUNDS, REQUESTS = 40, 2_000


class Headers:
    """The headers of a request, as Granian gives them."""

    def __init__(self, sent: list[tuple[str, str]]) -> None:
        self._sent = sent

    def items(self) -> list[tuple[str, str]]:
        """List each."""
        return self._sent

    def __len__(self) -> int:
        return len(self._sent)


class Watcher:
    """What Granian calls with: a request's head, and what takes its answer."""

    method, path, query_string, client, http_version = "GET", "/hello", "", "127.0.0.1:40000", "1.1"

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.headers = Headers(headers)
        self.scope = self.proto = self

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Take an answer."""
        if status != HTTPStatus.OK:
            raise SystemExit(f"the answer was {status}: {body.decode()} {headers}")


def costs() -> list[tuple[str, float]]:
    """Measure what each kind costs, in microseconds per request; the first is a request with only its metrics."""
    key = secrets.token_hex(24)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "keys.sha256").write_text(hashlib.sha256(key.encode()).hexdigest() + "\n")

        def front(service: str = "", *, logs: bool = False) -> Front:
            (folder / "routes.yaml").write_text(ROUTES % service)
            made = Front(Threads(1), logs)
            made.serve(create_app(folder / "routes.yaml").handler)
            return made

        kinds: dict[str, tuple[Front, dict[str, str]]] = {
            "a request to a static route, counted": (front(), {}),
            "an API key, looked up": (
                front("auth: {api_keys: [{name: ci, file: keys.sha256}]}"),
                {"x-api-key": key},
            ),
            "CORS, with an origin": (
                front("cors: {origins: [https://app.example.com]}"),
                {"origin": "https://app.example.com"},
            ),
            "a rate, counted in memory": (front("rate_limit: 900000000/day"), {}),
            "a request id sent by the client": (front(), {"x-request-id": "3f2a9c1e-check"}),
            "a line of the log, as text": (front(logs=True), {}),
            "a line of the log, as JSON": (front(logs=True), {}),
            "a span, sampled and sent to nowhere": (traced(folder), {}),
            "a span, not sampled": (traced(folder), {"traceparent": NOT_SAMPLED}),
        }
        best = dict.fromkeys(kinds, float("inf"))
        for _ in range(ROUNDS):
            for kind, (served, headers) in kinds.items():
                with logging_to_nowhere(JsonFormatter() if "JSON" in kind else TextFormatter(coloured=False)):
                    best[kind] = min(best[kind], timed(served, [*HEADERS, *headers.items()]))
    first, *others = best
    counting = ("of that: its metrics", counted())
    return [(first, best[first]), counting, *((kind, best[kind] - best[first]) for kind in others)]


def traced(folder: Path) -> Front:
    """Make a service whose spans are made, queued and dropped by an exporter that sends nothing."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from engine.endpoints import Meter, ServiceState, Status
    from engine.handling import build_handler
    from engine.spec import load_spec
    from engine.tracing import TraceSettings
    from engine.tracing.spans import Spans

    nowhere, meter = InMemorySpanExporter(), Meter()
    nowhere.shutdown()  # it refuses what it is given
    spans = Spans(TraceSettings(), "costs", "http", lambda _outcome, _number: None, nowhere)
    state = ServiceState(lambda: Status(ready=True, document={}), meter.numbers, meter, spans=spans)
    (folder / "routes.yaml").write_text(ROUTES % "")
    made = Front(Threads(1))
    made.serve(build_handler(load_spec(folder / "routes.yaml", None), {}, state))
    return made


def timed(front: Front, headers: list[tuple[str, str]]) -> float:
    """Return the microseconds per request."""
    watchers = [Watcher(headers) for _ in range(REQUESTS)]
    begin = perf_counter()
    for watcher in watchers:
        front(watcher)
    return (perf_counter() - begin) / REQUESTS * 1e6


def counted() -> float:
    """Return the microseconds that a request's metrics take: two looks at the clock, and its part of a histogram."""
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
