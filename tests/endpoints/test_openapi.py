"""The OpenAPI document: it is valid, it says what the service does, and programs that read it get along."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import flask
import numpy as np
import pytest
from conftest import ROOT
from modelling import NAMES, OBJECT, ROW, Serve, X, y
from openapi_spec_validator import validate
from serving import Server, command, serving
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from engine.endpoints import describe_spec
from engine.models import compile_models
from engine.schema import Validator
from engine.spec import load_spec

AppOf = Callable[..., flask.Flask]
IRIS = (ROOT / "models.yaml").read_text().replace("    reference: build/reference.csv\n", "")
SERVICE = """service: {title: Iris, version: 1.2.3, description: Flowers.}
routes:
  - {path: /, response: hello, tags: [pages], summary: Say hello}
  - {path: /predict, methods: [GET, POST], model: iris, tags: [models, public]}
  - {path: /strict, model: iris, strict_content_type: true, description: Only JSON.}
  - {path: '/users/<int:id>', response: {json: {id: '${path.id}', of: ['${path.id}'], name: 'user ${path.id}'}}}
  - {path: '/users/<any(me,you):who>', response: {text: '${path.who}'}}
  - {path: '/things/<uuid:thing>', methods: [PUT, DELETE], response: {status: 204}}
  - {path: /made, methods: [POST], response: {status: 201, json: {made: true}, headers: {Location: /thing, X-Rate: 5}}}
  - {path: /feedback, input: {type: object, required: [stars], properties: {stars: {type: integer}}}, response: thanks}
"""


@pytest.fixture
def document(app_of: AppOf) -> dict[str, Any]:
    return json.loads(app_of(SERVICE, IRIS).test_client().get("/openapi.json").data)


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_parameters_formats_and_several_bodies_are_described(app_of: AppOf) -> None:
    """With the exact types of what is filled in."""
    app = app_of(
        """routes:
  - path: /a/<int:id>
    path_parameters: {properties: {id: {minimum: 1}}}
    query: {required: [q], properties: {q: {type: string}, page: {type: integer, default: 1}}}
    headers: {properties: {X-Tenant: {enum: [a, b]}}}
    cookies: {properties: {session: {type: string}}}
    cases:
      - {when: {query.q: no}, response: {status: 202, json: {page: "${query.page}", now: "${now}"}}}
      - {response: {json: {id: "${path.id}", text: "is ${path.id}"}, html: "<p>${query.q}</p>"}}
  - path: /upload
    accepts: [json, multipart]
    input: {type: object, required: [file], properties: {name: {type: string}, file: {type: object}}}
    response: {json: {name: "${body.name:-none}", size: "${body.file.size}"}}
  - {path: /bytes, accepts: [binary], input: {}, response: {json: "${body.size}"}}
