"""Instances by v1: lists, objects, rows and columns are answered as the estimators answer, or told at their places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from apps import build_app
from flask.testing import FlaskClient
from modelling import NAMES
from wire_models import write_wire_service

from engine.spec import load_spec

ROWS = [[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3], [5.1, 3.5, 1.4, 0.2]]
NAMED = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
COLUMNS = {name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wires")
    write_wire_service(folder, {"title": "Wires", "protocols": ["v1"], "limits": {"instances": 4}})
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> FlaskClient:
    return build_app(load_spec(folder / "routes.yaml")).test_client()


def ask(client: FlaskClient, model: str, body: Any) -> tuple[int, Any]:
    answer = client.post(f"/v1/models/{model}:predict", json=body)
    assert "application/json" == answer.headers["Content-Type"]
    return answer.status_code, answer.json["predictions" if answer.status_code == 200 else "error"]


@pytest.mark.parametrize("key", ["instances", "inputs"])
@pytest.mark.parametrize(
    ("sent", "of"),
    [
        (NAMED, 3),
        (ROWS, 3),
        ([NAMED[0], ROWS[1], [NAMED[2]]], 3),
        ([[one] for one in NAMED], 3),
        (COLUMNS, 3),
        ({name: [[one] for one in column] for name, column in COLUMNS.items()}, 3),
        (NAMED[0], 1),
    ],
    ids=["objects", "rows", "mixed", "one-item lists", "columns", "nested columns", "one object"],
)
def test_each_form_is_answered_as_the_estimator_answers(
    client: FlaskClient, folder: Path, key: str, sent: Any, of: int
) -> None:
    expected = joblib.load(folder / "species.pkl").predict(pd.DataFrame(NAMED[:of])).tolist()
    assert (200, expected) == ask(client, "species", {key: sent})


def test_rows_and_columns_have_the_order_of_the_features_that_the_model_learnt(tmp_path: Path) -> None:
    """The properties of the input stand in another order."""
    write_wire_service(tmp_path, {"protocols": ["v1", "sagemaker"]})
    species = json.loads((tmp_path / "models.yaml").read_text())["models"]["species"]
    species["input"]["properties"] = dict(reversed(species["input"]["properties"].items()))
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"species": species}}))
    routes = {"service": {"protocols": ["v1", "sagemaker"]}, "routes": [{"path": "/s", "model": "species"}]}
    (tmp_path / "routes.yaml").write_text(json.dumps(routes))
    client = build_app(load_spec(tmp_path / "routes.yaml")).test_client()
    expected = joblib.load(tmp_path / "species.pkl").predict(pd.DataFrame(NAMED)).tolist()
    assert (200, expected) == ask(client, "species", {"instances": ROWS})
    lines = "".join(",".join(map(str, row)) + "\n" for row in ROWS)
    answer = client.post("/invocations", data=lines, content_type="text/csv")
    assert {"predictions": expected} == answer.json


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("same", [[1, 2, 3], [4, 5, 6]]),
        ("line", [1, 2.5]),
        ("line", [[1], [2.5]]),
        ("mood", ["good day", "bad day"]),
        ("mood", [["good day"], ["bad day"]]),
    ],
)
def test_arrays_numbers_and_texts_are_instances_too(client: FlaskClient, folder: Path, model: str, sent: Any) -> None:
    estimator = joblib.load(folder / f"{model}.pkl")
    rows = {"same": sent, "line": [[1], [2.5]], "mood": ["good day", "bad day"]}[model]
    expected = (estimator.transform if model == "same" else estimator.predict)(rows).tolist()
    assert (200, pytest.approx(expected) if model == "line" else expected) == ask(client, model, {"instances": sent})


MOST = "9.0 is greater than the maximum of 7.9"
LENGTHS = "the columns have different lengths: petal_length 3, petal_width 1, sepal_length 3, sepal_width 3"
NO_LIST = "expected a list of instances, or an object of columns"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"instances": [ROWS[0], [1, 2, 9.0, 3]]}, f"1 violation: #/instances/1/2: {MOST}"),
        ({"inputs": [NAMED[0] | {"petal_width": 9.0}]}, f"1 violation: #/inputs/0/petal_width: {MOST}"),
        ({"inputs": [[NAMED[0] | {"petal_width": 9.0}]]}, f"1 violation: #/inputs/0/0/petal_width: {MOST}"),
        ({"inputs": COLUMNS | {"petal_width": [9.0, 1, 1]}}, f"1 violation: #/inputs/petal_width/0: {MOST}"),
        ({"inputs": COLUMNS | {"petal_width": [1, [9.0], 1]}}, f"1 violation: #/inputs/petal_width/1/0: {MOST}"),
        ({"inputs": NAMED[0] | {"petal_width": 9.0}}, f"1 violation: #/inputs/petal_width: {MOST}"),
        ({"inputs": COLUMNS | {"petal_width": [1]}}, f"1 violation: #/inputs: {LENGTHS}"),
        (
            {"inputs": {name: COLUMNS[name] for name in NAMES[:3]} | {"petal_widht": [1, 2, 3]}},
            '1 violation: #/inputs: there is no column "petal_width" ("petal_widht" may be it, misspelt)',
        ),
        ({"inputs": COLUMNS | {"x": 3}}, "1 violation: #/inputs/x: expected a list of values, one for each instance"),
        ({"inputs": {}}, "1 violation: #/inputs: there are no columns"),
        ({"instances": [[1, 2]]}, f"1 violation: #/instances/0: expected 4 values, for {', '.join(NAMES)}; got 2"),
        ({"instances": 3}, f"1 violation: #/instances: {NO_LIST}"),
        ({"instances": None}, f"1 violation: #/instances: {NO_LIST}"),
        ({"instances": [3]}, "1 violation: #/instances/0: 3 must be an object"),
    ],
)
def test_violations_are_told_at_their_places(client: FlaskClient, body: Any, said: str) -> None:
    assert (422, said) == ask(client, "species", body)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, 'the body has no instances; send them as "instances" or "inputs"'),
        ([ROWS], 400, 'the body must be an object with "instances" or "inputs"'),
        ({"instances": [], "inputs": []}, 400, 'the body has "instances" and "inputs"; send only one of them'),
        ({"instances": []}, 400, "there are no instances; send at least 1"),
        ({"instances": ROWS * 2}, 422, "there are 6 instances; at most 4 are allowed"),
        ({"inputs": dict.fromkeys(NAMES, [1] * 5)}, 422, "there are 5 instances; at most 4 are allowed"),
    ],
)
def test_bodies_without_instances_are_told_so(client: FlaskClient, body: Any, status: int, said: str) -> None:
    assert (status, said) == ask(client, "species", body)


def test_a_model_of_arrays_has_no_columns(client: FlaskClient) -> None:
    assert (422, "1 violation: #/inputs: expected a list of instances") == ask(client, "same", {"inputs": {"a": [1]}})
    assert (422, '1 violation: #/inputs/1/1: "x" must be a number') == ask(
        client, "same", {"inputs": [[1, 2, 3], [1, "x", 3]]}
    )
    assert (422, '1 violation: #/inputs/1/0: "x" must be a number') == ask(client, "line", {"inputs": [1, ["x"]]})


def test_models_are_listed_and_named(client: FlaskClient) -> None:
    assert {"models": ["species", "same", "line", "mood", "people"]} == client.get("/v1/models").json
    assert {"name": "line", "ready": True} == client.get("/v1/models/line").json
    missing = client.get("/v1/models/none")
    assert (404, {"error": 'there is no model "none" (the models are: line, mood, people, same, species)'}) == (
        missing.status_code,
        missing.json,
    )
