"""1,000 rows in each form: this engine's JSON, tensors of the Open Inference Protocol in JSON, and the same in binary.

python benchmarks/wires.py: a server with one worker, asked on one connection; the forms take turns, in many rounds.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import joblib
import numpy as np
from contest import ROOT, Contestant, running
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROWS, FEATURES, ROUNDS, SECONDS = 1000, 20, 9, 0.5
OWN, AS_JSON, BINARY, NARROW = "JSON, `instances`", "v2, JSON", "v2, binary FP64", "v2, binary FP32"
LINEAR, FOREST = f"a linear pipeline of {FEATURES} features", "the forest of 300 trees"
Body = tuple[str, bytes, dict[str, str]]


def wires() -> list[tuple[str, str, float, float]]:
    """Measure the requests of 1,000 rows in a second, for each model and form, and times the engine's own JSON."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bodies = _prepare(folder)
        command = ["-m", "engine", "serve", "-w", "1", "-p", "{port}", "-r", str(folder / "routes.yaml")]
        with running(Contestant("wires", [sys.executable, *command], ()), folder) as port:
            rates = {model: _rates(port, forms) for model, forms in bodies.items()}
    return [(model, form, rate, rate / found[OWN]) for model, found in rates.items() for form, rate in found.items()]


def _prepare(folder: Path) -> dict[str, dict[str, Body]]:
    """Train the linear model, write the spec, and make the bodies."""
    random = np.random.default_rng(0)
    rows = random.random((ROWS, FEATURES))
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows.sum(axis=1) > FEATURES / 2)
    joblib.dump(pipeline, folder / "linear.pkl")
    flowers = load_iris().data
    iris = flowers[random.integers(len(flowers), size=ROWS)] + random.random((ROWS, 4)) / 10
    names = {
        "linear": [f"x{number}" for number in range(FEATURES)],
        "iris": ["sepal_length", "sepal_width", "petal_length", "petal_width"],
    }
    files = {"linear": "linear.pkl", "iris": str(ROOT / "build" / "model.pkl")}
    models = {
        model: {
            "file": files[model],
            "input": {
                "type": "object",
                "required": own,
                "properties": {name: {"type": "number", "minimum": 0, "maximum": 10} for name in own},
            },
        }
        for model, own in names.items()
    }
    (folder / "models.yaml").write_text(json.dumps({"models": models}))
    routes = [{"path": f"/{model}", "model": model} for model in models]
    (folder / "routes.yaml").write_text(json.dumps({"service": {"protocols": ["v2"]}, "routes": routes}))
    return {LINEAR: _bodies("linear", names["linear"], rows), FOREST: _bodies("iris", names["iris"], iris)}


def _bodies(model: str, names: list[str], rows: Any) -> dict[str, Body]:
    """Write the same rows in each form."""
    listed = [dict(zip(names, row, strict=True)) for row in rows.tolist()]
    path = f"/v2/models/{model}/infer"
    tensor = {"name": "rows", "shape": list(rows.shape), "datatype": "FP64"}
    as_json = json.dumps({"inputs": [{**tensor, "data": rows.reshape(-1).tolist()}]}).encode()
    return {
        OWN: (f"/{model}", json.dumps({"instances": listed}).encode(), {"Content-Type": "application/json"}),
        AS_JSON: (path, as_json, {"Content-Type": "application/json"}),
        BINARY: _binary(path, tensor, rows.tobytes()),
        NARROW: _binary(path, {**tensor, "datatype": "FP32"}, rows.astype(np.float32).tobytes()),
    }


def _binary(path: str, tensor: Mapping[str, Any], tail: bytes) -> Body:
    sent = {**tensor, "parameters": {"binary_data_size": len(tail)}}
    head = json.dumps({"inputs": [sent], "parameters": {"binary_data_output": True}}).encode()
    return path, head + tail, {"Inference-Header-Content-Length": str(len(head))}


def _rates(port: int, forms: Mapping[str, Body]) -> dict[str, float]:
    """Ask in each form in turn; the median of the rounds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    rates: dict[str, list[float]] = {form: [] for form in forms}
    for _ in range(ROUNDS):
        for form, body in forms.items():
            rates[form].append(_rate(connection, *body))
    connection.close()
    return {form: statistics.median(found) for form, found in rates.items()}


def _rate(connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]) -> float:
    begin, count = perf_counter(), 0
    while (spent := perf_counter() - begin) < SECONDS:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(said.decode(errors="replace"))
        count += 1
    return count / spent


if __name__ == "__main__":
    for model, form, rate, times in wires():
        print(f"{model:35} {form:20} {rate:8,.0f}/s  {times:.2f}")
