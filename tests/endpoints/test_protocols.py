"""`service: protocols`: which routes there are, who may use them, and what stands beside them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apps import build_app
from flask.testing import FlaskClient

from engine.commands.routes import describe_answer
from engine.endpoints import ServiceState
from engine.endpoints.monitoring.health import Status
from engine.endpoints.monitoring.metrics import Meter
from engine.errors import SpecError
from engine.spec import load_spec

KEYS = {"ci": "ci-0123456789abcdef", "other": "other-0123456789abcdef"}
AUTH = {"api_keys": [{"name": name, "env": f"ENGINE_TEST_{name.upper()}"} for name in KEYS]}
AIP = {"AIP_HEALTH_ROUTE": "/alive", "AIP_PREDICT_ROUTE": "/predict"}
INPUT = {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}}
ANSWERS = {"a": ("left", "right"), "b": ("right", "left")}
LIVEZ = (
    'path "/livez" of vertex is built in and answers the liveness check; move the built-in route under service: '
    '"built_in: {live: /other}" (false turns it off)'
)

Load = Callable[..., FlaskClient]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A spec with two stand-ins, and a model composed of them."""

    def load(service: dict[str, Any], routes: list[dict[str, Any]] | None = None, **variables: str) -> Any:
        for name, key in KEYS.items():
            monkeypatch.setenv(f"ENGINE_TEST_{name.upper()}", key)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        models: dict[str, Any] = {
            name: {
                "file": f"{name}.pkl",
                "stand_in": True,
                "input": INPUT,
                "examples": [{"input": {"x": x}, "result": result} for x, result in enumerate(results, 1)],
            }
            for name, results in ANSWERS.items()
        }
        models["both"] = {
            "switch": "kind",
            "to": {"l": "a", "r": "b"},
            "input": {
                "type": "object",
                "required": ["x", "kind"],
                "properties": {"x": {"type": "number"}, "kind": {"enum": ["l", "r"]}},
            },
        }
        (tmp_path / "models.yaml").write_text(json.dumps({"models": models}))
        written = routes or [{"path": "/own", "model": "a"}]
        (tmp_path / "routes.yaml").write_text(json.dumps({"service": service, "routes": written}))
        return load_spec(tmp_path / "routes.yaml")

    return load


@pytest.fixture
def load(spec: Callable[..., Any]) -> Load:
    return lambda *arguments, **variables: build_app(spec(*arguments, **variables)).test_client()


def test_every_model_is_served_or_those_that_are_named(spec: Callable[..., Any]) -> None:
    def paths(protocols: Any) -> list[str]:
        return [route.path for route in spec({"protocols": protocols}).built_in if route.wire and route.model]

    assert [f"/v1/models/{name}:predict" for name in ("a", "b", "both")] == paths(["v1"])
    assert ["/v1/models/b:predict"] == paths({"v1": {"models": ["b"]}})
    assert ["/invocations", "/serving-endpoints/b/invocations"] == paths({"mlflow": {"model": "b"}})
    shared = {"sagemaker": {"model": "b"}, "mlflow": {"model": "b"}}
    assert ["/invocations", "/endpoints/b/invocations", "/serving-endpoints/b/invocations"] == paths(shared)


def test_compositions_and_stand_ins_are_served(load: Load) -> None:
    client = load({"protocols": {"v1": {}, "sagemaker": {"model": "both"}}})
    for name, row in (("a", [1]), ("both", [1, "l"])):
        answer = client.post(f"/v1/models/{name}:predict", json={"instances": [row, row]})
        assert (200, {"predictions": ["left"] * 2}) == (answer.status_code, answer.json)
        assert "true" == answer.headers["X-Stand-In"]
    answer = client.post("/invocations", data="1,l\n1,r\n", content_type="text/csv", headers={"Accept": "text/csv"})
    assert (200, "left\nright\n") == (answer.status_code, answer.text)


