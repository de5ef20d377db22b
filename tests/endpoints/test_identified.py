"""Which file has answered: the hash of a model's file in the status, the numbers, `check` and, where asked, answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import flask
import pytest
from conftest import ROOT
from handler_door import Door
from prometheus_client.parser import text_string_to_metric_families
from serving import run
from werkzeug.test import Client

AppOf = Callable[..., flask.Flask]
ROUTES = "service: {model_header: %s}\nroutes: [{path: /predict, methods: [GET, POST], model: iris}]"
QUERY = "sepal_length=5.9&sepal_width=3&petal_length=5.1&petal_width=1.8"


@pytest.fixture
def models() -> str:
    return (ROOT / "models.yaml").read_text()


def hash_of(folder: Path) -> str:
    return hashlib.sha256((folder / "build" / "model.pkl").read_bytes()).hexdigest()[:12]


@pytest.mark.parametrize("door", [lambda app: app.test_client(), lambda app: Client(Door(app))], ids=["app", "worker"])
def test_answers_name_the_file_where_the_spec_says_so(
    app_of: AppOf, spec_folder: Path, models: str, door: Callable[[flask.Flask], Client]
) -> None:
    client = door(app_of(ROUTES % "true", models))
    instance = {name: float(value) for name, value in (pair.split("=") for pair in QUERY.split("&"))}
    answers = [client.get(f"/predict?{QUERY}"), client.post("/predict", data=json.dumps(instance))]
    assert [(200, f"iris@{hash_of(spec_folder)}")] * 2 == [(one.status_code, one.headers["X-Model"]) for one in answers]
    assert "X-Model" not in client.post("/predict", data="{}").headers
    silent = door(app_of(ROUTES % "false", models))
    assert "X-Model" not in silent.get(f"/predict?{QUERY}").headers


def test_the_openapi_document_has_the_header(app_of: AppOf, models: str) -> None:
    for says, expected in (("true", ["X-Model"]), ("false", [])):
        document = app_of(ROUTES % says, models).test_client().get("/openapi.json").json
        answer = document["paths"]["/predict"]["post"]["responses"]["200"]
        assert expected == [*answer.get("headers", {})]


def test_the_status_the_numbers_and_check_show_the_hash(app_of: AppOf, spec_folder: Path, models: str) -> None:
    client = app_of(ROUTES % "false", models).test_client()
    expected = hash_of(spec_folder)
    assert expected == client.get("/-/status").json["models"][0]["hash"]
    families = text_string_to_metric_families(client.get("/metrics").text)
    info, _ = [sample for family in families for sample in family.samples if sample.name == "engine_model_info"]
    assert ("iris", expected) == (info.labels["model"], info.labels["hash"])
    header, _, row, *_ = run("check").stdout.splitlines()
    assert (["model", "hash"], ["iris", expected]) == (header.split()[:2], row.split()[:2])
    facts, _ = json.loads(run("check", "--json").stdout)["models"]
    assert facts["sha256"].startswith(expected)
