"""Where the time of one instance goes: the engine's own work by stages, beside the limit's callable.

python benchmarks/shares.py: no server and no network; stages in turn, many rounds, the quickest of each.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import limit
from contest import INSTANCE, ONE, ROOT
from contestants import MODELS, SERVICE
from costs import HEADERS, Watcher

from engine import create_app
from engine.handling import Handler
from engine.models import compile_models
from engine.server.http import Front, Threads
from engine.server.http.exchange import Exchange
from engine.server.http.head import read_head

HEADING = "## Where the time of one instance goes"
BODY = ONE.encode()
ROUNDS, CALLS = 600, 100
SENT = [*HEADERS, ("content-type", "application/json"), ("content-length", str(len(BODY)))]


class Posted(Watcher):
    """A request with a body, which is there when it is asked for."""

    method, path = "POST", "/predict"

    def __call__(self) -> Posted:
        return self

    def add_done_callback(self, come: Callable[[Posted], None]) -> None:
        """Have the body taken at once."""
        come(self)

    def result(self) -> bytes:
        """Return the body."""
        return BODY


class Unanswered(Exchange):
    """Reads a request, and does nothing with it."""

    __slots__ = ()

    def _answer(self) -> None:
        pass


def stages(handler: Handler, front: Front, predictor: Any) -> dict[str, Callable[[], Any]]:
    """Return the stages as calls: reading a request, finding its route, calling the endpoint, and parts of these."""
    posted, limits = Posted(SENT), front.limits.headers
    incoming = read_head(posted, limits, perf_counter())
    incoming.body = BODY
    handler.quick(incoming)  # which also reads its content, as `call` wants it

    def found() -> None:
        fresh = read_head(posted, limits, perf_counter())
        fresh.body = BODY
        handler.router.find_plain(fresh)
        handler.enter(fresh)

    instances = [INSTANCE]
    rows = predictor.columns.convert(instances)
    trees = predictor.runtime.scores[0]
    return {
        "read": lambda: Unanswered(front, posted, posted).begin(),
        "head": lambda: read_head(posted, limits, perf_counter()),
        "found": found,
        "call": lambda: handler.call(incoming),
        "model": lambda: predictor(instances),
        "trees": lambda: trees(rows),
        "all": lambda: front(posted),
    }


def limits_own() -> Callable[[], Any]:
    """Return a call of the limit's callable, as Granian makes it."""
    app = limit.make_limit()
    environ = {"PATH_INFO": "/predict", "CONTENT_LENGTH": str(len(BODY))}
    return lambda: app({**environ, "wsgi.input": io.BytesIO(BODY)}, lambda *_: None)


def shares() -> list[tuple[str, float]]:
    """Measure each share, in microseconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "routes.yaml").write_text(SERVICE)
        (folder / "models.yaml").write_text(MODELS % (ROOT / "build" / "model.pkl", "auto"))
        app, front = create_app(folder / "routes.yaml"), Front(Threads(1))
        front.serve(app.handler)
        model = compile_models(app.handler.spec)["iris"]
        calls = {**stages(app.handler, front, model), "limit": limits_own()}
        best = dict.fromkeys(calls, float("inf"))
        for _ in range(ROUNDS):
            for stage, call in calls.items():
                begin = perf_counter()
                for _ in range(CALLS):
                    call()
                best[stage] = min(best[stage], (perf_counter() - begin) / CALLS * 1e6)
    routed = best["found"] - best["head"]
    return [
        ("its head and its body, read without a thread", best["read"]),
        ("its route, guards and limits", routed),
        ("JSON and validation, and the answer's JSON", best["call"] - best["model"]),
        ("the model: its rows, its classes", best["model"] - best["trees"]),
        ("the model: 300 trees, called and walked in C", best["trees"]),
        ("headers, count, and handing over the answer", best["all"] - best["read"] - routed - best["call"]),
        ("all of it", best["all"]),
        ("the limit's callable, for comparison", best["limit"]),
    ]


def share_lines() -> list[str]:
    """Write the section of docs/benchmarks.md."""
    return [
        HEADING,
        "",
        "The work of a worker for one instance of the tutorial's forest, between the HTTP server and its answer "
        "(`python benchmarks/shares.py`). The server itself, its threads and the kernel take about 50 µs of processor "
        "time beside this, for the engine as for the limit. So the ratios to the limit depend on the processor: where "
        "those above are 0.72 (one instance) and 0.77 (static), another one gave 1.10 and 0.92.",
        "",
        "| work | µs |",
        "|---|---:|",
        *(f"| {work} | {microseconds:.1f} |" for work, microseconds in shares()),
        "",
    ]


if __name__ == "__main__":
    print("\n".join(share_lines()[4:]))
