"""Groups, headers of every answer and schemas in files, as the OpenAPI document shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from conftest import ROOT
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
    assert (["pages", "tenants"], ["tenant"]) == (operation["tags"], [one["name"] for one in operation["parameters"]])


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
    assert ("User", {"friend": body, "tag": {"$ref": "#/components/schemas/Tag"}}) == (
        name,
        schemas[name]["properties"],
    )
    assert {"type": "string"} == schemas["Tag"]


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
    referred = [kind["schema"], header["schema"], page["schema"]]
    expected = [{"enum": ["a", "b"]}, {"enum": ["a", "b"]}, {"type": "integer", "minimum": 1, "default": 1}]
    assert expected == [schemas[one["$ref"].rpartition("/")[2]] for one in referred]
    assert {"type": "string"} == q["schema"]
    names = [("kind", True), ("page", False), ("q", False), ("X-Kind", True)]
    assert names == [(one["name"], one["required"]) for one in (kind, page, q, header)]
    described = found["paths"]["/all/{kind}"]["get"]["parameters"]
    assert [("kind", "path"), ("page", "query")] == [(one["name"], one["in"]) for one in described]


SHARED = """
routes:
  - {path: "/v1/a/<any(one, two):kind>/people", input: {$ref: "people.yaml#/Person"}, response: hi}
  - {path: /b, input: {$ref: "people.yaml#/Person"}, response: hi}
  - {path: /c, input: {type: object, properties: {of: {$ref: "people.yaml#/Person"}}}, response: hi}
  - {path: /d, input: {type: object, properties: {of: {$ref: "people.yaml#/Tag"}}}, response: hi}
  - path: /e
    input:
      properties: {mine: {$ref: "tags.yaml#/Tag"}, of: {$ref: "people.yaml#/Tag"}, pet: {$ref: "people.yaml#/Pet"}}
    response: hi
  - path: /f
    input: {$ref: "#/$defs/Size", $defs: {Size: {type: number}}}
    query: {properties: {size: {$ref: "#/$defs/Size"}}, $defs: {Size: {type: number}}}
    response: hi
"""


def test_a_schema_that_many_routes_use_is_one_component(app_of: AppOf, spec_folder: Path) -> None:
    """By its own name, also in a circle; others of the same name that say something else, or lead elsewhere, stay."""
    (spec_folder / "people.yaml").write_text("""
Person: {type: object, properties: {friend: {$ref: "#/Person"}, pets: {items: {$ref: "#/Pet"}}, tag: {$ref: "#/Tag"}}}
Pet: {type: object, properties: {owner: {$ref: "#/Person"}}}
Tag: {type: string}
""")
    (spec_folder / "tags.yaml").write_text("Tag: {type: integer}")
    found = json.loads(app_of(SHARED).test_client().get("/openapi.json").data)
    validate(found)
    schemas = found["components"]["schemas"]
    assert ["Problem", "Person", "Pet", "Tag", "CInput", "DInput", "EInput", "Tag2", "Size"] == list(schemas)
    bodies = {
        path: next(iter(item["post"]["requestBody"]["content"].values()))["schema"]["$ref"].rpartition("/")[2]
        for path, item in found["paths"].items()
        if "requestBody" in item.get("post", {})
    }
    expected = ["Person", "Person", "CInput", "DInput", "EInput", "Size"]
    assert expected == list(bodies.values())
    home = "#/components/schemas/"
    assert {"friend": {"$ref": f"{home}Person"}} == {"friend": schemas["Person"]["properties"]["friend"]}
    assert {"owner": {"$ref": f"{home}Person"}} == schemas["Pet"]["properties"]
    assert {"of": {"$ref": f"{home}Tag"}} == schemas["DInput"]["properties"]
    assert {
        "mine": {"$ref": f"{home}Tag2"},
        "of": {"$ref": f"{home}Tag"},
        "pet": {"$ref": f"{home}Pet"},
    } == schemas["EInput"]["properties"]
    assert [{"$ref": f"{home}Size"}] == [one["schema"] for one in found["paths"]["/f"]["post"]["parameters"]]


def test_names_of_components_are_short(app_of: AppOf) -> None:
    """Those of schemas have the last parts of a path, and those of errors with other headers a number."""
    headers = "{X-Frame-Options: deny, Strict-Transport-Security: max-age=1, Referrer-Policy: none}"
    routes = f"""