def test_routes_are_listed_with_what_they_do(spec: Callable[..., Any]) -> None:
    both = {"mlflow": {"model": "a"}, "sagemaker": {"model": "a"}, "v1": {"models": ["a"]}}
    listed = {route.path: describe_answer(route) for route in spec({"protocols": both}).built_in if route.wire}
    assert {
        "/ping": "mlflow/sagemaker ready",
        "/health": "mlflow ready",
        "/version": "mlflow version",
        "/invocations": "mlflow/sagemaker infer: model a",
        "/serving-endpoints/a/invocations": "mlflow infer: model a",
        "/endpoints/a/invocations": "sagemaker infer: model a",
        "/": "v1 alive",
        "/v1/models": "v1 list",
        "/v1/models/a": "v1 model",
        "/v1/models/a:predict": "v1 infer: model a",
    } == listed


def test_the_root_is_alive_where_no_route_has_it(load: Load) -> None:
    service: dict[str, Any] = {"protocols": ["v1"]}
    assert {"status": "alive"} == load(service).get("/").json
    own = [{"path": "/", "response": {"text": "mine"}}, {"path": "/own", "model": "a"}]
    assert "mine" == load(service, own).get("/").text
    assert "text/html" in load(service | {"built_in": {"docs": "/"}}).get("/").content_type
    assert 404 == load({"protocols": {"mlflow": {"model": "a"}}}).get("/").status_code


def test_health_never_needs_a_key_and_all_else_does(load: Load) -> None:
    protocols = {
        "v1": {"auth": ["ci"]},
        "v2": {"auth": ["ci"]},
        "mlflow": {"model": "a", "auth": ["ci"]},
        "vertex": {"model": "a", "auth": ["ci"]},
    }
    client = load({"auth": AUTH, "protocols": protocols, "rate_limit": "5/hour"}, **AIP)
    open_paths = ("/", "/ping", "/health", "/alive", "/v2/health/live", "/v2/health/ready")
    for path in open_paths * 2:
        assert 200 == client.get(path).status_code, path
    said = "an API key is required: send it as Authorization: Bearer KEY, or as X-API-Key: KEY"
    refused = client.get("/version")
    assert (401, {"error_code": "UNAUTHENTICATED", "message": said}) == (refused.status_code, refused.json)
    refused = client.get("/v1/models/a")
    assert (401, {"error": said}) == (refused.status_code, refused.json)
    refused = client.post("/predict", json={"instances": [[1]]}, headers={"X-API-Key": KEYS["other"]})
    assert (403, ["error"]) == (refused.status_code, list(refused.json))
    answered = client.post("/predict", json={"instances": [[1]]}, headers={"Authorization": f"Bearer {KEYS['ci']}"})
    assert {"predictions": ["left"]} == answered.json


def test_without_its_own_keys_a_protocol_has_those_of_the_service(load: Load) -> None:
    client = load({"auth": AUTH, "protocols": {"v1": {}, "mlflow": {"model": "a", "auth": False}}})
    assert 401 == client.get("/v1/models").status_code
    assert 200 == client.get("/v1/models", headers={"X-API-Key": KEYS["other"]}).status_code
    assert 200 == client.post("/invocations", json={"inputs": [[1]]}).status_code


def test_rates_and_bodies_are_refused_in_the_form_of_the_protocol(load: Load) -> None:
    protocols = {"v1": {}, "mlflow": {"model": "a"}}
    service = {"rate_limit": "2/hour", "limits": {"body": "100 B"}, "protocols": protocols}
    client = load(service)
    body = {"inputs": [[1]] * 100}
    refused = [client.post(path, json=body) for path in ("/invocations", "/v1/models/a:predict", "/invocations")]
    assert [413, 413, 429] == [one.status_code for one in refused]
    said = ["BAD_REQUEST", None, "REQUEST_LIMIT_EXCEEDED"]
    assert said == [one.json.get("error_code") for one in refused]
    assert "error" in refused[1].json
    assert int(refused[2].headers["Retry-After"]) > 0