"""
    )
    document = json.loads(app.test_client().get("/openapi.json").data)
    validate(document)
    got = document["paths"]["/a/{id}"]["get"]
    parameters = {(one["in"], one["name"]): (one["required"], one["schema"]) for one in got["parameters"]}
    assert {
        ("path", "id"): (True, {"allOf": [{"type": "integer", "minimum": 0}, {"minimum": 1}]}),
        ("query", "q"): (True, {"type": "string"}),
        ("query", "page"): (False, {"type": "integer", "default": 1}),
        ("header", "X-Tenant"): (False, {"enum": ["a", "b"]}),
        ("cookie", "session"): (False, {"type": "string"}),
    } == parameters
    filled = got["responses"]["202"]["content"]["application/json"]["schema"]
    assert {"page": {"type": "integer"}, "now": {"type": "string", "format": "date-time"}} == filled["properties"]
    assert {"application/json", "text/html"} == got["responses"]["200"]["content"].keys()
    assert {"406", "422"} <= got["responses"].keys()
    uploaded = document["paths"]["/upload"]["post"]
    formats = uploaded["requestBody"]["content"]
    assert {"application/json", "multipart/form-data"} == formats.keys()
    form = {"name": {"type": "string"}, "file": {"type": "string", "format": "binary"}}
    assert form == formats["multipart/form-data"]["schema"]["properties"]
    size = uploaded["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["size"]
    assert "integer" == size["type"]
    binary = document["paths"]["/bytes"]["post"]["requestBody"]["content"]
    assert {"*/*": {"schema": {"type": "string", "format": "binary"}}} == binary


def test_headers_that_only_some_answers_of_a_status_have_are_listed(app_of: AppOf) -> None:
    """None is required."""
    cases = """[{when: {query.n: 1}, response: {headers: {X-Page: "${query.n}", X-Both: a}, json: [1]}},
      {response: {headers: {x-both: b, X-Other: c}, json: []}}]"""
    app = app_of(f"routes: [{{path: /a, query: {{properties: {{n: {{type: integer, default: 1}}}}}}, cases: {cases}}}]")
    document = json.loads(app.test_client().get("/openapi.json").data)
    validate(document)
    headers = document["paths"]["/a"]["get"]["responses"]["200"]["headers"]
    assert {name: {"schema": {"type": "string"}} for name in ("X-Page", "X-Both", "X-Other")} == headers


def test_the_rules_of_files_are_described(app_of: AppOf) -> None:
    photo = "{type: object, properties: {type: {enum: [image/png, image/jpeg]}, size: {maximum: 100000}}}"
    scans = "{type: array, minItems: 2, items: {type: object, properties: {type: {const: application/pdf}}}}"
    body = f"{{type: object, properties: {{photo: {photo}, scans: {scans}, any: {{type: object}}}}}}"
    app = app_of(f"routes: [{{path: /a, accepts: [multipart], input: {body}, response: hi}}]")
    document = json.loads(app.test_client().get("/openapi.json").data)
    validate(document)
    form = document["paths"]["/a"]["post"]["requestBody"]["content"]["multipart/form-data"]
    types = {"photo": {"contentType": "image/png, image/jpeg"}, "scans": {"contentType": "application/pdf"}}
    assert types == form["encoding"]
    bytes_of = {"type": "string", "format": "binary"}
    assert {
        "photo": {**bytes_of, "description": "at most 100,000 bytes"},
        "scans": {"type": "array", "items": bytes_of, "minItems": 2},
        "any": bytes_of,
    } == form["schema"]["properties"]


@pytest.mark.parametrize(("method", "is_listed"), [("GET", False), ("POST", True)])
def test_only_what_may_have_a_body_has_one_that_is_too_large(method: str, is_listed: bool, app_of: AppOf) -> None:
    app = app_of(f"routes: [{{path: /a, methods: [{method}], response: hi}}]")
    responses = json.loads(app.test_client().get("/openapi.json").data)["paths"]["/a"][method.lower()]["responses"]
    assert is_listed == ("413" in responses)


def test_it_names_the_service(document: dict[str, Any]) -> None:
    assert {"title": "Iris", "version": "1.2.3", "description": "Flowers."} == document["info"]
    assert ["pages", "models", "public", "Endpoints", "Built in"] == [tag["name"] for tag in document["tags"]]
    assert "Say hello" == document["paths"]["/"]["get"]["summary"]


def test_every_route_and_method_is_there(document: dict[str, Any]) -> None:
    found = {(path, method) for path, item in document["paths"].items() for method in item}
    expected = {
        *[("/", "get"), ("/predict", "get"), ("/predict", "post"), ("/strict", "post"), ("/users/{id}", "get")],
        *[("/things/{thing}", "put"), ("/things/{thing}", "delete"), ("/made", "post"), ("/feedback", "post")],
    }
    assert expected == {
        one for one in found if one[0] not in ("/docs", "/openapi.json", "/livez", "/readyz", "/-/status", "/metrics")
    }
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_a_model_is_described_whole(document: dict[str, Any]) -> None:
    operation = document["paths"]["/predict"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    schemas = document["components"]["schemas"]
    assert [{"$ref": "#/components/schemas/IrisInstance"}, {"$ref": "#/components/schemas/IrisInstances"}] == [
        {"$ref": one["$ref"]} for one in content["schema"]["anyOf"]
    ]
    assert 5.9 == content["examples"]["example-1"]["value"]["sepal_length"]
    assert {"type": "integer", "description": "One of the classes 0, 1, 2."} == schemas["IrisPrediction"]["properties"][
        "result"
    ]["items"]
    assert 10_000 == schemas["IrisInstances"]["properties"]["instances"]["maxItems"]
    assert ["200", "400", "413", "414", "415", "422", "500", "503"] == list(operation["responses"])
    assert "415" not in document["paths"]["/predict"]["get"]["responses"]
    meant = {path: document["paths"][path]["post"]["responses"]["415"]["$ref"] for path in ("/predict", "/strict")}
    said = {path: document["components"]["responses"][ref.rpartition("/")[2]] for path, ref in meant.items()}
    assert {
        "/predict": "The charset or the content coding of the body is not supported.",
        "/strict": "The Content-Type, the charset or the content coding of the body is not supported.",
    } == {path: one["description"] for path, one in said.items()}
    assert "Answers the liveness check" == document["paths"]["/livez"]["get"]["summary"]
    assert "Only JSON." == document["paths"]["/strict"]["post"]["description"]
    assert "The species of an iris, from four measurements in cm." == operation["description"]


def test_numbers_have_the_bounds_that_the_model_has(app_of: AppOf) -> None:
    """Trees cast their rows to float32."""
    client = app_of(SERVICE, IRIS.replace("petal_width: {type: number}", "petal_width: {type: number, maximum: 3}"))
    shown = json.loads(client.test_client().get("/openapi.json").data)["components"]["schemas"]["IrisInstance"]
    largest = shown["properties"]["sepal_length"]["maximum"]
    assert {"type": "number", "minimum": -largest, "maximum": 3} == shown["properties"]["petal_width"]
    instance = {"sepal_length": 1, "sepal_width": 1, "petal_length": 1, "petal_width": 1}
    for number, status in ((largest, 200), (-largest, 200), (largest * (1 + 1e-15), 422)):
        assert status == client.test_client().post("/predict", json={**instance, "sepal_width": number}).status_code


@pytest.mark.parametrize(
    "schema", [OBJECT, {**OBJECT, "additionalProperties": False}, ROW], ids=["open", "closed", "row"]
)
def test_a_body_with_instances_is_a_batch_and_nothing_else(schema: dict[str, Any], app_of: AppOf) -> None:
    models = json.dumps({"models": {"m": {"file": "build/model.pkl", "input": schema}}})
    client = app_of("routes: [{path: /p, model: m}]", models).test_client()
    document = json.loads(client.get("/openapi.json").data)
    validate(document)
    body = document["paths"]["/p"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    shown = Validator({**body, "components": document["components"]})
    one = [1, 2, 3, 4] if schema is ROW else dict.fromkeys(NAMES, 1)
    for sent in (
        one,
        {"instances": [one]},
        {"instances": 1},
        {"instances": []},
        {**dict.fromkeys(NAMES, 1), "instances": 1},
    ):
        assert (client.post("/p", json=sent).status_code == 200) == shown.is_valid(sent), sent


def test_a_number_is_bounded_wherever_its_type_is_written(app_of: AppOf) -> None:
    """What the document allows, the model takes."""
    features = [
        {"$ref": "#/$defs/big%20size"},
        {"allOf": [{"$ref": "#/$defs/size"}, {"minimum": 0}]},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"enum": [1, 2]},
    ]
    schema = {**OBJECT, "properties": dict(zip(NAMES, features, strict=True))}
    schema["$defs"] = {"size": {"type": "number"}, "big size": {"$ref": "#/$defs/size"}}
    models = json.dumps({"models": {"m": {"file": "build/model.pkl", "input": schema}}})
    client = app_of("routes: [{path: /p, model: m, methods: [GET, POST]}]", models).test_client()
    document = json.loads(client.get("/openapi.json").data)
    validate(document)
    shown = Validator({"$ref": "#/components/schemas/MInstance", "components": document["components"]})
    for parameter in document["paths"]["/p"]["get"]["parameters"]:
        name, by_get = parameter["name"], parameter["schema"]
        assert ("enum" in by_get) != ("maximum" in by_get)
        alone = Validator({**by_get, "components": document["components"]})
        for number in (1, 1e38, 1e39, -1e39):
            instance = {**dict.fromkeys(NAMES, 1), name: number}
            assert (client.post("/p", json=instance).status_code == 200) == shown.is_valid(instance), number
            assert shown.is_valid(instance) == alone.is_valid(number)


NUMBER = {"type": "number"}
CHANCE = {"type": "number", "minimum": 0, "maximum": 1}
TWO = np.column_stack([y, y[::-1]])


def some(count: int, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": count, "maxItems": count, "items": items}


@pytest.mark.parametrize("runtime", ["auto", "sklearn"])
@pytest.mark.parametrize(
    ("estimator", "target", "keys", "expected"),
    [
        (LinearRegression(), y, {}, {"result": NUMBER}),
        (LinearRegression(), y.reshape(-1, 1), {}, {"result": some(1, NUMBER)}),
        (LinearRegression(), TWO, {}, {"result": some(2, NUMBER)}),
        (RandomForestRegressor(3, random_state=0), TWO, {}, {"result": some(2, NUMBER)}),
        (DecisionTreeClassifier(), TWO, {}, {"result": some(2, {"type": "integer"})}),
        (MultiOutputClassifier(GaussianNB()), TWO.astype(str), {}, {"result": some(2, {"type": "string"})}),
        (GaussianNB(), y, {"response_method": "predict_proba"}, {"result": some(3, NUMBER)}),
        (KMeans(2, n_init=1, random_state=0), None, {}, {"result": {"type": "integer"}}),
        (
            GaussianNB(),
            y > 0,
            {"output": {"probabilities": True}},
            {
                "result": {"type": "boolean", "description": "One of the classes false, true."},
                "probabilities": {
                    "type": "object",
                    "required": ["false", "true"],
                    "properties": {"false": CHANCE, "true": CHANCE},
                },
            },
        ),
    ],
)
def test_an_answer_is_described_as_it_is(
    estimator: Any, target: Any, keys: Any, expected: Any, runtime: str, serve: Serve
) -> None:
    """Also where the model comes from the cache."""
    estimator = clone(estimator).fit(X, target)
    for predictor in (serve(estimator, runtime=runtime, **keys), serve(None, runtime=runtime, **keys)):
        document = describe_spec(load_spec(Path(predictor.facts.file).with_name("routes.yaml")), {"m": predictor.facts})
        schema = document["components"]["schemas"]["MPrediction"]
        assert expected == {name: part["items"] for name, part in schema["properties"].items()}
        prediction = asdict(predictor([[1, 2, 3, 4]]))
        assert [] == [*Validator(schema).violations({name: prediction[name] for name in expected})]


def test_by_get_the_features_are_parameters(document: dict[str, Any]) -> None:
    operation = document["paths"]["/predict"]["get"]
    names = [(one["name"], one["in"], one["required"]) for one in operation["parameters"]]
    assert [(f"{part}_{size}", "query", True) for part in ("sepal", "petal") for size in ("length", "width")] == names
    assert "requestBody" not in operation


def test_features_in_the_path_are_asked_for_there_and_nowhere_else(app_of: AppOf) -> None:
    routes = "routes: [{path: '/p/<sepal_length>/<float:petal_width>', methods: [GET, POST], model: iris}]"
    client = app_of(routes, IRIS).test_client()
    document = client.get("/openapi.json").get_json()
    validate(document)
    item = document["paths"]["/p/{sepal_length}/{petal_width}"]
    in_path = [("sepal_length", "path", True), ("petal_width", "path", True)]
    in_query = [(name, "query", True) for name in ("sepal_width", "petal_length")]
    named = {
        method: [(one["name"], one["in"], one["required"]) for one in item[method]["parameters"]]
        for method in ("get", "post")
    }
    assert {"get": in_path + in_query, "post": in_path} == named
    assert ["number", "number"] == [one["schema"]["type"] for one in item["post"]["parameters"]]
    content = item["post"]["requestBody"]["content"]["application/json"]
    body = content["examples"]["example-1"]["value"]
    assert {"sepal_width": 3.0, "petal_length": 5.1} == body
    judge = Validator({**content["schema"], "components": document["components"]})
    assert [True, False] == [judge.is_valid(one) for one in (body, {"sepal_width": 3.0})]
    assert [2] == client.post("/p/5.9/1.8", json=body).get_json()["result"]


def test_routes_that_openapi_cannot_tell_apart_are_one_operation(document: dict[str, Any]) -> None:
    operation = document["paths"]["/users/{id}"]["get"]
    (parameter,) = operation["parameters"]
    either = [{"type": "integer", "minimum": 0}, {"type": "string", "enum": ["me", "you"]}]
    assert ("id", either) == (parameter["name"], parameter["schema"]["anyOf"])
    assert {"application/json", "text/plain"} == set(operation["responses"]["200"]["content"])
    assert "404" in operation["responses"]


def test_one_operation_has_the_inputs_and_the_answers_of_both(app_of: AppOf) -> None:
    """What only one of the routes takes is required of none; the header of one may be absent."""
    models = f"models: {{m: {{file: build/model.pkl, input: {json.dumps(OBJECT)}}}}}"
    schemas = {name: json.dumps({"type": "object", "required": [name]}) for name in "ab"}
    routes = f"""routes:
  - {{path: '/m/<float:sepal_length>', model: m, methods: [GET, POST]}}
  - path: '/m/<name>'
    methods: [GET, POST]
    response: {{json: {{name: '${{path.name}}'}}}}
  - path: '/in/<int:id>'
    input: {schemas["a"]}
    response: {{json: {{a: 1}}, headers: {{X-A: 1, X-Both: 1}}}}
  - path: '/in/<name>'
    input: {schemas["b"]}
    response: {{json: {{b: '1'}}, headers: {{X-B: 1, X-Both: 1}}, status: 200}}
  - {{path: '/gone/<int:id>', response: {{json: {{gone: true}}, status: 404}}}}
