"""What the OpenAPI document says of the routes of v1, Vertex AI, MLflow and SageMaker is what they take and answer."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from apps import build_app
from flask.testing import FlaskClient
from modelling import NAMES
from openapi_spec_validator import validate
from wire_models import write_wire_service

from engine.spec import load_spec

ROW = [5.9, 3.0, 5.1, 1.8]
NAMED = dict(zip(NAMES, ROW, strict=True))
PATHS = ("/v1/models/species:predict", "/predict", "/invocations", "/serving-endpoints/species/invocations")


@pytest.fixture
def client(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/alive")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/predict")
    model = {"model": "species"}
    service = {"protocols": {"v1": {}, "vertex": model, "mlflow": model, "sagemaker": model}, "model_header": True}
    write_wire_service(tmp_path, service)
    return build_app(load_spec(tmp_path / "routes.yaml")).test_client()


def accepts(document: dict[str, Any], content: dict[str, Any], value: Any) -> bool:
    schema = {**content["application/json"]["schema"], "components": document["components"]}
    return jsonschema_rs.is_valid(schema, value)


def test_bodies_and_answers_are_as_described(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    validate(document)
    bodies: list[Any] = [
        {"instances": [ROW, NAMED]},
        {"inputs": {name: [value] for name, value in NAMED.items()}},
        {"inputs": NAMED},
        {"dataframe_split": {"columns": list(NAMES), "data": [ROW]}, "params": {"a": 1}},
        {"dataframe_records": [NAMED]},
        [ROW],
        {},
        {"instances": [ROW], "inputs": [ROW]},
        {"instances": [3]},
        {"instances": []},
    ]
    for path in PATHS:
        operation = document["paths"][path]["post"]
        for body in [*bodies, operation["requestBody"]["content"]["application/json"]["example"]]:
            answer = client.post(path, json=body)
            described = accepts(document, operation["requestBody"]["content"], body)
            assert described == (answer.status_code == 200), (path, body, answer.text)
            response = operation["responses"][str(answer.status_code)]
            assert accepts(document, response["content"], answer.json), (path, body)
            assert answer.status_code != 200 or "X-Model" in response["headers"]


def test_rows_of_csv_are_described_where_they_are_taken(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    taken = {path: list(document["paths"][path]["post"]["requestBody"]["content"]) for path in PATHS}
    both = ["application/json", "text/csv"]
    assert [["application/json"], ["application/json"], both, both] == list(taken.values())
    given = {path: list(document["paths"][path]["post"]["responses"]["200"]["content"]) for path in PATHS}
    assert [["application/json"], ["application/json"], both, ["application/json"]] == list(given.values())


def test_the_page_shows_a_body_of_each(client: FlaskClient) -> None:
    page = client.get("/docs").text
    for name in ("v1", "vertex", "mlflow", "sagemaker"):
        assert f"Protocol {name}" in page
    assert "Predict with the model species (mlflow, sagemaker)" in page
