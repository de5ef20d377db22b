"""A worker's way to the handler and the Flask app's answer alike, byte for byte and header for header."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import joblib
import numpy as np
import pytest
from apps import build_app
from handler_door import Door
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelling import NAMES, ROW, X, y
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from werkzeug.test import Client

from engine.flask_app import App
from engine.handling import Incoming
from engine.models import compile_models
from engine.spec import load_spec

INSTANCE = dict(zip(NAMES, (5.9, 3.0, 5.1, 1.8), strict=True))
MODELS = {
    "models": {
        "iris": {
            "file": "build/model.pkl",
            "input": {
                "type": "object",
                "required": list(NAMES),
                "properties": {name: {"type": "number"} for name in NAMES},
            },
            "output": {"labels": ["setosa", "versicolor", "virginica"], "probabilities": True},
        }
    }
}
HEADERS = st.dictionaries(st.sampled_from(["X-A", "Cache-Control", "Content-Type"]), st.sampled_from(["a", "no-store"]))
BODIES = st.fixed_dictionaries({"json": st.none() | st.integers() | st.just({"hello": "world"})}) | st.sampled_from(
    [{"text": "é"}, {"html": "<p>${path.x}</p>"}, {"file": "logo.svg"}, {}]
)
RESPONSES = st.builds(
    lambda body, status, headers: {**body, "headers": headers, **({"status": status} if status else {})},
    BODIES,
    st.sampled_from([None, 200, 201, 404, 418, 503]),
    HEADERS,
)
ANSWERS = st.one_of(
    st.builds(lambda response: {"response": response}, RESPONSES),
    st.builds(
        lambda response, strict: {
            "response": response,
            "methods": ["POST", "PUT"],
            "input": {"type": "object", "required": ["stars"], "properties": {"stars": {"type": "integer"}}},
            "strict_content_type": strict,
        },
        RESPONSES,
        st.booleans(),
    ),
    st.builds(
        lambda strict, methods: {"model": "iris", "strict_content_type": strict, "methods": methods},
        st.booleans(),
        st.sampled_from([["POST"], ["GET"], ["GET", "PUT"]]),
    ),
    st.just({"response": {"status": 204}}),
    st.just({"response": {"text": "posted"}, "methods": ["POST", "DELETE"]}),
)
PATHS = ["/", "/a", "/a/", "/b/<x>", "/b/c", "/é", "/Ã©", "/n/<int:x>"]
REQUEST_BODIES = st.sampled_from(
    [
        *(
            b"",
            b"{}",
            b"{",
            b"[]",
            b'{"stars": NaN}',
            gzip.compress(b'{"stars": 3}'),
            b'{"stars": 3}',
            b'{"stars": "x"}',
            b" ",
            b"\xff",
            b'{"stars": 3}' + b" " * 3000,
        ),
        json.dumps(INSTANCE).encode(),
        json.dumps({"instances": [INSTANCE] * 3}).encode(),
        json.dumps({**INSTANCE, "petal_width": 1e39}).encode(),
    ]
)


QUERIES = st.sampled_from(["a=b", "", urlencode(INSTANCE), urlencode({**INSTANCE, "petal_width": "wide"}), "a=%FF"])


KEY = "key-0123456789abcdef"
AUTH = {"auth": {"api_keys": [{"name": "ci", "env": "ENGINE_TEST_LANE_KEY"}]}}
CORS = {"cors": {"origins": ["https://a.example"], "credentials": True, "expose": ["ETag"]}}


@pytest.fixture(scope="module", autouse=True)
def _key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGINE_TEST_LANE_KEY", KEY)
        yield


def test_routes_whose_names_are_bytes_of_each_other_are_not_taken_for_each_other(app_of: Any) -> None:
    """`/é` in UTF-8 are the bytes of `/Ã©` in Latin-1, as which WSGI shows them."""
    app = app_of(
        json.dumps(
            {
                "service": AUTH,
                "routes": [
                    {"path": "/é", "response": "behind a key", "auth": ["ci"]},
                    {"path": "/Ã©", "response": "for everybody", "auth": False},
                ],
            }
        )
    )
    client = Client(Door(app))
    assert [401, 200] == [client.get(path).status_code for path in ("/é", "/Ã©")]
    assert "behind a key" == client.get("/é", headers={"X-API-Key": KEY}).text


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    paths = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=5, unique=True))
    routes = [{"path": path, **draw(ANSWERS)} for path in paths]
    for route in routes:
        if "model" in route:  # whose path parameters are features
            route["path"] = route["path"].replace("<x>", "<sepal_length>").replace("<int:x>", "<int:petal_width>")
        if "<x>" not in route["path"] and "html" in (route.get("response") or {}):
            route["response"]["html"] = "<p>plain</p>"
        if "<int:x>" in route["path"] and "model" not in route and "html" in route["response"]:
            route["response"]["html"] = "<p>${path.x}</p>"
    errors = draw(st.sampled_from(["problem", "html"]))
    guards = draw(st.sampled_from([{}, AUTH, CORS, {**AUTH, **CORS}]))
    return {"service": {"errors": errors, "limits": {"body": 2000}, **guards}, "routes": routes}


def sometimes(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str | None:
    return draw(values) if draw(st.integers(0, 3)) == 0 else None


@st.composite
def requests(draw: st.DrawFn, spec: dict[str, Any]) -> dict[str, Any]:
    """Mostly a request that a route of the spec is for, in part with something odd about it."""
    route = draw(st.sampled_from(spec["routes"]))
    path = route["path"].replace("<x>", "d").replace("<int:x>", "7")
    path = path.replace("<sepal_length>", "5.5").replace("<int:petal_width>", "1").encode().decode("latin-1")
    methods = route.get("methods") or (["POST"] if "model" in route else ["GET"])
    method = draw(st.sampled_from(methods))
    body = draw(REQUEST_BODIES) if method != "GET" or draw(st.integers(0, 3)) == 0 else b""
    length = sometimes(draw, st.sampled_from(["0", "", "1999", "-1", "x", "+3", "٣", "03", "1"])) or str(len(body))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": sometimes(draw, st.sampled_from(["HEAD", "OPTIONS", "TRACE", "get", "POST"])) or method,
        "PATH_INFO": sometimes(draw, st.sampled_from(["//a", "/A", "", "/nix", "/n/x"])) or path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": draw(QUERIES),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "5000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": length,
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
    }
    optional = {
        "HTTP_HOST": st.sampled_from(["localhost:5000", "a..b", "a b", "x" * 70, "[::1]:80", ""]),
        "HTTP_ACCEPT": st.sampled_from(["*/*", "text/html", "application/json", "text/html;q=0.1"]),
        "HTTP_IF_NONE_MATCH": st.just("*"),
        "HTTP_ORIGIN": st.sampled_from(["https://a.example", "https://b.example"]),
        "HTTP_ACCESS_CONTROL_REQUEST_METHOD": st.just("GET"),
        "HTTP_X_REQUEST_ID": st.sampled_from(["abc-1", "a b", "x" * 200, "a\x1b[2J"]),
        "HTTP_TRACEPARENT": st.sampled_from([f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'0' * 32}-{'b' * 16}-01", "x"]),
        "HTTP_TRANSFER_ENCODING": st.just("chunked"),
        "HTTP_CONTENT_ENCODING": st.sampled_from(["gzip", "identity", "br"]),
        "CONTENT_TYPE": st.sampled_from(["application/json", "text/plain", ""]),
    }
    chosen = {name: sometimes(draw, values) for name, values in optional.items()}
    if "auth" in spec["service"] and draw(st.integers(0, 3)):
        chosen["HTTP_X_API_KEY"] = draw(st.sampled_from([KEY, KEY, KEY, "other", KEY * 2]))
    return environ | {name: value for name, value in chosen.items() if value is not None}


def answer(app: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:  # noqa: ARG001
        told[:] = [status, list(headers)]

    body = b"".join(app({**environ, "wsgi.input": io.BytesIO(environ["wsgi.input"])}, start_response))
    return told[0], told[1], body


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, iris_file: Path) -> Path:
    folder = tmp_path_factory.mktemp("worker")
    (folder / "build").mkdir()
    (folder / "build" / "model.pkl").write_bytes(iris_file.read_bytes())
    (folder / "logo.svg").write_text("<svg/>")
    (folder / "models.yaml").write_text(json.dumps(MODELS))
    return folder


def app_of(folder: Path, spec: dict[str, Any]) -> App:
    (folder / "routes.yaml").write_text(json.dumps(spec))
    loaded = load_spec(folder / "routes.yaml")
    return build_app(loaded, compile_models(loaded))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_doors_answer_alike(data: st.DataObject, folder: Path) -> None:
    spec = data.draw(specs())
    app = app_of(folder, spec)
    door = Door(app)
    for environ in data.draw(st.lists(requests(spec), min_size=4, max_size=12)):
        assert answer(app, environ) == answer(door, environ)


@pytest.mark.parametrize(
    ("body", "length", "status"),
    [
        (b'{"stars": 3}', "12", "201"),
        (b'{"stars": 3}' + b" " * 1988, "2000", "201"),
        (b'{"stars": 3}' + b" " * 1989, "2001", "413"),
        (b'{"stars": 3}', "1999", "400"),
    ],
)
def test_a_worker_keeps_to_limits_and_declared_lengths(folder: Path, body: bytes, length: str, status: str) -> None:
    schema = {"type": "object", "properties": {"stars": {"type": "integer"}}}
    route = {"path": "/", "input": schema, "response": {"status": 201}, "limits": {"body": 2000}}
    app = app_of(folder, {"routes": [route]})
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "CONTENT_LENGTH": length, "wsgi.input": body}
    environ |= {"SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "SERVER_PROTOCOL": "HTTP/1.1"}
    assert status == answer(Door(app), environ)[0][:3]
    assert answer(app, environ) == answer(Door(app), environ)


def test_only_what_takes_microseconds_is_quick(folder: Path) -> None:
    routes = [
        {"path": "/", "response": "Hello"},
        {"path": "/logo", "response": {"file": "logo.svg"}},
        {"path": "/feedback", "input": {"type": "object"}, "response": {"status": 201, "json": {"thanks": True}}},
        {"path": "/predict", "model": "iris"},
        {"path": "/hello/<name>", "response": "Hello ${path.name}"},
    ]
    handler = app_of(folder, {"routes": routes}).handler

    def is_quick(method: str, path: str, body: bytes, **headers: str) -> bool:
        incoming = Incoming({"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_LENGTH": str(len(body)), **headers})
        incoming.body = body
        return handler.quick(incoming) is not None

    body = json.dumps(INSTANCE).encode()
    quick = [("GET", "/", b""), ("GET", "/logo", b""), ("POST", "/feedback", b"{}"), ("POST", "/predict", body)]
    assert [True] * 4 == [is_quick(*one) for one in quick]
    slow = [("GET", "/hello/x", b""), ("POST", "/predict", b"{}"), ("POST", "/predict", body + b" " * 10_000)]
    assert [False] * 3 == [is_quick(*one) for one in slow]
    assert not is_quick("POST", "/feedback", gzip.compress(b"{}"), HTTP_CONTENT_ENCODING="gzip")


def test_a_failure_of_a_quick_answer_is_told_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(folder, {"routes": [{"path": "/predict", "model": "iris"}]})
    door = Door(app)
    asked: list[object] = []

    def fail(instances: object) -> None:
        asked.append(instances)
        raise ZeroDivisionError

    monkeypatch.setattr(app.handler.mounted[0].endpoint._asking, "_predict", fail)
    body = json.dumps(INSTANCE).encode()
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/predict", "CONTENT_LENGTH": str(len(body)), "wsgi.input": body}
    environ |= {"SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "SERVER_PROTOCOL": "HTTP/1.1"}
    status, _, told = answer(door, environ)
    assert status.startswith("500 ")
    request_id = json.loads(told)["request_id"]
    assert [request_id] == [record.args[0] for record in caplog.records]
    assert [[INSTANCE]] == asked


FAR = [1e308, -1e308, 1e308, 1e308]
NO_NUMBER = "the model's answer to this instance is not a finite number"


@pytest.mark.parametrize("runtime", ["auto", "sklearn"])
@pytest.mark.parametrize(
    ("estimator", "target", "keys"),
    [
        (LinearRegression(), y * 1e3, {}),
        (LinearRegression(), np.column_stack([y, y * 1e3]), {}),
        (GaussianNB(), y, {"output": {"probabilities": True}}),
        (GaussianNB(), np.where(y == 1, "null", "nullify"), {"output": {"probabilities": True}}),
    ],
)
def test_an_answer_that_json_cannot_carry_is_refused(
    estimator: Any, target: Any, keys: dict[str, Any], runtime: str, tmp_path: Path
) -> None:
    """NaN and infinity; a class that is called null is none of them."""
    joblib.dump(clone(estimator).fit(X, target), tmp_path / "m.pkl")
    model = {"file": "m.pkl", "input": ROW, "runtime": runtime, **keys}
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": model}}))
    app = app_of(tmp_path, {"routes": [{"path": "/", "model": "m"}]})
    near = X[60].tolist()
    for sent, expected in (
        (near, []),
        ({"instances": [near, near]}, []),
        (FAR, ["#"]),
        ({"instances": [near, FAR, near, FAR]}, ["#/instances/1", "#/instances/3"]),
    ):
        body = json.dumps(sent).encode()
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "CONTENT_LENGTH": str(len(body)), "wsgi.input": body}
        environ |= {"SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "SERVER_PROTOCOL": "HTTP/1.1"}
        status, _, told = answer(app, environ)
        assert status[:3] == ("422" if expected else "200")
        assert [{"pointer": at, "detail": NO_NUMBER} for at in expected] == json.loads(told).get("errors", [])
        assert answer(app, environ) == answer(Door(app), environ)
