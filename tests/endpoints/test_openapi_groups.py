"""Groups, headers of every answer and schemas in files, as the OpenAPI document shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from openapi_spec_validator import validate

AppOf = Callable[..., flask.Flask]
ROUTES = """
service: {response_headers: {X-All: "1"}}
routes:
  - {path: /plain, response: hi}
  - prefix: /t/<int:tenant>
    tags: [tenants]
    response_headers: {X-Group: "1", X-All: "2"}
    routes:
      - {path: /page, tags: [pages], response: {text: hi, headers: {x-group: own}}}
      - {path: /users, input: {$ref: "schemas/user.yaml#/User"}, response: {status: 201, text: ok}}
"""


@pytest.fixture
def document(app_of: AppOf, spec_folder: Path) -> dict[str, Any]:
    (spec_folder / "schemas").mkdir()
    (spec_folder / "schemas" / "user.yaml").write_text(
        "User: {type: object, properties: {friend: {$ref: '#/User'}, tag: {$ref: '#/Tag'}}}\nTag: {type: string}"
    )
    found: dict[str, Any] = json.loads(app_of(ROUTES).test_client().get("/openapi.json").data)
    validate(found)
    return found


def headers_of(document: dict[str, Any], path: str, method: str, status: str) -> set[str]:
    answer = document["paths"][path][method]["responses"][status]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return set(answer.get("headers", {}))


def test_paths_tags_and_parameters_are_those_of_the_whole_route(document: dict[str, Any]) -> None:
    operation = document["paths"]["/t/{tenant}/page"]["get"]
    assert (["tenants", "pages"], ["tenant"]) == (operation["tags"], [one["name"] for one in operation["parameters"]])


def test_every_answer_lists_its_headers(document: dict[str, Any]) -> None:
    group = "/t/{tenant}/users"
    assert {"X-All"} == headers_of(document, "/plain", "get", "200") == headers_of(document, "/plain", "get", "400")
    assert (
        {"X-All", "X-Group"} == headers_of(document, group, "post", "201") == headers_of(document, group, "post", "422")
    )
    assert {"X-All", "x-group"} == headers_of(document, "/t/{tenant}/page", "get", "200")
    assert {"X-All"} <= headers_of(document, "/docs", "get", "200")


def test_schemas_of_files_are_components(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    body = document["paths"]["/t/{tenant}/users"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = body["$ref"].rpartition("/")[2]
    assert {"friend": body, "tag": {"$ref": f"#/components/schemas/{name}Tag"}} == schemas[name]["properties"]
    assert {"type": "string"} == schemas[f"{name}Tag"]


def test_parameters_whose_schemas_are_in_files_refer_to_components(app_of: AppOf, spec_folder: Path) -> None:
    (spec_folder / "kinds.yaml").write_text("""
Kind: {enum: [a, b]}
Page: {type: integer, minimum: 1, default: 1}
Path: {properties: {kind: {$ref: "#/Kind"}}}
Query: {properties: {page: {$ref: "#/Page"}}}
""")
    routes = """
routes:
  - path: /things/<kind>
    path_parameters: {properties: {kind: {$ref: "kinds.yaml#/Kind"}}}
    query: {properties: {page: {$ref: "kinds.yaml#/Page"}, q: {type: string}}}
    headers: {required: [X-Kind], properties: {X-Kind: {$ref: "kinds.yaml#/Kind"}}}
    response: {json: {kind: "${path.kind}"}}
  - path: /all/<kind>
    path_parameters: {$ref: "kinds.yaml#/Path"}
    query: {$ref: "kinds.yaml#/Query"}
    response: {json: {page: "${query.page}"}}
"""
    found = json.loads(app_of(routes).test_client().get("/openapi.json").data)
    validate(found)
    schemas = found["components"]["schemas"]
    kind, page, q, header = found["paths"]["/things/{kind}"]["get"]["parameters"]
    referred = [kind["schema"]["allOf"][1], header["schema"], page["schema"]]
    expected = [{"enum": ["a", "b"]}, {"enum": ["a", "b"]}, {"type": "integer", "minimum": 1, "default": 1}]
    assert expected == [schemas[one["$ref"].rpartition("/")[2]] for one in referred]
    assert {"type": "string"} == q["schema"]
    names = [("kind", True), ("page", False), ("q", False), ("X-Kind", True)]
    assert names == [(one["name"], one["required"]) for one in (kind, page, q, header)]
    described = found["paths"]["/all/{kind}"]["get"]["parameters"]
    assert [("kind", "path"), ("page", "query")] == [(one["name"], one["in"]) for one in described]
