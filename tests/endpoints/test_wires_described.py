"""The OpenAPI document and the docs page say of the routes of protocols what these do."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from apps import build_app
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from wire_models import write_wire_service

from engine.spec import load_spec

MODELS = ("species", "same", "line", "mood", "people")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    folder = tmp_path_factory.mktemp("wires")
    write_wire_service(folder, {"protocols": ["v2", "v1"]})
    return build_app(load_spec(folder / "routes.yaml")).test_client()


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> dict[str, Any]:
    return client.get("/openapi.json").json


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)


@pytest.mark.parametrize("model", MODELS)
def test_the_example_of_each_model_is_answered(client: FlaskClient, document: dict[str, Any], model: str) -> None:
    described = document["paths"][f"/v2/models/{model}/infer"]["post"]
    content = described["requestBody"]["content"]
    answer = client.post(f"/v2/models/{model}/infer", json=content["application/json"]["example"])
    assert 200 == answer.status_code, answer.text
    assert ["application/json", "application/octet-stream"] == list(content)
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    listed = document["components"]["schemas"][name]["properties"]["outputs"]["items"]["properties"]["name"]["enum"]
    assert ["output-0", *(one["name"] for one in answer.json["outputs"])] == listed
    assert {"200", "400", "413", "414", "415", "422", "500", "503"} == set(described["responses"])


def test_errors_are_described_in_the_form_of_the_protocol(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            if path.startswith("/v2"):
                bodies = [one["content"] for status, one in operation["responses"].items() if status != "200"]
                assert bodies
                assert all(["application/json"] == list(one) for one in bodies), path
    error = document["components"]["schemas"]["WireError"]
    assert {"error": {"type": "string"}} == error["properties"]


def test_fixed_answers_are_described_by_themselves(client: FlaskClient, document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        if path.startswith("/v2") and "get" in item and "{" not in path:
            example = item["get"]["responses"]["200"]["content"]["application/json"]["example"]
            assert json.loads(json.dumps(example)) == client.get(path).json


def test_a_version_is_a_parameter(document: dict[str, Any]) -> None:
    described = document["paths"]["/v2/models/line/versions/{version}/infer"]["post"]
    assert [("version", "path"), ("Inference-Header-Content-Length", "header")] == [
        (one["name"], one["in"]) for one in described["parameters"]
    ]
    assert "404" in described["responses"]


def test_the_page_shows_a_body_of_the_protocol(client: FlaskClient) -> None:
    page = client.get("/docs").text
    card = page.partition('<article id="post-v2-models-line-infer"')[2].partition("</article>")[0]
    assert "Predict with the model line (v2)" in card
    sent = html.unescape(card).partition("--data-raw '")[2].partition("'</code>")[0]
    assert {"inputs": [{"name": "input-0", "shape": [1], "datatype": "FP64", "data": [0]}]} == json.loads(sent)
    assert ["Models", "Protocol v2", "Protocol v1", "Built in"] == re.findall("<h2[^>]*>([^<]*)</h2>", page)
