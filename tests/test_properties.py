"""Open input spaces: any bytes as a spec, any bytes as a request."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import flask
import pytest
from apps import build_app
from conftest import ROOT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from judging import judge
from werkzeug.test import create_environ, run_wsgi_app

from engine import SpecError, create_app
from engine.spec import grammar, load_spec

SETTINGS = settings(
    max_examples=int(os.environ.get("ENGINE_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ROUTES = (ROOT / "routes.yaml").read_bytes()
MODELS = (ROOT / "models.yaml").read_bytes()


def keys_of(schema: Any) -> list[str]:
    found = list(schema.get("properties", ()))
    for part in [*schema.get("$defs", {}).values(), *schema.get("properties", {}).values()]:
        found += keys_of(part) if isinstance(part, dict) else []
    return found


KEYS = sorted(
    {*keys_of(grammar("routes")), *keys_of(grammar("models")), "type", "properties", "$ref", "pattern", "iris"}
)
WORDS = st.sampled_from(
    [*KEYS, "/", "/<x>", "/<int:x>", "GET", "POST", "iris", "object", "#", "${path.x}", "1 MiB", "${"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=5)
)
ROUTE = st.dictionaries(st.sampled_from(sorted(grammar("routes")["$defs"]["route"]["properties"])), VALUES, max_size=5)
GROUP = st.dictionaries(st.sampled_from(sorted(grammar("routes")["$defs"]["group"]["properties"])), VALUES, max_size=4)
NESTED = st.fixed_dictionaries({"routes": st.lists(ROUTE, max_size=2)}, optional={"prefix": WORDS, "auth": VALUES})
ENTRY = ROUTE | GROUP | NESTED | st.fixed_dictionaries({"include": WORDS | st.text()}, optional={"prefix": VALUES})
SPECS = st.fixed_dictionaries(
    {"routes": st.lists(st.fixed_dictionaries({"path": WORDS}, optional={"response": VALUES}) | ENTRY, max_size=4)},
    optional={"service": VALUES, "version": VALUES},
)
MODEL = st.fixed_dictionaries(
    {"file": st.just("build/model.pkl"), "input": VALUES},
    optional={"features": VALUES, "output": VALUES, "examples": VALUES, "response_method": WORDS, "trusted": VALUES},
)


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """The sample spec with a few of its bytes cut out, put in or replaced."""
    text = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text[start:end] = draw(
            st.binary(max_size=6) | st.sampled_from([b": ", b"- ", b"\n", b"&a ", b"*a", b"{", b"]", b"\t"])
        )
    return bytes(text)


@SETTINGS
@given(
    routes=st.binary() | st.text().map(str.encode) | mutated(ROUTES), models=st.none() | st.binary() | mutated(MODELS)
)
@example(routes=b"", models=b"")
@example(routes=b"routes:\n", models=None)
@example(routes=b"[" * 300, models=None)
@example(routes=b"&a [*a]", models=None)
@example(routes=b"\xef\xbb\xbfroutes: 1\r\r\n", models=None)
def test_any_bytes_as_a_spec_give_located_errors_or_a_working_app(
    routes: bytes, models: bytes | None, spec_folder: Path
) -> None:
    (spec_folder / "routes.yaml").write_bytes(routes)
    with contextlib.suppress(FileNotFoundError):
        (spec_folder / "models.yaml").unlink()
    if models is not None:
        (spec_folder / "models.yaml").write_bytes(models)
    judge(spec_folder)


@SETTINGS
@given(routes=SPECS | VALUES, model=MODEL | VALUES)
@example(routes={"routes": [{"input": {"$ref": "$ref"}}]}, model=[])
@example(routes={"routes": [{"input": {"$ref": "http://[", "$id": "%%%"}}]}, model=[])
def test_any_values_as_a_spec_give_located_errors_or_a_working_app(routes: Any, model: Any, spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text(json.dumps(routes))
    (spec_folder / "models.yaml").write_text(json.dumps({"models": {"iris": model}}))
    judge(spec_folder)


@SETTINGS
@given(value=VALUES)
def test_any_json_file_means_what_json_says(value: Any, tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(json.dumps({"routes": [{"path": "/", "response": {"json": {"it": value}}}]}))
    try:
        app = create_app(tmp_path / "routes.yaml")
    except SpecError as error:
        assert all("${" in found.place.text for found in error.diagnostics)
        return
    assert literally(value) == json.loads(app.test_client().get("/").data)["it"]


def literally(value: Any) -> Any:
    """What a JSON body says once `$${` is a literal `${`."""
    if isinstance(value, str):
        return value.replace("$${", "${")
    if isinstance(value, list):
        return [literally(item) for item in value]
    return {key: literally(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.fixture(scope="module")
def service(iris_file: Path, tmp_path_factory: pytest.TempPathFactory) -> flask.Flask:
    folder = tmp_path_factory.mktemp("service")
    (folder / "models.yaml").write_bytes(MODELS.replace(b"build/", f"{iris_file.parent}/".encode()))
    (folder / "routes.yaml").write_bytes(ROUTES)
    spec = load_spec(folder / "routes.yaml")
    return build_app(spec)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers()
INSTANCE = st.dictionaries(
    st.sampled_from(["sepal_length", "sepal_width", "petal_length", "petal_width", "instances", "stars"]),
    NUMBERS | VALUES,
)
BODIES = st.binary() | (INSTANCE | VALUES | st.fixed_dictionaries({"instances": st.lists(INSTANCE, max_size=3)})).map(
    lambda value: json.dumps(value).encode()
)


@SETTINGS
@given(path=st.sampled_from(["/predict", "/feedback"]), body=BODIES, content_type=st.none() | st.text(max_size=20))
@example(path="/predict", body=b"[" * 5000, content_type=None)
@example(path="/predict", body=b'{"sepal_length": ' + b"9" * 5000 + b"}", content_type=None)
@example(path="/feedback", body=b'{"stars": ' + b"9" * 19 + b"}", content_type=None)
def test_any_bytes_as_a_body_give_2xx_or_4xx(
    path: str, body: bytes, content_type: str | None, service: flask.Flask
) -> None:
    headers = (
        {"Content-Type": content_type} if content_type and content_type.isprintable() and content_type.isascii() else {}
    )
    answer = service.test_client().post(path, data=body, headers=headers)
    assert answer.status_code // 100 in (2, 4), answer.text


@SETTINGS
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "BREW"]),
    path=st.text(st.characters(codec="utf-8"), max_size=40).map(lambda text: "/" + text),
    accept=st.sampled_from(["", "text/html", "application/json", "*/*;q=0.1", ";;;", "text/*;q=x"]),
)
def test_any_path_gives_an_answer_that_is_no_failure(method: str, path: str, accept: str, service: flask.Flask) -> None:
    environ = create_environ("/", method=method, headers={"Accept": accept})
    environ["PATH_INFO"] = path.encode().decode("latin-1")
    _, status, _ = run_wsgi_app(service, environ)
    assert int(status.split()[0]) < 500
