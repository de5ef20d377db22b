"""A service whose requests are traced: what arrives at a receiver, and what does not happen to requests."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT
from otlp import Received, receiving
from serving import Server, replace_file, serving

ROUTES = """\
service: {title: Flowers, proxies: %d}
routes:
  - {path: /, response: {json: {hello: world}}}
  - {path: "/users/<int:id>", response: {json: "${path.id}"}}
  - {path: /predict, model: iris}
  - {path: /cut, response: {text: x}, fail: timeout, for: 10ms}
"""
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-%s"
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
SERVER, INTERNAL, UNSET, ERROR = 2, 1, 0, 2


@contextmanager
def traced(folder: Path, endpoint: str, *arguments: str, proxies: int = 0, **variables: str) -> Iterator[Server]:
    (folder / "routes.yaml").write_text(ROUTES % proxies)
    (folder / "models.yaml").write_text((ROOT / "models.yaml").read_text())
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50", **variables}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with serving(folder, "-w", "1", *arguments, environment={**kept, **given}) as server:
        yield server


def named(spans: list[Received], name: str) -> Received:
    (found,) = [span for span in spans if span.name == name]
    return found


def lost(server: Server) -> dict[str, float]:
    text = server.request("GET", "/metrics")[2].decode()
    lines = [line.split() for line in text.splitlines() if line.startswith("engine_spans_total")]
    return {name.partition('outcome="')[2].rstrip('"}'): float(value) for name, value in lines}


def test_a_request_is_a_span_by_the_conventions_for_http(spec_folder: Path) -> None:
    """Its query and its headers are not in it; the quick answers of constant routes are traced too."""
    with receiving() as receiver, traced(spec_folder, receiver.url, OTEL_EXPORTER_OTLP_HEADERS="key=s%20t") as server:
        before = time.time_ns()
        server.request("GET", "/?token=secret", headers={"User-Agent": "test/1", "Cookie": "secret"})
        server.request("GET", "/users/7")
        server.request("GET", "/missing")
        server.request("GET", "/")  # which a service without traces answers from its path alone
        spans = receiver.wait_for(4)
        after = time.time_ns()
    constant, again = (span for span in spans if span.name == "GET /")
    assert ("test/1", None) == tuple(span.attributes.pop("user_agent.original", None) for span in (constant, again))
    assert constant.attributes == again.attributes
    port = server.port
    assert {
        "http.request.method": "GET",
        "http.route": "/",
        "url.path": "/",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": port,
        "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    } == constant.attributes
    assert (SERVER, UNSET, "") == (constant.kind, constant.status, constant.parent)
    assert before < constant.begin <= constant.end < after
    with_parameter = named(spans, "GET /users/<int:id>").attributes
    assert ("/users/<int:id>", "/users/7") == (with_parameter["http.route"], with_parameter["url.path"])
    missing = named(spans, "GET")
    assert (404, UNSET, False) == (
        missing.attributes["http.response.status_code"],
        missing.status,
        "http.route" in missing.attributes or "error.type" in missing.attributes,
    )
    assert ("Flowers", "/v1/traces", "s t") == (
        constant.resource["service.name"],
        receiver.paths[0],
        receiver.headers[0]["key"],
    )
    assert "secret" not in repr(spans)


def test_validation_and_the_model_are_children(spec_folder: Path) -> None:
    with receiving() as receiver, traced(spec_folder, receiver.url) as server:
        body = json.dumps({"instances": [ROW] * 3})
        headers = {"Content-Type": "application/json", "traceparent": PARENT % "01", "tracestate": "vendor=1"}
        assert 200 == server.request("POST", "/predict", body=body, headers=headers)[0]
        spans = receiver.wait_for(3)
        receiver.spans.clear()
        wrong = server.request("POST", "/predict", body='{"a": "secret"}', headers={"Content-Type": "application/json"})
        assert 422 == wrong[0]
        refused = receiver.wait_for(2)
    request, validation, model = (named(spans, name) for name in ("POST /predict", "validate", "predict iris"))
    assert {PARENT[3:35]} == {span.trace for span in spans}
    assert (PARENT[36:52], request.id, request.id) == (request.parent, validation.parent, model.parent)
    assert "vendor=1" == request.state
    assert (INTERNAL, INTERNAL) == (validation.kind, model.kind)
    assert request.begin <= validation.begin <= validation.end <= model.begin <= model.end <= request.end
    digest = model.attributes.pop("engine.model.hash")
    assert (12, {"engine.model.name": "iris", "engine.model.runtime": "native", "engine.model.rows": 3}) == (
        len(digest),
        model.attributes,
    )
    assert {"error.type": "422"} == named(refused, "validate").attributes
    assert (UNSET, 422) == (
        named(refused, "POST /predict").status,
        named(refused, "POST /predict").attributes["http.response.status_code"],
    )
    assert 2 == len(refused)
    assert "secret" not in repr(refused)


def test_the_client_is_the_one_whom_the_proxies_have_written_down(spec_folder: Path) -> None:
    with receiving() as receiver, traced(spec_folder, receiver.url, proxies=1) as server:
        server.request("GET", "/", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})
        (span,) = receiver.wait_for(1)
    assert ("203.0.113.9", "127.0.0.1") == (
        span.attributes["client.address"],
        span.attributes["network.peer.address"],
    )


def test_an_answer_that_is_not_sent_is_an_error_without_a_status(spec_folder: Path) -> None:
    with receiving() as receiver, traced(spec_folder, receiver.url) as server:
        with pytest.raises(OSError):
            server.request("GET", "/cut")
        (span,) = receiver.wait_for(1)
    assert ("timeout", ERROR, False) == (
        span.attributes["error.type"],
        span.status,
        "http.response.status_code" in span.attributes,
    )


def test_samplers_and_names_are_those_of_the_variables(spec_folder: Path) -> None:
    """A sampler based on parents takes the requests of sampled traces only; the log has the ids of traces."""
    variables = {
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        "OTEL_SERVICE_NAME": "iris-service",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    with (
        receiving() as receiver,
        traced(spec_folder, receiver.url, "--log-requests", "--log-format", "json", **variables) as server,
    ):
        server.request("GET", "/users/1")
        server.request("GET", "/users/2", headers={"traceparent": PARENT % "00"})
        server.request("GET", "/users/3", headers={"traceparent": PARENT % "01"})
        server.stop()
    (span,) = receiver.spans
    assert ("/users/3", "iris-service", "test") == (
        span.attributes["url.path"],
        span.resource["service.name"],
        span.resource["deployment.environment.name"],
    )
    logged = [json.loads(line) for line in server.lines if '"path"' in line]
    assert [False, True, True] == [line["trace_id"] == PARENT[3:35] for line in logged]
    said = f"traces: to {receiver.url}/v1/traces by http/protobuf, sampled by parentbased_always_off"
    assert any(said in line for line in server.lines), server.lines


def test_spans_that_wait_are_sent_at_the_end_and_after_a_reload(spec_folder: Path) -> None:
    with receiving() as receiver, traced(spec_folder, receiver.url, OTEL_BSP_SCHEDULE_DELAY="600000") as server:
        server.request("GET", "/")
        replace_file(spec_folder / "routes.yaml", (ROUTES % 0).replace("hello", "bye").encode())
        server.wait_for_generation(2)
        assert b"bye" in server.request("GET", "/")[2]
        assert [] == receiver.spans
        assert 0 == server.stop()
    found = [span for span in receiver.spans if span.name == "GET /"]
    assert 2 == len(found)
    assert 1 == len({span.resource["service.instance.id"] for span in found})


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("kind", ["down", "refuses", "stalls"])
def test_a_collector_that_fails_costs_spans_and_no_request(spec_folder: Path, kind: str) -> None:
    """The worker ends in time, with a collector that answers nothing too."""
    variables = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "64",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    with receiving(400 if kind == "refuses" else 200, stalls=kind == "stalls") as receiver:
        url = f"http://127.0.0.1:{closed_port()}" if kind == "down" else receiver.url
        with traced(spec_folder, url, **variables) as server:
            connection, slowest = server.connect(), 0.0
            for _ in range(500):
                begin = time.monotonic()
                connection.request("GET", "/")
                answer = connection.getresponse()
                assert (200, b'{"hello":"world"}\n') == (answer.status, answer.read())
                slowest = max(slowest, time.monotonic() - begin)
            connection.close()
            wait = time.monotonic() + 30
            while not (counts := lost(server))["failed"]:
                assert time.monotonic() < wait
                time.sleep(0.05)
            begin = time.monotonic()
            assert 0 == server.stop(signal.SIGTERM)
            took = time.monotonic() - begin
    assert 0 == counts["exported"]
    assert slowest < 1, slowest
    assert took < 8, took
    assert any("spans were lost, because" in line for line in server.lines), server.lines
    if kind != "refuses":
        assert counts["dropped"] > 0
    assert 500 <= sum(counts.values()) + 64


def test_without_the_extra_there_is_a_warning_and_service(spec_folder: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    (hidden / "opentelemetry").mkdir(parents=True)  # a package without sdk, in front of the installed one
    (hidden / "opentelemetry" / "__init__.py").write_text("")
    with traced(spec_folder, "http://127.0.0.1:9", PYTHONPATH=str(hidden)) as server:
        assert 200 == server.request("GET", "/")[0]
    text = "".join(server.lines)
    assert (
        "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, but OpenTelemetry is not installed; "
        "run: pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http" in text
    )
    assert "traces: off (OpenTelemetry is not installed" in text


def test_nothing_of_it_is_imported_where_it_is_off(spec_folder: Path) -> None:
    """Not even with variables that name the service alone."""
    with traced(spec_folder, "", OTEL_SERVICE_NAME="x") as server:
        server.request("GET", "/")
        loaded = [Path(f"/proc/{worker}/maps").read_text() for worker in server.workers()]
        threads = [
            (thread / "comm").read_text() for pid in server.workers() for thread in Path(f"/proc/{pid}/task").iterdir()
        ]
    assert loaded
    assert not any("google/_upb" in maps for maps in loaded)
    assert not any("Otel" in name for name in threads)