def test_error_bodies_and_pages_never_touch_protocols(load: Load) -> None:
    client = load(
        {
            "errors": "html",
            "error_bodies": {"default": {"text": "ours"}},
            "protocols": {"v1": {}, "mlflow": {"model": "a"}, "vertex": {"model": "a"}},
        },
        **AIP,
    )
    html = {"Accept": "text/html"}
    for path, method in (
        ("/v1/models/none", "get"),
        ("/v1/models/a", "post"),
        ("/predict", "get"),
        ("/predict", "post"),
    ):
        answer = getattr(client, method)(path, headers=html)
        assert ["error"] == list(answer.json), path
        assert "application/json" == answer.headers["Content-Type"]
    for path, method in (("/invocations", "get"), ("/invocations", "post"), ("/ping", "post")):
        answer = getattr(client, method)(path, headers=html)
        assert ["error_code", "message"] == list(answer.json), path
        assert "application/json" == answer.headers["Content-Type"]
    assert "ours" == client.get("/elsewhere", headers=html).text
    assert "ours" == client.post("/own", data="x").text


def test_errors_have_the_form_of_the_protocol_below_its_paths_but_not_those_of_own_routes(load: Load) -> None:
    protocols = {"v1": {}, "mlflow": {"model": "a"}, "sagemaker": {"model": "a"}}
    own = [{"path": "/endpoints/mine", "model": "a"}, {"path": "/v1/models/a/mine", "model": "a"}]
    client = load({"protocols": protocols}, own)
    for path in ("/endpoints/none/invocations", "/serving-endpoints/none/invocations"):
        answer = client.post(path)
        said = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": 'there is no model "none" (the only one is "a")'}
        assert (404, said) == (answer.status_code, answer.json)
    for route in own:
        assert "application/problem+json" == client.post(route["path"], json={}).content_type
    client = load({"protocols": {"mlflow": {"model": "a"}}})
    for path in ("/endpoints/none/invocations", "/v1/models/none", "/v2/none"):
        assert "application/problem+json" == client.post(path, headers={"Accept": "application/json"}).content_type