"""
    document = json.loads(app_of(routes, models).test_client().get("/openapi.json").data)
    validate(document)
    by_get, by_post = (document["paths"]["/m/{sepal_length}"][method] for method in ("get", "post"))
    required = {name: name == "sepal_length" for name in NAMES}
    assert required == {one["name"]: one["required"] for one in by_get["parameters"]}
    assert by_post["requestBody"]["required"] is False
    answers = by_get["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    assert ["#/components/schemas/MPrediction", ["name"]] == [answers[0]["$ref"], answers[1]["required"]]
    both = document["paths"]["/in/{id}"]["post"]
    assert both["requestBody"]["required"] is True
    inputs = [{"$ref": "#/components/schemas/InIdInput"}, {"$ref": "#/components/schemas/InNameInput"}]
    assert {"anyOf": inputs} == both["requestBody"]["content"]["application/json"]["schema"]
    assert {"X-A", "X-B", "X-Both"} == both["responses"]["200"]["headers"].keys()
    gone = document["paths"]["/gone/{id}"]["get"]["responses"]["404"]["content"]
    assert {"application/json", "application/problem+json", "text/html"} == gone.keys()


def test_an_input_is_one_schema_for_every_method(app_of: AppOf) -> None:
    schema = "{type: object, properties: {a: {const: CONST}, b: {$ref: '#/$defs/x'}}, $defs: {x: {type: string}}}"
    routes = f"""routes:
  - {{path: /in, methods: [POST, PUT, PATCH], input: {schema.replace("CONST", "1")}, response: hi}}
  - {{path: /in, methods: [DELETE], input: {schema.replace("CONST", "true")}, response: hi}}
