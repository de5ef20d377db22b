"""Errors with bodies of the spec's own, as the OpenAPI document describes them, and as they are sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import flask
import pytest
from openapi_spec_validator import validate

from engine.schema import Validator

AppOf = Callable[..., flask.Flask]
ROUTES = """
service:
  error_bodies:
    422: {json: {error: {code: invalid, fields: "${problem.errors}"}}}
    404: {text: nothing here}
    400: {html: "<p>${problem.detail}</p>", json: {said: "${problem.detail}"}}
    500: {json: {code: "${problem.status}", trace: "${problem.request_id}"}}
DEFAULT
routes:
  - {path: "/a/<int:id>", methods: [POST], input: {type: object}, strict_content_type: true, response: {json: {}}}
  - {path: /file, response: {status: 404, json: {lost: true}}}
"""
DEFAULT = '    default: {json: {code: "${problem.status}"}}'
REQUESTS = {
    "422": {"path": "/a/1", "json": []},
    "404": {"path": "/a/x"},
    "400": {"path": "/a/1", "data": "{", "content_type": "application/json"},
    "415": {"path": "/a/1", "data": "{}", "content_type": "text/plain"},
    "413": {"path": "/a/1", "data": b" " * 2_000_000, "content_type": "application/json"},
}


def described(document: dict[str, Any], status: str) -> dict[str, Any]:
    answer = document["paths"]["/a/{id}"]["post"]["responses"][status]
    found: dict[str, Any] = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return found


@pytest.mark.parametrize("default", [DEFAULT, ""])
@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
@pytest.mark.parametrize("status", REQUESTS)
def test_an_error_is_described_as_it_is_sent(status: str, accept: str, default: str, app_of: AppOf) -> None:
    client = app_of(ROUTES.replace("DEFAULT", default)).test_client()
    document = json.loads(client.get("/openapi.json").data)
    validate(document)
    answer = client.post(headers={"Accept": accept}, **REQUESTS[status])
    content = described(document, status)["content"]
    assert (int(status), True) == (answer.status_code, answer.mimetype in content)
    if answer.is_json:
        schema = {**content[answer.mimetype]["schema"], "components": document["components"]}
        assert Validator(schema).is_valid(answer.json)


@pytest.mark.parametrize(
    ("status", "means"),
    [
        ("422", "The input violates its schema; `error.fields` has every violation."),
        ("400", "The request is malformed."),
        ("404", "A path parameter has the wrong type, or nothing exists at this path."),
    ],
)
def test_a_description_names_what_the_body_has(status: str, means: str, app_of: AppOf) -> None:
    document = json.loads(app_of(ROUTES.replace("DEFAULT", DEFAULT)).test_client().get("/openapi.json").data)
    assert means == described(document, status)["description"]
    assert "Problem" not in document["components"]["schemas"]


def test_a_description_names_nothing_that_the_body_lacks(app_of: AppOf) -> None:
    routes = ROUTES.replace("DEFAULT", DEFAULT).replace('fields: "${problem.errors}"', "fields: many")
    document = json.loads(app_of(routes).test_client().get("/openapi.json").data)
    assert "The input violates its schema." == described(document, "422")["description"]