@pytest.mark.parametrize("protocols", [{}, {"protocols": ["v1"]}])
def test_without_protocols_nothing_of_them_is_imported(spec: Callable[..., Any], protocols: dict[str, Any]) -> None:
    folder = spec(protocols).folder
    code = (
        "import sys; from engine.flask_app import create_app; create_app(sys.argv[1] + '/routes.yaml');"
        "print(*sorted(name for name in sys.modules if 'endpoints.protocols' in name or 'batch.tensors' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert bool(protocols) == bool(done.stdout.strip()), done.stdout
    assert "protocols.v2" not in done.stdout


def test_while_the_service_stops_it_is_not_ready(spec: Callable[..., Any]) -> None:
    state = ServiceState(lambda: Status(ready=False, document={}), dict, Meter())
    protocols = {"v1": {}, "mlflow": {"model": "a"}, "vertex": {"model": "a"}}
    client = build_app(spec({"protocols": protocols}, **AIP), process=state).test_client()
    for path in ("/ping", "/health", "/alive", "/v1/models/a"):
        answer = client.get(path)
        assert (503, "1") == (answer.status_code, answer.headers["Retry-After"]), path
    assert {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "the service is stopping"} == client.get("/ping").json
    assert 200 == client.get("/").status_code


def test_vertex_has_the_paths_of_its_variables(load: Load) -> None:
    client = load({"protocols": {"vertex": {"model": "a"}}}, **AIP)
    assert 200 == client.get("/alive").status_code
    body = {"instances": [{"x": 1}], "parameters": {"any": 1}}
    assert {"predictions": ["left"]} == client.post("/predict", json=body).json


@pytest.mark.parametrize(
    ("protocols", "health", "predict"),
    [
        ({"v1": {}}, "/v1/models/a", "/v1/models/a:predict"),
        ({"mlflow": {"model": "a"}}, "/ping", "/invocations"),
        ({"v2": {}}, "/v2/health/ready", "/predict"),
        ({}, "/same", "/same"),
    ],
)
def test_vertex_may_have_the_paths_of_another_protocol(
    load: Load, protocols: dict[str, Any], health: str, predict: str
) -> None:
    """For health it needs no key then."""
    service = {"auth": AUTH, "protocols": {"vertex": {"model": "a"}, **protocols}}
    client = load(service, AIP_HEALTH_ROUTE=health, AIP_PREDICT_ROUTE=predict)
    assert 200 == client.get(health).status_code
    sent = {"json": {"instances": [[1]]}, "headers": {"X-API-Key": KEYS["ci"]}}
    assert {"predictions": ["left"]} == client.post(predict, **sent).json
    assert 401 == client.post(predict, json=sent["json"]).status_code


def test_requests_are_counted_by_their_routes(load: Load) -> None:
    client = load({"protocols": {"v1": {}, "sagemaker": {"model": "a"}}})
    client.post("/invocations", json={"inputs": [[1]]})
    client.post("/v1/models/a:predict", json={})
    counted = re.findall(r"requests_total\{([^}]*)\} 1\b", client.get("/metrics").text)
    assert any('"/invocations"' in one and '"200"' in one for one in counted), counted
    assert any('"/v1/models/a:predict"' in one and '"400"' in one for one in counted), counted


@pytest.mark.parametrize(
    ("protocols", "variables", "said"),
    [
        (
            {},
            {"AIP_HEALTH_ROUTE": "alive"},
            'path "alive" of vertex: a path must begin with "/"; change AIP_HEALTH_ROUTE',
        ),
        (
            {},
            {"AIP_PREDICT_ROUTE": "/<x>"},
            'path "/<x>" of vertex: it must not have path parameters; change AIP_PREDICT_ROUTE',
        ),
        (
            {"v2": {}},
            {"AIP_PREDICT_ROUTE": "/v2/models/a/infer"},
            "/v2/models/a/infer is a path of v2 too, and their requests differ; change AIP_PREDICT_ROUTE",
        ),
        (
            {"mlflow": {"model": "b"}},
            {"AIP_PREDICT_ROUTE": "/invocations"},
            "/invocations is a path of mlflow too, where it asks the model b, and here a; name the same model in both",
        ),
        (
            {},
            {"AIP_HEALTH_ROUTE": "/livez"},
            LIVEZ,
        ),
        (
            {},
            {"AIP_HEALTH_ROUTE": "/a\udcff"},
            'path "/a\\udcff" of vertex: a path cannot have the character U+DCFF; remove it; change AIP_HEALTH_ROUTE',
        ),
        (
            {},
            {"AIP_PREDICT_ROUTE": "/a\tb"},
            'path "/a\\tb" of vertex: a path cannot have the character U+0009; remove it; change AIP_PREDICT_ROUTE',
        ),
    ],
)
def test_paths_that_vertex_cannot_have_are_mistakes(
    spec: Callable[..., Any], protocols: dict[str, Any], variables: dict[str, str], said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        spec({"protocols": {**protocols, "vertex": {"model": "a"}}}, **{**AIP, **variables})
    (found,) = [one for one in caught.value.diagnostics if one.severity == "error"]
    assert said == found.message
    assert '"vertex"' == found.place.text[found.place.column - 1 :][: found.place.width]


def test_the_root_of_the_spec_is_its_own_also_for_vertex(spec: Callable[..., Any]) -> None:
    with pytest.raises(SpecError, match=r'path "/own" is a path of the protocol vertex under service: protocols'):
        spec({"protocols": {"vertex": {"model": "a"}}}, **{**AIP, "AIP_HEALTH_ROUTE": "/own"})


def test_a_page_of_another_origin_may_send_tensors_in_binary(load: Load) -> None:
    """And read how long the JSON of the answer is, whatever the spec says of other headers."""
    cors = {"origins": ["https://app.example.com"], "expose": ["X-Model"]}
    client = load({"cors": cors, "protocols": {"v2": {}, "v1": {}}})
    origin = {"Origin": "https://app.example.com"}
    asked = {**origin, "Access-Control-Request-Method": "POST"}
    for path, is_allowed in (("/v2/models/a/infer", True), ("/v1/models/a:predict", False)):
        preflight = client.options(path, headers=asked).headers
        assert is_allowed == ("Inference-Header-Content-Length" in preflight["Access-Control-Allow-Headers"])
        exposed = client.post(path, headers=origin).headers["Access-Control-Expose-Headers"]
        assert exposed == "X-Model, Inference-Header-Content-Length" if is_allowed else "X-Model"