routes:
  - path: "/api/v1/t/<any(a, b, c):tenant>/users/<int:id>"
    methods: [PUT, PATCH]
    input: {{type: object}}
    response: {{headers: {headers}, text: hi}}
  - {{path: "/t/<uuid:tenant>/users/<int(min=1):id>", methods: [PUT], input: {{type: string}}, response: hi}}
  - prefix: /g
    response_headers: {headers}
    routes: [{{path: /a, methods: [POST], response: hi}}, {{path: /b, response: hi}}]
"""
    found = json.loads(app_of(routes).test_client().get("/openapi.json").data)
    validate(found)
    assert ["Problem", "TenantUsersIdInput", "TenantUsersIdInput2"] == list(found["components"]["schemas"])
    codes = ["BadRequest", "ContentTooLarge", "URITooLong"]
    named = [name for name in found["components"]["responses"] if name.rstrip("2") in codes]
    assert [*codes, *(f"{name}2" for name in codes)] == named


def test_parameters_under_all_of_and_references_are_listed(app_of: AppOf) -> None:
    routes = (ROOT / "tests" / "cases" / "parameters-together" / "routes.yaml").read_text()
    found = json.loads(app_of(routes).test_client().get("/openapi.json").data)
    validate(found)
    listed = {
        path: [(one["in"], one["name"], one["required"], one["schema"]) for one in item["get"]["parameters"]]
        for path, item in found["paths"].items()
        if "parameters" in item["get"]
    }
    page = {"allOf": [{"type": "integer", "minimum": 1, "default": 1}, {"maximum": 50}], "default": 1}
    assert {
        "/search": [
            ("query", "tag", False, {"type": "array", "items": {"type": "string"}, "default": []}),
            ("query", "page", False, page),
            ("query", "size", False, {"type": "integer", "maximum": 100}),
            ("query", "q", True, {"type": "string"}),
            ("query", "exact", False, {"type": "boolean", "default": False}),
        ],
        "/tenant": [
            ("header", "X-Tenant", True, {"enum": ["a", "b"]}),
            ("cookie", "theme", False, {"type": "string", "default": "dark"}),
            ("cookie", "visits", False, {"type": "integer", "default": 0}),
        ],
        "/closed": [("query", "a", False, {"type": "integer"})],
        "/things/{id}": [("path", "id", True, {"allOf": [{"type": "integer", "minimum": 0}, {"minimum": 5}]})],
    } == listed


def test_a_form_with_files_refers_to_components(app_of: AppOf, spec_folder: Path) -> None:
    (spec_folder / "parts.yaml").write_text("Tag: {type: string}\nUpload: {type: object}")
    upload = '{properties: {tag: {$ref: "parts.yaml#/Tag"}, file: {$ref: "parts.yaml#/Upload"}}, type: object}'
    routes = f"routes: [{{path: /up, accepts: [multipart], input: {upload}, response: hi}}]"
    found = json.loads(app_of(routes).test_client().get("/openapi.json").data)
    validate(found)
    form = found["paths"]["/up"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    expected = {"tag": {"$ref": "#/components/schemas/Tag"}, "file": {"type": "string", "format": "binary"}}
    assert expected == form["properties"]


@pytest.mark.parametrize(
    ("path", "added", "expected"),
    [
        ("<a>", "{pattern: '^[a-z]+$'}", {"type": "string", "pattern": "^[a-z]+$"}),
        ("<a>", "{enum: [x, y]}", {"type": "string", "enum": ["x", "y"]}),
        ("<int:a>", "{maximum: 5}", {"allOf": [{"type": "integer", "minimum": 0}, {"maximum": 5}]}),
        (
            "<string(length=2):a>",
            "{enum: [xy]}",
            {"allOf": [{"type": "string", "pattern": "^[^/]{2}$"}, {"enum": ["xy"]}]},
        ),
    ],
)
def test_a_text_in_the_path_has_the_schema_of_the_spec(path: str, added: str, expected: Any, app_of: AppOf) -> None:
    routes = f"routes: [{{path: '/p/{path}', path_parameters: {{properties: {{a: {added}}}}}, response: hi}}]"
    found = json.loads(app_of(routes).test_client().get("/openapi.json").data)
    validate(found)
    assert [expected] == [one["schema"] for one in found["paths"]["/p/{a}"]["get"]["parameters"]]