"""
    schemas = json.loads(app_of(routes).test_client().get("/openapi.json").data)["components"]["schemas"]
    assert {"Problem", "InInput", "InInput2", "X"} == schemas.keys()


def test_fixed_answers_are_described(document: dict[str, Any]) -> None:
    schema = document["paths"]["/users/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    properties = schema["properties"]
    assert {"type": "integer", "minimum": 0} == properties["id"]
    assert ({"type": "array", "items": properties["id"]}, {"type": "string"}) == (properties["of"], properties["name"])
    assert "hello" == document["paths"]["/"]["get"]["responses"]["200"]["content"]["text/html"]["example"]
    predicted = document["paths"]["/predict"]["get"]["responses"]["200"]["content"]["application/json"]
    assert {"result": [2]} == predicted["example"]
    made = document["paths"]["/made"]["post"]["responses"]["201"]
    assert {"Location", "X-Rate"} == set(made["headers"])
    assert "content" not in document["paths"]["/things/{thing}"]["put"]["responses"]["204"]


def test_a_file_is_kept_only_where_it_is_got(app_of: AppOf, spec_folder: Path) -> None:
    """RFC 9110, section 13.2.1: a condition counts where the answer without it would be 2xx."""
    (spec_folder / "a.txt").write_text("a")
    file = "response: {file: a.txt, status: "
    routes = f"[{{path: /a, methods: [GET, PUT], {file}200}}}}, {{path: /b, methods: [GET, PUT], {file}404}}}}]"
    client = app_of(f"routes: {routes}").test_client()
    paths = json.loads(client.get("/openapi.json").data)["paths"]
    for path, method in (("/a", "get"), ("/a", "put"), ("/b", "get"), ("/b", "put")):
        answer = client.open(path, method=method.upper(), headers={"If-None-Match": "*"})
        responses = paths[path][method]["responses"]
        kept = (path, method) == ("/a", "get")
        assert (kept, kept) == (answer.status_code == 304, "304" in responses)
        assert ("ETag" in answer.headers) == ("ETag" in responses["200" if path == "/a" else "404"].get("headers", ()))


def test_references_in_a_schema_lead_to_where_it_is_put(app_of: AppOf) -> None:
    models = """models:
  iris:
    file: build/model.pkl
    input:
      type: object
      required: [a, b, c, d]
      properties:
        a: {$ref: "#/$defs/size"}
        b: {$ref: "#/properties/a"}
        c: {type: number, default: 1, enum: [1, 2], examples: [{$ref: "#/$defs/size"}]}
        d: {$ref: "#/$defs/other"}
      $defs: {size: {type: number}, other: {allOf: [{$ref: "#/$defs/size"}]}}
    features: [a, b, c, d]
