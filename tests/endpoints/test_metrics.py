"""The numbers of a service: what is counted, how it is added up, and how Prometheus reads it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import flask
import pytest
from conftest import ROOT
from handler_door import Door
from modelling import NAMES
from prometheus_client.parser import text_string_to_metric_families
from serving import Clients, Server, replace_file
from werkzeug.test import Client

from engine.counting import FOLD_AT, Histogram, Tally
from engine.endpoints import RESTARTS, Counts, Meter

AppOf = Callable[..., flask.Flask]
ROUTES = """routes:
  - {path: /, response: hi}
  - {path: '/hello/<name>', response: hello}
  - {path: "/a\\"b'é", response: odd}
  - {path: /made, methods: [POST], input: {type: object}, response: {status: 201}}
  - {path: /predict, methods: [GET, POST], model: iris}
"""
PROPERTIES = ", ".join(f"{name}: {{type: number}}" for name in NAMES)
IRIS = f"""models:
  iris: {{file: build/model.pkl, input: {{type: object, required: [{", ".join(NAMES)}], properties: {{{PROPERTIES}}}}}}}
"""
INSTANCE = dict(zip(NAMES, (5.9, 3.0, 5.1, 1.8), strict=True))

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"engine_{name}", tuple(sorted(labels.items()))), 0)


def scrape(server: Server) -> Samples:
    status, headers, body = server.request("GET", "/metrics")
    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (status, headers["content-type"])
    return parsed(body.decode())


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    histogram = Histogram((1, 10))
    for number in (0, 1, 1.5, 10, 11):
        histogram.add(number)
    assert Tally((2, 2, 1), 23.5) == histogram.tally()


def test_a_histogram_loses_nothing_between_threads() -> None:
    histogram, rounds = Histogram((1, 10)), 20 * FOLD_AT + 7

    def add() -> None:
        for _ in range(rounds):
            histogram.add(1)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        histogram.tally()
    assert Tally((8 * rounds, 0, 0), 8 * rounds) == histogram.tally()


def test_numbers_add_up() -> None:
    one, other = Meter(lambda: 2), Meter(lambda: 3)
    one.requests("/", "GET", 200).add(0.1)
    other.requests("/", "GET", 200).add(0.2)
    other.requests("/", "GET", 404).add(0.2)
    one.count("reloads", "served")
    other.count("reloads", "served")
    both = one.numbers() + other.numbers() + Counts()
    assert [2, 1] == [sum(both.requests["/", "GET", status].counts) for status in (200, 404)]
    assert pytest.approx(0.3) == both.requests["/", "GET", 200].total
    assert ({("reloads", "served"): 2}, 5) == (both.events, both.in_flight)


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "app"])
def test_every_request_is_counted_once(worker: bool, app_of: AppOf) -> None:
    app = app_of(ROUTES, IRIS)
    client = Client(Door(app)) if worker else app.test_client()
    asked = [
        *[("GET", "/"), ("GET", "/"), ("HEAD", "/"), ("OPTIONS", "/"), ("POST", "/"), ("BREW", "/"), ("GET", "/nix")],
        *[("GET", "/hello/you"), ("GET", "/hello/me"), ("GET", "/a\"b'é")],
    ]
    for method, path in asked:
        client.open(path, method=method)
    for body in (b"{}", b"{", b"[]"):
        client.post("/made", data=body)
    client.post("/predict", json=INSTANCE)
    client.post("/predict", json={"instances": [INSTANCE] * 3})
    client.get("/predict", query_string=INSTANCE)
    client.post("/predict", json={"petal_width": 1})
    samples = parsed(client.get("/metrics").text)
    expected = {
        ("/", "GET", "200"): 2,
        ("/", "HEAD", "200"): 1,
        ("/", "OPTIONS", "200"): 1,
        ("(none)", "POST", "405"): 1,
        ("(none)", "OTHER", "405"): 1,
        ("(none)", "GET", "404"): 1,
        ("/hello/<name>", "GET", "200"): 2,
        ("/a\"b'é", "GET", "200"): 1,
        ("/made", "POST", "201"): 1,
        ("/made", "POST", "400"): 1,
        ("/made", "POST", "422"): 1,
        ("/predict", "POST", "200"): 2,
        ("/predict", "GET", "200"): 1,
        ("/predict", "POST", "422"): 1,
    }
    found = {
        tuple(dict(labels)[label] for label in ("route", "method", "status")): count
        for (name, labels), count in samples.items()
        if name == "engine_requests_total"
    }
    assert expected == found
    assert 2 == value(samples, "request_duration_seconds_count", route="/", method="GET")
    assert 2 == value(samples, "refused_total", reason="input")
    assert (3, 5) == tuple(value(samples, f"model_batch_rows_{part}", model="iris") for part in ("count", "sum"))
    assert 2 == value(samples, "model_batch_rows_bucket", model="iris", le="1.0")
    assert 3 == value(samples, "model_duration_seconds_count", model="iris")
    assert 0 < value(samples, "model_duration_seconds_sum", model="iris") < 60
    assert 1 == value(samples, "generation")


def test_callers_that_share_a_call_are_one_batch(app_of: AppOf) -> None:
    text = IRIS.replace("{file:", "{runtime: sklearn, batch: {max_wait_ms: 100}, file:")
    app = app_of(ROUTES, text)
    together = threading.Barrier(8)

    def call() -> None:
        client = app.test_client()
        together.wait(30)
        client.post("/predict", json=INSTANCE)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    samples = parsed(app.test_client().get("/metrics").text)
    assert 8 == value(samples, "model_batch_rows_sum", model="iris")
    assert 1 <= value(samples, "model_batch_rows_count", model="iris") < 8
    assert 8 == value(samples, "model_duration_seconds_count", model="iris")
    sha256 = hashlib.sha256(Path("build/model.pkl").read_bytes()).hexdigest()
    told = {"model": "iris", "runtime": "sklearn", "estimator": "RandomForestClassifier", "hash": sha256[:12]}
    assert 1 == value(samples, "model_info", **told)


def test_a_scrape_gathers_all_workers(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    server = serve_here()
    for _ in range(200):
        server.request("GET", "/")
    for _ in range(3):
        samples = scrape(server)
        assert 200 == value(samples, "requests_total", route="/", method="GET", status="200")
    assert (2, 1) == (value(samples, "workers"), value(samples, "requests_in_flight"))


def test_what_an_ended_worker_has_counted_stays(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    server = serve_here()
    for _ in range(100):
        server.request("GET", "/")
    before = value(scrape(server), "requests_total", route="/", method="GET", status="200")
    first, _ = server.workers()
    os.kill(first, signal.SIGKILL)
    server.wait_until(
        lambda status: len(status["workers"]) == 2 and first not in [one["pid"] for one in status["workers"]]
    )
    samples = scrape(server)
    assert (100, 100) == (before, value(samples, "requests_total", route="/", method="GET", status="200"))
    restarts = {reason: value(samples, "worker_restarts_total", reason=reason) for reason in RESTARTS}
    assert {"ended": 0, "killed": 1, "hung": 0} == restarts == server.status()["restarts"]


@pytest.mark.exhaustive
def test_numbers_never_fall_while_generations_change(serve_here: Callable[..., Server], tmp_path: Path) -> None:
    spec = {"routes": [{"path": "/", "response": "hi"}]}
    (tmp_path / "routes.yaml").write_text(json.dumps(spec))
    server = serve_here()
    seen = [0.0]
    with Clients(server, 2, lambda status, *_: "" if status == 200 else str(status)) as clients:
        for number in range(2, 7):
            spec["service"] = {"version": f"{number}.0"}
            replace_file(tmp_path / "routes.yaml", json.dumps(spec).encode())
            while value(samples := scrape(server), "generation") < number:
                seen.append(value(samples, "requests_total", route="/", method="GET", status="200"))
                time.sleep(0.05)
    server.wait_for_generation(6)
    replace_file(tmp_path / "routes.yaml", b"routes: [")
    server.wait_until(lambda status: status["degraded"])
    samples = scrape(server)
    seen.append(value(samples, "requests_total", route="/", method="GET", status="200"))
    assert sorted(seen) == seen
    assert clients.answered == seen[-1]
    assert not clients.wrong
    assert (5, 1, 1) == (
        value(samples, "reloads_total", outcome="served"),
        value(samples, "reloads_total", outcome="refused"),
        value(samples, "degraded"),
    )


def test_routes_that_are_gone_are_not_counted_for_ever() -> None:
    meter = Meter()
    for route in ("/", "/old", "(none)"):
        meter.requests(route, "GET", 200).add(1)
    meter.keep(["/", "/new"])
    assert {("/", "GET", 200), ("(none)", "GET", 200)} == set(meter.numbers().requests)


def test_the_dashboard_shows_names_that_there_are(app_of: AppOf) -> None:
    """Every name and label in its queries; and the page has every name."""
    app = app_of(ROUTES, IRIS)
    for _ in range(2):
        app.test_client().post("/predict", json=INSTANCE)
    families = list(text_string_to_metric_families(app.test_client().get("/metrics").text))
    labels = {sample.name: {*sample.labels} for family in families for sample in family.samples}
    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for query in queries:
        names = re.findall(r"engine_[a-z_]+", query)
        assert {*names} <= labels.keys()
        for by in re.findall(r"by \(([a-z, ]+)\)", query):
            assert {*by.split(", ")} <= labels[names[0]]
    told = {*re.findall(r"`(engine_[a-z_]+)`", (ROOT / "docs" / "serving.md").read_text())}
    assert told == {re.sub(r"_(bucket|count|sum)$", "", name) for name in labels}
