"""Whatever is sent to the routes of v1, MLflow and SageMaker, the answer is no failure, and has their form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from apps import build_app
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from modelling import NAMES
from wire_models import write_wire_service

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem
from engine.endpoints.protocols.python_json import read_python_json
from engine.schema import InstanceSchema
from engine.spec import load_spec

MODELS = ("species", "same", "line", "mood", "people")
KINDS = (
    "text/csv",
    "application/json",
    "text/csv; header=absent",
    "text/csv; header=present; charset=utf-8",
    "x/y",
    "",
)
MANY = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FlaskClient]:
    found = {}
    folder = tmp_path_factory.mktemp("wires")
    for model in MODELS:
        write_wire_service(folder, {"protocols": {"v1": {}, "mlflow": {"model": model}, "sagemaker": {"model": model}}})
        found[model] = build_app(load_spec(folder / "routes.yaml")).test_client()
    return found


def ask_all(clients: dict[str, FlaskClient], body: bytes, kind: str, accept: str = "") -> None:
    for model, client in clients.items():
        for path in (f"/v1/models/{model}:predict", "/invocations", f"/serving-endpoints/{model}/invocations"):
            answer = client.post(path, data=body, content_type=kind, headers={"Accept": accept})
            assert answer.status_code in (200, 400, 415, 422), answer.data
            if answer.status_code != 200:
                keys = ["error"] if path.startswith("/v1") else ["error_code", "message"]
                assert keys == list(answer.json)
                assert "application/json" == answer.headers["Content-Type"]


@MANY
@given(body=st.binary(max_size=300), kind=st.sampled_from(KINDS))
@example(body=b"[" * 5000, kind="")
@example(body=b'{"instances": ' + b"[" * 3000 + b"NaN" + b"]" * 3000 + b"}", kind="")
@example(body=b'{"inputs": [' + b"9" * 5000 + b", NaN]}", kind="")
@example(body=b'{"inputs": ["\\ud800", NaN]}', kind="")
@example(body=b'"\n"\n', kind="text/csv")
@example(body=b"\x00,\x00\n", kind="text/csv")
@example(body=b"\xef\xbb\xbf", kind="text/csv")
def test_no_bytes_are_a_failure(clients: dict[str, FlaskClient], body: bytes, kind: str) -> None:
    ask_all(clients, body, kind)


FEATURES = st.sampled_from([*NAMES, "plan", "age", "score", "member", "x", ""])
VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from(["a", "good day", ""])
CELLS = VALUES | st.lists(VALUES, max_size=2)
JSONS = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(FEATURES, inner, max_size=5), max_leaves=10
)
ROWS = st.lists(CELLS, min_size=1, max_size=5)
COLUMNS = st.dictionaries(FEATURES, st.lists(CELLS, max_size=2) | CELLS, max_size=6)
LISTS = st.lists(ROWS | COLUMNS | CELLS | st.tuples(COLUMNS), max_size=4)
SPLIT = st.fixed_dictionaries(
    {"data": LISTS | JSONS}, optional={"columns": st.lists(FEATURES, max_size=5) | JSONS, "index": JSONS, "x": JSONS}
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "instances": LISTS | COLUMNS | JSONS,
        "inputs": LISTS | COLUMNS | JSONS,
        "dataframe_split": SPLIT | JSONS,
        "dataframe_records": st.lists(COLUMNS, max_size=3) | JSONS,
        "params": JSONS,
    },
)


@settings(MANY, max_examples=300)
@given(
    body=OBJECTS | LISTS | JSONS,
    accept=st.sampled_from(
        ["", "*/*", "text/csv", "application/json", "text/csv;q=x", "text/csv, application/json;q=0"]
    ),
)
def test_no_json_is_a_failure(clients: dict[str, FlaskClient], body: Any, accept: str) -> None:
    ask_all(clients, json.dumps(body).encode(), "application/json", accept)


@settings(MANY, max_examples=200)
@given(
    lines=st.lists(
        st.lists(FEATURES | st.sampled_from(["1", "2.5", "true", "NaN", "1e999", '"', "a;b", "é"]), max_size=5)
    ),
    separator=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    kind=st.sampled_from(KINDS[:3]),
)
def test_no_csv_is_a_failure(
    clients: dict[str, FlaskClient], lines: list[list[str]], separator: str, ending: str, kind: str
) -> None:
    body = ending.join(separator.join(cells) for cells in lines)
    ask_all(clients, body.encode(), kind, "text/csv")


@given(
    value=st.recursive(
        VALUES | st.text(alphabet='N"a\\ ,[]{}'),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='Na"\\'), inner),
    )
)
def test_what_the_json_module_writes_is_read_with_null_for_nan(value: Any) -> None:
    """Integers beyond 64 bits become floats, as in every body, and infinity is none of JSON's values."""
    text = json.dumps(value)
    expected = json.loads(text, parse_constant=lambda name: None if name == "NaN" else name, parse_int=_read_integer)
    try:
        found = read_python_json(Request("POST", body=text.encode()), InstanceSchema(document=True))
    except Problem as problem:
        assert "Infinity" in text, problem
    else:
        assert expected == found


def _read_integer(text: str) -> int | float:
    number = int(text)
    return number if -(2**63) <= number < 2**64 else float(text)