"""
    shown = json.loads(app_of("routes: [{path: /p, model: iris}]", models).test_client().get("/openapi.json").data)
    validate(shown)
    schemas = shown["components"]["schemas"]
    home = "#/components/schemas/IrisInstance"
    properties = schemas["IrisInstance"]["properties"]
    assert ["#/components/schemas/Size", f"{home}/properties/a", "#/components/schemas/Other"] == [
        properties[name]["$ref"] for name in "abd"
    ]
    assert {"$ref": "#/$defs/size"} == properties["c"]["examples"][0]
    assert {"$ref": "#/components/schemas/Size"} == schemas["Other"]["allOf"][0]


@pytest.mark.parametrize("prefix", ["", "/behind/a/proxy"])
@pytest.mark.parametrize("built_in", ["{}", "{openapi: /a/b/api.json, docs: /a/}"])
def test_the_server_is_where_the_document_comes_from(built_in: str, prefix: str, app_of: AppOf) -> None:
    """A proxy's prefix is not lost: the server's URL is relative to the document's (OpenAPI 3.1, 4.6)."""
    client = app_of(f"service: {{built_in: {built_in}}}\nroutes: [{{path: /r, response: hi}}]").test_client()
    for path in ("/openapi.json", "/docs/document.json") if built_in == "{}" else ("/a/b/api.json", "/a/document.json"):
        (server,) = json.loads(client.get(path).data)["servers"]
        assert f"https://a.example{prefix}/" == urljoin(f"https://a.example{prefix}{path}", server["url"])


