"""Spans of requests that go no ordinary way, each with what the SDK's own exporter in memory keeps of them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from granian_door import Scope, ask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from engine.endpoints import Meter, ServiceState, Status
from engine.handling import Handler, build_handler
from engine.models import compile_models
from engine.server.http import Front
from engine.spec import load_spec
from engine.tracing import TraceSettings
from engine.tracing.spans import Spans

MODEL = """\
models:
  iris:
    file: build/model.pkl
    input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}
"""
pytestmark = pytest.mark.usefixtures("spec_folder")
JSON = [("Host", "x"), ("Content-Type", "application/json")]


class Traced:
    """A service whose spans are kept in memory."""

    def __init__(self, routes: str, models: str = "", break_model: Callable[..., Any] | None = None) -> None:
        Path("routes.yaml").write_text(routes)
        if models:
            Path("models.yaml").write_text(models)
        spec = load_spec("routes.yaml", None)
        predictors = dict(compile_models(spec))
        if break_model is not None:
            predictors["iris"].runtime = break_model  # type: ignore[attr-defined]
        self.exporter, self.counts = InMemorySpanExporter(), Counter[str]()
        settings = TraceSettings(queue=100, batch=100)
        self.spans = Spans(settings, "Flowers", "https", self._count, self.exporter)
        document = {"generation": 1, "degraded": [], "workers": [], "models": []}
        state = ServiceState(lambda: Status(ready=True, document=document), Meter().numbers, Meter(), spans=self.spans)
        self.handler: Handler = build_handler(spec, predictors, state)
        self.front = Front()
        self.front.serve(self.handler)

    def ask(self, method: str, path: str, body: bytes = b"") -> int:
        headers = [*JSON, *[("Content-Length", str(len(body)))] * bool(body)]
        return int(ask(self.front, Scope(method, path, headers=headers), [body] if body else None)[0])

    def _count(self, outcome: str, number: int) -> None:
        self.counts[outcome] += number

    def finished(self) -> list[ReadableSpan]:
        self.spans.close(10)
        return [*self.exporter.get_finished_spans()]


def test_a_failure_names_the_kind_of_error_and_never_its_message() -> None:
    def fail(_: Any) -> Any:
        raise KeyError("secret")

    traced = Traced("routes: [{path: /predict, model: iris}]", MODEL, fail)
    assert 500 == traced.ask("POST", "/predict", b"[1,2,3,4]")
    _, model, request = traced.finished()
    assert ("ERROR", "KeyError") == (model.status.status_code.name, (model.attributes or {})["error.type"])
    about = request.attributes or {}
    assert ("ERROR", "KeyError", 500, "https") == (
        request.status.status_code.name,
        about["error.type"],
        about["http.response.status_code"],
        about["url.scheme"],
    )
    assert "secret" not in "".join(span.to_json() for span in (model, request))
    assert {"exported": 3} == traced.counts


def test_tensors_have_spans_too() -> None:
    traced = Traced("service: {protocols: [v2]}\nroutes: [{path: /predict, model: iris}]", MODEL)
    rows = [[5.1, 3.5, 1.4, 0.2]] * 2
    tensor = {"name": "input", "shape": [2, 4], "datatype": "FP64", "data": rows}
    body = json.dumps({"inputs": [tensor]}).encode()
    assert 200 == traced.ask("POST", "/v2/models/iris/infer", body)
    names = [(span.name, (span.attributes or {}).get("engine.model.rows")) for span in traced.finished()]
    assert [("validate", None), ("predict iris", 2), ("POST /v2/models/iris/infer", None)] == names


def test_a_method_that_http_does_not_know_is_no_name_of_a_span() -> None:
    traced = Traced("routes: [{path: /, response: {text: x}}]")
    assert 405 == traced.ask("BREW", "/")
    (span,) = traced.finished()
    about = span.attributes or {}
    assert ("HTTP", "_OTHER", "BREW", 405) == (
        span.name,
        about["http.request.method"],
        about["http.request.method_original"],
        about["http.response.status_code"],
    )


def test_an_exporter_that_hangs_holds_a_bounded_number_of_spans() -> None:
    """Those beyond it are counted, and so are those that it fails at."""
    traced, free = Traced("routes: [{path: /, response: {text: x}}]"), threading.Event()

    def hang(_: Any) -> SpanExportResult:
        free.wait(30)
        raise OSError("secret")

    traced.exporter.export = hang  # type: ignore[method-assign]
    for _ in range(150):
        assert 200 == traced.ask("GET", "/")
    traced.spans.close(0.01)  # which does not wait for it
    assert {"dropped": 50} == traced.counts
    free.set()
    traced.spans.close(10)
    assert {"dropped": 50, "failed": 100} == traced.counts
