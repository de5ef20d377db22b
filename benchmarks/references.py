"""What references and cases cost a request: endpoints called in turn, many rounds, each beside one without them.

python benchmarks/references.py: no server and no network; the least difference of a pair in one round after another.
"""

from __future__ import annotations

import gc
import json
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from engine.endpoints.answering.counters import own_counters
from engine.endpoints.fixed import Means, build_declared
from engine.endpoints.messages import Endpoint, Request
from engine.spec import load_spec

ROUNDS, CALLS = 200, 400
QUERY = {"query": {"required": ["q"], "properties": {"q": {"type": "string"}}}}
NUMBER = {"query": {"required": ["q"], "properties": {"q": {"type": "integer"}}}}
BODY = {"input": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}}
LARGE = {"id": 7, "items": [{"name": f"item {number}", "price": number / 4} for number in range(20)]}

Kind = tuple[str, dict[str, Any], Any, Any, Request]


def answering(value: str) -> Any:
    """Return a route's response with one value."""
    return {"response": {"json": {"id": value}}}


def kinds() -> list[Kind]:
    """List what is measured: its name, what both routes declare, the route without it, and with it, and a request."""
    query, number = Request("GET", query="q=hello"), Request("GET", query="q=7")
    small = Request("POST", body=b'{"id": 7}', content_type="application/json")
    large = Request("POST", body=json.dumps(LARGE).encode(), content_type="application/json")
    path = Request("GET", path={"id": "hello"})
    constant = answering("none")
    case = {"when": {"query.q": 8}, "response": {"json": {"id": "eight"}}}
    schema_case = {"when": {"query.q": {"minimum": 100}}, "response": {"json": {"id": "many"}}}
    cased = {"cases": [case, {"response": {"json": {"id": "none"}}}]}
    schema_cased = {"cases": [schema_case, {"response": {"json": {"id": "none"}}}]}
    return [
        ("a text of the path", {}, constant, answering("${path.id}"), path),
        ("a text of the query", QUERY, constant, answering("${query.q}"), query),
        ("a number of the query", NUMBER, constant, answering("${query.q}"), number),
        ("a number of the body", BODY, constant, answering("${body.id}"), small),
        ("a text inside of a text", QUERY, constant, answering("it is ${query.q}"), query),
        ("a whole body of 9 bytes", BODY, constant, answering("${body}"), small),
        ("a whole body of 700 bytes", BODY, constant, answering("${body}"), large),
        ("`${uuid}`", QUERY, constant, answering("${uuid}"), query),
        ("`${now}`", QUERY, constant, answering("${now}"), query),
        ("`${url}`", QUERY, constant, answering("${url}"), query),
        ("a case whose condition is false: a number", NUMBER, constant, cased, number),
        ("a case whose condition is false: a schema", NUMBER, constant, schema_cased, number),
    ]


def build(folder: Path, route: dict[str, Any]) -> Endpoint:
    """Build the endpoint of one route."""
    (folder / "routes.yaml").write_text(json.dumps({"routes": [route]}))
    spec = load_spec(folder / "routes.yaml")
    return build_declared(spec.routes[0], {}, Means(faults=None, counters=own_counters(lambda: None), formats=True))


def timed(endpoint: Endpoint, request: Request) -> float:
    """Return the microseconds per call."""
    calls = range(CALLS)
    begin = perf_counter()
    for _ in calls:
        endpoint(request)
    return (perf_counter() - begin) / CALLS * 1e6


def compare(without: Endpoint, other: Endpoint, request: Request) -> tuple[float, float]:
    """Return what the first costs, and what the second costs beyond it: medians of rounds in turn."""
    plain, more = [], []
    for _ in range(ROUNDS):
        first = timed(without, request)
        plain.append(first)
        more.append(timed(other, request) - first)
        gc.collect(0)
    return median(plain), median(more)


def reference_costs() -> list[tuple[str, float, float]]:
    """Measure each kind: its name, the microseconds beyond the route without it, and those of that route."""
    found = []
    gc.disable()  # which would stop one of a pair more often than the other
    with tempfile.TemporaryDirectory() as name:
        for kind, declared, without, other, request in kinds():
            shared = {"path": "/<id>", "methods": [request.method], **declared}
            first, second = (build(Path(name), {**shared, **one}) for one in (without, other))
            plain, more = compare(first, second, request)
            found.append((kind, more, plain))
    gc.enable()
    return found


if __name__ == "__main__":
    for kind, more, plain in reference_costs():
        print(f"{kind:42} {more:6.2f} µs beyond {plain:5.2f} µs")
