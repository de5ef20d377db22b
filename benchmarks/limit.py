"""The limit: WSGI callables written by hand for just one job, with no framework, under the engine's own settings.

python benchmarks/limit.py limit|flask PORT [ROUTES]: `limit` is the callable, `flask` the engine's plain Flask app.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import orjson
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import MPServer

from engine.server.listening.listener import BACKLOG

CONNECTIONS = 512
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SCHEMA = {"type": "object", "required": list(NAMES), "properties": {name: {"type": "number"} for name in NAMES}}
SETTINGS: dict[str, Any] = {
    "interface": Interfaces.WSGI,
    "http": HTTPModes.http1,
    "backlog": BACKLOG,
    "backpressure": CONNECTIONS,
    "blocking_threads": CONNECTIONS,
    "log_level": LogLevels.error,
    "websockets": False,
}
GRAPH = Path(__file__).parent.parent / "build" / "limit.onnx"
STATIC = b'{"hello":"world"}\n'


def convert() -> None:
    """Write the tutorial's forest as skl2onnx has it, in float32."""
    import pickle

    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    model = pickle.loads((GRAPH.parent / "model.pkl").read_bytes())
    options = {id(model): {"zipmap": False}}
    graph = to_onnx(model, initial_types=[("rows", FloatTensorType([None, 4]))], options=options)
    GRAPH.write_bytes(graph.SerializeToString())


def make_limit() -> Callable[..., Iterable[bytes]]:
    """Make the callable: a static route, and /predict for one instance or several."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(GRAPH), options, providers=["CPUExecutionProvider"])
    label = [session.get_outputs()[0].name]
    is_valid = jsonschema_rs.Draft202012Validator(SCHEMA).is_valid
    static = [("Content-Type", "application/json"), ("Content-Length", str(len(STATIC)))]

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/hello":
            start_response("200 OK", static)
            return [STATIC]
        value = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        instances = value.get("instances") or [value]
        if not all(map(is_valid, instances)):
            start_response("422 Unprocessable Content", [("Content-Length", "0")])
            return []
        rows = np.array([[one[name] for name in NAMES] for one in instances], np.float32)
        body = orjson.dumps({"result": session.run(label, {"rows": rows})[0].tolist()})
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return app


def make_flask(routes: str) -> Callable[..., Iterable[bytes]]:
    """Make the engine's app without its lane."""
    from engine import create_app

    return create_app(routes)


if __name__ == "__main__":
    kind, port = sys.argv[1], int(sys.argv[2])
    loader = make_limit if kind == "limit" else partial(make_flask, sys.argv[3])
    MPServer("benchmark", address="127.0.0.1", port=port, workers=2, **SETTINGS).serve(
        target_loader=loader, wrap_loader=False
    )