def test_integers_of_any_length_are_written_as_they_are(app_of: AppOf) -> None:
    """orjson, which writes predictions, knows 64 bits."""
    huge = 10**20
    schema = f"{{type: object, properties: {{a: {{enum: [{huge}]}}, b: {{type: integer, maximum: {huge}}}}}}}"
    routes = f"routes: [{{path: /in, input: {schema}, response: {{json: {{n: {huge}}}}}}}]"
    client = app_of(routes).test_client()
    document = json.loads(client.get("/openapi.json").data)
    assert huge == document["components"]["schemas"]["InInput"]["properties"]["b"]["maximum"]
    assert document["paths"] == json.loads(client.get("/docs/document.json").data)["paths"]
    assert [200, 200] == [client.get(path).status_code for path in ("/docs", "/docs/reference")]
    assert {"n": huge} == json.loads(client.post("/in", json={"a": huge}).data)


REFERRING = {
    "an $id at the root": {
        "$id": "https://a.example/flower",
        "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "https://a.example/flower#/$defs/n"}},
        "$defs": {"n": {"type": "number"}},
    },
    "an $id inside": {
        "properties": {"a": {"$ref": "size"}, "b": {"$ref": "size#/$defs/n"}, "c": {"$ref": "#/$defs/s/$defs/n"}},
        "$defs": {"s": {"$id": "size", "$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}},
    },
    "anchors": {
        "properties": {"a": {"$ref": "#n"}, "b": {"$ref": "size#n"}, "c": {"$ref": "#d"}},
        "$defs": {
            "n": {"$anchor": "n", "type": "number"},
            "s": {"$id": "size", "$defs": {"n": {"$anchor": "n", "type": "number"}}},
            "d": {"$dynamicAnchor": "d", "type": "number"},
        },
    },
    "signs in names": {
        "properties": {
            "a": {"$ref": "#/$defs/a%20b"},
            "b": {"$ref": "#/$defs/%C3%A9~1~0%25"},
            "c": {"$ref": "#/properties/x%20y"},
            "x y": {"type": "number"},
        },
        "$defs": {"a b": {"type": "number"}, "é/~%": {"type": "number"}},
    },
    "definitions": {"properties": {"a": {"$ref": "#/definitions/n"}}, "definitions": {"n": {"type": "number"}}},
    "recursion": {"properties": {"a": {"type": "number"}, "$id": {"$ref": "#"}, "of": {"items": {"$ref": "#"}}}},
}


@pytest.mark.parametrize("schema", REFERRING.values(), ids=REFERRING)
def test_every_reference_leads_to_what_it_led_to(schema: dict[str, Any], app_of: AppOf) -> None:
    """What an input refuses, its schema in the document refuses too, and both take the rest."""
    schema = {"type": "object", **schema}
    routes = json.dumps({"routes": [{"path": "/in", "input": schema, "response": "hi"}]})
    document = json.loads(app_of(routes).test_client().get("/openapi.json").data)
    validate(document)
    assert not re.search(r'"\$(id|anchor)":', json.dumps(document).replace('"$id": {', ""))
    shown = Validator({"$ref": "#/components/schemas/InInput", "components": document["components"]})
    for name in schema["properties"]:
        for value in (1, "x", {}, [], {"a": "x"}, [{"a": "x"}]):
            assert Validator(schema).is_valid({name: value}) == shown.is_valid({name: value}), (name, value)


def test_by_get_references_lead_somewhere_too(app_of: AppOf) -> None:
    properties = {name: {"$ref": ref} for name, ref in zip(NAMES, ("#/$defs/n", "#/$defs/n%20m") * 2, strict=True)}
    defined = {"n": {"type": "number"}, "n m": {"type": "number"}}
    schema = {"$id": "https://a.example/iris", **OBJECT, "properties": properties, "$defs": defined}
    models = json.dumps({"models": {"m": {"file": "build/model.pkl", "input": schema}}})
    document = json.loads(
        app_of("routes: [{path: /p, model: m, methods: [GET]}]", models).test_client().get("/openapi.json").data
    )
    validate(document)
    led = [one["schema"]["$ref"].rpartition("/")[2] for one in document["paths"]["/p"]["get"]["parameters"]]
    assert ["N", "NM"] * 2 == led
    assert {*led} <= document["components"]["schemas"].keys()


def test_a_program_may_keep_it(app_of: AppOf) -> None:
    client = app_of(SERVICE, IRIS).test_client()
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert ("application/json", 304, b"") == (first.content_type, again.status_code, again.data)


def test_the_command_prints_the_same(app_of: AppOf, spec_folder: Path) -> None:
    shown = json.loads(app_of(SERVICE, IRIS).test_client().get("/openapi.json").data)
    done = subprocess.run(command("openapi"), cwd=spec_folder, capture_output=True, text=True, check=True)
    assert shown == json.loads(done.stdout)


def test_what_it_says_of_answers_is_what_they_are(document: dict[str, Any], spec_folder: Path) -> None:
    """The statuses that are named are those of the endpoints, by the spec that the document was made of."""
    spec = load_spec(spec_folder / "routes.yaml")
    compile_models(spec)
    for route in spec.routes:
        for case in route.cases if "<" not in route.path else ():
            for method in route.methods:
                assert str(case.response.status) in document["paths"][route.path][method.lower()]["responses"]


HOOKED = {**os.environ, "SCHEMATHESIS_HOOKS": "rows_hooks", "PYTHONPATH": str(ROOT / "tests" / "support")}


@pytest.fixture
def live(spec_folder: Path) -> Any:
    (spec_folder / "routes.yaml").write_text(SERVICE)
    (spec_folder / "models.yaml").write_text(IRIS)
    with serving(spec_folder, "-w", "1") as server:
        yield server


@pytest.mark.exhaustive
@pytest.mark.parametrize("examples", [8, pytest.param(100, marks=pytest.mark.soak)])
def test_schemathesis_finds_nothing(live: Server, tmp_path: Path, examples: int) -> None:
    url = f"http://127.0.0.1:{live.port}/openapi.json"
    arguments = ["run", url, "--checks", "all", "--max-examples", str(examples), "--no-color", "--seed", "1"]
    tool = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [tool, *arguments], cwd=tmp_path, env=HOOKED, capture_output=True, text=True, timeout=600, check=False
    )
    assert 0 == done.returncode, done.stdout
    assert "No issues found" in done.stdout


@pytest.mark.exhaustive
def test_schemathesis_finds_nothing_in_a_guarded_service(
    spec_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TEST_KEY", "key-0123456789abcdef")
    guards = "auth: {api_keys: [{name: ci, env: ENGINE_TEST_KEY}]}, cors: {origins: [https://a.example]}, "
    (spec_folder / "routes.yaml").write_text(SERVICE.replace("{title", f"{{{guards}rate_limit: 90000/second, title", 1))
    (spec_folder / "models.yaml").write_text(IRIS)
    with serving(spec_folder, "-w", "1") as server:
        url = f"http://127.0.0.1:{server.port}/openapi.json"
        arguments = ["run", url, "--checks", "all", "--max-examples", "4", "--no-color", "--seed", "1"]
        arguments += ["--header", "X-API-Key: key-0123456789abcdef"]
        tool = Path(sys.executable).with_name("schemathesis")
        done = subprocess.run(
            [tool, *arguments], cwd=tmp_path, env=HOOKED, capture_output=True, text=True, timeout=300, check=False
        )
    assert 0 == done.returncode, done.stdout
    assert "No issues found" in done.stdout


@pytest.mark.exhaustive
def test_a_generated_client_predicts(live: Server, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_bytes(live.request("GET", "/openapi.json")[2])
    tool = Path(sys.executable).with_name("openapi-python-client")
    arguments = ["generate", "--path", "openapi.json", "--output-path", "iris_client", "--meta", "none"]
    path = f"{tool.parent}:{os.environ['PATH']}"
    made = subprocess.run(
        [tool, *arguments], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    said = made.stdout + made.stderr
    assert 0 == made.returncode, said
    rows = {f"Unsupported content type {media_type}" for media_type in ("application/x-ndjson", "text/csv")}
    assert said.count("WARNING") == sum(map(said.count, rows)), said
    program = f"""
from iris_client import Client
from iris_client.api.models import get_predict, post_predict
from iris_client.models import IrisInstance, IrisInstances
client = Client(base_url="http://127.0.0.1:{live.port}")
flower = dict(sepal_length=5.9, sepal_width=3.0, petal_length=5.1, petal_width=1.8)
print(post_predict.sync(client=client, body=IrisInstance(**flower)).result)
print(post_predict.sync(client=client, body=IrisInstances(instances=[IrisInstance(**flower)] * 2)).result)
print(get_predict.sync(client=client, **flower).result)
print(post_predict.sync(client=client, body=IrisInstance(**{{**flower, "sepal_width": "wide"}})).errors[0].pointer)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "[2]\n[2, 2]\n[2]\n#/sepal_width\n" == done.stdout, done.stderr
