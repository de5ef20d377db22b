"""What it costs to shape a model's answer: requests through the handler, each route beside the same without a response.

python benchmarks/shaping.py: no server and no network; the routes in turn, many rounds, the quickest of each.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from werkzeug.test import create_environ

from engine.handling import Handler, Incoming, open_service

FEATURES = {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}
INPUT = {"type": "object", "required": [*FEATURES], "properties": {name: {"type": "number"} for name in FEATURES}}
OUTPUT = {"labels": ["setosa", "versicolor", "virginica"], "probabilities": True}
SHOWN = {"label": "${label}", "p": "${probability.virginica}"}
CASES = [
    {"when": {"probability.virginica": {"minimum": 0.8}}, "response": {"json": {"is": "sure", **SHOWN}}},
    {"response": {"json": {"is": "unsure"}}},
]
PUBLIC = {"type": "object", "required": ["sizes"], "properties": {"sizes": {**INPUT}}}
INSTANCE = {name: f"${{body.sizes.{name}}}" for name in FEATURES}
MODEL_ALONE, INSTANCE_ALONE = "the model's own answer", "the model's own answer, `instance` and `input`"
ROUTES: dict[str, tuple[dict[str, Any], Any]] = {
    MODEL_ALONE: ({}, FEATURES),
    "`response` with a label and a probability": ({"response": {"json": SHOWN}}, FEATURES),
    "two `cases`, by a probability": ({"cases": CASES}, FEATURES),
    INSTANCE_ALONE: ({"input": PUBLIC, "instance": INSTANCE}, {"sizes": FEATURES}),
    "`instance` and `input`, and two `cases`": (
        {"input": PUBLIC, "instance": INSTANCE, "cases": CASES},
        {"sizes": FEATURES},
    ),
}
ROUNDS, REQUESTS = 40, 400


def shaping() -> list[tuple[str, float, float]]:
    """Measure what a request with one instance costs on each route: in microseconds, and times what it costs unshaped.

    Unshaped is the same route without `response` and `cases`.
    """
    model = {"file": str(Path("build/model.pkl").absolute()), "input": INPUT, "output": OUTPUT}
    routes = [{"path": f"/{number}", "model": "iris", **keys} for number, (keys, _) in enumerate(ROUTES.values())]
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "models.yaml").write_text(json.dumps({"models": {"iris": model}}))
        (Path(name) / "routes.yaml").write_text(json.dumps({"routes": routes}))
        handler, _ = open_service(Path(name) / "routes.yaml")
    bodies = [json.dumps(body).encode() for _, body in ROUTES.values()]
    best = [float("inf")] * len(ROUTES)
    for _ in range(ROUNDS):
        for number, body in enumerate(bodies):
            best[number] = min(best[number], _seconds(handler, f"/{number}", body))
    costs = dict(zip(ROUTES, best, strict=True))
    unshaped = {kind: INSTANCE_ALONE if "instance" in keys else MODEL_ALONE for kind, (keys, _) in ROUTES.items()}
    return [(kind, cost * 1e6, cost / costs[unshaped[kind]]) for kind, cost in costs.items()]


def _seconds(handler: Handler, path: str, body: bytes) -> float:
    """Time one request, on average."""
    environ = create_environ(path, method="POST", content_type="application/json")
    own = [{**environ, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)} for _ in range(REQUESTS)]
    begin = perf_counter()
    for one in own:
        handler.respond(Incoming(one))
    return (perf_counter() - begin) / REQUESTS


if __name__ == "__main__":
    for kind, microseconds, times in shaping():
        print(f"{kind:50} {microseconds:6.1f} µs  {times:.2f}")
